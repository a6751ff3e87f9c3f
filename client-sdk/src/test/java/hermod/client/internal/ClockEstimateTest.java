package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("CN-3")
class ClockEstimateTest {
    private final ClockEstimate clock = new ClockEstimate();

    @Test
    void nothingIsKnownBeforeTheFirstSample() {
        assertThat(clock.isKnown()).isFalse();
        assertThat(clock.offsetUs()).isZero();
        assertThat(clock.errorUs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void oneSampleGivesOffsetRoundTripAndItsErrorBound() {
        // Sent at 1,000; the broker is 500 ahead, 40 away, and took 7; back after 60.
        long roundTripUs = clock.add(1_000, 1_540, 1_547, 1_107);

        assertThat(roundTripUs).isEqualTo(100);
        assertThat(clock.offsetUs()).isEqualTo(490);
        assertThat(clock.errorUs()).isEqualTo(50);
    }

    @Test
    void theSmallestRoundTripOfTheLastSixteenCounts() {
        clock.add(0, 105, 105, 10);
        for (int i = 1; i <= 15; i++) {
            clock.add(0, 1_000, 1_000, 100 + i);
        }
        assertThat(clock.offsetUs()).isEqualTo(100);

        clock.add(0, 1_000, 1_000, 200);

        assertThat(clock.errorUs()).isEqualTo(51);
        assertThat(clock.offsetUs()).isNotEqualTo(100);
    }

    @Test
    void anExchangeThatCannotBeIsNotTaken() {
        assertThat(clock.add(100, 5, 5, 99)).isEqualTo(-1);
        assertThat(clock.add(100, 6, 5, 200)).isEqualTo(-1);
        assertThat(clock.add(100, 5, 500, 200)).isEqualTo(-1);
        assertThat(clock.isKnown()).isFalse();
    }

    @Test
    void theTrueOffsetIsAlwaysWithinTheErrorBound() {
        long seed = 7;
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < 10_000; i++) {
            long trueOffsetUs = random.nextLong(-10_000_000, 10_000_000);
            long wayThereUs = random.nextLong(1, 100_000);
            long wayBackUs = random.nextLong(1, 100_000);
            long heldUs = random.nextLong(0, 1_000);
            clock.reset();
            long t1 = 1_000_000 + wayThereUs + trueOffsetUs;
            long t3 = 1_000_000 + wayThereUs + heldUs + wayBackUs;
            clock.add(1_000_000, t1, t1 + heldUs, t3);
            assertThat(Math.abs(clock.offsetUs() - trueOffsetUs))
                    .as("seed=%d, i=%d", seed, i)
                    .isLessThanOrEqualTo(clock.errorUs());
        }
    }

    @Test
    void anotherBrokersClockStartsFromNothing() {
        clock.add(0, 105, 105, 10);
        clock.reset();
        clock.add(0, 5_000, 5_000, 1_000);
        assertThat(clock.offsetUs()).isEqualTo(4_500);
    }
}
