package hermod.bench.micro;

import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.Outbox;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.outbox.RunPool;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** One subscriber's outbox: runs offered and written to a sink that discards; for each run. The flush reads the clock and counts the delivery, as it does in the broker. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class OutboxBench {
    private static final int RUNS = 16;
    private static final int RUN_BYTES = 200;

    private final DiscardingSink sink = new DiscardingSink();
    private final ByteBuf chunk =
            PooledByteBufAllocator.DEFAULT.directBuffer(65_536).writeZero(65_536);
    private final Outbox outbox = new Outbox(
            new IndifferentOwner(),
            sink,
            new RunPool(),
            new Metrics(List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1)), 1, MetricsConfig.defaults())
                    .shard(0),
            new ShardClock(),
            OutboxConfig.defaults());
    private final Feed[] feeds = new Feed[RUNS];

    public OutboxBench() {
        for (int i = 0; i < RUNS; i++) {
            feeds[i] = new Feed(outbox, i + 1, 0, Priority.ofCode(i % Priority.COUNT), 0, 1);
        }
    }

    @TearDown
    public void close() {
        outbox.close();
        chunk.release();
    }

    /** One run, flushed at once: a topic's event that comes alone. */
    @Benchmark
    public long runAlone() {
        offer(feeds[1], 0);
        outbox.flush();
        return sink.bytes;
    }

    /** 16 runs that follow on each other in one topic: they become one write. */
    @Benchmark
    @OperationsPerInvocation(RUNS)
    public long runThatGoesOn() {
        for (int i = 0; i < RUNS; i++) {
            offer(feeds[1], i * RUN_BYTES);
        }
        outbox.flush();
        return sink.bytes;
    }

    /** 16 runs of as many topics in all four lanes: as many writes, one flush. */
    @Benchmark
    @OperationsPerInvocation(RUNS)
    public long runOfManyTopics() {
        for (int i = 0; i < RUNS; i++) {
            offer(feeds[i], i * RUN_BYTES);
        }
        outbox.flush();
        return sink.bytes;
    }

    private void offer(Feed feed, int from) {
        if (outbox.offer(feed, feed.lane(), chunk, from, from + RUN_BYTES, 1, Long.MAX_VALUE) != Outbox.Offer.QUEUED) {
            throw new IllegalStateException("the outbox took no run");
        }
    }
}
