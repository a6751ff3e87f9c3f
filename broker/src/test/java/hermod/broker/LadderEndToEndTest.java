package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.metrics.ConnectionStats;
import hermod.broker.outbox.Ladder.Rung;
import hermod.broker.outbox.OutboxConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.frame.FrameType;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The steps of a connection that does not take what it is owed, and the way back. */
@ExtendWith(LeakCheck.class)
class LadderEndToEndTest {
    private static final List<String> UNLIMITED =
            List.of("pub:*", "sub:*", "limits:service", "rate:unlimited", "urgent");
    private static final String PAYLOAD = "x".repeat(10_000);

    /** Quarantined after 300 ms, released after 300 ms in which it was owed nothing. */
    private static OutboxConfig ladder(int parkAfterMs, int closeAfterMs) {
        return new OutboxConfig(
                512 * 1024, 64 * 1024, 256 * 1024, true, 300, 1_000, 10_000, 60_000, 300, 4, parkAfterMs, closeAfterMs);
    }

    private static BrokerUnderTest broker(OutboxConfig config) throws Exception {
        return new BrokerUnderTest.Setup().outbox(config).start();
    }

    private static void publish(RawClient publisher, int handle, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            publisher.publish(handle, i, PAYLOAD);
            publisher.read(FrameType.PUBLISHED);
        }
    }

    private static ConnectionStats slow(BrokerUnderTest broker) {
        return broker.broker().connections().stream()
                .filter(each -> each.user().equals("slow"))
                .findFirst()
                .orElseThrow();
    }

    private static void awaitRung(BrokerUnderTest broker, Rung rung) {
        await().until(() -> slow(broker).slow().rung().equals(rung.label()));
    }

    @Test
    @Tag("FL-3")
    @Tag("FL-6")
    @Tag("FL-8")
    void aQuarantineShedsLowTiersOnlySaysSoAndEndsEarlyWhenAllWasTaken() throws Exception {
        try (BrokerUnderTest broker = broker(ladder(60_000, 60_000))) {
            SlowReader slow = SlowReader.connect(broker, "slow", "tasks:one", Feature.CREDIT, Feature.GAP);
            SlowReader.Track reports = slow.subscribe("feed:one");
            SlowReader.Track chat = slow.subscribe("chat:one");
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int toTasks = publisher.open("tasks:one").getHandle();
            int toFeed = publisher.open("feed:one").getHandle();
            int toChat = publisher.open("chat:one").getHandle();
            publish(publisher, toFeed, 5);
            publish(publisher, toTasks, 60);
            publish(publisher, toChat, 30);
            awaitRung(broker, Rung.QUARANTINED);
            assertThat(slow(broker).slow().cause()).isEqualTo("credit");
            assertThat(slow(broker).slow().shed()).isEqualTo(1);
            publish(publisher, toFeed, 5);
            publish(publisher, toTasks, 5);
            publish(publisher, toChat, 5);

            slow.client().grant(100_000_000);
            slow.readUpTo(65);
            slow.readUpTo(chat, 35);
            assertThat(slow.missing()).isEmpty();
            assertThat(chat.missing()).isEmpty();
            awaitRung(broker, Rung.HEALTHY);
            publish(publisher, toFeed, 1);
            slow.readUpTo(reports, 11);

            assertThat(reports.events()).containsExactly(11L);
            assertThat(reports.missing()).hasSize(10);
            assertThat(reports.notices()).allMatch(notice -> notice.endsWith(" 1"));
            assertThat(broker.counter("quarantines")).isEqualTo(1);
            assertThat(broker.counter("quarantines_ended")).isEqualTo(1);
            assertThat(broker.channel("feed").shed()).isEqualTo(10);
            assertThat(broker.channel("tasks").shed()).isZero();
        }
    }

    @Test
    @Tag("FL-8")
    void aDurableTopicSaysThatWhatIsMissingFollowsAndThatItHas() throws Exception {
        try (BrokerUnderTest broker = broker(ladder(60_000, 60_000))) {
            SlowReader slow = SlowReader.connect(broker, "slow", "chat:one", Feature.CREDIT, Feature.GAP);
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int toChat = publisher.open("chat:one").getHandle();
            publish(publisher, toChat, 100);
            awaitRung(broker, Rung.QUARANTINED);
            slow.client().grant(100_000_000);
            slow.readUpTo(100);
            publish(publisher, toChat, 1);
            slow.readUpTo(101);
            assertThat(slow.missing()).isEmpty();
            assertThat(slow.events()).hasSize(101);
            assertThat(slow.notices()).hasSize(2);
            assertThat(slow.notices().get(0)).matches("GAP \\d+-100 2 FILL");
            assertThat(slow.notices().get(1))
                    .isEqualTo(
                            slow.notices().get(0).replace("GAP", "GAP_CLOSED").replace(" 2 FILL", ""));
        }
    }

    @Test
    @Tag("FL-3")
    void aParkedConnectionHasNothingQueuedAndGetsItAllWhenItTakesSomethingAgain() throws Exception {
        try (BrokerUnderTest broker = broker(ladder(500, 60_000))) {
            SlowReader slow = SlowReader.connect(broker, "slow", "tasks:one", Feature.CREDIT, Feature.GAP);
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int toTasks = publisher.open("tasks:one").getHandle();
            publish(publisher, toTasks, 80);
            awaitRung(broker, Rung.PARKED);
            assertThat(slow(broker).outboxBytes()).isZero();
            assertThat(slow(broker).slow().behind()).isEqualTo(1);
            slow.client().grant(100_000_000);
            slow.readUpTo(80);
            assertThat(slow.missing()).isEmpty();
            awaitRung(broker, Rung.HEALTHY);
        }
    }

    @Test
    @Tag("FL-3")
    void aParkedConnectionWhoseSocketTakesNothingIsClosedAtLast() throws Exception {
        try (BrokerUnderTest broker = broker(ladder(300, 800))) {
            SlowReader slow = SlowReader.connect(broker, "slow", "tasks:one", Feature.GAP);
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int toTasks = publisher.open("tasks:one").getHandle();
            publish(publisher, toTasks, 1_000);
            await().until(() -> broker.counter("connections_slow") == 1);
            assertThat(slow.client().readClose()).isIn(0, CloseCode.SLOW_CONSUMER.code());
            assertThat(broker.counter("connections_parked")).isEqualTo(1);
        }
    }
}
