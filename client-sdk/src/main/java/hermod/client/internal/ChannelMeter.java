package hermod.client.internal;

import hermod.client.ChannelStatus;
import hermod.protocol.control.wire.ChannelLatency;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;
import org.jspecify.annotations.Nullable;

/**
 * What this client sees of one channel: latency from publisher to listener, and counts.
 *
 * <p>Handler threads record and the loop reads, so every method locks the meter; nothing else is locked inside. The histograms grow to the largest latency
 * seen: some 8 KB where all is below 20 ms, at most 21 KB.
 */
final class ChannelMeter {
    private static final long LATENCY_US_MAX = TimeUnit.SECONDS.toMicros(60);
    private static final int DIGITS = 2;
    private static final double P95 = 95;

    private final Histogram total = new Histogram(DIGITS);
    private final Histogram unreported = new Histogram(DIGITS);
    private int connectionNumber;
    private long lastEventAtUs;
    private long delivered;
    private long suppressed;
    private long expired;
    private long reconnects;
    private long gaps;
    private long gapsClosed;
    private long missedAtMost;

    ChannelMeter(int connectionNumber) {
        this.connectionNumber = connectionNumber;
    }

    /** Just before the first listener is called. */
    synchronized void onDelivered(ReceivedEvent event, long brokerNowUs) {
        // Two clocks: an event may seem to arrive before it was sent.
        long latencyUs = Math.min(Math.max(0, brokerNowUs - event.timestampUs()), LATENCY_US_MAX);
        delivered++;
        lastEventAtUs = brokerNowUs;
        total.recordValue(latencyUs);
        if (event.connectionNumber() == connectionNumber) {
            unreported.recordValue(latencyUs);
        }
    }

    synchronized void onSuppressed() {
        suppressed++;
    }

    synchronized void onExpired() {
        expired++;
    }

    synchronized void onResubscribed() {
        reconnects++;
    }

    /** @param missed at most; 0 where that is not known or they are still to come. */
    synchronized void onGap(long missed) {
        gaps++;
        missedAtMost = Math.min(missedAtMost, Long.MAX_VALUE - missed) + missed;
    }

    synchronized void onGapClosed() {
        gapsClosed++;
    }

    /** The broker checks reports against what it sent on the connection, so what came by earlier ones is not reported any more. */
    synchronized void onConnection(int number) {
        connectionNumber = number;
        unreported.reset();
    }

    /** What was recorded since the last call; null for nothing. */
    synchronized @Nullable ChannelLatency takeReport(String channel) {
        if (unreported.getTotalCount() == 0) {
            return null;
        }
        ChannelLatency.Builder report = ChannelLatency.newBuilder().setChannel(channel);
        for (HistogramIterationValue step : unreported.recordedValues()) {
            report.addValueUs(unreported.medianEquivalentValue(step.getValueIteratedTo()));
            report.addCount(step.getCountAtValueIteratedTo());
        }
        unreported.reset();
        return report.build();
    }

    synchronized ChannelStatus status() {
        long p95Us = total.getTotalCount() == 0 ? 0 : total.getValueAtPercentile(P95);
        return new ChannelStatus(
                p95Us, lastEventAtUs, delivered, suppressed, expired, reconnects, gaps, gapsClosed, missedAtMost);
    }
}
