package hermod.broker.engine.embedded;

import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/**
 * Turns the journal's records into one write of the store's. The same records put again change nothing, and an older entry that comes late does not take a newer one's place.
 *
 * <p>What is added is only noted; {@link #write} puts it, the events stream by stream: RocksDB finds the place of a key much sooner when it is near the last one's. Nothing is allocated for an event.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Puts implements JournalRecords.Visitor, AutoCloseable {
    /** Below a stream's number, for the place of the record: in the order of streams, and within one in that of the journal. */
    private static final int PLACE_BITS = 28;

    private static final int RECORDS_MIN = 1_024;

    private final RocksStore store;
    private final PutBatch batch = new PutBatch();
    private final AuthorOrdinals authors;
    private final ByteBuffer key = ByteBuffer.allocateDirect(2 * Long.BYTES + 0x1_0000);
    private final ByteBuffer number = ByteBuffer.allocateDirect(Long.BYTES);

    /** The journal's batches that are not written yet; held until they are. */
    private final List<ByteBuf> held = new ArrayList<>();

    private long heldBytes;
    private long lastBatch;

    /** Their records, in the journal's order. */
    private ByteBuf[] sources = new ByteBuf[RECORDS_MIN];

    private int[] kinds = new int[RECORDS_MIN];
    private int[] starts = new int[RECORDS_MIN];
    private int[] lengths = new int[RECORDS_MIN];
    private int recordCount;

    /** Those with events: stream above {@link #PLACE_BITS}, place below. */
    private long[] order = new long[RECORDS_MIN];

    private final ChannelIndex channels;
    private final Map<ByteBuffer, Long> lastOffsets = new HashMap<>();
    private final Map<Long, Long> reservedEnds = new HashMap<>();
    private long version;
    private long writtenVersion;
    private long addedEvents;
    private long eventCount;

    Puts(RocksStore store) throws RocksDBException {
        this.store = store;
        authors = new AuthorOrdinals(store, batch);
        byte[] known = store.get(store.meta, StoreKeys.VERSION);
        version = known == null ? 0 : StoreKeys.asLong(known);
        writtenVersion = version;
        channels = new ChannelIndex(store, new ChannelIndex.Sink() {
            @Override
            public void put(int family, byte[] putKey, byte[] putValue) {
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

    /** Notes what a batch of the journal says. @param in borrowed; held until it is written. */
    void add(long number, ByteBuf in) throws RocksDBException {
        channels.add(number, in);
        int before = recordCount;
        try {
            JournalRecords.forEach(in, this);
        } catch (RuntimeException defect) {
            recordCount = before;
            throw defect;
        }
        held.add(in.retain());
        heldBytes += in.readableBytes();
        lastBatch = number;
    }

    @Override
    public void onRecord(int kind, ByteBuf in, int at, int bytes) {
        if (kind < StoreRecords.EVENTS || kind > StoreRecords.CHANNEL) {
            throw new IllegalStateException("a record of kind " + kind);
        }
        if (recordCount == kinds.length) {
            int larger = 2 * recordCount;
            sources = Arrays.copyOf(sources, larger);
            kinds = Arrays.copyOf(kinds, larger);
            starts = Arrays.copyOf(starts, larger);
            lengths = Arrays.copyOf(lengths, larger);
            order = new long[larger];
        }
        sources[recordCount] = in;
        kinds[recordCount] = kind;
        starts[recordCount] = at;
        lengths[recordCount] = bytes;
        recordCount++;
    }

    /** Bytes of the journal's batches that {@link #write} would write. */
    long bytes() {
        return heldBytes;
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
        if (held.isEmpty()) {
            return;
        }
        try {
            fill();
            try (WriteBatch made = batch.made()) {
                store.write(made);
            }
        } catch (RocksDBException | RuntimeException failed) {
            authors.forget();
            throw failed;
        } finally {
            batch.clear();
            lastOffsets.clear();
            reservedEnds.clear();
        }
        authors.onWritten();
        channels.onWritten();
        writtenVersion = version;
        eventCount += addedEvents;
        letGo();
    }

    private void letGo() {
        held.forEach(ByteBuf::release);
        held.clear();
        heldBytes = 0;
        Arrays.fill(sources, 0, recordCount, null);
        recordCount = 0;
    }

    private void fill() throws RocksDBException {
        int eventRecords = 0;
        for (int i = 0; i < recordCount; i++) {
            ByteBuf in = sources[i];
            int at = starts[i];
            switch (kinds[i]) {
                case StoreRecords.EVENTS -> order[eventRecords++] = (in.getLongLE(at) << PLACE_BITS) | i;
                case StoreRecords.STREAM -> putStream(in, at, lengths[i]);
                case StoreRecords.RESERVE -> putReserved(in.getLongLE(at), in.getLongLE(at + Long.BYTES));
                case StoreRecords.CHANNEL -> {} // the index has it
                default -> putState(in, at, lengths[i]);
            }
        }
        Arrays.sort(order, 0, eventRecords);
        addedEvents = 0;
        for (int i = 0; i < eventRecords; i++) {
            int place = (int) order[i] & ((1 << PLACE_BITS) - 1);
            putEvents(sources[place], starts[place], lengths[place]);
        }
        channels.finish();
        authors.putNew();
        for (Map.Entry<Long, Long> each : reservedEnds.entrySet()) {
            batch.put(
                    store.streamId, StoreKeys.stream(each.getKey(), StoreKeys.RESERVED), StoreKeys.of(each.getValue()));
        }
        if (version > writtenVersion) {
            batch.put(store.metaId, StoreKeys.VERSION, StoreKeys.of(version));
        }
        batch.put(store.metaId, StoreKeys.APPLIED, StoreKeys.of(lastBatch));
    }

    private void putEvents(ByteBuf in, int recordAt, int bytes) throws RocksDBException {
        long stream = in.getLongLE(recordAt);
        int end = recordAt + bytes;
        int at = recordAt + StoreRecords.EVENTS_HEAD_BYTES;
        while (at < end) {
            int entryBytes = StoredEntry.bytes(in, at);
            putEvent(in, at, entryBytes, stream, StoredEntry.offset(in, at));
            addedEvents++;
            at += entryBytes;
        }
    }

    /** An entry, and what finds it. An index of events more is a put more here. */
    private void putEvent(ByteBuf in, int at, int bytes, long stream, long offset) throws RocksDBException {
        batch.put(store.eventId, stream, offset, in, at, bytes);
        long producer = StoredEntry.producer(in, at);
        long sequence = StoredEntry.sequence(in, at);
        if (producer != 0 && sequence != 0) {
            batch.put(store.producerId, stream, producer, sequence, offset);
        }
        if (StoredEntry.isCountable(in, at)) {
            authors.onEntry(stream, StoredEntry.author(in, at), StoredEntry.authorOrdinal(in, at));
        }
        if (StoredEntry.keyBytes(in, at) > 0) {
            putLast(in, at, bytes, stream, offset);
        }
    }

    private void putLast(ByteBuf in, int at, int entryBytes, long stream, long offset) throws RocksDBException {
        int keyBytes = StoredEntry.keyBytes(in, at);
        byte[] lastKey = StoreKeys.of(stream, ByteBufUtil.getBytes(in, StoredEntry.keyAt(at), keyBytes));
        ByteBuffer mapKey = ByteBuffer.wrap(lastKey);
        Long known = lastOffsets.get(mapKey);
        if (known == null) {
            known = storedLastOffset(lastKey);
        }
        if (known > offset) {
            return;
        }
        lastOffsets.put(mapKey, offset);
        batch.put(store.lastId, lastKey, offset, in, at, entryBytes);
    }

    /** 0 where there is none. */
    private long storedLastOffset(byte[] lastKey) throws RocksDBException {
        key.clear().put(lastKey).flip();
        number.clear();
        return store.number(store.last, key, number);
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
        batch.put(store.streamId, StoreKeys.stream(stream, StoreKeys.INFO), info.array());
        batch.put(store.nameId, name.array(), StoreKeys.of(stream));
    }

    private void putReserved(long stream, long end) throws RocksDBException {
        Long known = reservedEnds.get(stream);
        if (known == null) {
            key.clear().put(StoreKeys.stream(stream, StoreKeys.RESERVED)).flip();
            number.clear();
            known = store.number(store.stream, key, number);
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
            batch.delete(store.stateId, stateKey);
        } else {
            int valueBytes = bytes - StoreRecords.STATE_HEAD_BYTES - spaceBytes - keyBytes;
            ByteBuffer stored = ByteBuffer.allocate(2 * Long.BYTES + valueBytes)
                    .putLong(changed)
                    .putLong(in.getLongLE(at + Long.BYTES))
                    .put(ByteBufUtil.getBytes(in, textAt + spaceBytes + keyBytes, valueBytes));
            batch.put(store.stateId, stateKey, stored.array());
        }
        version = Math.max(version, changed);
    }

    @Override
    public void close() {
        letGo();
    }
}
