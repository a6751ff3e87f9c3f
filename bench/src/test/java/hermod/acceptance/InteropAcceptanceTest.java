package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The client in C, written from the protocol document and its vectors alone. */
class InteropAcceptanceTest {
    private static final Path FOLDER = CommandLines.root().resolve("bench/interop");

    @Test
    void theClientInCReadsAndWritesTheTestVectors() throws Exception {
        CommandLines.Outcome outcome = CommandLines.run(FOLDER, Map.of(), 120, List.of("make", "-s", "check"));
        assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
        assertThat(outcome.out()).contains(" 0 mismatches");
    }

    @Test
    void compareRunsAWorkloadAgainstTheRelayAndHermodAndWritesItsResults(@TempDir Path folder) throws Exception {
        Path results = folder.resolve("results.md");
        CommandLines.Outcome outcome = CommandLines.java(
                "hermod.bench.BenchMain",
                "compare",
                "flood-128",
                "--peers",
                "relay,hermod",
                "--quick",
                "--results",
                results.toString());
        assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
        assertThat(outcome.err()).contains("run 2 of 2: round 1, flood-128, hermod");
        assertThat(outcome.out()).contains("| relay |", "| hermod |", "0 / 0 / 0");
        assertThat(Files.readString(results)).contains("cores", "| hermod | hermod ", "commit ");
    }

    @Test
    void theClientInCConnectsSubscribesPublishesAndReceives() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            int colon = broker.tcp().lastIndexOf(':');
            String token = broker.token("c", AcceptanceBroker.SERVICE, Duration.ofHours(1));
            CommandLines.Outcome outcome = CommandLines.run(
                    FOLDER,
                    Map.of("HERMOD_TOKEN", token),
                    120,
                    List.of(
                            "bash",
                            "smoke.sh",
                            broker.tcp().substring(0, colon),
                            broker.tcp().substring(colon + 1)));
            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
            assertThat(outcome.out()).endsWith("PASS\n");
            assertThat(broker.channel("tasks").get("published").asLong()).isPositive();
        }
    }
}
