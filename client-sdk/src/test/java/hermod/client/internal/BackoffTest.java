package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.client.ReconnectPolicy;
import java.time.Duration;
import java.util.LongSummaryStatistics;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("CN-4")
class BackoffTest {
    private static final long SEED = 42;

    private final Backoff backoff = new Backoff(ReconnectPolicy.defaults(), new SplittableRandom(SEED));

    private LongSummaryStatistics delaysAfter(int failures) {
        backoff.reset();
        for (int i = 0; i < failures; i++) {
            backoff.onFailure();
        }
        return LongStream.range(0, 10_000).map(i -> backoff.delayMs(0)).summaryStatistics();
    }

    @Test
    void theJitterIsFullAndItsCeilingDoublesFromOneSecondToThirty() {
        long[] ceilingsMs = {1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000};
        for (int failures = 1; failures <= ceilingsMs.length; failures++) {
            long ceilingMs = ceilingsMs[failures - 1];
            LongSummaryStatistics delays = delaysAfter(failures);
            assertThat(delays.getMin()).as("seed=%d", SEED).isBetween(0L, ceilingMs / 100);
            assertThat(delays.getMax()).isBetween(ceilingMs - ceilingMs / 100, ceilingMs);
            assertThat(delays.getAverage()).isBetween(ceilingMs * 0.45, ceilingMs * 0.55);
        }
    }

    @Test
    void tenFailuresAreFastAndTheEleventhSuspends() {
        delaysAfter(10);
        assertThat(backoff.isSuspended()).isFalse();
        LongSummaryStatistics suspended = delaysAfter(11);
        assertThat(backoff.isSuspended()).isTrue();
        assertThat(suspended.getMin()).isEqualTo(30_000);
        assertThat(suspended.getMax()).isEqualTo(30_000);
    }

    @Test
    void manyFailuresDoNotOverflow() {
        assertThat(delaysAfter(1_000_000).getMax()).isEqualTo(30_000);
        assertThat(backoff.isExhausted()).isFalse();
    }

    @Test
    void adviceOverridesTheDelayAlsoWhenSuspended() {
        backoff.onFailure();
        assertThat(backoff.delayMs(77)).isEqualTo(77);
        delaysAfter(20);
        assertThat(backoff.delayMs(77)).isEqualTo(77);
    }

    @Test
    void theHardLimitCountsFailuresInARow() {
        Backoff limited = new Backoff(ReconnectPolicy.defaults().withAttemptsMax(2), new SplittableRandom(SEED));
        limited.onFailure();
        assertThat(limited.isExhausted()).isFalse();
        limited.onFailure();
        assertThat(limited.isExhausted()).isTrue();
        limited.reset();
        assertThat(limited.isExhausted()).isFalse();
    }

    @Test
    void aPolicyThatMakesNoSenseIsRefused() {
        Duration second = Duration.ofSeconds(1);
        assertThatThrownBy(() -> new ReconnectPolicy(Duration.ZERO, second, 1, 0))
                .hasMessageContaining("base");
        assertThatThrownBy(() -> new ReconnectPolicy(second, Duration.ofMillis(1), 1, 0))
                .hasMessageContaining("cap");
        assertThatThrownBy(() -> new ReconnectPolicy(second, second, 0, 0)).hasMessageContaining("fastAttempts=0");
    }
}
