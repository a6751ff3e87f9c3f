package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.bench.BrokerProcess;
import hermod.client.HermodClient;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** The audit log of a real broker, on its disk, over a crash and an orderly end. */
@Tag("SA-4")
class AuditAcceptanceTest {
    private static final Pattern HEAD = Pattern.compile("head (audit:\\S+:[0-9]+:[0-9a-f]{64})");
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path data;

    private static CommandLines.Outcome hermod(String... arguments) throws Exception {
        return CommandLines.java("hermod.broker.BrokerMain", arguments);
    }

    private static List<JsonNode> records(String... where) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("audit", "list", "--limit", "1000", "--json"));
        arguments.addAll(List.of(where));
        CommandLines.Outcome listed = hermod(arguments.toArray(String[]::new));
        assertThat(listed.exitCode()).as(listed.err()).isZero();
        return listed.out().lines().map(JSON::readTree).toList();
    }

    /** Topic and offset of each safety event, with how often it is there. */
    private static Map<String, Integer> safetyEvents(List<JsonNode> records) {
        Map<String, Integer> events = new TreeMap<>();
        for (JsonNode record : records) {
            // Nobody listens, so each escalates, and what tells of it is a safety event too: the broker's.
            if (record.get("action").asString().equals("safety.event")
                    && !record.get("subject").asString().equals("safety:escalations")) {
                assertThat(record.get("who").asString()).isEqualTo("ada");
                assertThat(record.get("org").asString()).isEqualTo("acme");
                events.merge(
                        record.get("subject").asString() + " "
                                + record.get("details").get("offset").asString(),
                        1,
                        Integer::sum);
            }
        }
        return events;
    }

    private static List<String> operators(List<JsonNode> records) {
        return records.stream()
                .filter(record -> record.get("stream").asString().equals("audit:operators")
                        && !record.get("action").asString().equals("safety.escalated"))
                .map(record -> record.get("action").asString() + " "
                        + record.get("subject").asString())
                .toList();
    }

    private static List<String> heads(CommandLines.Outcome verified) {
        List<String> heads = new ArrayList<>();
        Matcher head = HEAD.matcher(verified.out());
        while (head.find()) {
            heads.add(head.group(1));
        }
        return heads;
    }

    private static CommandLines.Outcome verify(List<String> heads, String... where) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("audit", "verify"));
        arguments.addAll(List.of(where));
        for (String head : heads) {
            arguments.addAll(List.of("--expect", head));
        }
        return hermod(arguments.toArray(String[]::new));
    }

    private static void publish(HermodClient client, int count, Map<String, Integer> acknowledged) {
        for (int i = 0; i < count; i++) {
            String topic = "safety:" + i % 3;
            long offset = client.publish(topic, "help " + i).join().offset();
            acknowledged.put(topic + " " + offset, 1);
        }
    }

    @Test
    void everyAcknowledgedSafetyEventAndEveryOperatorsActionIsInItAlsoAfterACrash() throws Exception {
        Map<String, Integer> acknowledged = new TreeMap<>();
        List<String> heads;
        try (BrokerProcess process = AcceptanceBroker.builder().data(data).start()) {
            AcceptanceBroker broker = AcceptanceBroker.of(process);
            try (HermodClient client = broker.connected("ada")) {
                publish(client, 30, acknowledged);
                String admin = process.admin();
                assertThat(hermod("kill", "chat", "--reason", "flood", "--admin", admin)
                                .exitCode())
                        .isZero();
                assertThat(hermod("kill", "chat", "--lift", "--admin", admin).exitCode())
                        .isZero();
                CommandLines.Outcome verified = verify(List.of(), "--admin", admin);
                assertThat(verified.exitCode()).as(verified.out()).isZero();
                heads = heads(verified);
                List<JsonNode> records = records("--admin", admin);
                assertThat(safetyEvents(records)).isEqualTo(acknowledged);
                assertThat(operators(records)).containsExactly("lift chat", "kill chat", "start broker");
                CommandLines.Outcome locked = verify(List.of(), "--data", data.toString());
                assertThat(locked.exitCode()).isEqualTo(1);
                assertThat(locked.err())
                        .contains("is in use by process " + process.pid())
                        .contains("--admin asks one that runs");
                publish(client, 30, acknowledged);
                process.kill();
            }
        }
        // The broker is started again and goes on in the same chains.
        AcceptanceBroker broker =
                AcceptanceBroker.of(AcceptanceBroker.builder().data(data).start());
        try {
            String admin = broker.process().admin();
            publish(broker.connected("ada"), 3, acknowledged);
            CommandLines.Outcome verified = verify(heads, "--admin", admin);
            assertThat(verified.exitCode()).as(verified.out()).isZero();
            List<JsonNode> records = records("--admin", admin);
            assertThat(safetyEvents(records)).isEqualTo(acknowledged);
            assertThat(operators(records)).containsExactly("start broker", "lift chat", "kill chat", "start broker");
        } finally {
            broker.close();
        }
        // And it is all there in the directory of the broker that was stopped.
        CommandLines.Outcome offline = verify(heads, "--data", data.toString());
        assertThat(offline.exitCode()).as(offline.out() + offline.err()).isZero();
        List<JsonNode> records = records("--data", data.toString());
        assertThat(safetyEvents(records)).isEqualTo(acknowledged);
        assertThat(operators(records))
                .containsExactly("stop broker", "start broker", "lift chat", "kill chat", "start broker");
    }
}
