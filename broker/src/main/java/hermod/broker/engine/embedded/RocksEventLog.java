package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.rocksdb.Snapshot;

/** Streams in the journal and behind it: appended to the one, read from the other. */
final class RocksEventLog implements EventLog {
    private static final int RECALLED_COUNT_MAX = 1_024;
    private static final long OFFSET_MAX = Long.MAX_VALUE;
    private static final int RECORD_BYTES = 64 * 1024;

    private final Journal journal;
    private final Readers readers;
    private final Changes changes;

    RocksEventLog(Journal journal, Readers readers, Changes changes) {
        this.journal = journal;
        this.readers = readers;
        this.changes = changes;
    }

    @Override
    public Appender appender(Completion completion) {
        return new JournalAppender(journal.source(completion));
    }

    /** A shard's: puts the stream's number before the entries. */
    private static final class JournalAppender implements Appender {
        private final Journal.Source source;
        private final ByteBuf record = Unpooled.buffer(RECORD_BYTES);

        JournalAppender(Journal.Source source) {
            this.source = source;
        }

        @Override
        public boolean hasRoom(boolean isUrgent, int bytes) {
            return source.hasRoom(isUrgent, StoreRecords.EVENTS_HEAD_BYTES + bytes);
        }

        @Override
        public long append(boolean isUrgent, long stream, ByteBuf entries) {
            StoreRecords.checkEntries(entries);
            record.clear().writeLongLE(stream).writeBytes(entries, entries.readerIndex(), entries.readableBytes());
            return append(isUrgent, StoreRecords.EVENTS);
        }

        @Override
        public long reserve(boolean isUrgent, long stream, long end) {
            record.clear().writeLongLE(stream).writeLongLE(end);
            return append(isUrgent, StoreRecords.RESERVE);
        }

        private long append(boolean isUrgent, int kind) {
            if (!source.hasRoom(isUrgent, record.readableBytes())) {
                throw new IllegalStateException("no room for " + record.readableBytes() + " bytes in the journal");
            }
            return source.append(isUrgent, kind, record);
        }

        @Override
        public void flush() {
            source.flush();
        }
    }

    @Override
    public void open(String org, String topic, int epoch, Answer<Opened> answer) {
        readers.ask(
                new Answer<@Nullable Opened>() {
                    @Override
                    public void onDone(@Nullable Opened known) {
                        if (known != null) {
                            answer.onDone(known);
                        } else {
                            changes.create(org, topic, epoch, answer, () -> open(org, topic, epoch, answer));
                        }
                    }

                    @Override
                    public void onFault(hermod.broker.engine.EngineFault fault) {
                        answer.onFault(fault);
                    }
                },
                store -> find(store, org, topic));
    }

    @Override
    public void find(String org, String topic, Answer<@Nullable Opened> answer) {
        readers.ask(answer, store -> find(store, org, topic));
    }

    private static @Nullable Opened find(RocksStore store, String org, String topic)
            throws RocksDBException, DamageException {
        byte[] number = store.get(store.name, StoreKeys.name(org, topic));
        if (number == null) {
            return null;
        }
        long stream = StoreKeys.asLong(number);
        byte[] info = store.get(store.stream, StoreKeys.stream(stream, StoreKeys.INFO));
        if (info == null) {
            throw new DamageException("stream " + stream + " has a name and nothing else");
        }
        try (View view = new View(store, stream)) {
            return view.opened(StreamInfo.of(info).epoch());
        }
    }

    /** A stream as it is at one moment. */
    private static final class View implements AutoCloseable {
        private final RocksStore store;
        final long stream;
        private final Snapshot snapshot;
        private final ReadOptions options;
        private final Slice lower;
        private final Slice upper;
        private final RocksIterator events;
        final Retained retained;
        private final long reservedEnd;

        View(RocksStore store, long stream) throws RocksDBException {
            this.store = store;
            this.stream = stream;
            snapshot = store.db().getSnapshot();
            options = new ReadOptions().setSnapshot(snapshot);
            try {
                retained = Retained.of(get(StoreKeys.RETAINED));
                byte[] reserved = get(StoreKeys.RESERVED);
                reservedEnd = reserved == null ? 0 : StoreKeys.asLong(reserved);
            } catch (RocksDBException failed) {
                options.close();
                store.db().releaseSnapshot(snapshot);
                throw failed;
            }
            lower = new Slice(StoreKeys.of(stream, retained.firstOffset()));
            upper = new Slice(StoreKeys.of(stream + 1, 0));
            options.setIterateLowerBound(lower).setIterateUpperBound(upper);
            events = store.db().newIterator(store.event, options);
        }

