package hermod.broker.engine.embedded;

import hermod.broker.shard.RunsOn;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.rocksdb.WriteBatch;

/**
 * Removes places from the front of channels' logs: those of a life that was ended, those that were released, what is above the limit, and then those whose entries retention has removed.
 *
 * <p>As with events a step is one small write, which says in the same write what the first position is from now on.
 */
@RunsOn(RunsOn.Owner.STORE)
final class PlaceRetainer {
    private static final int STEP_COUNT = 4_096;

    /** Streams that are remembered within a round. */
    private static final int STREAMS_MAX = 1 << 16;

    /** Fewer are deleted one by one: a range costs every later read a little, until it is compacted away. */
    private static final int RANGE_COUNT_MIN = 128;

    private final long limitCount;

    /** Not kept over a restart: who reads says it again. */
    private final Map<Long, Long> released = new ConcurrentHashMap<>();

    /** @param limitCount places that a log has at most. */
    PlaceRetainer(long limitCount) {
        this.limitCount = limitCount;
    }

    /** Any thread. */
    void release(long channel, long below) {
        released.merge(channel, below, Math::max);
    }

    /** Looks at every log once. */
    void round(RocksStore store, BooleanSupplier isEnding) throws RocksDBException {
        Map<Long, Long> firstOffsets = new HashMap<>();
        Map<Long, ChannelInfo> infos = new HashMap<>();
        try (Slice upper = new Slice(new byte[] {StoreKeys.CHANNEL_INFO + 1});
                ReadOptions options = new ReadOptions().setIterateUpperBound(upper);
                RocksIterator all = store.db().newIterator(store.channel, options)) {
            for (all.seek(new byte[] {StoreKeys.CHANNEL_INFO}); all.isValid(); all.next()) {
                infos.put(ByteBuffer.wrap(all.key()).getLong(1), ChannelInfo.of(all.value()));
            }
            all.status();
        }
        released.keySet().retainAll(infos.keySet());
        for (Map.Entry<Long, ChannelInfo> each : infos.entrySet()) {
            trim(store, each.getKey(), each.getValue(), firstOffsets, isEnding);
        }
    }

    private void trim(
            RocksStore store, long channel, ChannelInfo info, Map<Long, Long> firstOffsets, BooleanSupplier isEnding)
            throws RocksDBException {
        long next = position(store, StoreKeys.channel(StoreKeys.CHANNEL_NEXT, channel));
        long first = position(store, StoreKeys.channel(StoreKeys.CHANNEL_FIRST, channel));
        long below =
                Math.max(Math.max(info.start(), next - limitCount), Math.min(next, released.getOrDefault(channel, 0L)));
        try (Slice upper = new Slice(StoreKeys.of(channel, next));
                ReadOptions options = new ReadOptions().setFillCache(false).setIterateUpperBound(upper);
                RocksIterator chunks = store.db().newIterator(store.place, options)) {
            // from the front, where a chunk may be that has places above the first one too
            chunks.seek(StoreKeys.of(channel, 0));
            boolean isMore = true;
            while (isMore && !isEnding.getAsBoolean()) {
                long kept = step(store, channel, first, below, chunks, firstOffsets);
                isMore = kept > first;
                first = kept;
            }
            chunks.status();
        }
    }

    private static long position(RocksStore store, byte[] key) throws RocksDBException {
        byte[] stored = store.get(store.channel, key);
        return stored == null ? 1 : StoreKeys.asLong(stored);
    }

    /** @return the first position that is kept. */
    private static long step(
            RocksStore store, long channel, long first, long below, RocksIterator chunks, Map<Long, Long> firstOffsets)
            throws RocksDBException {
        long kept = first;
        long removedFrom = 0;
        long removedEnd = 0;
        int count = 0;
        try (WriteBatch batch = new WriteBatch()) {
            byte[][] keys = new byte[RANGE_COUNT_MIN][];
            while (count < STEP_COUNT && chunks.isValid()) {
                long at = ByteBuffer.wrap(chunks.key()).getLong(Long.BYTES);
                ByteBuffer places = ByteBuffer.wrap(chunks.value());
                long end = at + places.remaining() / ChannelIndex.PLACE_BYTES;
                kept = Math.max(kept, at);
                kept = Math.max(kept, Math.min(below, end));
                while (kept < end
                        && isGone(store, places, (int) (kept - at) * ChannelIndex.PLACE_BYTES, firstOffsets)) {
                    kept++;
                }
                if (kept < end) {
                    break;
                }
                if (count < keys.length) {
                    keys[count] = chunks.key();
                }
                removedFrom = count == 0 ? at : removedFrom;
                removedEnd = end;
                count++;
                chunks.next();
            }
            chunks.status();
            if (kept == first) {
                return first;
            }
            if (count < RANGE_COUNT_MIN) {
                for (int i = 0; i < count; i++) {
                    batch.delete(store.place, keys[i]);
                }
            } else {
                batch.deleteRange(store.place, StoreKeys.of(channel, removedFrom), StoreKeys.of(channel, removedEnd));
            }
            batch.put(store.channel, StoreKeys.channel(StoreKeys.CHANNEL_FIRST, channel), StoreKeys.of(kept));
            store.write(batch);
        }
        return kept;
    }

    private static boolean isGone(RocksStore store, ByteBuffer places, int at, Map<Long, Long> firstOffsets)
            throws RocksDBException {
        long stream = places.getLong(at);
        Long firstOffset = firstOffsets.get(stream);
        if (firstOffset == null) {
            if (firstOffsets.size() == STREAMS_MAX) {
                firstOffsets.clear();
            }
            byte[] retained = store.get(store.stream, StoreKeys.stream(stream, StoreKeys.RETAINED));
            firstOffset = Retained.of(retained).firstOffset();
            firstOffsets.put(stream, firstOffset);
        }
        return places.getLong(at + Long.BYTES) < firstOffset;
    }
}
