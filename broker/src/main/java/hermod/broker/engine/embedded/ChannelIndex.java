package hermod.broker.engine.embedded;

import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.agrona.collections.Long2ObjectHashMap;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the entries of begun channels their positions, in the journal's order, in the same write as the entries: {@link Puts} asks it before it puts a batch of the journal.
 *
 * <p>A batch is looked at whole before anything of it gets a position: only looking asks the store and can fail, and what failed is tried again. What begins or ends in a batch does so before the batch's entries. What was added is put by {@link #finish}, again where a write failed, until it is written.
 *
 * <p>An entry that was appended again gets no second position. Offsets of a stream rise, so the highest one tells; for the few that come late the store is asked.
 */
@RunsOn(RunsOn.Owner.STORE)
final class ChannelIndex {
    private static final Logger LOG = LoggerFactory.getLogger(ChannelIndex.class);

    /** Places that are put as one value. */
    static final int PLACES_MAX = 256;

    static final int PLACE_BYTES = 2 * Long.BYTES;

    /** Streams that are remembered from one write to the next. */
    private static final int CURSORS_MAX = 1 << 16;

    /** Where puts go, and how to have written what was put for batches before. */
    interface Sink {
        void put(int family, byte[] key, byte[] value);

        void write() throws RocksDBException;
    }

    /** @param channel null for topics that have none. */
    private record Name(String org, @Nullable String channel) {}

    private record Place(long stream, long offset) {}

    private record Change(byte[] key, byte[] value) {}

    private static final class Log {
        final long number;
        final String org;
        final String channel;
        boolean isBegun;

        /** Positions below are of earlier lives, which were ended. */
        long start;

        long next;

        /** Not written yet; the last one's position is below {@link #next}. */
        ByteBuffer places = ByteBuffer.allocate(PLACES_MAX * PLACE_BYTES);

        boolean isGrown;

        Log(long number, String org, String channel, boolean isBegun, long start, long next) {
            this.number = number;
            this.org = org;
            this.channel = channel;
            this.isBegun = isBegun;
            this.start = start;
            this.next = next;
        }

        void add(long stream, long offset) {
            if (!places.hasRemaining()) {
                places = ByteBuffer.allocate(2 * places.capacity()).put(places.flip());
            }
            places.putLong(stream).putLong(offset);
            next++;
        }
    }

    /** A stream as the index sees it. */
    private static final class Cursor {
        final long stream;

        /** Null where its channel is not begun. */
        final @Nullable Log log;

        /** What is below was stored before the channel began, if at all. */
        final long first;

        /** The highest that was stored. */
        long last;

        boolean isNew;

        /** The highest one of the look of that number. */
        long lookedLast;

        long look;

        Cursor(long stream, @Nullable Log log, long first, long last) {
            this.stream = stream;
            this.log = log;
            this.first = first;
            this.last = last;
        }

        byte[] bytes() {
            return log == null ? new byte[0] : StoreKeys.of(log.start, first, last);
        }
    }

    /** Does something with an entry of a begun channel. */
    private interface Step {
        void onEntry(Cursor cursor, Log log, long offset) throws RocksDBException;
    }

    /** RocksDB's answer to a look-up; thrown on after the visit. */
    private static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final transient RocksDBException rocks;

