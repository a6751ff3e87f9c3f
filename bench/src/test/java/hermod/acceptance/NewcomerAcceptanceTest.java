package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.bench.BrokerProcess;
import hermod.client.HermodClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** The README's first steps, with the launchers as they stand in the source tree. */
class NewcomerAcceptanceTest {
    private static final String HERMOD =
            CommandLines.root().resolve("broker/bin/hermod").toString();

    private static CommandLines.Outcome hermod(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(HERMOD));
        command.addAll(List.of(arguments));
        return CommandLines.run(CommandLines.root(), Map.of(), 180, command);
    }

    @Test
    void serveTokenPublishAndStatsWorkAsTheReadmeShowsThem() throws Exception {
        try (BrokerProcess broker = BrokerProcess.builder().start()) {
            String token = hermod(
                            "token",
                            "--user",
                            "alice",
                            "--org",
                            "acme",
                            "--data",
                            broker.data().toString())
                    .out()
                    .strip();
            assertThat(token.split("\\.")).hasSize(3);
            List<String> got = new ArrayList<>();
            try (HermodClient bob =
                    HermodClient.builder().server(broker.tcp()).token(token).build()) {
                bob.connect().join();
                bob.subscribe("chat:room_7", event -> got.add(event.source() + ": " + event.text()))
                        .join();
                CommandLines.Outcome published =
                        hermod("pub", "chat:room_7", "hello", "--server", broker.tcp(), "--token", token);
                assertThat(published.exitCode()).as(published.err()).isZero();
                await().untilAsserted(() -> assertThat(got).containsExactly("alice: hello"));
            }
            CommandLines.Outcome table = hermod("stats", "--admin", broker.admin());
            assertThat(table.exitCode()).isZero();
            assertThat(table.out()).contains("chat").contains("disk").contains("stored in");
            JsonNode stats = new ObjectMapper()
                    .readTree(
                            hermod("stats", "--json", "--admin", broker.admin()).out());
            for (JsonNode channel : stats.get("channels")) {
                if (channel.get("channel").asString().equals("chat")) {
                    assertThat(channel.get("published").asLong()).isEqualTo(1);
                    assertThat(channel.get("delivered").asLong()).isEqualTo(1);
                    assertThat(channel.has("goal")).isTrue();
                    assertThat(channel.has("health")).isTrue();
                }
            }
            broker.stop();
            assertThat(broker.exitCode()).isZero();
        }
    }

    @Test
    void eachMistakeIsOneSentenceWithTheDocumentedExitCode(@TempDir Path dir) throws Exception {
        Path config = dir.resolve("broker.yaml");
        Files.writeString(config, "transport:\n  prt: 7400\n");
        assertSentence(hermod("serve", "--prot", "1"), 2, "--prot");
        assertSentence(hermod("serve", "--config", dir.resolve("none.yaml").toString()), 1, "none.yaml");
        assertSentence(hermod("serve", "--config", config.toString()), 1, "prt");
        assertSentence(hermod("stats", "--admin", "127.0.0.1:1"), 3, "127.0.0.1:1");
        assertSentence(hermod("pub", "chat:a", "x", "--server", "127.0.0.1:1"), 3, "127.0.0.1:1");
        try (BrokerProcess broker = BrokerProcess.builder().arguments("--dev").start()) {
            String port = broker.tcp().substring(broker.tcp().lastIndexOf(':') + 1);
            CommandLines.Outcome taken =
                    hermod("serve", "--port", port, "--ws-port", "0", "--admin-port", "0", "--data", dir.toString());
            assertSentence(taken, 1, port);
            assertSentence(hermod("pub", "nosuch:a", "x", "--server", broker.tcp()), 1, "nosuch");
        }
    }

    private static void assertSentence(CommandLines.Outcome outcome, int exitCode, String names) {
        assertThat(outcome.exitCode()).as(outcome.err()).isEqualTo(exitCode);
        assertThat(outcome.err()).contains(names).doesNotContain("\tat ").doesNotContain("Exception in");
    }

    @Test
    void theBenchStartsABrokerOfItsOwnAndStopsIt() throws Exception {
        CommandLines.Outcome outcome = CommandLines.run(
                CommandLines.root(),
                Map.of(),
                Duration.ofMinutes(3).toSecondsPart() + 180,
                List.of(
                        CommandLines.root().resolve("bench/bin/hermod-bench").toString(),
                        "pingpong",
                        "--seconds",
                        "1",
                        "--json",
                        "-"));
        assertThat(outcome.exitCode()).as(outcome.err()).isZero();
        JsonNode result = new ObjectMapper().readTree(outcome.out());
        assertThat(result.get("workload").asString()).isEqualTo("pingpong");
        assertThat(result.get("lost").asLong()).isZero();
        assertThat(result.get("latencyUs").get("p50").asDouble()).isPositive();
    }
}
