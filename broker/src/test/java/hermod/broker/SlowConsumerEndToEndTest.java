package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.outbox.OutboxConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(LeakCheck.class)
class SlowConsumerEndToEndTest {
    private static final List<String> UNLIMITED =
            List.of("pub:*", "sub:*", "limits:service", "rate:unlimited", "urgent");
    private static final OutboxConfig SMALL = new OutboxConfig(512 * 1024, 64 * 1024, 256 * 1024);
    private static final String PAYLOAD = "x".repeat(10_000);
    private static final int FLAGS_URGENT = FrameHeader.FLAG_PRIORITY_GIVEN | Priority.URGENT.code();

    private static BrokerUnderTest broker(int shards) throws Exception {
        return new BrokerUnderTest.Setup().outbox(SMALL).shards(shards).start();
    }

    /** Publishes with one in flight, so that every shard has had its turn with each. */
    private static void publish(RawClient publisher, int handle, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            publisher.publish(handle, i, PAYLOAD);
            publisher.read(FrameType.PUBLISHED);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    @Tag("FL-1")
    @Tag("FL-8")
    void oneThatStoppedReadingGetsOrIsToldOfEveryEventInOrderAndTheOthersGetAll(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            SlowReader stalled = SlowReader.connect(broker, "stalled", "tasks:one", Feature.GAP);
            SlowReader lively = SlowReader.connect(broker, "lively", "tasks:one", Feature.GAP);
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int handle = publisher.open("tasks:one").getHandle();
            for (int round = 1; round <= 100; round++) {
                publish(publisher, handle, 10);
                lively.readUpTo(round * 10);
            }
            assertThat(lively.missing()).isEmpty();
            stalled.readUpTo(1_000);
            assertThat(stalled.missing()).isNotEmpty();
            assertThat(stalled.events()).endsWith(1_000L);
            assertThat(stalled.notices()).allMatch(notice -> notice.endsWith(" 2"));
            // It is live again.
            publish(publisher, handle, 1);
            stalled.readUpTo(1_001);
            assertThat(stalled.events()).endsWith(1_001L);
        }
    }

