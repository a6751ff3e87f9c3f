package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Events that a broker sends to itself before it serves. */
@ExtendWith(LeakCheck.class)
class WarmUpTest {
    private static final int FOR_MS = 300;

    @Test
    void eventsGoTheWholeWayAndItEndsInTime() {
        long startedNs = System.nanoTime();
        WarmUp.Outcome outcome = WarmUp.run(BrokerConfig.defaults(), FOR_MS);
        assertThat(outcome.failure()).isNull();
        assertThat(outcome.eventCount()).isPositive();
        assertThat(Duration.ofNanos(System.nanoTime() - startedNs))
                .isBetween(Duration.ofMillis(FOR_MS), Duration.ofSeconds(10));
    }

    @Test
    void nothingOfItIsLeftInTheBrokerThatServes() throws Exception {
        WarmUp.run(BrokerConfig.defaults(), FOR_MS);
        Awaitility.await().untilAsserted(() -> assertThat(threads()).isEmpty());
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            Map<String, Long> counters = new TreeMap<>(broker.broker().stats().counters());
            // Its own start is in the audit log.
            assertThat(counters.remove("audit_records")).isOne();
            assertThat(counters.values()).containsOnly(0L);
            assertThat(broker.broker().stats().topics()).isZero();
            assertThat(broker.broker().stats().connections()).isZero();
            assertThat(broker.channel("tasks").published()).isZero();
        }
    }

    private static Stream<String> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .map(Thread::getName)
                .filter(name -> name.startsWith("hermod-warm-up") || name.startsWith("hermod-shard"));
    }

    @Test
    void oneThatIsInterruptedSaysSoAndThrowsNothing() {
        Thread.currentThread().interrupt();
        WarmUp.Outcome outcome = WarmUp.run(BrokerConfig.defaults(), FOR_MS);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(outcome.failure()).isInstanceOf(InterruptedException.class);
    }
}
