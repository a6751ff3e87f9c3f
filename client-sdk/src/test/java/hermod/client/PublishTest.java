package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.ErrorCode;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Publishing over a real socket: what is written, what is answered, and what happens when the connection breaks in between. */
class PublishTest extends ClientFixture {
    private HermodClient client;
    private FakeBroker.Peer peer;

    private void connect(HermodClient.Builder builder) throws Exception {
        client = client(builder);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcome();
        done(connected);
    }

    @Test
    @Tag("EV-1")
    void aReceiptTellsWhereTheEventStands() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, "hello");
        int handle = peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(1);
        peer.ack(sent, 42);

        PublishReceipt received = done(receipt);

        assertThat(sent.get(0).text()).isEqualTo("hello");
        assertThat(sent.get(0).handle()).isEqualTo(handle);
        assertThat(sent.get(0).sequence()).isPositive();
        assertThat(received.topic()).isEqualTo(ROOM);
        assertThat(received.epoch()).isEqualTo(EPOCH);
        assertThat(received.offset()).isEqualTo(42);
        assertThat(received.duplicate()).isFalse();
        assertThat(received.clampedTo()).isNull();
        assertThat(received.eventId()).hasSize(26);
    }

    @Test
    @Tag("EV-1")
    void everythingAnEventSaysIsOnTheWire() throws Exception {
        connect(builder());
        OutgoingEvent event = OutgoingEvent.builder()
                .text("hi")
                .type("CHAT_MESSAGE")
                .priority(Priority.HIGH)
                .ttl(Duration.ofMillis(1_500))
                .target("bob")
                .attribute("propertyId", "17")
                .metadata(new byte[] {1, 2, 3})
                .eventId("01ARZ3NDEKTSV4RRFFQ69G5FAV")
                .excludeOwnDevice()
                .build();
        CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, event);
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(1);
        peer.ack(sent, 1);

        FakeBroker.Sent one = sent.get(0);
        ByteBuf fields = one.fields();
        int bytes = fields.readableBytes();
        assertThat(one.type()).isEqualTo(EventType.CHAT_MESSAGE.code());
        assertThat(one.ttlSeconds()).isEqualTo(2);
        assertThat(one.flags())
                .isEqualTo(FrameHeader.FLAG_PRIORITY_GIVEN | FrameHeader.FLAG_EXCLUDE_DEVICE | Priority.HIGH.code());
        assertThat(EventFields.text(fields, 0, bytes, EventFields.TAG_TARGET)).isEqualTo("bob");
        assertThat(EventFields.attributes(fields, 0, bytes)).isEqualTo(Map.of("propertyId", "17"));
        assertThat(EventFields.find(fields, 0, bytes, EventFields.TAG_METADATA)).isPositive();
        assertThat(done(receipt).eventId()).isEqualTo("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    }

    @Test
    void anApplicationsOwnTypeTravelsByName() throws Exception {
        connect(builder());
        client.publish(
                ROOM,
                OutgoingEvent.builder().type("dice.rolled").withoutEventId().build());
        peer.grantOpen(ROOM);

        FakeBroker.Sent one = peer.expectPublishes(1).get(0);

        assertThat(one.type()).isEqualTo(EventType.CUSTOM);
        assertThat(EventFields.text(one.fields(), 0, one.fields().readableBytes(), EventFields.TAG_TYPE_NAME))
                .isEqualTo("dice.rolled");
        assertThat(EventFields.find(one.fields(), 0, one.fields().readableBytes(), EventFields.TAG_EVENT_ID))
                .isNegative();
    }

    @Test
    void theIntendedTimeIsTranslatedToTheBrokersClock() throws Exception {
        broker.clockShiftUs = 7_200_000_000L;
        long nowUs = hermod.client.internal.WallClock.SYSTEM.getAsLong();
        connect(builder());
        client.publish(
                ROOM,
                OutgoingEvent.builder()
                        .text("x")
                        .intendedAtUs(nowUs - 1_000_000)
                        .build());
        peer.grantOpen(ROOM);

        long sentUs = peer.expectPublishes(1).get(0).timestampUs();

        // Read early, when the clock was known less well than later: the shift is 7,200 of these.
        assertThat(Math.abs(sentUs - (nowUs - 1_000_000 + broker.clockShiftUs))).isLessThan(1_000_000);
    }

    @Test
    void aTopicIsOpenedOnceForManyPublishesAndTheyShareFrames() throws Exception {
        connect(builder());
        List<CompletableFuture<PublishReceipt>> receipts = IntStream.range(0, 500)
                .mapToObj(i -> client.publish(ROOM, "m" + i))
                .toList();
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(500);
        peer.ack(sent, 1);

        for (int i = 0; i < receipts.size(); i++) {
            assertThat(done(receipts.get(i)).offset()).isEqualTo(i + 1);
        }
        assertThat(sent.stream().map(FakeBroker.Sent::text).toList())
                .isEqualTo(IntStream.range(0, 500).mapToObj(i -> "m" + i).toList());
        assertThat(sent.get(499).sequence() - sent.get(0).sequence()).isEqualTo(499);
        assertThat(peer.publishFrames.get()).isLessThan(100);
    }

    @Test
    void noMoreThanTheWindowIsSentUnacknowledged() throws Exception {
        broker.limits = told -> told.setPublishWindowEvents(10);
        connect(builder());
        List<CompletableFuture<PublishReceipt>> receipts = new ArrayList<>();
        for (int i = 0; i < 25; i++) {
            receipts.add(client.publish(ROOM, "m" + i));
        }
        peer.grantOpen(ROOM);

        List<FakeBroker.Sent> first = peer.expectPublishes(10);
        peer.ack(first.subList(0, 5), 1);
        List<FakeBroker.Sent> next = peer.expectPublishes(5);
        peer.ack(first.subList(5, 10), 6);
        peer.ack(next, 11);
        peer.ack(peer.expectPublishes(10), 16);

        for (CompletableFuture<PublishReceipt> receipt : receipts) {
            done(receipt);
        }
        assertThat(client.stats().publishesPending()).isZero();
    }

    @Test
    @Tag("EV-4")
    void refusedClampedAndDuplicateAreTold() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> refused = client.publish(ROOM, "refused");
        CompletableFuture<PublishReceipt> clamped = client.publish(
                ROOM, OutgoingEvent.builder().priority(Priority.URGENT).build());
        CompletableFuture<PublishReceipt> duplicate = client.publish(ROOM, "duplicate");
        int handle = peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(3);
        PublishedWriter outcomes = new PublishedWriter();
        outcomes.refused(sent.get(0).requestId(), handle, ErrorCode.RATE_LIMITED, 250);
        outcomes.accepted(sent.get(1).requestId(), handle, 9);
        outcomes.clamped(sent.get(1).requestId(), handle, Priority.HIGH, 9);
        outcomes.duplicate(sent.get(2).requestId(), handle, 4);
        peer.send(outcomes);

        HermodException why = failure(refused);
        assertThat(why.is(ErrorCode.RATE_LIMITED)).isTrue();
        assertThat(why.isRetryable()).isTrue();
        assertThat(why.retryAfter()).isEqualTo(Duration.ofMillis(250));
        assertThat(done(clamped).clampedTo()).isEqualTo(Priority.HIGH);
        assertThat(done(clamped).offset()).isEqualTo(9);
        assertThat(done(duplicate).duplicate()).isTrue();
        assertThat(done(duplicate).offset()).isEqualTo(4);
    }

    private void refuse(FakeBroker.Sent sent, int retryAfterMs) {
        PublishedWriter outcomes = new PublishedWriter();
        outcomes.refused(sent.requestId(), sent.handle(), ErrorCode.BACK_PRESSURED, retryAfterMs);
        peer.send(outcomes);
    }

    @Test
    @Tag("FL-1")
    void whatIsBackPressuredIsSentAgainAfterTheToldTimeAndBeforeWhatIsLater() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> first = client.publish(ROOM, "first");
        peer.grantOpen(ROOM);
        FakeBroker.Sent refused = peer.expectPublishes(1).get(0);
        long refusedNs = System.nanoTime();
        refuse(refused, 50);
        // Behind the refusal, so that it is handled before the next publish.
        CompletableFuture<PublishReceipt> other = client.publish("chat:other", "other");
        peer.ack(List.of(otherAfterOpen("chat:other")), 1);
        done(other);
        CompletableFuture<PublishReceipt> second = client.publish(ROOM, "second");
        List<FakeBroker.Sent> again = peer.expectPublishes(2);
        long waitedMs = (System.nanoTime() - refusedNs) / 1_000_000;
        peer.ack(again, 1);

        assertThat(again.stream().map(FakeBroker.Sent::text)).containsExactly("first", "second");
        assertThat(again.get(0).sequence()).isEqualTo(refused.sequence());
        assertThat(waitedMs).isGreaterThanOrEqualTo(50);
        assertThat(done(first).offset()).isEqualTo(1);
        assertThat(done(second).offset()).isEqualTo(2);
    }

    private FakeBroker.Sent otherAfterOpen(String topic) throws Exception {
        peer.grantOpen(topic);
        return peer.expectPublishes(1).get(0);
    }

    @Test
    @Tag("FL-1")
    void whatIsBackPressuredAgainAndAgainFailsWithTheBrokersWord() throws Exception {
        connect(builder().publishRetries(2));
        CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, "x");
        peer.grantOpen(ROOM);
        for (int i = 0; i < 3; i++) {
            refuse(peer.expectPublishes(1).get(0), 1 + i);
        }

        HermodException why = failure(receipt);
        assertThat(why.is(ErrorCode.BACK_PRESSURED)).isTrue();
        assertThat(why.retryAfter().toMillis()).isEqualTo(3);
        assertThat(client.stats().publishesPending()).isZero();
    }

    @Test
    @Tag("EV-5")
    void whatIsBackPressuredIsNotSentBehindALaterOneThatWasAccepted() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> first = client.publish(ROOM, "first");
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = new ArrayList<>(peer.expectPublishes(1));
        CompletableFuture<PublishReceipt> second = client.publish(ROOM, "second");
        sent.addAll(peer.expectPublishes(1));
        refuse(sent.get(0), 1);
        peer.ack(sent.subList(1, 2), 1);
        done(second);
        CompletableFuture<PublishReceipt> third = client.publish(ROOM, "third");

        assertThat(failure(first).is(ErrorCode.BACK_PRESSURED)).isTrue();
        List<FakeBroker.Sent> next = peer.expectPublishes(1);
        assertThat(next.get(0).text()).isEqualTo("third");
        peer.ack(next, 2);
        done(third);
    }

    @Test
    @Tag("EV-5")
    void whatWasBackPressuredBeforeABreakIsSentAgainInItsPlace() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> first = client.publish(ROOM, "first");
        peer.grantOpen(ROOM);
        peer.ack(peer.expectPublishes(1), 1);
        done(first);
        CompletableFuture<PublishReceipt> second = client.publish(ROOM, "second");
        peer.expectPublishes(1);
        CompletableFuture<PublishReceipt> third = client.publish(ROOM, "third");
        FakeBroker.Sent sentThird = peer.expectPublishes(1).get(0);
        CompletableFuture<PublishReceipt> fourth = client.publish(ROOM, "fourth");
        refuse(peer.expectPublishes(1).get(0), 5_000);
        refuse(sentThird, 5_000);
        // Behind the refusals, so that they are handled before the next publish.
        CompletableFuture<PublishReceipt> other = client.publish("chat:other", "other");
        peer.ack(List.of(otherAfterOpen("chat:other")), 1);
        done(other);
        client.publish(ROOM, "fifth");
        peer.cut();
        peer = broker.accept();
        peer.welcome();
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> again = peer.expectPublishes(4);
        peer.ack(again, 2);

        assertThat(again.stream().map(FakeBroker.Sent::text)).containsExactly("second", "third", "fourth", "fifth");
        assertThat(done(second).offset()).isEqualTo(2);
        assertThat(done(third).offset()).isEqualTo(3);
        assertThat(done(fourth).offset()).isEqualTo(4);
    }

    @Test
    @Tag("FL-11")
    void theWindowInBytesIsKeptWithTheHeadsOfFramesCounted() throws Exception {
        broker.limits = told -> told.setPublishWindowBytes(1_000);
        connect(builder());
        client.publish(ROOM, "");
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> inTheAir = new ArrayList<>();
        FakeBroker.Frame frame = peer.expect(FrameType.PUBLISH);
        int frameBytes = frame.bytes().readableBytes();
        int fitting = 1_000 / (frameBytes + Integer.BYTES);
        inTheAir.addAll(peer.entriesOf(frame));
        for (int i = 1; i < fitting; i++) {
            client.publish(ROOM, "");
            inTheAir.addAll(peer.entriesOf(peer.expect(FrameType.PUBLISH)));
        }
        CompletableFuture<PublishReceipt> beyond = client.publish(ROOM, "beyond");
        // Two requests behind it: had it been sent, it would come before the second.
        done(subscribe("chat:a"));
        done(subscribe("chat:b"));

        peer.ack(inTheAir, 1);
        peer.ack(peer.expectPublishes(1), inTheAir.size() + 1);
        assertThat(done(beyond).offset()).isEqualTo(fitting + 1);
    }

    private CompletableFuture<Subscription> subscribe(String topic) throws Exception {
        CompletableFuture<Subscription> subscribed = client.subscribe(topic, event -> {});
        peer.grantSubscribe(topic, EPOCH, 1);
        return subscribed;
    }

    @Test
    void aTopicThatMayNotBeOpenedFailsWhatWaitsForItAndNothingElse() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> forbidden = client.publish("wallet:1", "no");
        FakeBroker.Frame open = peer.expect(FrameType.OPEN);
        CompletableFuture<PublishReceipt> allowed = client.publish(ROOM, "yes");
        peer.opened(open, peer.refused("wallet:1", ErrorCode.FORBIDDEN));
        peer.grantOpen(ROOM);
        peer.ack(peer.expectPublishes(1), 1);

        assertThat(failure(forbidden).is(ErrorCode.FORBIDDEN)).isTrue();
        assertThat(done(allowed).offset()).isEqualTo(1);
    }

    @Test
    @Tag("EV-9")
    void aPayloadAboveTheBrokersLimitIsNotSent() throws Exception {
        broker.limits = told -> told.setPayloadBytes(100);
        connect(builder());

        HermodException why = failure(client.publish(ROOM, new byte[101]));
        CompletableFuture<PublishReceipt> fits = client.publish(ROOM, new byte[100]);
        peer.grantOpen(ROOM);
        peer.ack(peer.expectPublishes(1), 1);

        assertThat(why.is(ErrorCode.PAYLOAD_TOO_LARGE)).isTrue();
        assertThat(why).hasMessageContaining("bytes=101").hasMessageContaining("limit=100");
        done(fits);
    }

    @Test
    @Tag("EV-9")
    void aPayloadFoundTooLargeOnlyAfterWelcomeIsRefusedThen() throws Exception {
        broker.limits = told -> told.setPayloadBytes(100);
        client = client();
        CompletableFuture<PublishReceipt> early = client.publish(ROOM, new byte[101]);
        client.connect();
        peer = broker.accept();
        peer.welcome();
        peer.grantOpen(ROOM);

        assertThat(failure(early).is(ErrorCode.PAYLOAD_TOO_LARGE)).isTrue();
    }

    @Test
    void publishesBeforeTheConnectionWaitForItWithinTheirBound() throws Exception {
        client = client(builder().pendingPublishes(3, 1_000_000));
        List<CompletableFuture<PublishReceipt>> waiting = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            waiting.add(client.publish(ROOM, "m" + i));
        }

        HermodException why = failure(client.publish(ROOM, "one too many"));
        client.connect();
        peer = broker.accept();
        peer.welcome();
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(3);
        peer.ack(sent, 1);

        assertThat(why.is(ErrorCode.BACK_PRESSURED)).isTrue();
        assertThat(why.isRetryable()).isTrue();
        for (CompletableFuture<PublishReceipt> receipt : waiting) {
            done(receipt);
        }
        CompletableFuture<PublishReceipt> roomAgain = client.publish(ROOM, "again");
        peer.ack(peer.expectPublishes(1), 4);
        done(roomAgain);
    }

    @Test
    void theBoundOnPendingBytesHoldsToo() throws Exception {
        client = client(builder().pendingPublishes(100, 1_000));
        client.publish(ROOM, new byte[900]);

        HermodException why = failure(client.publish(ROOM, new byte[100]));

        assertThat(why.is(ErrorCode.BACK_PRESSURED)).isTrue();
    }

    @Test
    @Tag("EV-6")
    void unansweredPublishesAreSentAgainInOrderWithTheirSequencesBeforeNewOnes() throws Exception {
        connect(builder());
        List<CompletableFuture<PublishReceipt>> receipts = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            receipts.add(client.publish(ROOM, "m" + i));
        }
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> first = peer.expectPublishes(4);
        peer.ack(first.subList(0, 1), 1);
        done(receipts.get(0));
        peer.cut();
        FakeBroker.Peer second = broker.accept();
        receipts.add(client.publish(ROOM, "new"));
        second.welcome();
        int handle = second.grantOpen(ROOM);
        List<FakeBroker.Sent> again = second.expectPublishes(4);
        PublishedWriter outcomes = new PublishedWriter();
        outcomes.duplicate(again.get(0).requestId(), handle, 2);
        second.send(outcomes);
        second.ack(again.subList(1, 4), 3);

        assertThat(again.stream().map(FakeBroker.Sent::text)).containsExactly("m1", "m2", "m3", "new");
        assertThat(again.subList(0, 3).stream().map(FakeBroker.Sent::sequence))
                .isEqualTo(first.subList(1, 4).stream()
                        .map(FakeBroker.Sent::sequence)
                        .toList());
        assertThat(again.get(3).sequence()).isGreaterThan(again.get(2).sequence());
        assertThat(done(receipts.get(1)).duplicate()).isTrue();
        for (CompletableFuture<PublishReceipt> receipt : receipts) {
            done(receipt);
        }
    }

    @Test
    void publishesThatStayUnansweredHaveTheConnectionReplaced() throws Exception {
        connect(builder().requestTimeout(Duration.ofMillis(500)));
        CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, "anybody?");
        peer.grantOpen(ROOM);
        peer.expectPublishes(1);

        peer.expectEnd();
        FakeBroker.Peer second = broker.accept();
        second.welcome();
        second.grantOpen(ROOM);
        second.ack(second.expectPublishes(1), 5);

        assertThat(done(receipt).offset()).isEqualTo(5);
    }

    @Test
    void topicsBeyondTheConnectionsLimitTakeThePlaceOfUnusedOnes() throws Exception {
        broker.limits = told -> told.setTopicsPerConnection(2);
        connect(builder());
        List<Integer> handles = new ArrayList<>();
        for (String topic : List.of("chat:1", "chat:2")) {
            CompletableFuture<PublishReceipt> receipt = client.publish(topic, "x");
            handles.add(peer.grantOpen(topic));
            peer.ack(peer.expectPublishes(1), 1);
            done(receipt);
        }

        CompletableFuture<PublishReceipt> third = client.publish("chat:3", "x");
        peer.grantUnsubscribe(handles.get(0));
        peer.grantOpen("chat:3");
        peer.ack(peer.expectPublishes(1), 1);

        done(third);
    }

    @Test
    void aBrokenTopicNameIsSaidAtOnce() {
        client = client();
        assertThatThrownBy(() -> client.publish("no-colon", "x"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("chat:room_7");
    }

    @Test
    void whatTheProtocolForbidsInAnEventIsSaidByTheBuilder() {
        OutgoingEvent.Builder event = OutgoingEvent.builder();
        assertThatThrownBy(() -> event.attribute("k".repeat(65), "v")).hasMessageContaining("attribute key");
        assertThatThrownBy(() -> event.attribute("k", "v".repeat(1_025))).hasMessageContaining("1024");
        assertThatThrownBy(() -> event.metadata(new byte[4_097])).hasMessageContaining("4096");
        assertThatThrownBy(() -> event.target("")).hasMessageContaining("target");
        assertThatThrownBy(() -> event.type("t".repeat(65))).hasMessageContaining("type name");
        assertThatThrownBy(() -> event.ttl(Duration.ZERO)).hasMessageContaining("ttl");
        assertThatThrownBy(() -> event.eventId("not a ulid")).hasMessageContaining("26");
        for (int i = 0; i < 32; i++) {
            event.attribute("key" + i, "v".repeat(250));
        }
        assertThatThrownBy(() -> event.attribute("key32", "v")).hasMessageContaining("limit=32");
        assertThatThrownBy(event::build).hasMessageContaining("too long together");
    }

    @Test
    void payloadBytesMayBeChangedByTheirOwnerAfterwards() throws Exception {
        connect(builder());
        byte[] payload = "before".getBytes(StandardCharsets.UTF_8);
        client.publish(ROOM, payload);
        payload[0] = 'X';
        peer.grantOpen(ROOM);

        assertThat(peer.expectPublishes(1).get(0).text()).isEqualTo("before");
    }
}
