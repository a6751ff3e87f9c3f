package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.Retention;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
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
 * <p>Appends and reads go on beside it: a step is one small write, of at most {@value #STEP_COUNT} events, and says in the same write what the first offset is from now on. The last entries of keys stay, but of keys that do not exist any more.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Retainer {
    private static final Logger LOG = LoggerFactory.getLogger(Retainer.class);
    private static final int STEP_COUNT = 4_096;

    /** Fewer events than this are deleted one by one: a range costs every later read a little, until it is compacted away. */
    private static final int RANGE_COUNT_MIN = 128;

    private static final int KEY_BYTES_MAX = 128;

    /** What is read of an entry. Of one with a key that is longer than the protocol's keys the time to live is not in it, and it goes by its age alone. */
    private static final int HEAD_BYTES = StoredEntry.FIXED_BYTES + KEY_BYTES_MAX + StoredEntry.FRAME_HEAD_BYTES;

    private static final int EXPIRED_COUNT_MAX = 4_096;

    private final LiveStore live;
    private final Readers readers;
    private final Changes changes;
    private final Retention.Rules rules;
    private final PlaceRetainer places;
    private final ReadOptions uncached;
    private final ByteBuffer head = ByteBuffer.allocateDirect(HEAD_BYTES);
    private final ByteBuf entry = Unpooled.wrappedBuffer(head);
    private final Map<Long, Tally> tallies = new HashMap<>();

    /** The opening of the store that {@link #tallies} were counted in. */
    private long openCount;

    private volatile Retention.Listener listener = (org, topic, firstOffset) -> {};

    /** Of the stream that something was removed from last. */
    private long keptFrom;

    private volatile boolean isEnding;
    private volatile long removedCount;

    /** What a stream has, so far as it was counted; only of streams with a limit of events or bytes. */
    private static final class Tally {
        /** Nothing at or above was counted. */
        long end;

        long events;
        long bytes;
    }

    /** An entry without a value, which may be the last of its key. */
    @SuppressWarnings("ArrayRecordComponent") // Handed on and compared by nobody.
    private record Gone(byte[] lastKey, long offset) {}

    /**
     * What is older goes.
     *
     * @param age of entries.
     * @param expiredAge of those whose own time is over.
     */
    private record Lines(long nowUs, long age, long expiredAge) {
        static Lines of(Retention retention, long nowUs) {
            return new Lines(nowUs, before(nowUs, retention.ageUs()), before(nowUs, retention.expiredAgeUs()));
        }

        private static long before(long nowUs, long ageUs) {
            return ageUs == Long.MAX_VALUE ? Long.MIN_VALUE : nowUs - ageUs;
        }

        /** Whether the entry's age is reason enough. */
        boolean areBehind(ByteBuf entry) {
            long storedAtUs = StoredEntry.storedAtUs(entry, 0);
            return storedAtUs < age || (storedAtUs < expiredAge && isExpired(entry));
        }

        /** Whether the entry's key does not exist, if this is its last. */
        boolean hasNoValue(ByteBuf entry) {
            return (StoredEntry.flags(entry, 0) & StoredEntry.FLAG_TOMBSTONE) != 0 || isExpired(entry);
        }

        private boolean isExpired(ByteBuf entry) {
            return StoredEntry.frameAt(entry, 0) + StoredEntry.FRAME_HEAD_BYTES <= HEAD_BYTES
                    && StoredEntry.expiresAtUs(entry, 0) <= nowUs;
        }
    }

    Retainer(LiveStore live, Readers readers, Changes changes, Retention.Rules rules, PlaceRetainer places) {
        this.live = live;
        this.readers = readers;
        this.changes = changes;
        this.rules = rules;
        this.places = places;
        uncached = new ReadOptions().setFillCache(false);
    }

    /** Any thread. */
    void onRemoved(Retention.Listener told) {
        listener = told;
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

    /** Looks at every stream, every channel's log and every value once; ends early where the store is to be opened again. */
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
                        // counted anew: it may have taken for removed what is not
                        tallies.remove(StoreKeys.asLong(key));
                        // one that is damaged is no reason to keep all of the others
                        if (readers.onFailed(failed) != EngineFault.CORRUPT) {
                            return;
                        }
                    }
                }
            }
            streams.status();
        }
        places.round(store, () -> !isGoingOn());
        expireValues(store);
    }

    private boolean isGoingOn() {
        return !isEnding && !live.isWanted();
    }

    private void look(RocksStore store, long stream, byte[] info) throws RocksDBException {
        StreamInfo known = StreamInfo.of(info);
        Retention retention = rules.of(known.org(), known.topic());
        boolean isCounted = retention.events() != Long.MAX_VALUE || retention.bytes() != Long.MAX_VALUE;
        if (!isCounted) {
            tallies.remove(stream);
            if (retention.ageUs() == Long.MAX_VALUE && retention.expiredAgeUs() == Long.MAX_VALUE) {
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
            long before = removedCount;
            trim(store, stream, tally, retained, retention, events);
            if (removedCount > before) {
                listener.onRemoved(known.org(), known.topic(), keptFrom);
            }
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
        Lines lines = Lines.of(retention, ShardClock.wallUs());
        events.seek(StoreKeys.of(stream, retained.firstOffset()));
        boolean isMore = true;
        while (isMore && isGoingOn()) {
            isMore = step(store, stream, tally, lines, retention, events);
        }
        events.status();
    }

    /** @return whether there may be more to remove. */
    private boolean step(
            RocksStore store, long stream, Tally tally, Lines lines, Retention retention, RocksIterator events)
            throws RocksDBException {
        long first = 0;
        long end = 0;
        long ordinal = 0;
        long storedAtUs = 0;
        int count = 0;
        long[] offsets = new long[RANGE_COUNT_MIN];
        List<Gone> gone = new ArrayList<>(0);
        try (WriteBatch batch = new WriteBatch()) {
            while (count < STEP_COUNT && events.isValid()) {
                int bytes = readHead(events);
                if (!lines.areBehind(entry) && tally.events <= retention.events() && tally.bytes <= retention.bytes()) {
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
                int keyBytes = StoredEntry.keyBytes(entry, 0);
                if (keyBytes > 0 && keyBytes <= KEY_BYTES_MAX && lines.hasNoValue(entry)) {
                    byte[] key = ByteBufUtil.getBytes(entry, StoredEntry.keyAt(0), keyBytes);
                    gone.add(new Gone(StoreKeys.of(stream, key), offset));
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
            // Whoever has not seen them is told that events are gone, and gets the state anew; first, so that none is
            // left behind.
            for (Gone each : gone) {
                store.removeLast(each.lastKey, each.offset);
            }
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
        keptFrom = end;
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
