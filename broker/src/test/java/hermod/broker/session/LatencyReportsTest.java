package hermod.broker.session;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.LatencySummary;
import hermod.broker.metrics.Metrics;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.protocol.control.wire.ChannelLatency;
import hermod.protocol.control.wire.Report;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class LatencyReportsTest {
    private static final long SECOND_NS = 1_000_000_000L;

    private final Metrics metrics = new Metrics(
            List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1)),
            1,
            hermod.broker.metrics.MetricsConfig.defaults());
    private final Channels channels = new Channels(Map.of("chat", ChannelPolicy.defaults()));
    private final LatencyReports reports = new LatencyReports();
    private long nowNs = 100 * SECOND_NS;

    private static Report report(String channel, long... valuesAndCounts) {
        ChannelLatency.Builder latency = ChannelLatency.newBuilder().setChannel(channel);
        for (int i = 0; i < valuesAndCounts.length; i += 2) {
            latency.addValueUs(valuesAndCounts[i]).addCount(valuesAndCounts[i + 1]);
        }
        return Report.newBuilder().addChannels(latency).build();
    }

    private @Nullable String take(Report report, long deliveredCount) {
        nowNs += SECOND_NS;
        return reports.take(report, deliveredCount, channels, metrics.shard(0), nowNs);
    }

    private LatencySummary handlers() {
        return metrics.channels().get(0).publishToHandler();
    }

    @Test
    void asManyEventsAsWereDeliveredMayBeReportedAndNotOneMore() {
        assertThat(take(report("chat", 50, 6, 100, 4), 10)).isNull();
        assertThat(handlers().count()).isEqualTo(10);
        assertThat(take(report("chat", 50, 1), 10)).contains("more events reported than delivered");
        assertThat(take(report("chat", 50, 2), 12)).isNull();
        assertThat(handlers().count()).isEqualTo(12);
    }

    @Test
    void aReportThatIsNotBelievedIsNotRecordedInPart() {
        assertThat(take(report("chat", 50, 5, 60, 6), 10)).isNotNull();
        assertThat(take(report("chat", 50, Long.MAX_VALUE, 60, Long.MAX_VALUE), 10))
                .isNotNull();
        assertThat(take(report("chat", 50, -1), 10)).isNotNull();
        assertThat(handlers().count()).isZero();
        assertThat(take(report("chat", 50, 10), 10)).isNull();
    }

    @Test
    void anUnknownChannelAndValuesWithoutCountsAreRefused() {
        assertThat(take(report("nope", 50, 1), 10)).isEqualTo("unknown channel");
        Report odd = Report.newBuilder()
                .addChannels(ChannelLatency.newBuilder().setChannel("chat").addValueUs(5))
                .build();
        assertThat(take(odd, 10)).contains("do not pair up");
    }

    @Test
    void aFewReportsMayComeAtOnceAndThenOneASecond() {
        for (int i = 0; i < 3; i++) {
            assertThat(reports.take(report("chat"), 0, channels, metrics.shard(0), nowNs))
                    .isNull();
        }
        assertThat(reports.take(report("chat"), 0, channels, metrics.shard(0), nowNs))
                .isEqualTo("more than one report a second");
        nowNs += SECOND_NS;
        assertThat(reports.take(report("chat"), 0, channels, metrics.shard(0), nowNs))
                .isNull();
        assertThat(reports.take(report("chat"), 0, channels, metrics.shard(0), nowNs))
                .isNotNull();
    }

    @Test
    void aValueBeyondAllBoundsIsCountedAtTheBound() {
        assertThat(take(report("chat", -1, 1), 1)).isNull();
        assertThat(handlers().max()).isBetween(60_000_000L, 61_000_000L);
    }
}