        private byte @Nullable [] get(byte what) throws RocksDBException {
            return store.db().get(store.stream, options, StoreKeys.stream(stream, what));
        }

        Opened opened(int epoch) throws RocksDBException, DamageException {
            if (!last()) {
                long next = Math.max(1, Math.max(retained.end(), reservedEnd));
                return new Opened(stream, epoch, firstOffset(), next, retained.ordinal(), retained.storedAtUs());
            }
            ByteBuf entry = Unpooled.wrappedBuffer(entry());
            long next = Math.max(offset() + 1, reservedEnd);
            long ordinal = StoredEntry.ordinal(entry, 0);
            long storedAtUs = StoredEntry.storedAtUs(entry, 0);
            return new Opened(stream, epoch, firstOffset(), next, ordinal, storedAtUs);
        }

        /** @return whether there is one. */
        boolean seek(long offset) throws RocksDBException {
            events.seek(StoreKeys.of(stream, Math.max(offset, retained.firstOffset())));
            return isAtEntry();
        }

        /** To the last one at or below the offset. */
        boolean seekBack(long offset) throws RocksDBException {
            if (offset < retained.firstOffset()) {
                return false;
            }
            events.seekForPrev(StoreKeys.of(stream, offset));
            return isAtEntry();
        }

        boolean last() throws RocksDBException {
            return seekBack(OFFSET_MAX);
        }

        boolean step(boolean isBackwards) throws RocksDBException {
            if (isBackwards) {
                events.prev();
            } else {
                events.next();
            }
            return isAtEntry();
        }

        private boolean isAtEntry() throws RocksDBException {
            if (events.isValid()) {
                return true;
            }
            events.status();
            return false;
        }

        long offset() {
            return ByteBuffer.wrap(events.key()).getLong(Long.BYTES);
        }

        byte[] entry() throws DamageException {
            byte[] entry = events.value();
            if (entry.length < StoredEntry.FIXED_BYTES
                    || StoredEntry.bytes(Unpooled.wrappedBuffer(entry), 0) != entry.length) {
                throw new DamageException("offset " + offset() + " of stream " + stream + " is no entry");
            }
            return entry;
        }

        long firstOffset() {
            return Math.max(1, retained.firstOffset());
        }

        @Override
        public void close() {
            events.close();
            options.close();
            lower.close();
            upper.close();
            store.db().releaseSnapshot(snapshot);
        }
    }

    @Override
    public void recall(long stream, long producer, long author, Answer<Recalled> answer) {
        readers.ask(answer, store -> {
            byte[] ordinal = store.get(store.author, StoreKeys.of(stream, author));
            long authorOrdinal = ordinal == null ? 0 : StoreKeys.asLong(ordinal);
            if (producer == 0) {
                return new Recalled(new long[0], new long[0], authorOrdinal);
            }
            long[] sequences = new long[RECALLED_COUNT_MAX];
            long[] offsets = new long[RECALLED_COUNT_MAX];
            int at = RECALLED_COUNT_MAX;
            try (Slice lower = new Slice(StoreKeys.of(stream, producer, 0));
                    ReadOptions options = new ReadOptions().setIterateLowerBound(lower);
                    RocksIterator index = store.db().newIterator(store.producer, options)) {
                index.seekForPrev(StoreKeys.of(stream, producer, -1));
                while (at > 0 && index.isValid()) {
                    at--;
                    sequences[at] = ByteBuffer.wrap(index.key()).getLong(2 * Long.BYTES);
                    offsets[at] = StoreKeys.asLong(index.value());
                    index.prev();
                }
                index.status();
            }
            return new Recalled(
                    java.util.Arrays.copyOfRange(sequences, at, RECALLED_COUNT_MAX),
                    java.util.Arrays.copyOfRange(offsets, at, RECALLED_COUNT_MAX),
                    authorOrdinal);
        });
    }

