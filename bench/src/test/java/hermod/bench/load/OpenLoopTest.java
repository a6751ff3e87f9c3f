package hermod.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class OpenLoopTest {
    @Test
    void aMomentThatHasPassedIsKeptAsTheIntendedTimeAndNotWaitedFor() {
        OpenLoop loop = new OpenLoop();
        long first = loop.await(0);
        long later = loop.await(TimeUnit.MILLISECONDS.toNanos(20));

        long before = System.nanoTime();
        long late = loop.await(TimeUnit.MILLISECONDS.toNanos(1));

        assertThat(later - first).isEqualTo(TimeUnit.MILLISECONDS.toNanos(20));
        assertThat(late - first).isEqualTo(TimeUnit.MILLISECONDS.toNanos(1));
        assertThat(before - late).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(19));
    }

    @Test
    void anEventIsNeverSentBeforeItsMoment() {
        OpenLoop loop = new OpenLoop();
        for (int i = 0; i < 50; i++) {
            long intendedNs = loop.await(OpenLoop.atRate(i, 5_000));

            assertThat(System.nanoTime() - intendedNs).isGreaterThanOrEqualTo(0);
        }
    }

    @Test
    void momentsAtAFixedRateDoNotDriftAfterABillionEvents() {
        assertThat(OpenLoop.atRate(3, 4)).isEqualTo(750_000_000);
        assertThat(OpenLoop.atRate(1_000_000_000L, 1_000_000)).isEqualTo(TimeUnit.SECONDS.toNanos(1_000));
    }

    @Test
    void wallTimeMovesWithTheIntendedTime() {
        OpenLoop loop = new OpenLoop();
        long start = loop.await(0);

        assertThat(loop.wallUs(start + 5_000_000) - loop.wallUs(start)).isEqualTo(5_000);
    }
}
