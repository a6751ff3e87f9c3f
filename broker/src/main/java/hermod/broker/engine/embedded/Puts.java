package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/**
 * Turns the journal's records into puts. The same records put again change nothing, and an older entry that comes late does not take a newer one's place.
 *
 * <p>Nothing is allocated for an event: keys and entries go to RocksDB from direct memory.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Puts implements JournalRecords.Visitor, AutoCloseable {
    private static final int KEY_BYTES_MAX = 2 * Long.BYTES + 0x1_0000;
    private static final int AUTHOR_SLOTS = 1 << 14;
    private static final int BATCH_BYTES = 1024 * 1024;

    private final RocksStore store;
    private final WriteBatch batch = new WriteBatch(BATCH_BYTES);
    private final ByteBuffer key = ByteBuffer.allocateDirect(KEY_BYTES_MAX);
    private final ByteBuffer number = ByteBuffer.allocateDirect(Long.BYTES);
    private ByteBuffer value = ByteBuffer.allocateDirect(64 * 1024);

    /** The records that are being put, and where {@code ByteBuf}'s index 0 is in them. */
    private ByteBuffer records = value;

    private int recordsAt;

    private final ChannelIndex channels;
    private final AuthorOrdinals authors = new AuthorOrdinals();
    private final Map<ByteBuffer, Long> lastOffsets = new HashMap<>();
    private final Map<Long, Long> reservedEnds = new HashMap<>();
    private long version;
    private boolean isVersionNew;
    private long eventCount;

    private record Author(long stream, long user) {}

    /** RocksDB's answer to a look-up; thrown on after the visit. */
    static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final transient RocksDBException rocks;

        Failed(RocksDBException cause) {
            super(cause);
            rocks = cause;
        }
    }

    Puts(RocksStore store) throws RocksDBException {
        this.store = store;
        byte[] known = store.get(store.meta, StoreKeys.VERSION);
        version = known == null ? 0 : StoreKeys.asLong(known);
        channels = new ChannelIndex(store, new ChannelIndex.Sink() {
            @Override
            public void put(org.rocksdb.ColumnFamilyHandle family, byte[] putKey, byte[] putValue)
                    throws RocksDBException {
                batch.put(family, putKey, putValue);
            }

            @Override
            public void write() throws RocksDBException {
                Puts.this.write();
            }
        });
    }

    ChannelIndex channels() {
        return channels;
    }

    /** Adds what a batch of the journal says. @param in borrowed. */
    void add(long number, ByteBuf in) throws RocksDBException {
        if (in.isDirect() && in.nioBufferCount() == 1) {
            records = in.nioBuffer();
        } else {
            records = ByteBuffer.allocateDirect(in.readableBytes());
            in.getBytes(in.readerIndex(), records);
            records.flip();
        }
        recordsAt = in.readerIndex();
        try {
            channels.add(number, in);
            JournalRecords.forEach(in, this);
        } catch (Failed failed) {
            throw failed.rocks;
        }
        put(store.meta, StoreKeys.APPLIED, StoreKeys.of(number));
    }

    /** Bytes that {@link #write} would write. */
    long bytes() {
        return batch.getDataSize();
    }

    /** Events put since the start, whether they were there or not. */
    long eventCount() {
        return eventCount;
    }

    /** The highest a value has. */
    long version() {
        return version;
    }

    /** Writes what was added, all or nothing; may be tried again. */
    void write() throws RocksDBException {
        finish();
        store.write(batch);
        batch.clear();
        authors.onWritten();
        lastOffsets.clear();
        channels.onWritten();
    }

    private void finish() throws RocksDBException {
        channels.finish();
        authors.putNew();
        for (Map.Entry<Long, Long> each : reservedEnds.entrySet()) {
            put(store.stream, StoreKeys.stream(each.getKey(), StoreKeys.RESERVED), StoreKeys.of(each.getValue()));
        }
        reservedEnds.clear();
        if (isVersionNew) {
            put(store.meta, StoreKeys.VERSION, StoreKeys.of(version));
            isVersionNew = false;
        }
    }

    @Override
    public void onRecord(int kind, ByteBuf in, int at, int bytes) {
        try {
            switch (kind) {
                case StoreRecords.EVENTS -> putEvents(in, at, bytes);
                case StoreRecords.STREAM -> putStream(in, at, bytes);
                case StoreRecords.RESERVE -> putReserved(in.getLongLE(at), in.getLongLE(at + Long.BYTES));
                case StoreRecords.STATE -> putState(in, at, bytes);
                case StoreRecords.CHANNEL -> {} // the index has it
                default -> throw new IllegalStateException("a record of kind " + kind);
            }
        } catch (RocksDBException failed) {
            throw new Failed(failed);
        }
    }

    private void putEvents(ByteBuf in, int recordAt, int bytes) throws RocksDBException {
        long stream = in.getLongLE(recordAt);
        int end = recordAt + bytes;
        int at = recordAt + StoreRecords.EVENTS_HEAD_BYTES;
        while (at < end) {
            int entryBytes = StoredEntry.bytes(in, at);
            long offset = StoredEntry.offset(in, at);
            key.clear().putLong(stream).putLong(offset).flip();
            batch.put(store.event, key, slice(at, entryBytes));
            putProducer(in, at, stream, offset);
            if (StoredEntry.isCountable(in, at)) {
                authors.onEntry(stream, StoredEntry.author(in, at), StoredEntry.authorOrdinal(in, at));
            }
            if (StoredEntry.keyBytes(in, at) > 0) {
                putLast(in, at, entryBytes, stream, offset);
            }
            eventCount++;
            at += entryBytes;
        }
    }

    private ByteBuffer slice(int at, int bytes) {
        int from = at - recordsAt;
        records.limit(from + bytes).position(from);
        return records;
    }

    private void putProducer(ByteBuf in, int at, long stream, long offset) throws RocksDBException {
        long producer = StoredEntry.producer(in, at);
        long sequence = StoredEntry.sequence(in, at);
        if (producer == 0 || sequence == 0) {
            return;
        }
        key.clear().putLong(stream).putLong(producer).putLong(sequence).flip();
        number.clear().putLong(offset).flip();
        batch.put(store.producer, key, number);
    }

    private void putLast(ByteBuf in, int at, int entryBytes, long stream, long offset) throws RocksDBException {
        int keyBytes = StoredEntry.keyBytes(in, at);
        byte[] copied = StoreKeys.of(stream, ByteBufUtil.getBytes(in, StoredEntry.keyAt(at), keyBytes));
        ByteBuffer mapKey = ByteBuffer.wrap(copied);
        Long known = lastOffsets.get(mapKey);
        if (known == null) {
            known = storedLastOffset(copied);
        }
        if (known > offset) {
            return;
        }
        lastOffsets.put(mapKey, offset);
        if (value.capacity() < Long.BYTES + entryBytes) {
            value = ByteBuffer.allocateDirect(2 * (Long.BYTES + entryBytes));
        }
        value.clear().putLong(offset).put(slice(at, entryBytes)).flip();
        key.clear().put(copied).flip();
        batch.put(store.last, key, value);
    }

    /** 0 where there is none. */
    private long storedLastOffset(byte[] lastKey) throws RocksDBException {
        key.clear().put(lastKey).flip();
        number.clear();
        return number(store.last);
    }

    /**
     * The number that stands under {@link #key}; 0 where there is none, and where what stands there is damaged: what is put takes its place. Waiting for it to read again would keep all other streams out of the store.
     */
    private long number(org.rocksdb.ColumnFamilyHandle family) throws RocksDBException {
        try {
            int found = store.db().get(family, store.plain(), key, number);
            return found == org.rocksdb.RocksDB.NOT_FOUND ? 0 : number.getLong(0);
        } catch (RocksDBException failed) {
            if (RocksStore.faultOf(failed) != EngineFault.CORRUPT) {
                throw failed;
            }
            return 0;
        }
    }

    private void putStream(ByteBuf in, int at, int bytes) throws RocksDBException {
        long stream = in.getLongLE(at);
        int orgBytes = in.getUnsignedShortLE(at + Long.BYTES + Integer.BYTES);
        int textAt = at + StoreRecords.STREAM_HEAD_BYTES;
        int topicBytes = bytes - StoreRecords.STREAM_HEAD_BYTES - orgBytes;
        ByteBuffer info = ByteBuffer.allocate(Integer.BYTES + Short.BYTES + orgBytes + topicBytes)
                .putInt(in.getIntLE(at + Long.BYTES))
                .putShort((short) orgBytes)
                .put(ByteBufUtil.getBytes(in, textAt, orgBytes + topicBytes));
        ByteBuffer name = ByteBuffer.allocate(orgBytes + 1 + topicBytes)
                .put(ByteBufUtil.getBytes(in, textAt, orgBytes))
                .put((byte) 0)
                .put(ByteBufUtil.getBytes(in, textAt + orgBytes, topicBytes));
        put(store.stream, StoreKeys.stream(stream, StoreKeys.INFO), info.array());
        put(store.name, name.array(), StoreKeys.of(stream));
    }

    private void putReserved(long stream, long end) throws RocksDBException {
        Long known = reservedEnds.get(stream);
        if (known == null) {
            key.clear().put(StoreKeys.stream(stream, StoreKeys.RESERVED)).flip();
            number.clear();
            known = number(store.stream);
        }
        reservedEnds.put(stream, Math.max(known, end));
    }

    private void putState(ByteBuf in, int at, int bytes) throws RocksDBException {
        long changed = in.getLongLE(at);
        int spaceBytes = in.getUnsignedByte(at + StoreRecords.STATE_SPACE_BYTES_AT);
        int keyBytes = in.getUnsignedShortLE(at + StoreRecords.STATE_KEY_BYTES_AT);
        int textAt = at + StoreRecords.STATE_HEAD_BYTES;
        byte[] stateKey = ByteBuffer.allocate(1 + spaceBytes + keyBytes)
                .put((byte) spaceBytes)
                .put(ByteBufUtil.getBytes(in, textAt, spaceBytes + keyBytes))
                .array();
        if (in.getByte(at + StoreRecords.STATE_DELETED_AT) != 0) {
            batch.delete(store.state, stateKey);
        } else {
            int valueBytes = bytes - StoreRecords.STATE_HEAD_BYTES - spaceBytes - keyBytes;
            ByteBuffer stored = ByteBuffer.allocate(2 * Long.BYTES + valueBytes)
                    .putLong(changed)
                    .putLong(in.getLongLE(at + Long.BYTES))
                    .put(ByteBufUtil.getBytes(in, textAt + spaceBytes + keyBytes, valueBytes));
            put(store.state, stateKey, stored.array());
        }
        if (changed > version) {
            version = changed;
            isVersionNew = true;
        }
    }

    private void put(org.rocksdb.ColumnFamilyHandle family, byte[] putKey, byte[] putValue) throws RocksDBException {
        batch.put(family, putKey, putValue);
    }

    @Override
    public void close() {
        batch.close();
    }

    /**
     * The last ordinals of (stream, author), so that one is put once for a batch, and none that is lower than what is stored.
     *
     * <p>A fixed number of slots by hash; one that is taken over by another author is put first.
     */
    private final class AuthorOrdinals {
        private final long[] streams = new long[AUTHOR_SLOTS];
        private final long[] users = new long[AUTHOR_SLOTS];
        private final long[] ordinals = new long[AUTHOR_SLOTS];
        private final boolean[] isNew = new boolean[AUTHOR_SLOTS];
        private final int[] newSlots = new int[AUTHOR_SLOTS];
        private int newCount;

        /** Put into the batch that is not written yet, where a look-up does not see them. */
        private final Map<Author, Long> displaced = new HashMap<>();

        void onEntry(long stream, long user, long ordinal) throws RocksDBException {
            int slot = slot(stream, user);
            if (streams[slot] != stream || users[slot] != user) {
                if (isNew[slot]) {
                    put(slot);
                    displaced.put(new Author(streams[slot], users[slot]), ordinals[slot]);
                }
                load(slot, stream, user);
            }
            if (ordinal > ordinals[slot]) {
                ordinals[slot] = ordinal;
                if (!isNew[slot]) {
                    isNew[slot] = true;
                    newSlots[newCount++] = slot;
                }
            }
        }

        private static int slot(long stream, long user) {
            long hash = (stream * 0x9E3779B97F4A7C15L ^ user) * 0xD6E8FEB86659FD93L;
            return (int) (hash >>> 50) & (AUTHOR_SLOTS - 1);
        }

        private void load(int slot, long stream, long user) throws RocksDBException {
            streams[slot] = stream;
            users[slot] = user;
            Long known = displaced.isEmpty() ? null : displaced.get(new Author(stream, user));
            if (known != null) {
                ordinals[slot] = known;
                return;
            }
            key.clear().putLong(stream).putLong(user).flip();
            number.clear();
            ordinals[slot] = number(store.author);
        }

        private void put(int slot) throws RocksDBException {
            key.clear().putLong(streams[slot]).putLong(users[slot]).flip();
            number.clear().putLong(ordinals[slot]).flip();
            batch.put(store.author, key, number);
        }

        void putNew() throws RocksDBException {
            for (int i = 0; i < newCount; i++) {
                put(newSlots[i]);
            }
        }

        void onWritten() {
            for (int i = 0; i < newCount; i++) {
                isNew[newSlots[i]] = false;
            }
            newCount = 0;
            displaced.clear();
        }
    }
}
