package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("CN-3")
class HeartbeatTest {
    private static final long START_NS = Long.MAX_VALUE - TimeUnit.SECONDS.toNanos(20);

    private final Heartbeat heartbeat =
            new Heartbeat(TimeUnit.SECONDS.toNanos(15), TimeUnit.SECONDS.toNanos(35), START_NS);

    /** Across the point where nanoTime wraps around. */
    private static long at(long ms) {
        return START_NS + TimeUnit.MILLISECONDS.toNanos(ms);
    }

    private void pingUntil(long ms) {
        for (long t = 0; t <= ms; t += 100) {
            if (heartbeat.isPingDue(at(t))) {
                heartbeat.onPing(at(t));
            }
        }
    }

    @Test
    void fivePingsComeInTheFirstSecondAndThenOneEachInterval() {
        int count = 0;
        StringBuilder times = new StringBuilder();
        for (long t = 0; t <= 40_000; t += 100) {
            if (heartbeat.isPingDue(at(t))) {
                heartbeat.onPing(at(t));
                times.append(t).append(' ');
                count++;
            }
        }
        assertThat(times.toString().trim()).isEqualTo("0 200 400 600 800 15800 30800");
        assertThat(count).isEqualTo(7);
    }

    @Test
    void silenceKillsAtTheTimeoutAndNotBefore() {
        heartbeat.onReceived(at(10_000));
        assertThat(heartbeat.isDead(at(44_999))).isFalse();
        assertThat(heartbeat.isDead(at(45_000))).isTrue();
    }

    @Test
    void aSocketThatIsNotReadOnPurposeIsNotSilent() {
        heartbeat.onReadingPaused(at(34_000));
        assertThat(heartbeat.isDead(at(60_000))).isFalse();
    }

    @Test
    void aHeartbeatIsMissedWhenTheNextOneFindsItUnanswered() {
        pingUntil(1_000);
        heartbeat.onPong(0);
        pingUntil(15_900);
        assertThat(heartbeat.missed()).isZero();
        pingUntil(30_900);
        assertThat(heartbeat.missed()).isEqualTo(1);
        heartbeat.onPong(0);
        assertThat(heartbeat.missed()).isZero();
    }

    @Test
    @Tag("CN-11")
    void aProbeIsAnsweredOnlyByAPingSentAfterIt() {
        heartbeat.probe(500, at(2_000));
        heartbeat.onReceived(at(100));
        heartbeat.onPong(499);
        assertThat(heartbeat.isDead(at(1_999))).isFalse();
        assertThat(heartbeat.isDead(at(2_000))).isTrue();
        heartbeat.onPong(500);
        assertThat(heartbeat.isDead(at(2_000))).isFalse();
    }
}
