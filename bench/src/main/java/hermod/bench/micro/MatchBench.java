package hermod.bench.micro;

import hermod.broker.admission.PublishRate;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.Outbox;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.outbox.RunPool;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.ChunkPool;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.HandleTable;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.ReplayBudget;
import hermod.broker.topic.Subscriptions;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.broker.transport.Transport;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** What is looked up and asked for each event: its topic, whether it was seen before, whether its publisher may go on, who wants it. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class MatchBench {
    private static final int SUBSCRIBERS = 100;

    /** Topics that exist; each is asked for in turn. */
    @Param({"1", "10000"})
    public int topics;

    private final HandleTable handles = new HandleTable();
    private final Deduplication deduplication = new Deduplication(TopicConfig.defaults());
    private final Subscriptions subscriptions = new Subscriptions();
    private final PublishRate rate = new PublishRate(10_000_000, 1 << 30, 0);
    private final List<TopicLog> logs = new ArrayList<>();
    private final HomeTopics home = new HomeTopics(
            0,
            1,
            TopicConfig.defaults(),
            handles,
            new ChunkPool(
                    Transport.allocator(),
                    new ChunkTable(),
                    TopicConfig.defaults().chunkBytes()),
            new ReplayBudget(TopicConfig.defaults(), 1),
            deduplication);
    private int[] handleOf = {};
    private int next;
    private long sequence;
    private long nowNs;

    @Setup
    public void open() {
        Channels channels = new Channels(Map.of("chat", ChannelPolicy.defaults()));
        Outbox outbox = new Outbox(
                new IndifferentOwner(),
                new DiscardingSink(),
                new RunPool(),
                new Metrics(
                                List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1)),
                                1,
                                MetricsConfig.defaults())
                        .shard(0),
                new ShardClock(),
                OutboxConfig.defaults());
        handleOf = new int[topics];
        for (int i = 0; i < topics; i++) {
            TopicLog log = Objects.requireNonNull(
                    home.open("acme", TopicName.of("chat:" + i), Objects.requireNonNull(channels.of("chat")), 0));
            logs.add(log);
            handleOf[i] = log.topic().handle();
            // As many feeds as fan-out walks on one topic; one on each of the others.
            for (int feeds = i == 0 ? SUBSCRIBERS : 1; feeds > 0; feeds--) {
                subscriptions.add(handleOf[i], new Feed(outbox, handleOf[i], 0, Priority.NORMAL, feeds, 1));
            }
        }
    }

    private int step() {
        next = next + 1 == topics ? 0 : next + 1;
        return next;
    }

    /** Any shard's way from a handle to its topic. */
    @Benchmark
    public @Nullable Topic topicOfHandle() {
        return handles.of(handleOf[step()]);
    }

    /** The home shard's way from a handle to what it keeps of the topic. */
    @Benchmark
    public @Nullable TopicLog logOfHandle() {
        return home.of(handleOf[step()]);
    }

    /** A sequence that was not seen before, looked for and remembered, of one of 16 producers. */
    @Benchmark
    public long deduplicateNew() {
        TopicLog log = logs.get(step());
        long number = ++sequence;
        long producer = number & 15;
        long found = deduplication.find(log, producer, number);
        deduplication.put(log, producer, number, number, number);
        return found;
    }

    /** Whether a connection may publish an event of 170 bytes now. */
    @Benchmark
    public int askRate() {
        nowNs += 1_000;
        return rate.retryAfterMs(nowNs, 1, 170);
    }

    /** The subscribers on this shard, found and walked: 100 of the first topic, one of the others. */
    @Benchmark
    public long walkSubscribers() {
        Subscriptions.Subscribers found = subscriptions.of(handleOf[step()]);
        long sum = 0;
        for (int i = 0; found != null && i < found.count(); i++) {
            sum += found.at(i).device();
        }
        return sum;
    }
}
