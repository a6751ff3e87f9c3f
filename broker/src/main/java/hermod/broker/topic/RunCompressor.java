package hermod.broker.topic;

import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.Lz4;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Makes the compressed form of a run, once for all subscribers that agreed to LZ4: one BATCH frame in a chunk of the same pool.
 *
 * <p>It costs the home shard's time, so that is bounded three ways: by the size of a run, by a share of the shard's time, and by not trying again where it did not pay. Only runs of batched channels are tried, of LOW or NORMAL, in which no event leaves a
 * device out.
 */
@RunsOn(Owner.SHARD)
public final class RunCompressor {
    private static final long ALLOWANCE_OVER_NS = TimeUnit.MILLISECONDS.toNanos(100);

    /** An event that expires sooner is sent plain, so that the outbox can leave it out when its time has passed. */
    private static final long TTL_US_MIN = TimeUnit.SECONDS.toMicros(10);

    private final ChunkPool pool;
    private final ShardClock clock;
    private final ShardMetrics metrics;
    private final BatchingConfig config;
    private final BatchTakers takers;
    private final long allowanceNsMax;
    private @Nullable ByteBuffer scratch;
    private @Nullable Chunk chunk;
    private int from;
    private int bytes;
    private long allowanceNs;
    private long filledNs;

    public RunCompressor(
            ChunkPool pool, ShardClock clock, ShardMetrics metrics, BatchingConfig config, BatchTakers takers) {
        this.pool = pool;
        this.clock = clock;
        this.metrics = metrics;
        this.config = config;
        this.takers = takers;
        allowanceNsMax = ALLOWANCE_OVER_NS * config.compressTimePercent() / 100;
        allowanceNs = allowanceNsMax;
        filledNs = clock.nowNs();
        if (config.compresses()) {
            // Now, because the first block of all loads native code, which takes longer than a shard may stand still.
            Lz4.load();
        }
    }

    /**
     * Makes the compressed form of a run if that is allowed and pays.
     *
     * @param log whose run it is, in {@code plain} from {@code plainFrom} to {@code plainTo}.
     * @param priority the highest of the run's events.
     * @param expiresAtUs when the first of them expires.
     * @return whether there is one: then {@link #chunk}, {@link #from} and {@link #to} tell where, until the next call.
     */
    public boolean compress(
            TopicLog log,
            Chunk plain,
            int plainFrom,
            int plainTo,
            int count,
            Priority priority,
            boolean hasExclusions,
            long expiresAtUs) {
        int plainBytes = plainTo - plainFrom;
        BatchWindow window = BatchWindows.of(log);
        if (window == null
                || plainBytes < config.compressFromBytes()
                || plainBytes > config.compressLimitBytes()
                || priority.compareTo(Priority.NORMAL) > 0
                || hasExclusions
                || expiresAtUs - clock.nowUs() < TTL_US_MIN
                || !config.compresses()
                || !takers.hasAny(log.channel())
                || !window.takesCompression()) {
            return false;
        }
        clock.update();
        long startNs = clock.nowNs();
        if (!isAllowed(startNs)) {
            metrics.add(Counter.RUNS_NOT_COMPRESSED, 1);
            return false;
        }
        int frameBytes = BatchFrame.write(
                plain.nio(), plainFrom, plainBytes, count, priority.code(), log.handle(), scratch(), 0);
        boolean isWorthIt = frameBytes <= plainBytes - plainBytes * config.compressSavePercent() / 100;
        window.noteCompression(isWorthIt);
        if (isWorthIt) {
            keep(frameBytes);
            metrics.add(Counter.RUNS_COMPRESSED, 1);
            metrics.add(Counter.COMPRESSION_SAVED_BYTES, plainBytes - frameBytes);
        }
        clock.update();
        // At most all of it at once: that the machine gave the time to somebody else was not ours.
        allowanceNs -= Math.min(clock.nowNs() - startNs, allowanceNsMax);
        return isWorthIt;
    }

    private boolean isAllowed(long nowNs) {
        long sinceNs = Math.min(ALLOWANCE_OVER_NS, nowNs - filledNs);
        allowanceNs = Math.min(allowanceNsMax, allowanceNs + sinceNs * config.compressTimePercent() / 100);
        filledNs = nowNs;
        return allowanceNs > 0;
    }

    private ByteBuffer scratch() {
        ByteBuffer buffer = scratch;
        if (buffer == null) {
            buffer = ByteBuffer.allocateDirect(BatchFrame.frameBytesMax(config.compressLimitBytes()))
                    .order(ByteOrder.LITTLE_ENDIAN);
            scratch = buffer;
        }
        return buffer;
    }

    private void keep(int frameBytes) {
        Chunk into = chunk;
        if (into == null || into.freeBytes() < frameBytes) {
            if (into != null) {
                // Not ours from here on, even if there is no memory for the next one.
                chunk = null;
                pool.retire(into);
            }
            into = pool.take(frameBytes, Integer.MAX_VALUE);
            chunk = into;
        }
        from = into.tail();
        bytes = frameBytes;
        into.buffer.putBytes(from, scratch(), 0, frameBytes);
        into.advance(frameBytes);
    }

    /** The chunk of the last compressed form, with the reference of this object: retained by whoever keeps it. */
    public Chunk chunk() {
        Chunk holds = chunk;
        if (holds == null) {
            throw new IllegalStateException("nothing was compressed");
        }
        return holds;
    }

    /** Index of its BATCH frame's first byte. */
    public int from() {
        return from;
    }

    /** Index behind its last byte. */
    public int to() {
        return from + bytes;
    }

    /** Gives the chunk back; before the pool is closed. */
    public void close() {
        if (chunk != null) {
            pool.retire(chunk);
            chunk = null;
        }
    }
}
