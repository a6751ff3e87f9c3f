package hermod.broker.metrics;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/**
 * The shards' numbers added up, since the start.
 *
 * <p>Any thread; readers take turns (the lock guards what was collected and is never taken by a shard).
 */
public final class Metrics {
    /** Below this many samples a percentile says nothing about a channel's health. */
    private static final int HEALTH_SAMPLES_MIN = 20;

    private final List<ChannelInfo> channels;
    private final List<ShardMetrics> shards;

    /** Of the thread that keeps the operators' audit log; counters only. */
    private final ShardMetrics audit = new ShardMetrics(0, 1, 0);

    /** Of the thread that has the consumer groups; no histograms. */
    private final ShardMetrics groups;

    /** Of the thread of safety escalations; counters only. */
    private final ShardMetrics safety = new ShardMetrics(0, 1, 0);

    public Metrics(List<ChannelInfo> channels, int shardCount, MetricsConfig config) {
        this.channels = List.copyOf(channels);
        List<ShardMetrics> each = new ArrayList<>();
        for (int i = 0; i < shardCount; i++) {
            each.add(new ShardMetrics(
                    channels.size(), config.histogramDigits(), config.histogramLimitCount() / shardCount));
        }
        this.shards = List.copyOf(each);
        groups = new ShardMetrics(channels.size(), 1, 0);
    }

    public ShardMetrics shard(int index) {
        return shards.get(index);
    }

    /** For the thread that keeps the operators' audit log, which belongs to no shard; it has no channels. */
    public ShardMetrics audit() {
        return audit;
    }

    /** For the thread that has the consumer groups. */
    public ShardMetrics groups() {
        return groups;
    }

    /** For the thread of safety escalations, likewise. */
    public ShardMetrics safety() {
        return safety;
    }

    /** A counter over all shards. */
    public long get(Counter counter) {
        long sum = audit.get(counter) + groups.get(counter) + safety.get(counter);
        for (ShardMetrics shard : shards) {
            sum += shard.get(counter);
        }
        return sum;
    }

    /** All counters by label. */
    public Map<String, Long> counters() {
        Map<String, Long> all = new LinkedHashMap<>();
        for (Counter counter : Counter.values()) {
            all.put(counter.label(), get(counter));
        }
        return all;
    }

    /** Every channel with its numbers, ordered by name. */
    public synchronized List<ChannelStats> channels() {
        shards.forEach(ShardMetrics::collect);
        List<ChannelStats> all = new ArrayList<>();
        for (int channel = 0; channel < channels.size(); channel++) {
            all.add(channel(channel));
        }
        return all;
    }

    private ChannelStats channel(int channel) {
        ChannelInfo info = channels.get(channel);
        LatencySummary socket = summary(channel, Stage.BROKER_TO_SOCKET);
        LatencySummary handler = summary(channel, Stage.PUBLISH_TO_HANDLER);
        long dedupShortUs = Math.min(info.dedupWindowUs(), highest(channel, ChannelGauge.DEDUP_SHORT_US));
        return new ChannelStats(
                info.name(),
                info.lane(),
                info.durability(),
                info.runsInMemory(),
                info.tier(),
                sum(channel, ChannelCounter.PUBLISHED),
                sum(channel, ChannelCounter.DELIVERED),
                sum(channel, ChannelCounter.DUPLICATES),
                sum(channel, ChannelCounter.REFUSED),
                sum(channel, ChannelCounter.EXPIRED),
                sum(channel, ChannelCounter.CLAMPED),
                sum(channel, ChannelCounter.FILTERED),
                sum(channel, ChannelCounter.CONFLATED),
                sum(channel, ChannelCounter.SHED),
                sum(channel, ChannelCounter.GROUP_HANDED_OUT),
                sum(channel, ChannelCounter.GROUP_REPEATED),
                sum(channel, ChannelCounter.GROUP_SETTLED),
                sum(channel, ChannelCounter.GROUP_LOST),
                highest(channel, ChannelGauge.BATCH_WINDOW_US),
                highest(channel, ChannelGauge.GROUP_LAG),
                info.dedupWindowUs() - dedupShortUs,
                dedupShortUs,
                info.dedupIdsLimit(),
                summary(channel, Stage.PUBLISH_TO_BROKER),
                summary(channel, Stage.IN_BROKER),
                socket,
                handler,
                info.goalP95Us(),
                health(handler, info.goalP95Us()));
    }

    private long sum(int channel, ChannelCounter counter) {
        long sum = groups.get(channel, counter);
        for (ShardMetrics shard : shards) {
            sum += shard.get(channel, counter);
        }
        return sum;
    }

    private long highest(int channel, ChannelGauge gauge) {
        long highest = groups.get(channel, gauge);
        for (ShardMetrics shard : shards) {
            highest = Math.max(highest, shard.get(channel, gauge));
        }
        return highest;
    }

    private LatencySummary summary(int channel, Stage stage) {
        Histogram sum = null;
        for (ShardMetrics shard : shards) {
            LatencyRecorder recorder = shard.recorder(channel, stage);
            if (recorder != null) {
                Histogram total = recorder.total();
                if (sum == null) {
                    sum = total;
                } else {
                    sum = sum.copy();
                    sum.add(total);
                }
            }
        }
        return sum == null ? LatencySummary.EMPTY : summaryOf(sum);
    }

    private static LatencySummary summaryOf(Histogram total) {
        return new LatencySummary(
                total.getValueAtPercentile(50),
                total.getValueAtPercentile(90),
                total.getValueAtPercentile(95),
                total.getValueAtPercentile(99),
                total.getValueAtPercentile(99.9),
                total.getMaxValue(),
                total.getMean(),
                total.getTotalCount());
    }

    /** Against the channel's goal: at most 1 × is healthy, at most 4 × degraded, beyond unhealthy; unknown while clients have reported too little. */
    private static String health(LatencySummary publishToHandler, long goalP95Us) {
        if (publishToHandler.count() < HEALTH_SAMPLES_MIN) {
            return "unknown";
        }
        if (publishToHandler.p95() <= goalP95Us) {
            return "healthy";
        }
        return publishToHandler.p95() <= 4 * goalP95Us ? "degraded" : "unhealthy";
    }
}
