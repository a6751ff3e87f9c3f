package hermod.broker.admission;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Random;
import org.junit.jupiter.api.Test;

class PublishRateTest {
    private static final long SECOND_NS = 1_000_000_000L;
    private static final long MS_NS = 1_000_000L;

    private long nowNs = -5 * SECOND_NS;

    @Test
    void aBurstMayUseExactlyOneSecondsWorth() {
        PublishRate rate = new PublishRate(10, 1_000, nowNs);
        for (int i = 0; i < 10; i++) {
            assertThat(rate.retryAfterMs(nowNs, 1, 1)).isZero();
        }
        assertThat(rate.retryAfterMs(nowNs, 1, 1)).isEqualTo(100);
    }

    @Test
    void waitingAsLongAsItSaysIsEnoughAndOneNanosecondLessIsNot() {
        PublishRate rate = new PublishRate(10, 1_000, nowNs);
        assertThat(rate.retryAfterMs(nowNs, 10, 0)).isZero();
        assertThat(rate.retryAfterMs(nowNs + 100 * MS_NS - 1, 1, 0)).isEqualTo(1);
        assertThat(rate.retryAfterMs(nowNs + 100 * MS_NS, 1, 0)).isZero();
        assertThat(rate.retryAfterMs(nowNs + 100 * MS_NS, 1, 0)).isEqualTo(100);
    }

    @Test
    void bytesAreCountedBesideEventsAndARefusalTakesNothing() {
        PublishRate rate = new PublishRate(10, 1_000, nowNs);
        assertThat(rate.retryAfterMs(nowNs, 1, 900)).isZero();
        for (int i = 0; i < 100; i++) {
            assertThat(rate.retryAfterMs(nowNs, 1, 101)).isEqualTo(1);
        }
        assertThat(rate.retryAfterMs(nowNs, 9, 100)).isZero();
        assertThat(rate.retryAfterMs(nowNs, 1, 0)).isEqualTo(100);
    }

    @Test
    void anEventLargerThanASecondsBytesPassesAFullBucketAndIsPaidForAfter() {
        PublishRate rate = new PublishRate(10, 1_000, nowNs);
        assertThat(rate.retryAfterMs(nowNs, 1, 3_000)).isZero();
        assertThat(rate.retryAfterMs(nowNs, 1, 1)).isEqualTo(2_001);
        nowNs += 2_001 * MS_NS;
        assertThat(rate.retryAfterMs(nowNs, 1, 1)).isZero();
        assertThat(rate.retryAfterMs(nowNs, 1, 3_000)).isEqualTo(1_000);
    }

    @Test
    void aLongPauseFillsTheBucketOnceAndNeverOverflows() {
        PublishRate rate = new PublishRate(Integer.MAX_VALUE, PublishRate.PER_SECOND_MAX, Long.MIN_VALUE / 2);
        assertThat(rate.retryAfterMs(Long.MIN_VALUE / 2, Integer.MAX_VALUE, Integer.MAX_VALUE))
                .isZero();
        assertThat(rate.retryAfterMs(Long.MAX_VALUE / 2, Integer.MAX_VALUE, Integer.MAX_VALUE))
                .isZero();
        assertThat(rate.retryAfterMs(Long.MAX_VALUE / 2, Integer.MAX_VALUE, 0)).isEqualTo(1_000);
    }

    @Test
    void aClockThatGoesBackGivesNothing() {
        PublishRate rate = new PublishRate(10, 1_000, nowNs);
        assertThat(rate.retryAfterMs(nowNs, 10, 0)).isZero();
        assertThat(rate.retryAfterMs(nowNs - SECOND_NS, 1, 0)).isEqualTo(100);
        assertThat(rate.retryAfterMs(nowNs, 1, 0)).isEqualTo(100);
    }

    /** However it is asked, what was let through stays within rate × time and one burst. */
    @Test
    void overTimeTheRateHoldsAndIsReached() {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        PublishRate rate = new PublishRate(1_000, 100_000, nowNs);
        long startNs = nowNs;
        long events = 0;
        long bytes = 0;
        while (nowNs - startNs < 60 * SECOND_NS) {
            int size = random.nextInt(200);
            int waitMs = rate.retryAfterMs(nowNs, 1, size);
            if (waitMs == 0) {
                events++;
                bytes += size;
            } else {
                nowNs += waitMs * MS_NS;
            }
            nowNs += random.nextInt(1_000);
        }
        double seconds = (nowNs - startNs) / 1e9;
        assertThat((double) events).as("seed=" + seed).isLessThanOrEqualTo(1_000 * (seconds + 1) + 1);
        assertThat((double) bytes).as("seed=" + seed).isLessThanOrEqualTo(100_000 * (seconds + 1) + 1);
        assertThat(Math.max(events / (1_000 * seconds), bytes / (100_000 * seconds)))
                .as("seed=" + seed)
                .isGreaterThan(0.95);
    }

    @Test
    void aRateOfNothingIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new PublishRate(0, 1, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> new PublishRate(1, 0, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> new PublishRate(1, PublishRate.PER_SECOND_MAX + 1, 0));
    }
}
