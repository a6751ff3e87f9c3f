package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.Retention;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.rocksdb.WriteBatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Removes what need not be kept: events from the front of their streams, with what the index of producers has of them, and values whose time is over.
 *
 * <p>Appends and reads go on beside it: a step is one small write, of at most {@value #STEP_COUNT} events, and says in the same write what the first offset is from now on. The last entries of keys stay.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Retainer {
    private static final Logger LOG = LoggerFactory.getLogger(Retainer.class);
    private static final int STEP_COUNT = 4_096;

    /** Fewer events than this are deleted one by one: a range costs every later read a little, until it is compacted away. */
    private static final int RANGE_COUNT_MIN = 128;

    private static final int EXPIRED_COUNT_MAX = 4_096;

    private final LiveStore live;
    private final Readers readers;
    private final Changes changes;
    private final Retention.Rules rules;
    private final ReadOptions uncached;
    private final ByteBuffer head = ByteBuffer.allocateDirect(StoredEntry.FIXED_BYTES);
    private final ByteBuf entry = Unpooled.wrappedBuffer(head);
    private final Map<Long, Tally> tallies = new HashMap<>();

    /** The opening of the store that {@link #tallies} were counted in. */
    private long openCount;

    private volatile boolean isEnding;
    private volatile long removedCount;

    /** What a stream has, so far as it was counted; only of streams with a limit of events or bytes. */
    private static final class Tally {
        /** Nothing at or above was counted. */
        long end;

        long events;
        long bytes;
    }

    Retainer(LiveStore live, Readers readers, Changes changes, Retention.Rules rules) {
        this.live = live;
        this.readers = readers;
        this.changes = changes;
        this.rules = rules;
        uncached = new ReadOptions().setFillCache(false);
    }

    /** Events removed since the start. */
    long removedCount() {
        return removedCount;
    }

    /** Has a round that is under way end soon; any thread. */
    void end() {
        isEnding = true;
    }

    /** After the last round. */
    void close() {
        uncached.close();
    }

    /** Looks at every stream and every value once; ends early where the store is to be opened again. */
    void round() throws RocksDBException {
        LiveStore.Lease lease = live.lease(0);
        if (lease == null) {
            return;
        }
        try (lease) {
            if (openCount != live.openCount()) {
                // what was removed and not flushed is back, and is counted again
                tallies.clear();
                openCount = live.openCount();
            }
            round(lease.store());
        }
    }

    private void round(RocksStore store) throws RocksDBException {
        try (RocksIterator streams = store.db().newIterator(store.stream, uncached)) {
            for (streams.seekToFirst(); streams.isValid() && isGoingOn(); streams.next()) {
                byte[] key = streams.key();
                if (key[Long.BYTES] == StoreKeys.INFO) {
                    try {
                        look(store, StoreKeys.asLong(key), streams.value());
                    } catch (RocksDBException failed) {
                        // one that is damaged is no reason to keep all of the others
                        if (readers.onFailed(failed) != EngineFault.CORRUPT) {
                            return;
                        }
                    }
                }
            }
            streams.status();
        }
        expireValues(store);
    }

    private boolean isGoingOn() {
        return !isEnding && !live.isWanted();
    }

    private void look(RocksStore store, long stream, byte[] info) throws RocksDBException {
        ByteBuffer in = ByteBuffer.wrap(info).position(Integer.BYTES);
        int orgBytes = in.getShort() & 0xFFFF;
        int textAt = in.position();
        String org = new String(info, textAt, orgBytes, StandardCharsets.UTF_8);
        String topic = new String(info, textAt + orgBytes, info.length - textAt - orgBytes, StandardCharsets.UTF_8);
        Retention retention = rules.of(org, topic);
        boolean isCounted = retention.events() != Long.MAX_VALUE || retention.bytes() != Long.MAX_VALUE;
        if (!isCounted) {
            tallies.remove(stream);
            if (retention.ageUs() == Long.MAX_VALUE) {
                return;
            }
        }
        try (Slice upper = new Slice(StoreKeys.of(stream + 1, 0));
                ReadOptions options = new ReadOptions().setFillCache(false).setIterateUpperBound(upper);
                RocksIterator events = store.db().newIterator(store.event, options)) {
            Retained retained = Retained.of(store.get(store.stream, StoreKeys.stream(stream, StoreKeys.RETAINED)));
            Tally tally = new Tally();
            if (isCounted) {
                tally = tallies.computeIfAbsent(stream, any -> new Tally());
                count(stream, tally, retained, events);
            }
            trim(store, stream, tally, retained, retention, events);
        }
    }

    private void count(long stream, Tally tally, Retained retained, RocksIterator events) throws RocksDBException {
        for (events.seek(StoreKeys.of(stream, Math.max(tally.end, retained.firstOffset())));
                events.isValid() && isGoingOn();
                events.next()) {
            tally.events++;
            tally.bytes += readHead(events);
            tally.end = offset(events) + 1;
        }
        events.status();
    }

    private static long offset(RocksIterator events) {
        return ByteBuffer.wrap(events.key()).getLong(Long.BYTES);
    }

    /** @return bytes of the whole entry. */
    private int readHead(RocksIterator events) {
        head.clear();
        int bytes = events.value(head);
        head.clear();
        return bytes;
    }

    private void trim(
            RocksStore store, long stream, Tally tally, Retained retained, Retention retention, RocksIterator events)
            throws RocksDBException {
        long ageLine = retention.ageUs() == Long.MAX_VALUE ? Long.MIN_VALUE : ShardClock.wallUs() - retention.ageUs();
        events.seek(StoreKeys.of(stream, retained.firstOffset()));
        boolean isMore = true;
        while (isMore && isGoingOn()) {
            isMore = step(store, stream, tally, ageLine, retention, events);
        }
        events.status();
    }

    /** @return whether there may be more to remove. */
    private boolean step(
            RocksStore store, long stream, Tally tally, long ageLine, Retention retention, RocksIterator events)
            throws RocksDBException {
        long first = 0;
        long end = 0;
        long ordinal = 0;
        long storedAtUs = 0;
        int count = 0;
        long[] offsets = new long[RANGE_COUNT_MIN];
        try (WriteBatch batch = new WriteBatch()) {
            while (count < STEP_COUNT && events.isValid()) {
                int bytes = readHead(events);
                if (StoredEntry.storedAtUs(entry, 0) >= ageLine
                        && tally.events <= retention.events()
                        && tally.bytes <= retention.bytes()) {
                    break;
                }
                long offset = offset(events);
                first = count == 0 ? offset : first;
                end = offset + 1;
                ordinal = StoredEntry.ordinal(entry, 0);
                storedAtUs = StoredEntry.storedAtUs(entry, 0);
                if (StoredEntry.producer(entry, 0) != 0 && StoredEntry.sequence(entry, 0) != 0) {
                    batch.delete(
                            store.producer,
                            StoreKeys.of(stream, StoredEntry.producer(entry, 0), StoredEntry.sequence(entry, 0)));
                }
                if (count < offsets.length) {
                    offsets[count] = offset;
                }
                if (offset < tally.end) {
                    tally.events--;
                    tally.bytes -= bytes;
                }
                count++;
                events.next();
            }
            if (count == 0) {
                return false;
            }
            events.status();
            if (count < RANGE_COUNT_MIN) {
                for (int i = 0; i < count; i++) {
                    batch.delete(store.event, StoreKeys.of(stream, offsets[i]));
                }
            } else {
                batch.deleteRange(store.event, StoreKeys.of(stream, first), StoreKeys.of(stream, end));
            }
            batch.put(
                    store.stream,
                    StoreKeys.stream(stream, StoreKeys.RETAINED),
                    new Retained(end, end, ordinal, storedAtUs).bytes());
            store.write(batch);
        }
        removedCount += count;
        return count == STEP_COUNT;
    }

    private void expireValues(RocksStore store) throws RocksDBException {
        long nowUs = ShardClock.wallUs();
        int count = 0;
        try (RocksIterator values = store.db().newIterator(store.state, uncached)) {
            for (values.seekToFirst(); values.isValid() && count < EXPIRED_COUNT_MAX && isGoingOn(); values.next()) {
                head.clear();
                int unused = values.value(head);
                if (head.getLong(Long.BYTES) > nowUs) {
                    continue;
                }
                byte[] key = values.key();
                int spaceBytes = key[0] & 0xFF;
                changes.expire(
                        new String(key, 1, spaceBytes, StandardCharsets.UTF_8),
                        java.util.Arrays.copyOfRange(key, 1 + spaceBytes, key.length),
                        head.getLong(0),
                        EXPIRED);
                count++;
            }
            values.status();
        }
    }

    /** The next round tries again what could not be removed. */
    private static final Answer<KeyedState.Outcome> EXPIRED = new Answer<>() {
        @Override
        public void onDone(KeyedState.Outcome outcome) {}

        @Override
        public void onFault(EngineFault fault) {
            LOG.debug("an expired value stays: {}", fault.sentence());
        }
    };
}
