package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Subscriptions and filters replaced while events flow, judged by readers that speak the protocol themselves. */
class ReplaceAcceptanceTest {
    @Test
    @Tag("CN-6")
    void replacingSubscriptionsUnderLoadLosesDoublesAndReconnectsNothing(@TempDir Path folder) throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            Path json = folder.resolve("churn.json");
            CommandLines.Outcome outcome = CommandLines.java(
                    "hermod.bench.BenchMain",
                    "topics",
                    "--churn",
                    "--server",
                    broker.tcp(),
                    "--token",
                    broker.token("churn", AcceptanceBroker.SERVICE, Duration.ofHours(1)),
                    "--events",
                    "200",
                    "--seconds",
                    "2",
                    "--rate",
                    "2000",
                    "--json",
                    json.toString());

            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
            JsonNode result = new ObjectMapper().readTree(Files.readString(json));
            assertThat(result.get("replacements").asInt()).isEqualTo(200);
            assertThat(result.get("delivered").asLong()).isGreaterThan(1_000);
            for (String fault :
                    new String[] {"lost", "duplicated", "disordered", "phantom", "unaccounted", "reconnects", "gaps"}) {
                assertThat(result.get(fault).asLong()).as(fault).isZero();
            }
        }
    }
}
