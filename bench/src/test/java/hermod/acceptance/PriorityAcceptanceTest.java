package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Small runs of {@code hermod-bench priority}: that nothing is lost and nobody starved. How fast it is, the bench itself tells on a quiet machine. */
class PriorityAcceptanceTest {
    private static JsonNode run(AcceptanceBroker broker, Path dir, String... options) throws Exception {
        List<String> rights = new ArrayList<>(AcceptanceBroker.SERVICE);
        rights.add("urgent");
        Path json = dir.resolve("priority.json");
        List<String> arguments = new ArrayList<>(List.of(
                "priority",
                "--server",
                broker.tcp(),
                "--admin",
                broker.process().admin(),
                "--token",
                broker.token("bench", rights, Duration.ofHours(1)),
                "--json",
                json.toString()));
        arguments.addAll(List.of(options));
        CommandLines.Outcome outcome = CommandLines.java("hermod.bench.BenchMain", arguments.toArray(String[]::new));
        assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
        return new ObjectMapper().readTree(json.toFile());
    }

    /** The reader has acknowledged all that it read: what is acknowledged does not wait any more, so nothing is left that could escalate later. */
    private static void nothingEscalates(AcceptanceBroker broker) throws Exception {
        long taken = broker.counter("safety_taken");
        assertThat(taken).isPositive();
        await().atMost(Duration.ofSeconds(10)).until(() -> broker.counter("safety_acknowledged") == taken);
        for (String reason : new String[] {"no_subscriber", "unacknowledged", "too_many"}) {
            assertThat(broker.counter("safety_escalated_" + reason)).as(reason).isZero();
        }
    }

    @Test
    @Tag("SA-2")
    @Tag("FL-9")
    void urgentComesWholeAndLowIsNotStarvedBesideAFlood(@TempDir Path dir) throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            JsonNode result =
                    run(broker, dir, "--rounds", "1", "--seconds", "2", "--reader-rate", "5", "--rate", "10000");

            assertThat(result.get("lost").asLong()).isZero();
            assertThat(result.get("disordered").asLong()).isZero();
            assertThat(result.at("/urgent/lost").asLong()).isZero();
            assertThat(result.at("/urgent/sent").asLong()).isGreaterThanOrEqualTo(250);
            assertThat(result.at("/urgent/p99Us").asDouble()).isPositive();
            assertThat(result.at("/urgent/unloadedP99Us").asDouble()).isPositive();
            assertThat(result.at("/low/share").asDouble()).isGreaterThan(0.05);
            assertThat(result.at("/contenders/hermod/pacedByCredit").asBoolean())
                    .isTrue();
            assertThat(result.at("/outbox/samples").asInt()).isPositive();
            assertThat(result.at("/outbox/leastBytes").asLong()).isPositive();
            nothingEscalates(broker);
        }
    }
}
