package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.github.f4b6a3.ulid.Ulid;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.GatedEngine;
import hermod.broker.safety.SafetyConfig;
import hermod.broker.session.RedeliveryConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What devices acknowledge, what they are sent again, and what escalates; by bytes. */
@Tag("SA-3")
@ExtendWith(LeakCheck.class)
class SafetyEndToEndTest {
    private static final List<String> RIGHTS = List.of("pub:*", "sub:*", "rate:unlimited", "urgent");
    private static final String ESCALATIONS = "safety:escalations";

    /** Longer than any test takes. */
    private static final int NEVER_MS = 600_000;

    private final GatedEngine engine = new GatedEngine();

    @AfterEach
    void end() {
        engine.end();
    }

    private static SafetyConfig escalatingAfter(int ms, int waitingLimitCount) {
        return new SafetyConfig(
                ms, ESCALATIONS, waitingLimitCount, 100, Optional.empty(), Optional.empty(), 1_000, 1, 10, 10);
    }

    private BrokerUnderTest broker(int shards, int timeoutMs) throws Exception {
        return new BrokerUnderTest.Setup()
                .shards(shards)
                .engine(engine)
                .safety(escalatingAfter(timeoutMs, 100))
                .redelivery(new RedeliveryConfig(100, 60_000, 2, 10))
                .start();
    }

    private static RawClient client(BrokerUnderTest broker, String user, Feature... features) throws Exception {
        RawClient client = broker.socket();
        long mask = 0;
        for (Feature feature : features) {
            mask |= feature.bit();
        }
        assertThat(client.connect(RawClient.hello(broker.token(user, RIGHTS))
                                .setDeviceId(user + "-phone")
                                .setFeatures(mask))
                        .getFeatures())
                .isEqualTo(mask);
        return client;
    }

    private static void acknowledge(RawClient client, int handle, long offset) throws IOException {
        ByteBuf out = Unpooled.buffer();
        FlowFrames.writeOneNumber(out, FrameType.ACK, handle, offset);
        client.send(out);
    }

