package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** A chat trace through a broker process: the real one where {@code HERMOD_TRACE} names it, a synthetic one otherwise. */
class TraceAcceptanceTest {
    private static final String BENCH = "hermod.bench.BenchMain";

    @Test
    @Tag("BE-1")
    @Tag("EV-5")
    void everyEventOfATraceReachesEveryClientOfItsRoomOnceAndInOneOrder(@TempDir Path dir) throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            JsonNode result = replay(broker, dir, 20_000, 200, List.of("--speed", "150000"));
            assertThat(result.get("published").asLong()).isEqualTo(20_000);
            assertThat(result.get("acknowledged").asLong()).isEqualTo(20_000);
            for (String fault : List.of("lost", "duplicated", "disordered", "unaccounted", "phantom")) {
                assertThat(result.get(fault).asLong()).as(fault).isZero();
            }
            JsonNode chat = broker.channel("chat");
            assertThat(chat.get("published").asLong()).isEqualTo(20_000);
            assertThat(chat.get("delivered").asLong())
                    .isEqualTo(result.get("delivered").asLong());
            assertThat(chat.get("latencyUs")
                            .get("publishToHandler")
                            .get("count")
                            .asLong())
                    .isEqualTo(result.get("delivered").asLong());
            assertThat(broker.counter("connections_welcomed")).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"drop", "duplicate", "swap"})
    void theCheckerFindsADamagedHistory(String damage, @TempDir Path dir) throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            List<String> command = command(broker, dir, 1_000, 50, List.of("--gap-cap", "1", "--inject", damage));
            CommandLines.Outcome outcome = CommandLines.java(BENCH, command.toArray(String[]::new));
            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isEqualTo(1);
            JsonNode result =
                    new ObjectMapper().readTree(dir.resolve("result.json").toFile());
            String fault = damage.equals("drop") ? "lost" : damage.equals("duplicate") ? "duplicated" : "disordered";
            assertThat(result.get(fault).asLong()).isPositive();
        }
    }

    @Test
    void anUnparsableLineIsNamedByItsNumber(@TempDir Path dir) throws Exception {
        Path trace = dir.resolve("trace.jsonl");
        Files.writeString(trace, "{\"t\":0,\"room\":\"a\",\"user\":\"u\",\"text\":\"x\"}\nnot json\n");
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            CommandLines.Outcome outcome = CommandLines.java(
                    BENCH,
                    "trace",
                    "--server",
                    broker.tcp(),
                    "--token",
                    broker.token("bench", AcceptanceBroker.SERVICE, Duration.ofHours(1)),
                    "--file",
                    trace.toString());
            assertThat(outcome.exitCode()).isEqualTo(1);
            assertThat(outcome.err()).contains("line 2").doesNotContain("\tat ");
        }
    }

    private static JsonNode replay(AcceptanceBroker broker, Path dir, int events, int clients, List<String> pace)
            throws Exception {
        CommandLines.Outcome outcome = CommandLines.java(
                BENCH, command(broker, dir, events, clients, pace).toArray(String[]::new));
        assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
        return new ObjectMapper().readTree(dir.resolve("result.json").toFile());
    }

    private static List<String> command(AcceptanceBroker broker, Path dir, int events, int clients, List<String> more) {
        List<String> command = new ArrayList<>(List.of(
                "trace",
                "--server",
                broker.tcp(),
                "--token",
                broker.token("bench", AcceptanceBroker.SERVICE, Duration.ofHours(1)),
                "--events",
                Integer.toString(events),
                "--clients",
                Integer.toString(clients),
                "--json",
                dir.resolve("result.json").toString()));
        command.addAll(more);
        String trace = System.getenv("HERMOD_TRACE");
        if (trace != null) {
            command.addAll(List.of("--file", trace));
        }
        return command;
    }
}
