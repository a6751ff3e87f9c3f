package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.session.SessionConfig;
import hermod.protocol.ErrorCode;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(LeakCheck.class)
class EventsEndToEndTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    @Tag("EV-1")
    void anEventArrivesWithAllItsFieldsAndTheBrokersOwn(int shards) throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(shards)) {
            RawClient bob = broker.client("bob");
            RawClient alice = broker.client("alice");
            bob.subscribe("chat:room");
            int handle = alice.open("chat:room").getHandle();
            byte[] id = new byte[16];
            java.util.Arrays.fill(id, (byte) 7);
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_EVENT_ID, id);
            EventFields.write(fields, EventFields.TAG_TARGET, "carol".getBytes(StandardCharsets.UTF_8));
            EventFields.write(fields, EventFields.TAG_TYPE_NAME, "my.type".getBytes(StandardCharsets.UTF_8));
            EventFields.writeAttributes(fields, Map.of("propertyId", "17"));
            EventFields.write(fields, EventFields.TAG_METADATA, new byte[] {1, 2, 3});
            EventFields.write(fields, 200, new byte[] {9});
            byte[] area = new byte[fields.readableBytes()];
            fields.readBytes(area);
            long atUs = System.currentTimeMillis() * 1_000 - 50_000;
            alice.publish(handle, 1, 0, 0, atUs, 60, EventType.CUSTOM, area, "hé".getBytes(StandardCharsets.UTF_8));
            RawClient.Event event = bob.readEvent();
            assertThat(event.text()).isEqualTo("hé");
            assertThat(event.timestampUs()).isEqualTo(atUs);
            assertThat(event.ttlSeconds()).isEqualTo(60);
            assertThat(event.field(EventFields.TAG_SOURCE)).isEqualTo("alice");
            assertThat(event.field(EventFields.TAG_TARGET)).isEqualTo("carol");
            assertThat(event.field(EventFields.TAG_TYPE_NAME)).isEqualTo("my.type");
            assertThat(EventFields.structureFaultOf(event.frame(), EventFrame.FIXED_BYTES, event.fieldsBytes()))
                    .isNull();
            assertThat(EventFields.attributes(event.frame(), EventFrame.FIXED_BYTES, event.fieldsBytes()))
                    .containsExactly(Map.entry("propertyId", "17"));
            byte[] got = new byte[16];
            event.field(EventFields.TAG_EVENT_ID, got);
            assertThat(got).isEqualTo(id);
            byte[] passed = new byte[1];
            event.field(200, passed);
            assertThat(passed).containsExactly(9);
            assertThat(FrameHeader.priority(event.frame(), 0)).isEqualTo(Priority.NORMAL);
        }
    }

    @Test
    @Tag("EV-1")
    void aTimeInTheFutureIsSetToTheBrokersAndAMissingOneIsFilledIn() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.subscribe("chat:room").getHandle();
            client.publish(handle, 1, 0, 0, Long.MAX_VALUE, 0, "future");
            client.publish(handle, 2, 0, 0, 0, 0, "none");
            client.publish(handle, 3, 0, 0, Long.MIN_VALUE, 0, "past");
            long nowUs = System.currentTimeMillis() * 1_000;
            for (RawClient.Event event : events(client, 3)) {
                assertThat(event.timestampUs()).isBetween(nowUs - 2_000_000, nowUs + 2_000_000);
            }
        }
    }

    @Test
    @Tag("EV-2")
    void aKnownTypeHasItsDefaultTimeToLiveAndAnotherHasNone() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.subscribe("chat:room").getHandle();
            for (EventType type : EventType.values()) {
                client.publish(handle, type.code(), 0, 0, 0, 0, type.code(), new byte[0], new byte[0]);
            }
            client.publish(handle, 100, "custom");
            client.publish(handle, 101, 0, 0, 0, Entry.TTL_NONE & 0xffff_ffffL, 1, new byte[0], new byte[0]);
            List<RawClient.Event> events = events(client, EventType.values().length + 2);
            for (EventType type : EventType.values()) {
                assertThat(events.get(type.ordinal()).ttlSeconds()).isEqualTo(type.ttlSeconds());
            }
            assertThat(events.get(events.size() - 2).ttlSeconds()).isZero();
            assertThat(events.get(events.size() - 1).ttlSeconds()).isZero();
        }
    }

    @Test
    @Tag("EV-3")
    void anEventPastItsTimeToLiveIsRefusedAndNotDelivered() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.subscribe("chat:room").getHandle();
            long nowUs = System.currentTimeMillis() * 1_000;
            client.publish(handle, 1, 0, 0, nowUs - 5_000_000, 2, "late");
            PublishedFrame published = client.readPublished();
            assertThat(published.exceptionCode(0)).isEqualTo(ErrorCode.EXPIRED.code());
            client.publish(handle, 2, 0, 0, nowUs - 1_000_000, 60, "in time");
            assertThat(client.readEvent().text()).isEqualTo("in time");
            assertThat(broker.channel("chat").expired()).isEqualTo(1);
        }
    }

    @Test
    @Tag("EV-4")
    void priorityIsTheChannelsUnlessAskedAndNeverAboveItsCeilingOrWithoutTheRight() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient plain = broker.client("plain");
            RawClient urgent = broker.client("urgent", List.of("pub:*", "sub:*", "urgent"));
            int chat = plain.open("chat:room").getHandle();
            int safety = plain.open("safety:room").getHandle();
            urgent.subscribe("chat:room");
            urgent.subscribe("safety:room");
            plain.publish(chat, 1, FrameHeader.FLAG_PRIORITY_GIVEN | Priority.LOW.code(), 0, 0, 0, "low");
            assertThat(plain.readPublished().exceptionCount()).isZero();
            assertThat(FrameHeader.priority(urgent.readEvent().frame(), 0)).isEqualTo(Priority.LOW);
            plain.publish(chat, 2, FrameHeader.FLAG_PRIORITY_GIVEN | Priority.URGENT.code(), 0, 0, 0, "urgent");
            PublishedFrame clamped = plain.readPublished();
            assertThat(clamped.rangeCount()).isEqualTo(1);
            assertThat(clamped.exceptionKind(0)).isEqualTo(PublishedFrame.KIND_CLAMPED);
            assertThat(clamped.exceptionPriority(0)).isEqualTo(Priority.HIGH);
            assertThat(FrameHeader.priority(urgent.readEvent().frame(), 0)).isEqualTo(Priority.HIGH);
            plain.publish(safety, 3, "no right to urgent");
            assertThat(plain.readPublished().exceptionKind(0)).isEqualTo(PublishedFrame.KIND_CLAMPED);
            assertThat(FrameHeader.priority(urgent.readEvent().frame(), 0)).isEqualTo(Priority.HIGH);
            urgent.publish(urgent.open("safety:room").getHandle(), 4, "help");
            assertThat(FrameHeader.priority(urgent.readEvent().frame(), 0)).isEqualTo(Priority.URGENT);
            assertThat(broker.channel("chat").clamped()).isEqualTo(1);
            assertThat(broker.channel("safety").clamped()).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    @Tag("EV-5")
    void everySubscriberSeesATopicsEventsInOneOrderWithRisingOffsets(int shards) throws Exception {
        List<String> unlimited = List.of("pub:*", "sub:*", "limits:service", "rate:unlimited");
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(shards)) {
            int publishers = 4;
            int each = 500;
            List<RawClient> subscribers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                RawClient subscriber = broker.client("s" + i, unlimited);
                subscriber.subscribe("tasks:one");
                subscribers.add(subscriber);
            }
            List<Thread> threads = new ArrayList<>();
            for (int p = 0; p < publishers; p++) {
                RawClient publisher = broker.client("p" + p, unlimited);
                int handle = publisher.open("tasks:one").getHandle();
                int number = p;
                threads.add(new Thread(() -> flood(publisher, handle, number, each)));
            }
            threads.forEach(Thread::start);
            List<List<String>> seen = new ArrayList<>();
            for (RawClient subscriber : subscribers) {
                List<String> texts = new ArrayList<>();
                long last = 0;
                for (int i = 0; i < publishers * each; i++) {
                    RawClient.Event event = subscriber.readEvent();
                    assertThat(event.offset()).isEqualTo(last + 1);
                    last = event.offset();
                    texts.add(event.text());
                }
                seen.add(texts);
            }
            assertThat(seen).allMatch(texts -> texts.equals(seen.get(0)));
            for (int p = 0; p < publishers; p++) {
                String prefix = p + ":";
                assertThat(seen.get(0).stream().filter(text -> text.startsWith(prefix)))
                        .containsExactlyElementsOf(IntStream.range(0, each)
                                .mapToObj(i -> prefix + i)
                                .toList());
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
    }

    private static void flood(RawClient publisher, int handle, int number, int count) {
        try {
            ByteBuf burst = Unpooled.buffer();
            for (int i = 0; i < count; i++) {
                byte[] payload = (number + ":" + i).getBytes(StandardCharsets.UTF_8);
                PublishFrame.writeHead(burst, 0, handle, i, 0, 0, 0, 0, 0, payload.length);
                burst.writeBytes(payload);
            }
            publisher.send(burst);
        } catch (java.io.IOException failed) {
            throw new java.io.UncheckedIOException(failed);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    @Tag("EV-5")
    void oneFrameMayCarryManyEventsAndTheAnswerIsOneRange(int shards) throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(shards)) {
            RawClient client = broker.client("alice");
            int handle = client.subscribe("tasks:room").getHandle();
            ByteBuf entries = Unpooled.buffer();
            for (int i = 0; i < 50; i++) {
                byte[] payload = ("n" + i).getBytes(StandardCharsets.UTF_8);
                entries.writeIntLE(Entry.FIXED_BYTES + payload.length);
                Entry.writeFixed(entries, 0, 0, 0, 0);
                entries.writeBytes(payload);
            }
            ByteBuf frame = Unpooled.buffer();
            FrameHeader.write(
                    frame, FrameType.PUBLISH, FrameHeader.FLAG_MANY, handle, 0xffff_fff0, 8 + entries.readableBytes());
            client.send(frame.writeLongLE(1_000).writeBytes(entries));
            List<String> texts = new ArrayList<>();
            PublishedFrame published = new PublishedFrame();
            // Between shards, events and their outcome come in either order.
            for (int i = 0; i < 51; i++) {
                ByteBuf next = client.read();
                if (FrameHeader.type(next, 0) == FrameType.EVENT.code()) {
                    texts.add(new RawClient.Event(next).text());
                } else {
                    published.wrap(next, 0);
                }
            }
            assertThat(texts)
                    .containsExactlyElementsOf(
                            IntStream.range(0, 50).mapToObj(i -> "n" + i).toList());
            assertThat(published.rangeCount()).isEqualTo(1);
            assertThat(published.rangeFirstRequestId(0)).isEqualTo(0xffff_fff0);
            assertThat(published.rangeLength(0)).isEqualTo(50);
            assertThat(published.rangeFirstOffset(0)).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    @Tag("EV-6")
    void aRetryIsRecognisedBySequenceAlsoOnANewConnection(int shards) throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(shards)) {
            RawClient bob = broker.client("bob");
            bob.subscribe("chat:room");
            RawClient before = broker.client("alice");
            int handle = before.open("chat:room").getHandle();
            before.publish(handle, 1, 0, 77, 0, 0, "once");
            assertThat(before.readPublished().rangeFirstOffset(0)).isEqualTo(1);
            before.close();
            RawClient after = broker.client("alice");
            handle = after.open("chat:room").getHandle();
            after.publish(handle, 9, 0, 77, 0, 0, "once");
            PublishedFrame again = after.readPublished();
            assertThat(again.rangeCount()).isZero();
            assertThat(again.exceptionKind(0)).isEqualTo(PublishedFrame.KIND_DUPLICATE);
            assertThat(again.exceptionOffset(0)).isEqualTo(1);
            after.publish(handle, 10, 0, 78, 0, 0, "twice");
            assertThat(RawClient.texts(bob, 2)).containsExactly("once", "twice");
            after.publish(handle, 11, 0, 2_000, 0, 0, "far ahead");
            after.readPublished();
            after.readPublished();
            after.publish(handle, 12, 0, 78, 0, 0, "too old to tell");
            assertThat(after.readPublished().exceptionCode(0)).isEqualTo(ErrorCode.SEQUENCE_TOO_OLD.code());
            assertThat(broker.channel("chat").duplicates()).isEqualTo(1);
        }
    }

    @Test
    @Tag("EV-6")
    void sequencesWithoutAnEpochMeanNothingAndImpossibleOnesAreRefused() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.socket();
            client.connect(RawClient.hello(broker.token("alice", BrokerUnderTest.ORDINARY))
                    .setProducerEpoch(0));
            int handle = client.open("chat:room").getHandle();
            client.publish(handle, 1, 0, 5, 0, 0, "a");
            assertThat(client.readPublished().rangeCount()).isEqualTo(1);
            client.publish(handle, 2, 0, 5, 0, 0, "b");
            assertThat(client.readPublished().rangeCount()).isEqualTo(1);
            client.publish(handle, 3, 0, Long.MIN_VALUE, 0, 0, "c");
            assertThat(client.readPublished().exceptionCode(0)).isEqualTo(ErrorCode.BAD_EVENT.code());
        }
    }

    @Test
    void aPublishWithAnExtensionThatMustBeUnderstoodIsRefusedEventByEvent() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.open("chat:room").getHandle();
            ByteBuf frame = Unpooled.buffer();
            FrameHeader.write(frame, FrameType.PUBLISH, 0, handle, 77, 4 + 8 + Entry.FIXED_BYTES);
            frame.setShortLE(FrameHeader.EXTENSION_LENGTH_AT, 4);
            frame.writeShortLE(0x8001).writeShortLE(0).writeLongLE(0);
            Entry.writeFixed(frame, 0, 0, 0, 0);
            client.send(frame);
            PublishedFrame published = client.readPublished();
            assertThat(published.exceptionRequestId(0)).isEqualTo(77);
            assertThat(published.exceptionCode(0)).isEqualTo(ErrorCode.UNSUPPORTED.code());
        }
    }

    @Test
    @Tag("EV-6")
    void equalSequencesOfAnotherDeviceOrTopicAreNoDuplicates() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient alice = broker.client("alice");
            RawClient bob = broker.client("bob");
            int one = alice.open("chat:one").getHandle();
            alice.publish(one, 1, 0, 5, 0, 0, "a");
            assertThat(alice.readPublished().rangeCount()).isEqualTo(1);
            alice.publish(alice.open("chat:two").getHandle(), 2, 0, 5, 0, 0, "a");
            assertThat(alice.readPublished().rangeCount()).isEqualTo(1);
            bob.publish(bob.open("chat:one").getHandle(), 3, 0, 5, 0, 0, "b");
            assertThat(bob.readPublished().rangeCount()).isEqualTo(1);
        }
    }

    @Test
    @Tag("EV-9")
    void aPayloadIsTakenUpToItsLimitAndRefusedBeyondIt() throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().payloadLimitBytes(100_000).start()) {
            RawClient client = broker.client("alice");
            int handle = client.subscribe("chat:room").getHandle();
            client.publish(handle, 1, "x".repeat(100_000));
            assertThat(client.readEvent().text()).hasSize(100_000);
            client.readPublished();
            client.publish(handle, 2, "x".repeat(100_001));
            assertThat(client.readPublished().exceptionCode(0)).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE.code());
            client.publish(handle, 3, "still here");
            assertThat(client.readEvent().text()).isEqualTo("still here");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    @Tag("EV-11")
    void thePublishersOwnDeviceMayBeLeftOutAndTheUsersOthersAreNot(int shards) throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(shards)) {
            RawClient phone = broker.client("alice");
            RawClient laptop = broker.socket();
            laptop.connect(RawClient.hello(broker.token("alice", BrokerUnderTest.ORDINARY))
                    .setDeviceId("laptop"));
            RawClient bob = broker.client("bob");
            int handle = phone.subscribe("chat:room").getHandle();
            laptop.subscribe("chat:room");
            bob.subscribe("chat:room");
            phone.publish(handle, 1, 0, 0, 0, 0, "for all");
            phone.publish(handle, 2, FrameHeader.FLAG_EXCLUDE_DEVICE, 0, 0, 0, "not for the phone");
            phone.publish(handle, 3, 0, 0, 0, 0, "for all again");
            assertThat(RawClient.texts(laptop, 3)).containsExactly("for all", "not for the phone", "for all again");
            assertThat(RawClient.texts(bob, 3)).hasSize(3);
            List<String> own = new ArrayList<>();
            while (own.size() < 2) {
                ByteBuf frame = phone.read();
                if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                    own.add(new RawClient.Event(frame).text());
                }
            }
            assertThat(own).containsExactly("for all", "for all again");
        }
    }

    @Test
    void nothingCrossesAnOrg() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient acme = broker.client("alice");
            RawClient other = broker.socket();
            other.connect(RawClient.hello(
                    broker.token("alice", "globex", BrokerUnderTest.ORDINARY, java.time.Duration.ofMinutes(5))));
            int ours = acme.subscribe("chat:room").getHandle();
            int theirs = other.subscribe("chat:room").getHandle();
            assertThat(theirs).isNotEqualTo(ours);
            other.publish(ours, 1, "with a handle of another org");
            assertThat(other.readPublished().exceptionCode(0)).isEqualTo(ErrorCode.UNKNOWN_HANDLE.code());
            other.publish(theirs, 2, "theirs");
            assertThat(other.readEvent().text()).isEqualTo("theirs");
            assertThat(acme.isQuiet(200)).isTrue();
        }
    }

    @Test
    void afterUnsubscribedNothingMoreOfTheTopicComesAndItsHandleIsGone() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient bob = broker.client("bob");
            RawClient alice = broker.client("alice");
            int handle = bob.subscribe("chat:room").getHandle();
            alice.publish(alice.open("chat:room").getHandle(), 1, "one");
            bob.readEvent();
            bob.send(
                    FrameType.UNSUBSCRIBE,
                    3,
                    Unsubscribe.newBuilder().addHandles(handle).addHandles(99).build());
            Unsubscribed gone = Unsubscribed.parseFrom(RawClient.body(bob.read(FrameType.UNSUBSCRIBED)));
            assertThat(gone.getHandlesList()).containsExactly(handle);
            alice.publish(handle, 2, "two");
            alice.readPublished();
            assertThat(bob.isQuiet(200)).isTrue();
            bob.publish(handle, 1, "x");
            assertThat(bob.readPublished().exceptionCode(0)).isEqualTo(ErrorCode.UNKNOWN_HANDLE.code());
        }
    }

    @Test
    void subscribingTwiceDeliversOnce() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            TopicResult first = client.subscribe("chat:room");
            TopicResult second = client.subscribe("chat:room");
            assertThat(second.getHandle()).isEqualTo(first.getHandle());
            client.publish(first.getHandle(), 1, "once");
            assertThat(client.readEvent().text()).isEqualTo("once");
            client.readPublished();
            assertThat(client.isQuiet(200)).isTrue();
        }
    }

    @Test
    @Tag("SE-4")
    void aConnectionThatPublishesTooFastIsToldWhenToTryAgain() throws Exception {
        SessionConfig slow = new SessionConfig(15_000, 35_000, 10, 5, 1 << 20);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().session(slow).start()) {
            RawClient client = broker.client("alice");
            int handle = client.open("tasks:room").getHandle();
            client.inOneWrite(() -> {
                for (int i = 0; i < 6; i++) {
                    client.publish(handle, i, "x");
                }
            });
            int accepted = 0;
            PublishedFrame published = client.readPublished();
            while (published.exceptionCount() == 0) {
                accepted += published.rangeLength(0);
                published = client.readPublished();
            }
            accepted += published.rangeCount() == 0 ? 0 : published.rangeLength(0);
            assertThat(accepted).isEqualTo(5);
            assertThat(published.exceptionCode(0)).isEqualTo(ErrorCode.RATE_LIMITED.code());
            assertThat(published.exceptionRetryAfterMs(0)).isBetween(1L, 1_000L);
        }
    }

    @Test
    @Tag("SE-4")
    void topicsHeldByAConnectionAreBounded() throws Exception {
        SessionConfig few = new SessionConfig(15_000, 35_000, 3, 1_000, 1 << 20);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().session(few).start()) {
            RawClient client = broker.client("alice");
            for (int i = 0; i < 3; i++) {
                assertThat(client.subscribe("chat:" + i).getGranted()).isTrue();
            }
            assertThat(client.subscribe("chat:3").getCode()).isEqualTo(ErrorCode.TOO_MANY_TOPICS_HELD.code());
        }
    }

    private static List<RawClient.Event> events(RawClient client, int count) throws Exception {
        List<RawClient.Event> events = new ArrayList<>();
        while (events.size() < count) {
            ByteBuf frame = client.read();
            if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                events.add(new RawClient.Event(frame));
            }
        }
        return events;
    }
}
