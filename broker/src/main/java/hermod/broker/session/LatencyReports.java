package hermod.broker.session;

import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.Stage;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.protocol.control.wire.ChannelLatency;
import hermod.protocol.control.wire.Report;
import org.jspecify.annotations.Nullable;

/**
 * Takes what a client says its handlers saw, as far as it can be true: no more events than were delivered to it, about one report a second. The session's shard's.
 */
final class LatencyReports {
    private static final int PAIRS_MAX = 4_096;
    private static final int BURST = 3;
    private static final long REFILL_NS = 900_000_000L;

    private long reportedCount;
    private int allowance = BURST;
    private long refilledNs;

    /** @return a sentence on why the report is not believed, or null when it was recorded. */
    @Nullable
    String take(Report report, long deliveredCount, Channels channels, ShardMetrics metrics, long nowNs) {
        long refills = Math.min(BURST, (nowNs - refilledNs) / REFILL_NS);
        if (refills > 0) {
            allowance = (int) Math.min(BURST, allowance + refills);
            refilledNs = nowNs;
        }
        if (allowance == 0) {
            return "more than one report a second";
        }
        allowance--;
        long total = 0;
        for (ChannelLatency latency : report.getChannelsList()) {
            if (channels.of(latency.getChannel()) == null) {
                return "unknown channel";
            }
            if (latency.getValueUsCount() != latency.getCountCount() || latency.getCountCount() > PAIRS_MAX) {
                return "values and counts do not pair up, or are more than " + PAIRS_MAX;
            }
            for (long count : latency.getCountList()) {
                if (count < 0 || count > deliveredCount - reportedCount - total) {
                    return "more events reported than delivered: delivered=" + deliveredCount + ", reportedBefore="
                            + reportedCount;
                }
                total += count;
            }
        }
        reportedCount += total;
        for (ChannelLatency latency : report.getChannelsList()) {
            Channel channel = channels.of(latency.getChannel());
            for (int i = 0; channel != null && i < latency.getCountCount(); i++) {
                if (latency.getCount(i) > 0) {
                    // A negative value is an unsigned one beyond 2^63: at the bound, like all that is too large.
                    long us = latency.getValueUs(i) < 0 ? Long.MAX_VALUE : latency.getValueUs(i);
                    metrics.record(channel.index(), Stage.PUBLISH_TO_HANDLER, us, latency.getCount(i));
                }
            }
        }
        return null;
    }
}