    /** Reads up to the next event, and answers what the broker asks meanwhile. */
    private static RawClient.Event nextEvent(RawClient client) throws IOException {
        while (true) {
            ByteBuf frame = client.read();
            if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                return new RawClient.Event(frame);
            }
            assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.PING.code());
            ByteBuf pong = Unpooled.buffer();
            ClockFrames.writePong(pong, 0, ClockFrames.pingSentUs(frame, 0), 1, 1);
            client.send(pong);
        }
    }

    private static Map<String, String> attributes(RawClient.Event event) {
        Map<String, String> attributes = new TreeMap<>();
        int at = EventFields.find(
                event.frame(), EventFrame.FIXED_BYTES, event.fieldsBytes(), EventFields.TAG_ATTRIBUTES);
        int end = at + event.frame().getUnsignedShortLE(at - 2);
        while (at < end) {
            int keyBytes = event.frame().getUnsignedByte(at);
            String key = event.frame().toString(at + 1, keyBytes, StandardCharsets.UTF_8);
            at += 1 + keyBytes;
            int valueBytes = event.frame().getUnsignedShortLE(at);
            attributes.put(key, event.frame().toString(at + 2, valueBytes, StandardCharsets.UTF_8));
            at += 2 + valueBytes;
        }
        return attributes;
    }

    private static RawClient.Event escalation(RawClient watcher) throws IOException {
        RawClient.Event event = watcher.readEvent();
        assertThat(event.field(EventFields.TAG_TYPE_NAME)).isEqualTo("safety.escalated");
        assertThat(event.field(EventFields.TAG_SOURCE)).isEqualTo("hermod");
        return event;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whatAnotherDeviceAcknowledgesDoesNotEscalateAndWhatOnlyItsPublisherDoes(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards, 1_500)) {
            RawClient watcher = client(broker, "eve");
            watcher.subscribe(ESCALATIONS);
            RawClient publisher = client(broker, "alice", Feature.ACK);
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            TopicResult topic = subscriber.subscribe("safety:1");
            assertThat(topic.getAcknowledged()).isTrue();
            int own = publisher.subscribe("safety:1").getHandle();
            publisher.publish(own, 1, "first");
            assertThat(nextEvent(subscriber).text()).isEqualTo("first");
            acknowledge(subscriber, topic.getHandle(), 1);
            await().until(() -> broker.counter("safety_acknowledged") == 1);
            publisher.publish(own, 2, "second");
            await().until(() -> broker.counter("safety_taken") == 2);
            acknowledge(publisher, own, 2);
            assertThat(attributes(escalation(watcher)))
                    .containsEntry("topic", "safety:1")
                    .containsEntry("offset", "2")
                    .containsEntry("reason", "unacknowledged");
            assertThat(broker.counter("events_acknowledged")).isEqualTo(3);
            assertThat(broker.counter("safety_escalated_unacknowledged")).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void anEventWithoutAnySubscriberEscalatesAtOnceAndItsEscalationNever(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards, NEVER_MS)) {
            RawClient watcher = client(broker, "eve");
            int handle = watcher.subscribe(ESCALATIONS).getHandle();
            RawClient publisher = client(broker, "alice");
            int topic = publisher.open("safety:1").getHandle();
            Ulid id = new Ulid(1, 2);
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_EVENT_ID, id.toBytes());
            byte[] bytes = new byte[fields.readableBytes()];
            fields.readBytes(bytes);
            publisher.publish(topic, 1, 0, 0, 0, 0, 0, bytes, new byte[0]);
            assertThat(attributes(escalation(watcher)))
                    .containsEntry("topic", "safety:1")
                    .containsEntry("offset", "1")
                    .containsEntry("eventId", id.toString())
                    .containsEntry("reason", "no-subscriber");
            // Whoever publishes there: nothing of that topic is watched.
            watcher.send(unsubscribe(handle));
            publisher.readPublished();
            int again = publisher.open(ESCALATIONS).getHandle();
            publisher.publish(again, 2, "false alarm");
            publisher.publish(topic, 3, "last");
            await().until(() -> broker.counter("safety_escalated_no_subscriber") == 2);
            await().until(() -> broker.counter("events_stored") >= 5);
            assertThat(broker.counter("safety_taken")).isEqualTo(2);
        }
    }

    private static ByteBuf unsubscribe(int handle) {
        return hermod.protocol.control.ControlCodec.encode(
                io.netty.buffer.UnpooledByteBufAllocator.DEFAULT,
                FrameType.UNSUBSCRIBE,
                9,
                hermod.protocol.control.wire.Unsubscribe.newBuilder()
                        .addHandles(handle)
                        .build());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whatALiveDeviceDoesNotAcknowledgeIsSentAgainInOrderAsOftenAsItMayBe(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards, NEVER_MS)) {
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            int handle = subscriber.subscribe("safety:1").getHandle();
            RawClient publisher = client(broker, "alice");
            int topic = publisher.open("safety:1").getHandle();
            publisher.publish(topic, 1, "a");
            publisher.publish(topic, 2, "b");
            List<Long> offsets = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                RawClient.Event event = nextEvent(subscriber);
                offsets.add(event.offset());
            }
            assertThat(offsets).containsExactly(1L, 2L, 1L, 2L);
            acknowledge(subscriber, handle, 1);
            RawClient.Event last = nextEvent(subscriber);
            assertThat(last.offset()).isEqualTo(2);
            assertThat(last.text()).isEqualTo("b");
            // Three times in all, and a later event comes without it.
            publisher.publish(topic, 3, "c");
            assertThat(nextEvent(subscriber).offset()).isEqualTo(3);
            acknowledge(subscriber, handle, 3);
            await().until(() -> broker.counter("events_acknowledged") == 3);
            assertThat(subscriber.isQuiet(500)).isTrue();
            assertThat(broker.counter("events_redelivered")).isEqualTo(3);
        }
    }

    @Test
    void whatCanNotBeSentAgainIsTriedNoOftenerThanTheRest() throws Exception {
        BrokerUnderTest.Setup setup = new BrokerUnderTest.Setup()
                .engine(engine)
                .safety(escalatingAfter(NEVER_MS, 100))
                .redelivery(new RedeliveryConfig(1_500, 1_500, 1, 10));
        try (BrokerUnderTest broker = setup.start()) {
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            subscriber.subscribe("safety:1");
            RawClient publisher = client(broker, "alice");
            int topic = publisher.open("safety:1").getHandle();
            publisher.publish(topic, 1, 0, 0, 0, 1, "over after a second");
            publisher.publish(topic, 2, "b");
            List<Long> offsets = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                offsets.add(nextEvent(subscriber).offset());
            }
            assertThat(offsets).containsExactly(1L, 2L, 2L);
            assertThat(subscriber.isQuiet(1_000)).isTrue();
            assertThat(broker.counter("events_redelivered")).isEqualTo(2);
        }
    }

    @Test
    void onlyWhatWasSentCanBeAcknowledged() throws Exception {
        try (BrokerUnderTest broker = broker(1, NEVER_MS)) {
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            int handle = subscriber.subscribe("safety:1").getHandle();
            RawClient publisher = client(broker, "alice");
            int topic = publisher.open("safety:1").getHandle();
            publisher.publish(topic, 1, "a");
            assertThat(nextEvent(subscriber).offset()).isEqualTo(1);
            acknowledge(subscriber, handle, Long.MAX_VALUE);
            await().until(() -> broker.counter("events_acknowledged") == 1);
            publisher.publish(topic, 2, "b");
            assertThat(nextEvent(subscriber).offset()).isEqualTo(2);
            assertThat(nextEvent(subscriber).offset()).isEqualTo(2);
            assertThat(broker.counter("events_acknowledged")).isEqualTo(1);
        }
    }

    @Test
    void aDeviceThatSaysNothingIsAskedForASignOfLifeAndSentNothingAgain() throws Exception {
        try (BrokerUnderTest broker = broker(1, NEVER_MS)) {
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            subscriber.subscribe("safety:1");
            RawClient publisher = client(broker, "alice");
            publisher.publish(publisher.open("safety:1").getHandle(), 1, "a");
            assertThat(subscriber.readEvent().text()).isEqualTo("a");
            subscriber.read(FrameType.PING);
            subscriber.read(FrameType.PING);
            subscriber.read(FrameType.PING);
            assertThat(broker.counter("events_redelivered")).isZero();
        }
    }

    @Test
    void whereNothingIsAcknowledgedAnAckOnlyMovesANumber() throws Exception {
        try (BrokerUnderTest broker = broker(1, NEVER_MS)) {
            RawClient client = client(broker, "bob", Feature.ACK);
            TopicResult topic = client.subscribe("chat:1");
            assertThat(topic.getAcknowledged()).isFalse();
            acknowledge(client, topic.getHandle(), 5);
            acknowledge(client, topic.getHandle(), 5);
            acknowledge(client, 77, 1);
            assertThat(client.echo(topic.getHandle(), "goes on")).isEqualTo("goes on");
            assertThat(broker.counter("events_acknowledged")).isZero();
            acknowledge(client, topic.getHandle(), -1);
            assertThat(client.readClose()).isEqualTo(CloseCode.BAD_FRAME.code());
            RawClient without = client(broker, "carol");
            int safety = without.subscribe("safety:1").getHandle();
            acknowledge(without, safety, 1);
            assertThat(without.readError()).isEqualTo(ErrorCode.UNSUPPORTED.code());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    @Tag("SA-7")
    void onAFailingStoreItEscalatesFromMemory(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards, 200)) {
            RawClient watcher = client(broker, "eve");
            watcher.subscribe(ESCALATIONS);
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            subscriber.subscribe("safety:1");
            RawClient publisher = client(broker, "alice");
            int heard = publisher.open("safety:1").getHandle();
            int unheard = publisher.open("safety:2").getHandle();
            engine.fail(EngineFault.FAILED);
            engine.refuse(EngineFault.FAILED);
            publisher.publish(unheard, 1, "help");
            assertThat(attributes(escalation(watcher))).containsEntry("reason", "no-subscriber");
            PublishedFrame outcome = publisher.readPublished();
            assertThat(outcome.exceptionCode(0)).isEqualTo(ErrorCode.NOT_STORED.code());
            publisher.publish(heard, 2, "help");
            assertThat(nextEvent(subscriber).text()).isEqualTo("help");
            assertThat(attributes(escalation(watcher))).containsEntry("reason", "unacknowledged");
            assertThat(broker.counter("safety_escalations_lost")).isZero();
        }
    }

    @Test
    void whatIsBeyondTheLimitOfWaitingEventsEscalatesAtOnce() throws Exception {
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup()
                .engine(engine)
                .safety(escalatingAfter(NEVER_MS, 2))
                .start()) {
            RawClient watcher = client(broker, "eve");
            watcher.subscribe(ESCALATIONS);
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            int handle = subscriber.subscribe("safety:1").getHandle();
            RawClient publisher = client(broker, "alice");
            int topic = publisher.open("safety:1").getHandle();
            for (int i = 1; i <= 3; i++) {
                publisher.publish(topic, i, "x");
            }
            assertThat(attributes(escalation(watcher)))
                    .containsEntry("offset", "3")
                    .containsEntry("reason", "too-many-waiting");
            RawClient.texts(subscriber, 3);
            acknowledge(subscriber, handle, 3);
            await().until(() -> broker.counter("safety_acknowledged") == 2);
            publisher.publish(topic, 4, "y");
            await().until(() -> broker.counter("safety_taken") == 4);
            assertThat(broker.counter("safety_escalated_too_many")).isEqualTo(1);
        }
    }

    @Test
    void whatWaitsOverARestartEscalatesAndWhatWasAcknowledgedDoesNot() throws Exception {
        try (BrokerUnderTest broker = broker(1, NEVER_MS)) {
            RawClient subscriber = client(broker, "bob", Feature.ACK);
            int handle = subscriber.subscribe("safety:1").getHandle();
            RawClient publisher = client(broker, "alice");
            int topic = publisher.open("safety:1").getHandle();
            publisher.publish(topic, 1, "a");
            nextEvent(subscriber);
            acknowledge(subscriber, handle, 1);
            await().until(() -> broker.counter("safety_acknowledged") == 1);
            publisher.publish(topic, 2, "b");
            await().until(() -> broker.counter("safety_taken") == 2);
        }
        // Its time is over now: it escalates when it is read.
        try (BrokerUnderTest broker = broker(1, 100)) {
            await().until(() -> broker.counter("safety_escalated_unacknowledged") == 1);
            RawClient late = client(broker, "eve", Feature.HISTORY);
            await().until(() -> broker.counter("events_stored") >= 1);
            assertThat(late.subscribe(ESCALATIONS).getNextOffset()).isGreaterThan(1);
        }
        try (BrokerUnderTest broker = broker(1, 100)) {
            RawClient publisher = client(broker, "alice");
            publisher.publish(publisher.open("safety:2").getHandle(), 1, "c");
            await().until(() -> broker.counter("safety_escalated_no_subscriber") == 1);
            assertThat(broker.counter("safety_escalated_unacknowledged")).isZero();
        }
    }
}
