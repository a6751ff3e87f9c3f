package hermod.broker.shard;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ShardClockTest {
    private final ShardClock clock = new ShardClock();

    @Test
    void timeStandsStillUntilItIsReadAgain() {
        long ns = clock.nowNs();
        long us = clock.nowUs();
        while (System.nanoTime() - ns < 50_000) {
            Thread.onSpinWait();
        }
        assertThat(clock.nowNs()).isEqualTo(ns);
        assertThat(clock.nowUs()).isEqualTo(us);
        clock.update();
        assertThat(clock.nowNs()).isGreaterThanOrEqualTo(ns + 50_000);
        assertThat(clock.nowUs()).isGreaterThanOrEqualTo(us + 50);
    }

    @Test
    void bothTimesAdvanceTogetherAndNeverGoBackBetweenAnchors() {
        long firstNs = clock.nowNs();
        long firstUs = clock.nowUs();
        long lastUs = firstUs;
        for (int i = 0; i < 10_000; i++) {
            clock.update();
            assertThat(clock.nowUs()).isGreaterThanOrEqualTo(lastUs);
            assertThat(clock.nowUs() - firstUs).isEqualTo((clock.nowNs() - firstNs) / 1_000);
            lastUs = clock.nowUs();
        }
    }

    @Test
    void anAnchorTakesTheSystemsTime() {
        long beforeUs = ShardClock.wallUs();
        clock.anchor();
        assertThat(clock.nowUs()).isBetween(beforeUs, ShardClock.wallUs());
    }
}
