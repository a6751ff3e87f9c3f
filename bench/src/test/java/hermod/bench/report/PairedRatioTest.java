package hermod.bench.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PairedRatioTest {
    @Test
    void whatBothRoundsOfAPairShareFallsOut() {
        double[] base = {100, 200, 400, 800};
        double[] slower = {90, 180, 360, 720};

        PairedRatio ratio = PairedRatio.of(slower, base);

        assertThat(ratio.ratio()).isCloseTo(0.9, within(1e-9));
        assertThat(ratio.low()).isCloseTo(0.9, within(1e-9));
        assertThat(ratio.high()).isCloseTo(0.9, within(1e-9));
        assertThat(ratio.isInside(0.03)).isFalse();
        assertThat(PairedRatio.of(base, base).isInside(0.03)).isTrue();
    }

    @Test
    void theIntervalIsStudents() {
        double[] interval = PairedRatio.interval(new double[] {1, 2, 3, 4, 5});

        // mean 3, standard error sqrt(2.5 / 5), 2.776 of Student's distribution with 4 degrees of freedom
        assertThat(interval).containsExactly(new double[] {3, 1.0370, 4.9630}, within(0.0001));
    }

    @Test
    void aboutNinetyFiveInAHundredIntervalsHoldTheTruth() {
        SplittableRandom random = new SplittableRandom(7);
        for (int pairs : new int[] {5, 20, 60}) {
            int holds = 0;
            for (int experiment = 0; experiment < 4_000; experiment++) {
                double[] values = random.doubles(pairs, -1, 1).toArray();
                double[] interval = PairedRatio.interval(values);
                if (interval[1] <= 0 && interval[2] >= 0) {
                    holds++;
                }
            }
            assertThat(holds / 4_000.0).as(pairs + " pairs").isBetween(0.93, 0.965);
        }
    }

    @Test
    void onePairProvesNothing() {
        PairedRatio ratio = PairedRatio.of(new double[] {1}, new double[] {1});

        assertThat(ratio.low()).isZero();
        assertThat(ratio.high()).isInfinite();
        assertThat(ratio.isInside(0.03)).isFalse();
        assertThat(PairedRatio.of(new double[0], new double[0]).isInside(0.03)).isFalse();
    }
}
