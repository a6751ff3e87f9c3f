package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.BrokerUnderTest;
import hermod.broker.audit.AlterableEngine;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.memory.MemoryEngine;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Operators' actions over the real port of a real broker. */
@Tag("SA-4")
class AuditEndToEndTest {
    private static final Pattern HEAD = Pattern.compile("head (audit:operators:([0-9]+):[0-9a-f]{64})");
    private static final String ME = System.getProperty("user.name");

    @TempDir
    private Path dir;

    /** One line of {@code audit list} in a few words. */
    private static List<String> told(BrokerUnderTest broker) {
        Command list = Command.run(
                "audit",
                "list",
                "--json",
                "--admin",
                broker.broker().addresses().admin());
        assertThat(list.exitCode()).as(list.err()).isZero();
        List<String> told = new ArrayList<>();
        list.out().lines().forEach(line -> {
            JsonTree record = JsonTree.parse(line.getBytes(StandardCharsets.UTF_8));
            assertThat(record.isTrue("intact")).isTrue();
            told.add(record.text("actor") + " " + record.text("who") + ": " + record.text("action") + " "
                    + record.text("subject") + ": " + record.text("outcome"));
        });
        return told;
    }

    private static String head(Command verified) {
        Matcher head = HEAD.matcher(verified.out());
        assertThat(head.find()).as(verified.out()).isTrue();
        return head.group(1);
    }

