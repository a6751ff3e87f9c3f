package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Subscribers that stop, by not reading or by granting no credit, and what they get when they go on. */
class SlowAcceptanceTest {
    private static final long HALF_AN_OUTBOX = 512 * 1024;

    @Test
    @Tag("FL-3")
    @Tag("FL-4")
    @Tag("FL-11")
    void theStoppedAreNotClosedAndAreToldOfEveryEventTheyMissWhileTheOthersGetAll(@TempDir Path folder)
            throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            Path json = folder.resolve("slow.json");
            CommandLines.Outcome outcome = CommandLines.java(
                    "hermod.bench.BenchMain",
                    "slow",
                    "--server",
                    broker.tcp(),
                    "--admin",
                    broker.process().admin(),
                    "--token",
                    broker.token("slow", AcceptanceBroker.SERVICE, Duration.ofHours(1)),
                    "--channel",
                    "tasks",
                    "--subscribers",
                    "8",
                    "--stalled",
                    "2",
                    "--pairs",
                    "1",
                    "--rate",
                    "500",
                    "--size",
                    "1024",
                    "--json",
                    json.toString());

            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
            JsonNode result = new ObjectMapper().readTree(Files.readString(json));
            assertThat(result.get("lost").asLong()).isZero();
            assertThat(result.get("others").get("throughputRatio").asDouble()).isPositive();
            List<String> kinds = new ArrayList<>();
            for (JsonNode stopped : result.get("stopped")) {
                kinds.add(stopped.get("kind").asString());
                assertThat(stopped.get("outboxLeastBytes").asLong())
                        .as("it was stopped for long enough to fill its outbox: " + stopped)
                        .isGreaterThan(HALF_AN_OUTBOX);
                assertThat(stopped.get("announced").asLong())
                        .as(stopped.toString())
                        .isPositive();
                assertThat(stopped.get("live").asLong()).as(stopped.toString()).isPositive();
                for (String fault : new String[] {"unaccounted", "duplicated", "closed"}) {
                    assertThat(stopped.get(fault).asLong()).as(fault).isZero();
                }
            }
            assertThat(kinds).containsExactly("socket", "handler");
        }
    }

    @Test
    @Tag("FL-3")
    void aDurableChannelGivesTheStoppedEveryEventTheBrokerStillHas(@TempDir Path folder) throws Exception {
        Path config = Files.writeString(
                folder.resolve("wide.yaml"), "topic:\n  replay-topic-bytes: 128MiB\n  replay-limit-bytes: 4GiB\n");
        try (AcceptanceBroker broker = AcceptanceBroker.start("--config", config.toString())) {
            Path interop = CommandLines.root().resolve("bench/interop");
            assertThat(CommandLines.run(interop, Map.of(), 120, List.of("make", "-s", "loadgen"))
                            .exitCode())
                    .isZero();
            String options =
                    "./loadgen slow --proto hermod --subs 8 --stalled 2 --kinds sh --pairs 1 --secs 0.3 --most 30000"
                            + " --rate 500 --window 100 --size 1024 --port "
                            + broker.tcp().substring(broker.tcp().lastIndexOf(':') + 1);
            Map<String, String> environment = Map.of(
                    "HERMOD_TOKEN",
                    broker.token("slow", AcceptanceBroker.SERVICE, Duration.ofHours(1)),
                    "HERMOD_CHANNEL",
                    "chat");
            CommandLines.Outcome outcome = CommandLines.run(interop, environment, 60, List.of(options.split(" ")));

            assertThat(outcome.exitCode()).as(outcome.out() + outcome.err()).isZero();
            List<String> rounds = outcome.out()
                    .lines()
                    .filter(line -> line.startsWith("ROUND "))
                    .toList();
            assertThat(rounds).hasSize(4);
            for (String round : rounds) {
                Map<String, String> keys = new HashMap<>();
                for (String word : round.split(" ")) {
                    keys.put(word.replaceFirst("=.*", ""), word.replaceFirst("[^=]*=", ""));
                }
                assertThat(keys.get("filled")).as(round).isEqualTo(keys.get("missed"));
                assertThat(Long.parseLong(keys.get("events"))).as(round).isGreaterThan(2_000);
                for (String fault : new String[] {"unaccounted", "dup", "unfilled", "conn_closed", "lost", "gap_odd"}) {
                    assertThat(keys.get(fault)).as(fault + " of " + round).isEqualTo("0");
                }
            }
        }
    }
}