    @Test
    @Tag("HR-4")
    @Tag("FL-1")
    void whatTheReplayWindowHoldsIsNotMissed() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            SlowReader slow = SlowReader.connect(broker, "slow", "tasks:one", Feature.CREDIT);
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int handle = publisher.open("tasks:one").getHandle();
            // More than its outbox takes, less than outbox and window hold.
            publish(publisher, handle, 100);
            assertThat(broker.counter("subscriptions_behind")).isEqualTo(1);
            assertThat(broker.broker().connections())
                    .allMatch(connection -> connection.outboxBytes() <= SMALL.limitBytes());
            slow.client().grant(10_000_000);
            slow.readUpTo(100);
            assertThat(slow.missing()).isEmpty();
        }
    }

    @Test
    void aClientThatDoesNotKnowGapIsClosedRatherThanLeftWithoutWord() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            SlowReader stalled = SlowReader.connect(broker, "stalled", "tasks:one");
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int handle = publisher.open("tasks:one").getHandle();
            publish(publisher, handle, 1_000);
            assertThat(stalled.client().readClose()).isEqualTo(CloseCode.SLOW_CONSUMER.code());
            assertThat(broker.counter("connections_slow")).isEqualTo(1);
        }
    }

    @Test
    @Tag("FL-11")
    void eventsOfLowToHighWaitForCreditAndUrgentOnesDoNot() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            SlowReader reader = SlowReader.connect(broker, "reader", "tasks:one", Feature.CREDIT, Feature.GAP);
            reader.client().subscribe("safety:alerts");
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int tasks = publisher.open("tasks:one").getHandle();
            int safety = publisher.open("safety:alerts").getHandle();
            publish(publisher, tasks, 5);
            publisher.publish(safety, 9, "help");
            RawClient.Event urgent = reader.client().readEvent();
            assertThat(urgent.text()).isEqualTo("help");
            // The frame that uses the credit up is sent whole, and nothing behind it.
            reader.client().grant(PAYLOAD.length() + 200);
            reader.readUpTo(2);
            assertThat(reader.client().isQuiet(100)).isTrue();
            reader.client().grant(1_000_000);
            reader.readUpTo(5);
            assertThat(reader.missing()).isEmpty();
        }
    }

    @Test
    void creditThatOverflowsIsABadFrame() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            SlowReader reader = SlowReader.connect(broker, "reader", "tasks:one", Feature.CREDIT);
            reader.client().grant(Long.MAX_VALUE);
            reader.client().grant(1);
            assertThat(reader.client().readClose()).isEqualTo(CloseCode.BAD_FRAME.code());
        }
    }

    @Test
    @Tag("EV-5")
    @Tag("FL-9")
    void aRaisedEventTakesWhatWaitsOfItsTopicAlongAndOvertakesTheRest() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            SlowReader reader = SlowReader.connect(broker, "reader", "chat:one", Feature.CREDIT, Feature.GAP);
            int other = reader.client().subscribe("chat:two").getHandle();
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int one = publisher.open("chat:one").getHandle();
            int two = publisher.open("chat:two").getHandle();
            for (int i = 1; i <= 3; i++) {
                publisher.publish(two, i, "two " + i);
                publisher.read(FrameType.PUBLISHED);
                publisher.publish(one, i, "one " + i);
                publisher.read(FrameType.PUBLISHED);
            }
            publisher.publish(one, 4, FrameHeader.FLAG_PRIORITY_GIVEN | Priority.HIGH.code(), 0, 0, 0, "one 4");
            publisher.read(FrameType.PUBLISHED);
            publisher.publish(one, 5, "one 5");
            publisher.read(FrameType.PUBLISHED);
            reader.client().grant(1_000_000);
            List<String> seen = RawClient.texts(reader.client(), 8);
            assertThat(seen.subList(0, 4)).containsExactly("one 1", "one 2", "one 3", "one 4");
            assertThat(seen.subList(4, 8)).containsExactlyInAnyOrder("two 1", "two 2", "two 3", "one 5");
            assertThat(other).isNotZero();
        }
    }

    private static ResumeResult resume(RawClient client, Welcome by, String topic, int epoch, long offset)
            throws Exception {
        client.send(
                FrameType.RESUME,
                5,
                Resume.newBuilder()
                        .setResumeToken(by.getResumeToken())
                        .addCursors(Cursor.newBuilder()
                                .setTopic(topic)
                                .setEpoch(epoch)
                                .setOffset(offset))
                        .build());
        return Resumed.parseFrom(RawClient.body(client.read(FrameType.RESUMED))).getResults(0);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    @Tag("HR-4")
    @Tag("HR-2")
    void oneThatComesBackGetsExactlyWhatItMissedAndThenLiveEvents(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int handle = publisher.open("tasks:one").getHandle();
            String token = broker.token("reader", UNLIMITED);
            RawClient before = broker.socket();
            Welcome first = before.connect(RawClient.hello(token).setFeatures(Feature.RESUME.bit()));
            int epoch = before.subscribe("tasks:one").getEpoch();
            publish(publisher, handle, 3);
            before.close();
            publish(publisher, handle, 20);
            RawClient after = broker.socket();
            after.connect(RawClient.hello(token).setFeatures(Feature.RESUME.bit()));
            ResumeResult result = resume(after, first, "tasks:one", epoch, 3);
            assertThat(result.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_REPLAYING);
            assertThat(result.getFromOffset()).isEqualTo(4);
            assertThat(result.getToOffset()).isEqualTo(23);
            assertThat(result.getTopic().getGranted()).isTrue();
            publish(publisher, handle, 5);
            List<Long> offsets = new ArrayList<>();
            for (int i = 0; i < 25; i++) {
                offsets.add(after.readEvent().offset());
            }
            assertThat(offsets)
                    .isSorted()
                    .doesNotHaveDuplicates()
                    .startsWith(4L)
                    .endsWith(28L);
            // Harmless when repeated.
            assertThat(resume(after, first, "tasks:one", epoch, 3).getOutcome())
                    .isEqualTo(ResumeResult.Outcome.OUTCOME_RESUMED);
            RawClient third = broker.socket();
            third.connect(RawClient.hello(token).setFeatures(Feature.RESUME.bit()));
            assertThat(resume(third, first, "tasks:one", epoch, 28).getOutcome())
                    .isEqualTo(ResumeResult.Outcome.OUTCOME_RESUMED);
            RawClient stranger = broker.socket();
            stranger.connect(RawClient.hello(broker.token("other", UNLIMITED)).setFeatures(Feature.RESUME.bit()));
            ResumeResult lost = resume(stranger, first, "tasks:one", epoch, 3);
            assertThat(lost.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_LOST);
            assertThat(lost.getFromOffset()).isEqualTo(1);
        }
    }

    @Test
    @Tag("SA-2")
    void anUrgentEventOvertakesWhatAStoppedReaderIsOwed() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            SlowReader reader = SlowReader.connect(broker, "reader", "tasks:one", Feature.CREDIT, Feature.GAP);
            int safety = reader.client().subscribe("safety:alerts").getHandle();
            RawClient publisher = broker.client("publisher", UNLIMITED);
            int tasks = publisher.open("tasks:one").getHandle();
            int alerts = publisher.open("safety:alerts").getHandle();
            reader.client().grant(100_000);
            publish(publisher, tasks, 500);
            publisher.publish(alerts, 1, FLAGS_URGENT, 0, 0, 0, "help");
            publisher.read(FrameType.PUBLISHED);
            int before = 0;
            ByteBuf frame = reader.client().read();
            while (FrameHeader.handle(frame, 0) != safety) {
                before++;
                frame = reader.client().read();
            }
            assertThat(before).as("events the credit covered").isEqualTo(10);
        }
    }
}
