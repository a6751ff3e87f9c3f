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

/** A small run of {@code hermod-bench durable}: every durable publish is answered and delivered. What it costs, the bench itself tells on a quiet machine. */
class DurableAcceptanceTest {
    @Test
    @Tag("EV-6")
    void everyDurablePublishIsAnsweredAndDelivered(@TempDir Path dir) throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            List<String> rights = new ArrayList<>(AcceptanceBroker.SERVICE);
            rights.add("urgent");
            Path json = dir.resolve("durable.json");
            CommandLines.Outcome outcome = CommandLines.java(
                    "hermod.bench.BenchMain",
                    "durable",
                    "--server",
                    broker.tcp(),
                    "--admin",
                    broker.process().admin(),
                    "--token",
                    broker.token("bench", rights, Duration.ofHours(1)),
                    "--dir",
                    dir.toString(),
                    "--peers",
                    "none",
                    "--rounds",
                    "1",
                    "--seconds",
                    "0.1",
                    "--json",
                    json.toString());
            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
            JsonNode result = new ObjectMapper().readTree(json.toFile());

            assertThat(result.get("published").asLong()).isGreaterThan(100);
            assertThat(result.get("acknowledged").asLong())
                    .isEqualTo(result.get("published").asLong());
            assertThat(result.get("delivered").asLong())
                    .isEqualTo(result.get("expected").asLong())
                    .isPositive();
            for (String figure : new String[] {
                "/disk/appendSyncP50Us",
                "/disk/overwriteSyncP50Us",
                "/memory/p50Us",
                "/inFlight1/p50Us",
                "/inFlight100/perSecond",
                "/connections100/perSecond",
                "/early/subscriberP50Us",
                "/early/answerP50Us",
                "/delivery/subscriberP50Us",
                "/goals/inFlight1/ratio"
            }) {
                assertThat(result.at(figure).asDouble()).as(figure).isPositive();
            }
            assertThat(result.at("/durability").asString()).startsWith("DISK");
            assertThat(broker.counter("safety_taken")).isPositive();
            await().atMost(Duration.ofSeconds(10))
                    .until(() -> broker.counter("safety_acknowledged") == broker.counter("safety_taken"));
            assertThat(broker.counter("safety_escalated_unacknowledged")).isZero();
            assertThat(broker.counter("safety_escalated_no_subscriber")).isZero();
        }
    }
}
