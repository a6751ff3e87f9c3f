package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

class FuzzAcceptanceTest {
    /** The broker's end checks that no buffer leaked and no exception got past the pipeline. */
    @Test
    @Tag("SE-6")
    void hostileFramesHurtNobodyWhoChatsMeanwhile(@TempDir Path dir) throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            Path json = dir.resolve("fuzz.json");
            CommandLines.Outcome outcome = CommandLines.java(
                    "hermod.bench.BenchMain",
                    "fuzz",
                    "--server",
                    broker.tcp(),
                    "--admin",
                    broker.process().admin(),
                    "--token",
                    broker.token("bench", AcceptanceBroker.SERVICE, Duration.ofHours(1)),
                    "--events",
                    "200000",
                    "--seed",
                    Long.toString(System.nanoTime() & 0xffff),
                    "--json",
                    json.toString());
            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
            JsonNode result = new ObjectMapper().readTree(json.toFile());
            assertThat(result.get("frames").asLong()).isGreaterThanOrEqualTo(200_000);
            assertThat(result.get("lost").asLong()).isZero();
            assertThat(broker.counter("frames_bad")).isPositive();
        }
    }
}
