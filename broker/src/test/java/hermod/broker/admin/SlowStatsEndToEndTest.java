package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.BrokerUnderTest;
import hermod.broker.LeakCheck;
import hermod.broker.RawClient;
import hermod.broker.SlowReader;
import hermod.broker.outbox.OutboxConfig;
import hermod.protocol.Feature;
import hermod.protocol.frame.FrameType;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What an operator is told of slow consumers by a broker that has some. */
@Tag("OB-7")
@ExtendWith(LeakCheck.class)
class SlowStatsEndToEndTest {
    private static final List<String> UNLIMITED =
            List.of("pub:*", "sub:*", "limits:service", "rate:unlimited", "urgent");
    private static final String PAYLOAD = "x".repeat(10_000);

    /** Quarantined after 300 ms, parked only after minutes. */
    private static final OutboxConfig LADDER = new OutboxConfig(
            512 * 1024, 64 * 1024, 256 * 1024, true, 300, 1_000, 10_000, 60_000, 300, 4, 600_000, 600_000);

    private static Command slowest(BrokerUnderTest broker, String... more) {
        String[] arguments = {
            "stats", "--slow", "--admin", broker.broker().addresses().admin()
        };
        String[] all = java.util.Arrays.copyOf(arguments, arguments.length + more.length);
        System.arraycopy(more, 0, all, arguments.length, more.length);
        Command command = Command.run(all);
        assertThat(command.exitCode()).as(command.err()).isZero();
        return command;
    }

    private static Map<String, JsonTree> rows(BrokerUnderTest broker) {
        return JsonTree.parse(slowest(broker, "--json").out().getBytes(StandardCharsets.UTF_8))
                .children("slow")
                .stream()
                .collect(Collectors.toMap(one -> one.text("user"), one -> one));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whoDoesNotReadIsNamedWithTheSocketAndWhoGrantsNothingWithTheCredit(int shards) throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().shards(shards).outbox(LADDER).start()) {
            SlowReader deaf = SlowReader.connect(broker, "deaf", "tasks:one", Feature.GAP);
            SlowReader blocked = SlowReader.connect(broker, "blocked", "tasks:one", Feature.CREDIT, Feature.GAP);
            broker.client("idle", UNLIMITED).subscribe("tasks:other");
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int handle = publisher.open("tasks:one").getHandle();
            for (int i = 0; i < 1_000; i++) {
                publisher.publish(handle, i, PAYLOAD);
                publisher.read(FrameType.PUBLISHED);
            }
            await().untilAsserted(() -> {
                Map<String, JsonTree> rows = rows(broker);
                assertThat(rows).containsOnlyKeys("deaf", "blocked");
                assertThat(rows.get("deaf").text("cause")).isEqualTo("socket");
                assertThat(rows.get("deaf").text("rung")).isEqualTo("quarantined");
                assertThat(rows.get("deaf").keys()).doesNotContain("creditBytes");
                assertThat(rows.get("blocked").text("cause")).isEqualTo("credit");
                assertThat(rows.get("blocked").text("rung")).isEqualTo("quarantined");
                assertThat(rows.get("blocked").number("creditBytes")).isZero();
                assertThat(rows.get("blocked").number("outboxBytes")).isPositive();
            });
            assertThat(slowest(broker).out().lines())
                    .anyMatch(line -> line.contains(" deaf ") && line.contains("that the client reads"))
                    .anyMatch(line -> line.contains(" blocked ") && line.contains("a blocked handler"))
                    .anyMatch(line -> line.equals("2 slow consumers"));

            blocked.client().grant(100_000_000);
            blocked.readUpTo(1_000);
            deaf.readUpTo(1_000);
            await().untilAsserted(() -> assertThat(slowest(broker).out()).startsWith("No consumer is slow"));
        }
    }

    @Test
    void whoWasNeverBehindIsNotNamedHoweverMuchItWasSent() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient reader = broker.client("reader", UNLIMITED);
            reader.subscribe("tasks:one");
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int handle = publisher.open("tasks:one").getHandle();
            for (int i = 0; i < 200; i++) {
                publisher.publish(handle, i, PAYLOAD);
                reader.readEvent();
            }
            assertThat(slowest(broker).out()).startsWith("No consumer is slow");
        }
    }
}