    @Test
    void whatOperatorsDoIsToldTheNewestFirst() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            String admin = broker.broker().addresses().admin();
            assertThat(Command.run("kill", "chat", "--reason", "flood", "--admin", admin)
                            .exitCode())
                    .isZero();
            assertThat(Command.run("kill", "safety", "--admin", admin).exitCode())
                    .isEqualTo(1);
            assertThat(Command.run("kill", "chat", "--lift", "--admin", admin).exitCode())
                    .isZero();
            assertThat(Command.run("rollout", "50", "--admin", admin).exitCode())
                    .isZero();
            assertThat(Command.run("subscriptions", "--org", "acme", "--user", "ann", "chat:room_7", "--admin", admin)
                            .exitCode())
                    .isZero();
            assertThat(Command.run("drain", "--delay-ms", "-1", "--admin", admin)
                            .exitCode())
                    .isEqualTo(1);
            List<String> told = told(broker);
            assertThat(told).hasSize(8);
            assertThat(told.get(0)).startsWith("operator " + ME + ": drain broker: refused: the delay is -1 ms");
            assertThat(told.get(1)).isEqualTo("operator " + ME + ": drain broker: asked");
            assertThat(told.get(2)).isEqualTo("operator " + ME + ": subscriptions ann: done");
            assertThat(told.get(3)).isEqualTo("operator " + ME + ": rollout broker: done");
            assertThat(told.get(4)).isEqualTo("operator " + ME + ": lift chat: done");
            assertThat(told.get(5)).startsWith("operator " + ME + ": kill safety: refused: ");
            assertThat(told.get(6)).isEqualTo("operator " + ME + ": kill chat: done");
            assertThat(told.get(7)).isEqualTo("broker broker: start broker: starting");
            assertThat(broker.counter("audit_records")).isEqualTo(8);
            String table = Command.run("audit", "list", "--limit", "3", "--admin", admin)
                    .out();
            assertThat(table.lines()).hasSize(3);
            assertThat(table)
                    .contains("audit:operators:8  operator " + ME)
                    .contains("org=acme")
                    .contains("topics=chat:room_7")
                    .contains("delay-ms=-1");
        }
    }

    @Test
    void theChainGoesOnOverRestartsAndAnEarlierHeadIsStillThere() throws Exception {
        try (MemoryEngine memory = new MemoryEngine()) {
            Engine engine = new LeftOpen(memory);
            String earlier;
            try (BrokerUnderTest broker =
                    new BrokerUnderTest.Setup().engine(engine).start()) {
                Command verified = Command.run(
                        "audit",
                        "verify",
                        "--admin",
                        broker.broker().addresses().admin());
                assertThat(verified.exitCode()).isZero();
                assertThat(verified.out()).startsWith("audit:operators: intact, 1 record\n");
                earlier = head(verified);
            }
            try (BrokerUnderTest broker =
                    new BrokerUnderTest.Setup().engine(engine).start()) {
                String admin = broker.broker().addresses().admin();
                assertThat(told(broker))
                        .containsExactly(
                                "broker broker: start broker: starting",
                                "broker broker: stop broker: stopping",
                                "broker broker: start broker: starting");
                Command verified = Command.run("audit", "verify", "--expect", earlier, "--admin", admin);
                assertThat(verified.exitCode()).isZero();
                assertThat(verified.out()).startsWith("audit:operators: intact, 3 records\n");
                String other = earlier.substring(0, earlier.length() - 8) + "00000000";
                Command otherHistory = Command.run("audit", "verify", "--expect", other, "--admin", admin);
                assertThat(otherHistory.exitCode()).isEqualTo(1);
                assertThat(otherHistory.out()).contains("rewritten at 1:");
                Command cut = Command.run(
                        "audit", "verify", "--expect", earlier.replace(":1:", ":9:"), "--admin", admin, "--json");
                assertThat(cut.exitCode()).isEqualTo(1);
                JsonTree told = JsonTree.parse(cut.out().getBytes(StandardCharsets.UTF_8));
                assertThat(told.isTrue("intact")).isFalse();
                assertThat(told.children("streams").get(0).children("firstFindings"))
                        .singleElement()
                        .satisfies(found -> assertThat(found.text("kind")).isEqualTo("cut"));
                Command gone = Command.run(
                        "audit", "verify", "--expect", earlier.replace("operators", "shard-9"), "--admin", admin);
                assertThat(gone.exitCode()).isEqualTo(1);
                assertThat(gone.out())
                        .contains("audit:shard-9: DAMAGED, 0 records")
                        .contains("cut at 1:");
            }
        }
    }

    @Test
    void aRecordThatWasChangedOnTheDiskIsFoundWhereverTheLogIsRead() throws Exception {
        try (AlterableEngine engine = new AlterableEngine()) {
            engine.completesAtOnce = true;
            try (BrokerUnderTest broker =
                    new BrokerUnderTest.Setup().engine(new LeftOpen(engine)).start()) {
                String admin = broker.broker().addresses().admin();
                Command.run("kill", "chat", "--admin", admin);
                Command.run("kill", "chat", "--lift", "--admin", admin);
                byte[] changed = engine.entries("audit:operators").get(2L);
                changed[changed.length - 1] ^= 1;
                Command online = Command.run("audit", "verify", "--admin", admin);
                assertThat(online.exitCode()).isEqualTo(1);
                assertThat(online.out())
                        .startsWith("audit:operators: DAMAGED, 3 records\n  changed at 2: expected hash ");
                assertThat(Command.run("audit", "list", "--admin", admin).out().lines())
                        .satisfiesExactly(
                                newest -> assertThat(newest).doesNotContain("CHANGED"),
                                second -> assertThat(second).endsWith("  CHANGED"),
                                first -> assertThat(first).doesNotContain("CHANGED"));
            }
            Command offline = Command.run(dataDir -> new LeftOpen(engine), "audit", "verify", "--data", dir.toString());
            assertThat(offline.exitCode()).isEqualTo(1);
            assertThat(offline.out()).contains("changed at 2:").contains("head audit:operators:4:");
        }
    }

    @Test
    void aSwitchWorksWhileNothingCanBeStoredAndIsRecordedAfterwards() throws Exception {
        try (AlterableEngine engine = new AlterableEngine()) {
            engine.failsAtOnce = EngineFault.FULL;
            try (BrokerUnderTest broker =
                    new BrokerUnderTest.Setup().engine(engine).start()) {
                String admin = broker.broker().addresses().admin();
                assertThat(Command.run("kill", "chat", "--admin", admin).exitCode())
                        .isZero();
                assertThat(broker.broker().service().channelsOff()).containsKey("chat");
                assertThat(broker.counter("audit_records")).isZero();
                engine.failsAtOnce = null;
                engine.completesAtOnce = true;
                org.awaitility.Awaitility.await().until(() -> broker.counter("audit_records") == 2);
                assertThat(told(broker))
                        .containsExactly(
                                "operator " + ME + ": kill chat: done", "broker broker: start broker: starting");
                assertThat(Command.run("audit", "verify", "--admin", admin).exitCode())
                        .isZero();
            }
        }
    }

    @Test
    void theNewestRecordsAreToldAsJsonAndOnlyAuditStreamsCanBeRead() throws Exception {
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().shards(1).start()) {
            AdminClient client =
                    new AdminClient(HostPort.parse(broker.broker().addresses().admin(), "--admin"));
            client.post("/api/v1/service?rollout-percent=99");
            JsonTree answer = JsonTree.parse(client.get("/api/v1/audit?limit=1"));
            assertThat(answer.texts("streams")).containsExactly("audit:operators", "audit:shard-0");
            assertThat(answer.children("records")).singleElement().satisfies(record -> {
                assertThat(record.keys())
                        .containsExactly(
                                "stream",
                                "sequence",
                                "timeUs",
                                "actor",
                                "who",
                                "org",
                                "action",
                                "subject",
                                "outcome",
                                "details",
                                "missing",
                                "hash",
                                "intact");
                assertThat(record.child("details").text("rollout-percent")).isEqualTo("99");
            });
            for (Map.Entry<String, String> wrong : Map.of(
                            "/api/v1/audit/entries", "400",
                            "/api/v1/audit/entries?stream=chat:room_7", "404",
                            "/api/v1/audit/entries?stream=audit:operators&from=x", "400",
                            "/api/v1/audit?limit=many", "400")
                    .entrySet()) {
                assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> client.get(wrong.getKey())))
                        .hasMessageContaining("answered " + wrong.getValue());
            }
        }
    }

    /** An engine that its user closes and that stays open. */
    private record LeftOpen(Engine engine) implements Engine {
        @Override
        public EventLog events() {
            return engine.events();
        }

        @Override
        public ChannelLog channels() {
            return engine.channels();
        }

        @Override
        public KeyedState state() {
            return engine.state();
        }

        @Override
        public EventBus bus() {
            return engine.bus();
        }

        @Override
        public boolean isDurable() {
            return engine.isDurable();
        }

        @Override
        public @Nullable EngineFault fault() {
            return engine.fault();
        }

        @Override
        public EngineStatus status() {
            return engine.status();
        }

        @Override
        public void close() {}
    }
}