        Failed(RocksDBException cause) {
            super(cause);
            rocks = cause;
        }
    }

    private final RocksStore store;
    private final Sink sink;
    private final Map<Long, Log> logs = new HashMap<>();
    private final Map<Name, Log> begun = new HashMap<>();
    private final Long2ObjectHashMap<Cursor> cursors = new Long2ObjectHashMap<>();

    /** Topics that the store does not have yet. */
    private final Map<Long, Name> newStreams = new HashMap<>();

    private final List<Log> grown = new ArrayList<>();
    private final Set<Log> untold = new LinkedHashSet<>();
    private final List<Cursor> newCursors = new ArrayList<>();

    /** Late entries of the batch that have a position, and with late ones in it all that got one. */
    private final Set<Place> known = new HashSet<>();

    /** Of logs, and of late entries; not written yet. */
    private final List<Change> newChanges = new ArrayList<>();

    private long added;
    private long look;
    private boolean hasChange;
    private boolean hasLate;
    private boolean isDamageTold;
    private volatile ChannelLog.@Nullable Listener listener;

    /** Reads what was begun before. */
    ChannelIndex(RocksStore store, Sink sink) throws RocksDBException {
        this.store = store;
        this.sink = sink;
        try (Slice upper = new Slice(new byte[] {StoreKeys.CHANNEL_INFO + 1});
                ReadOptions options = new ReadOptions().setIterateUpperBound(upper);
                RocksIterator all = store.db().newIterator(store.channel, options)) {
            for (all.seek(new byte[] {StoreKeys.CHANNEL_INFO}); all.isValid(); all.next()) {
                long number = ByteBuffer.wrap(all.key()).getLong(1);
                ChannelInfo info = ChannelInfo.of(all.value());
                byte[] next = store.get(store.channel, StoreKeys.channel(StoreKeys.CHANNEL_NEXT, number));
                add(new Log(
                        number,
                        info.org(),
                        info.channel(),
                        info.isBegun(),
                        info.start(),
                        next == null ? 1 : StoreKeys.asLong(next)));
            }
            all.status();
        }
    }

    private void add(Log log) {
        logs.put(log.number, log);
        if (log.isBegun) {
            begun.put(new Name(log.org, log.channel), log);
            untold.add(log);
        }
    }

    /** What was ever begun, with what the replay brought; until the thread starts. */
    List<ChannelChanges.Known> known() {
        return logs.values().stream()
                .map(log -> new ChannelChanges.Known(log.number, log.org, log.channel, log.isBegun))
                .toList();
    }

    /** Any thread; once. */
    void listener(ChannelLog.Listener told) {
        listener = told;
    }

    /** Adds what a batch of the journal says; the same batch again, after a failure, is added once. */
    void add(long batch, ByteBuf in) throws RocksDBException {
        if (batch == added) {
            return;
        }
        try {
            see(in);
        } catch (Failed failed) {
            throw failed.rocks;
        }
        added = batch;
    }

    private void see(ByteBuf in) throws RocksDBException {
        hasChange = false;
        JournalRecords.forEach(in, this::seeChange);
        if (hasChange) {
            // so that the store knows all that was before
            sink.write();
            cursors.clear();
            JournalRecords.forEach(in, this::change);
        }
        if (!begun.isEmpty()) {
            addEntries(in);
        }
    }

    private void addEntries(ByteBuf in) throws RocksDBException {
        hasLate = false;
        look++;
        JournalRecords.forEach(in, this::seeStream);
        forEachEntry(in, this::seeLate);
        known.clear();
        if (hasLate) {
            // as above
            sink.write();
            JournalRecords.forEach(in, this::seeStream);
            look++;
            forEachEntry(in, this::knowLate);
        }
        forEachEntry(in, this::place);
    }

    private void seeChange(int kind, ByteBuf in, int at, int bytes) {
        hasChange |= kind == StoreRecords.CHANNEL;
    }

    private void change(int kind, ByteBuf in, int at, int bytes) {
        if (kind != StoreRecords.CHANNEL) {
            return;
        }
        long number = in.getLongLE(at);
        boolean isBegin = in.getByte(at + StoreRecords.CHANNEL_BEGUN_AT) != 0;
        int orgBytes = in.getUnsignedShortLE(at + StoreRecords.CHANNEL_ORG_BYTES_AT);
        int textAt = at + StoreRecords.CHANNEL_HEAD_BYTES;
        String org = in.toString(textAt, orgBytes, StandardCharsets.UTF_8);
        String channel = in.toString(
                textAt + orgBytes, bytes - StoreRecords.CHANNEL_HEAD_BYTES - orgBytes, StandardCharsets.UTF_8);
        Log log = logs.get(number);
        if (log == null) {
            log = new Log(number, org, channel, false, 1, 1);
            add(log);
        }
        if (log.isBegun != isBegin) {
            log.isBegun = isBegin;
            log.start = log.next;
            if (isBegin) {
                begun.put(new Name(org, channel), log);
            } else {
                begun.remove(new Name(org, channel));
            }
        }
        ChannelInfo info = new ChannelInfo(isBegin, log.start, org, channel);
        newChanges.add(new Change(StoreKeys.channel(StoreKeys.CHANNEL_INFO, number), info.bytes()));
        newChanges.add(new Change(StoreKeys.channelName(org, channel), StoreKeys.of(number)));
    }

    private void seeStream(int kind, ByteBuf in, int at, int bytes) {
        if (kind == StoreRecords.STREAM) {
            int orgBytes = in.getUnsignedShortLE(at + Long.BYTES + Integer.BYTES);
            int textAt = at + StoreRecords.STREAM_HEAD_BYTES;
            int topicBytes = bytes - StoreRecords.STREAM_HEAD_BYTES - orgBytes;
            newStreams.put(
                    in.getLongLE(at),
                    nameOf(
                            in.toString(textAt, orgBytes, StandardCharsets.UTF_8),
                            in.toString(textAt + orgBytes, topicBytes, StandardCharsets.UTF_8)));
        }
    }

    private static Name nameOf(String org, String topic) {
        return new Name(org, ChannelLog.channelOf(topic));
    }

    private void forEachEntry(ByteBuf batch, Step step) {
        JournalRecords.forEach(batch, (kind, in, recordAt, bytes) -> {
            if (kind != StoreRecords.EVENTS) {
                return;
            }
            try {
                long stream = in.getLongLE(recordAt);
                int end = recordAt + bytes;
                if (recordAt + StoreRecords.EVENTS_HEAD_BYTES >= end) {
                    return;
                }
                Cursor cursor = cursor(stream, StoredEntry.offset(in, recordAt + StoreRecords.EVENTS_HEAD_BYTES));
                Log log = cursor.log;
                if (log == null) {
                    return;
                }
                for (int at = recordAt + StoreRecords.EVENTS_HEAD_BYTES; at < end; at += StoredEntry.bytes(in, at)) {
                    step.onEntry(cursor, log, StoredEntry.offset(in, at));
                }
            } catch (RocksDBException failed) {
                throw new Failed(failed);
            }
        });
    }

    /** @param offset of the entry it is wanted for. */
    private Cursor cursor(long stream, long offset) throws RocksDBException {
        Cursor cursor = cursors.get(stream);
        if (cursor == null) {
            cursor = load(stream, offset);
            cursors.put(stream, cursor);
        }
        return cursor;
    }

    private Cursor load(long stream, long offset) throws RocksDBException {
        Name name = newStreams.get(stream);
        boolean isNew = name != null;
        if (name == null) {
            byte[] info = get(store.stream, StoreKeys.stream(stream, StoreKeys.INFO));
            if (info != null) {
                StreamInfo known = StreamInfo.of(info);
                name = nameOf(known.org(), known.topic());
            }
        }
        Log log = name == null ? null : begun.get(name);
        if (log == null) {
            return new Cursor(stream, null, 0, 0);
        }
        byte[] stored = get(store.channel, StoreKeys.channel(StoreKeys.CHANNEL_STREAM, stream));
        if (stored != null) {
            ByteBuffer in = ByteBuffer.wrap(stored);
            // else it is of an earlier life
            if (in.getLong() == log.start) {
                return new Cursor(stream, log, in.getLong(), in.getLong());
            }
        }
        long last = isNew ? 0 : lastOffset(stream, offset);
        return new Cursor(stream, log, last + 1, last);
    }

    /** Null also where what stands there is damaged. Then an entry that is appended again may get a second position, but none is left without, and the other streams' need not wait. */
    private byte @Nullable [] get(ColumnFamilyHandle family, byte[] key) throws RocksDBException {
        try {
            return store.get(family, key);
        } catch (RocksDBException failed) {
            onDamage(failed);
            return null;
        }
    }

    private void onDamage(RocksDBException failed) throws RocksDBException {
        if (RocksStore.faultOf(failed) != EngineFault.CORRUPT) {
            throw failed;
        }
        if (!isDamageTold) {
            isDamageTold = true;
            LOG.error("what the channels' index needs is damaged; it goes on without: {}", failed.getMessage());
        }
    }

    /** The highest that is stored of a stream, or was; 0 for none. Where that is damaged, what is below the offset counts as stored. */
    private long lastOffset(long stream, long offset) throws RocksDBException {
        try {
            return lastOffset(stream);
        } catch (RocksDBException failed) {
            onDamage(failed);
            return offset - 1;
        }
    }

    private long lastOffset(long stream) throws RocksDBException {
        try (Slice lower = new Slice(StoreKeys.of(stream, 0));
                ReadOptions options = new ReadOptions().setIterateLowerBound(lower);
                RocksIterator events = store.db().newIterator(store.event, options)) {
            events.seekForPrev(StoreKeys.of(stream, Long.MAX_VALUE));
            events.status();
            long stored = events.isValid() ? ByteBuffer.wrap(events.key()).getLong(Long.BYTES) : 0;
            return Math.max(stored, retained(stream).end() - 1);
        }
    }

    private Retained retained(long stream) throws RocksDBException {
        return Retained.of(get(store.stream, StoreKeys.stream(stream, StoreKeys.RETAINED)));
    }

    private void seeLate(Cursor cursor, Log log, long offset) {
        hasLate |= isLate(cursor, offset);
    }

    private boolean isLate(Cursor cursor, long offset) {
        if (cursor.look != look) {
            cursor.look = look;
            cursor.lookedLast = cursor.last;
        }
        if (offset <= cursor.lookedLast) {
            return true;
        }
        cursor.lookedLast = offset;
        return false;
    }

    private void knowLate(Cursor cursor, Log log, long offset) throws RocksDBException {
        if (isLate(cursor, offset) && hasPosition(cursor, log, offset)) {
            known.add(new Place(cursor.stream, offset));
        }
    }

    /** The store has all of the batches before. */
    private boolean hasPosition(Cursor cursor, Log log, long offset) throws RocksDBException {
        if (offset < cursor.first) {
            byte[] position = get(store.channel, StoreKeys.channelLate(cursor.stream, offset));
            return position != null && StoreKeys.asLong(position) >= log.start;
        }
        return get(store.event, StoreKeys.of(cursor.stream, offset)) != null
                || offset < retained(cursor.stream).firstOffset();
    }

    private void place(Cursor cursor, Log log, long offset) {
        if (hasLate && !known.add(new Place(cursor.stream, offset))) {
            return;
        }
        if (offset > cursor.last) {
            cursor.last = offset;
            if (!cursor.isNew) {
                cursor.isNew = true;
                newCursors.add(cursor);
            }
        } else if (offset < cursor.first) {
            newChanges.add(new Change(StoreKeys.channelLate(cursor.stream, offset), StoreKeys.of(log.next)));
        }
        log.add(cursor.stream, offset);
        if (!log.isGrown) {
            log.isGrown = true;
            grown.add(log);
        }
    }

    /** Puts what was added and is not written; what is added later goes into the next write. */
    void finish() throws RocksDBException {
        for (Change change : newChanges) {
            sink.put(store.channelId, change.key(), change.value());
        }
        for (Log log : grown) {
            putPlaces(log);
            sink.put(store.channelId, StoreKeys.channel(StoreKeys.CHANNEL_NEXT, log.number), StoreKeys.of(log.next));
        }
        for (Cursor cursor : newCursors) {
            sink.put(store.channelId, StoreKeys.channel(StoreKeys.CHANNEL_STREAM, cursor.stream), cursor.bytes());
        }
    }

    private void putPlaces(Log log) throws RocksDBException {
        byte[] places = log.places.array();
        int bytes = log.places.position();
        long position = log.next - bytes / PLACE_BYTES;
        for (int at = 0; at < bytes; at += PLACES_MAX * PLACE_BYTES) {
            byte[] chunk = Arrays.copyOfRange(places, at, Math.min(bytes, at + PLACES_MAX * PLACE_BYTES));
            sink.put(store.placeId, StoreKeys.of(log.number, position + at / PLACE_BYTES), chunk);
        }
    }

    /** What was put is in the store. */
    void onWritten() {
        newStreams.clear();
        newChanges.clear();
        for (Cursor cursor : newCursors) {
            cursor.isNew = false;
        }
        newCursors.clear();
        for (Log log : grown) {
            log.places.clear();
            log.isGrown = false;
            untold.add(log);
        }
        grown.clear();
        if (cursors.size() > CURSORS_MAX) {
            cursors.clear();
        }
    }

    /** Says what can be read since. */
    void tellGrown() {
        if (untold.isEmpty()) {
            return;
        }
        ChannelLog.Listener told = listener;
        for (Log log : untold) {
            try {
                if (told != null && log.isBegun) {
                    told.onGrown(log.number, log.next);
                }
            } catch (RuntimeException defect) {
                LOG.error("who reads channel {} of {} can't be told", log.channel, log.org, defect);
            }
        }
        untold.clear();
    }
}
