package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.control.wire.ChannelLatency;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("OB-6")
class ChannelMeterTest {
    private static final long SENT_US = 1_000;

    private final ChannelMeter meter = new ChannelMeter(1);

    private void deliver(long latencyUs) {
        meter.onDelivered(MailboxTest.event(1), SENT_US + latencyUs);
    }

    @Test
    void aReportHoldsWhatIsNewAndWithinOnePercent() {
        for (int i = 1; i <= 1_000; i++) {
            deliver(i * 100);
        }
        ChannelLatency report = meter.takeReport("chat");

        assertThat(report.getCountList().stream().mapToLong(Long::longValue).sum())
                .isEqualTo(1_000);
        assertThat(report.getValueUsList()).isSorted().doesNotHaveDuplicates();
        assertThat(report.getValueUs(0)).isBetween(99L, 101L);
        assertThat(report.getValueUs(report.getValueUsCount() - 1)).isBetween(99_000L, 101_000L);
        assertThat(meter.takeReport("chat")).isNull();
        assertThat(meter.status().p95LatencyUs()).isBetween(94_000L, 96_500L);
    }

    @Test
    void aClockThatIsAheadCountsAsZeroAndAnAgeAsAMinute() {
        deliver(-5_000);
        deliver(Long.MAX_VALUE / 2);
        ChannelLatency report = meter.takeReport("chat");

        assertThat(report.getValueUs(0)).isZero();
        assertThat(report.getValueUs(1)).isBetween(59_400_000L, 60_600_000L);
    }

    @Test
    void whatCameByAnEarlierConnectionIsNotReported() {
        deliver(10);
        meter.onConnection(2);
        deliver(10);

        assertThat(meter.takeReport("chat")).isNull();
        assertThat(meter.status().delivered()).isEqualTo(2);
    }
}