    @Override
    public void read(Order order, Answer<Page> answer) {
        readers.ask(answer, store -> {
            try (View view = new View(store, order.stream())) {
                long firstOffset = view.firstOffset();
                PageMaker page = new PageMaker(order.countMax(), order.bytesMax(), firstOffset);
                boolean isThere = order.isBackwards() ? view.seekBack(order.from()) : view.seek(order.from());
                while (isThere && (order.isBackwards() ? view.offset() >= order.end() : view.offset() < order.end())) {
                    if (!page.add(view.entry(), 0)) {
                        return page.page(false);
                    }
                    isThere = view.step(order.isBackwards());
                }
                return page.page(true);
            }
        });
    }

    /** Collects entries while they fit. */
    private static final class PageMaker {
        private final int countMax;
        private final int bytesMax;
        private final long firstOffset;
        private byte[] bytes = new byte[0];
        private int size;
        private int count;

        PageMaker(int countMax, int bytesMax, long firstOffset) {
            this.countMax = countMax;
            this.bytesMax = bytesMax;
            this.firstOffset = firstOffset;
        }

        /** @return false where it has no place. */
        boolean add(byte[] from, int at) {
            int entryBytes = from.length - at;
            if (count >= countMax || (count > 0 && entryBytes > bytesMax - size)) {
                return false;
            }
            if (bytes.length - size < entryBytes) {
                bytes = java.util.Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + entryBytes));
            }
            System.arraycopy(from, at, bytes, size, entryBytes);
            size += entryBytes;
            count++;
            return true;
        }

        Page page(boolean isEnd) {
            return new Page(
                    size == bytes.length ? bytes : java.util.Arrays.copyOf(bytes, size), count, firstOffset, isEnd);
        }
    }

    @Override
    public void offsetAt(long stream, long storedAtUs, Answer<Long> answer) {
        readers.ask(answer, store -> {
            try (View view = new View(store, stream)) {
                if (!view.last()) {
                    return Math.max(1, view.retained.end());
                }
                long last = view.offset();
                if (storedAtUs(view) < storedAtUs) {
                    return last + 1;
                }
                long low = view.firstOffset();
                long high = last;
                // the first entry at or above high is late enough; none below low is
                while (low < high) {
                    long middle = low + (high - low) / 2;
                    boolean unused = view.seek(middle);
                    if (storedAtUs(view) >= storedAtUs) {
                        high = middle;
                    } else {
                        low = view.offset() + 1;
                    }
                }
                boolean unused = view.seek(low);
                return view.offset();
            }
        });
    }

    private static long storedAtUs(View view) throws DamageException {
        return StoredEntry.storedAtUs(Unpooled.wrappedBuffer(view.entry()), 0);
    }

    @Override
    public void lastOfKeys(long stream, byte[] afterKey, int countMax, int bytesMax, Answer<Page> answer) {
        byte[] after = afterKey.clone();
        readers.ask(answer, store -> {
            long firstOffset;
            try (View view = new View(store, stream)) {
                firstOffset = view.firstOffset();
            }
            PageMaker page = new PageMaker(countMax, bytesMax, firstOffset);
            try (Slice upper = new Slice(StoreKeys.of(stream + 1));
                    ReadOptions options = new ReadOptions().setIterateUpperBound(upper);
                    RocksIterator keys = store.db().newIterator(store.last, options)) {
                byte[] from = StoreKeys.of(stream, after);
                for (keys.seek(from); keys.isValid(); keys.next()) {
                    if (after.length > 0 && java.util.Arrays.equals(keys.key(), from)) {
                        continue;
                    }
                    byte[] value = keys.value();
                    ByteBuf in = Unpooled.wrappedBuffer(value);
                    if (value.length < Long.BYTES + StoredEntry.FIXED_BYTES
                            || StoredEntry.bytes(in, Long.BYTES) != value.length - Long.BYTES) {
                        throw new DamageException("the last entry of a key of stream " + stream + " is no entry");
                    }
                    if ((StoredEntry.flags(in, Long.BYTES) & StoredEntry.FLAG_TOMBSTONE) == 0
                            && !page.add(value, Long.BYTES)) {
                        return page.page(false);
                    }
                }
                keys.status();
            }
            return page.page(true);
        });
    }

    /** The highest stream there is, or 0; while nothing is appended. */
    static long lastStream(RocksStore store) throws RocksDBException {
        return lastNumber(store, store.stream);
    }

    private static long lastNumber(RocksStore store, ColumnFamilyHandle family) throws RocksDBException {
        try (RocksIterator all = store.db().newIterator(family)) {
            all.seekToLast();
            if (all.isValid()) {
                return StoreKeys.asLong(all.key());
            }
            all.status();
            return 0;
        }
    }
}
