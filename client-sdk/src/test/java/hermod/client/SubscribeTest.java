package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.protocol.ErrorCode;
import hermod.protocol.EventType;
import hermod.protocol.control.wire.Report;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Subscribing and receiving over a real socket. */
class SubscribeTest extends ClientFixture {
    private HermodClient client;
    private FakeBroker.Peer peer;

    /** Keeps all it is told. */
    private static final class Heard implements EventListener {
        final BlockingQueue<Object> all = new LinkedBlockingQueue<>();

        @Override
        public void onEvent(Event event) {
            all.add(event);
        }

        @Override
        public void onMissed(String topic, long fromOffset, long toOffset, boolean epochChanged) {
            all.add("missed " + topic + " " + fromOffset + ".." + toOffset + " " + epochChanged);
        }

        @Override
        public void onEnded(String topic, HermodException why) {
            all.add("ended " + topic + " " + why.code());
        }

        Object next() throws InterruptedException {
            return all.poll(60, TimeUnit.SECONDS);
        }

        Event event() throws InterruptedException {
            return (Event) next();
        }
    }

    private void connect(HermodClient.Builder builder) throws Exception {
        client = client(builder);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcome();
        done(connected);
    }

    private int subscribe(EventListener listener) throws Exception {
        CompletableFuture<Subscription> subscribed = client.subscribe(ROOM, listener);
        int handle = peer.grantSubscribe(ROOM, EPOCH, 1);
        done(subscribed);
        return handle;
    }

    @Test
    @Tag("EV-1")
    void aListenerSeesEverythingAnEventSays() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, "grace".getBytes(StandardCharsets.UTF_8));
        EventFields.write(fields, EventFields.TAG_TARGET, "bob".getBytes(StandardCharsets.UTF_8));
        EventFields.writeAttributes(fields, Map.of("propertyId", "17"));
        EventFields.write(fields, EventFields.TAG_METADATA, new byte[] {1, 2});
        EventFields.write(fields, 200, new byte[] {9});
        long sentUs = broker.nowUs();
        peer.event(
                handle, 3, sentUs, 60, EventType.CHAT_MESSAGE.code(), fields, "hello".getBytes(StandardCharsets.UTF_8));

        Event event = heard.event();

        assertThat(event.topic()).isEqualTo(ROOM);
        assertThat(event.epoch()).isEqualTo(EPOCH);
        assertThat(event.offset()).isEqualTo(3);
        assertThat(event.type()).isEqualTo("CHAT_MESSAGE");
        assertThat(event.source()).isEqualTo("grace");
        assertThat(event.target()).isEqualTo("bob");
        assertThat(event.attributes()).isEqualTo(Map.of("propertyId", "17"));
        assertThat(event.metadata()).containsExactly(1, 2);
        assertThat(event.text()).isEqualTo("hello");
        assertThat(event.payload()).isEqualTo("hello".getBytes(StandardCharsets.UTF_8));
        assertThat(event.payloadBuffer().remaining()).isEqualTo(5);
        assertThat(event.ttlSeconds()).isEqualTo(60);
        assertThat(event.timestampUs()).isEqualTo(sentUs);
        assertThat(event.receivedAtUs()).isBetween(sentUs - 100_000, sentUs + 60_000_000);
        assertThat(event.eventId()).hasSize(26);
    }

    @Test
    @Tag("SD-8")
    void listenersOfATopicShareOneSubscriptionUntilTheLastOneLeaves() throws Exception {
        connect(builder());
        Heard one = new Heard();
        Heard two = new Heard();
        CompletableFuture<Subscription> first = client.subscribe(ROOM, one);
        int handle = peer.grantSubscribe(ROOM, EPOCH, 1);
        Subscription ofOne = done(first);
        Subscription ofTwo = done(client.subscribe(ROOM, two));
        peer.event(handle, 1, "both");
        assertThat(one.event().text()).isEqualTo("both");
        assertThat(two.event().text()).isEqualTo("both");

        done(ofOne.unsubscribe());
        peer.event(handle, 2, "two only");
        assertThat(two.event().text()).isEqualTo("two only");
        CompletableFuture<Void> left = ofTwo.unsubscribe();
        peer.grantUnsubscribe(handle);
        done(left);

        assertThat(one.all).isEmpty();
    }

    @Test
    @Tag("SD-1")
    void theSameListenerTwiceIsCalledOnceUntilBothSubscriptionsAreClosed() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        CompletableFuture<Subscription> first = client.subscribe(ROOM, heard);
        CompletableFuture<Subscription> second = client.subscribe(ROOM, heard);
        int handle = peer.grantSubscribe(ROOM, EPOCH, 1);
        done(first);
        done(second);
        peer.event(handle, 1, "a");
        done(first).close();
        done(first).close();
        peer.event(handle, 2, "b");

        assertThat(heard.event().text()).isEqualTo("a");
        assertThat(heard.event().text()).isEqualTo("b");
        done(second).close();
        peer.grantUnsubscribe(handle);
        assertThat(heard.all).isEmpty();
    }

    @Test
    void aRefusedSubscriptionFailsWithTheBrokersCode() throws Exception {
        connect(builder());
        CompletableFuture<Subscription> subscribed = client.subscribe("wallet:1", event -> {});
        FakeBroker.Frame frame = peer.expect(FrameType.SUBSCRIBE);
        peer.subscribed(frame, peer.refused("wallet:1", ErrorCode.FORBIDDEN));

        assertThat(failure(subscribed).is(ErrorCode.FORBIDDEN)).isTrue();
    }

    @Test
    @Tag("SD-4")
    void anOffsetSeenBeforeIsDroppedAndCounted() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        peer.event(handle, 5, "a");
        peer.event(handle, 5, "a again");
        peer.event(handle, 4, "older");
        peer.event(handle, 6, "b");

        assertThat(heard.event().text()).isEqualTo("a");
        assertThat(heard.event().text()).isEqualTo("b");
        assertThat(client.channelStatus().get("chat").suppressed()).isEqualTo(2);
        assertThat(client.channelStatus().get("chat").delivered()).isEqualTo(2);
    }

    @Test
    @Tag("EV-3")
    void anExpiredEventIsNotDelivered() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        peer.event(handle, 1, broker.nowUs() - 6_000_000, 5, "stale");
        peer.event(handle, 2, broker.nowUs() - 6_000_000, 600, "fresh");

        assertThat(heard.event().text()).isEqualTo("fresh");
        assertThat(client.channelStatus().get("chat").expired()).isEqualTo(1);
    }

    @Test
    @Tag("EV-5")
    void eventsOfATopicComeInOrder() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        for (int i = 1; i <= 5_000; i++) {
            peer.event(handle, i, "m" + i);
        }

        List<Long> offsets = new ArrayList<>();
        for (int i = 0; i < 5_000; i++) {
            offsets.add(heard.event().offset());
        }
        assertThat(offsets).isEqualTo(LongStream.rangeClosed(1, 5_000).boxed().toList());
    }

    @Test
    @Tag("SD-5")
    void aThrowingListenerHarmsNeitherLaterEventsNorOtherListeners() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(event -> {
            throw new IllegalStateException("on purpose");
        });
        done(client.subscribe(ROOM, heard));
        peer.event(handle, 1, "a");
        peer.event(handle, 2, "b");

        assertThat(heard.event().text()).isEqualTo("a");
        assertThat(heard.event().text()).isEqualTo("b");
        assertThat(client.stats().listenerFailures()).isEqualTo(2);
    }

    @Test
    @Tag("SD-5")
    void aListenerMayWaitForAPublishOfItsOwn() throws Exception {
        connect(builder());
        CompletableFuture<PublishReceipt> answered = new CompletableFuture<>();
        int handle = subscribe(event ->
                answered.complete(client.publish("chat:answers", "pong").join()));
        peer.event(handle, 1, "ping");
        peer.grantOpen("chat:answers");
        peer.ack(peer.expectPublishes(1), 1);

        assertThat(done(answered).offset()).isEqualTo(1);
    }

    @Test
    @Tag("SD-5")
    void aSlowListenerStopsTheReadingAndLosesNothing() throws Exception {
        connect(builder().queuedEvents(100, 1_000_000));
        CountDownLatch release = new CountDownLatch(1);
        Heard heard = new Heard();
        int handle = subscribe(event -> {
            try {
                release.await();
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
            heard.onEvent(event);
        });
        Thread sender = new Thread(() -> {
            for (int i = 1; i <= 20_000; i++) {
                peer.event(handle, i, "x".repeat(500));
            }
        });
        sender.start();
        await().until(() -> client.stats().readingPaused());
        int queued = client.stats().eventsQueued();
        release.countDown();

        for (int i = 1; i <= 20_000; i++) {
            assertThat(heard.event().offset()).isEqualTo(i);
        }
        sender.join();
        // The bound, and what one read may bring beyond it.
        assertThat(queued).isBetween(100, 100 + 1_000);
        await().until(() ->
                client.stats().eventsQueued() == 0 && !client.stats().readingPaused());
    }

    @Test
    @Tag("SD-4")
    void afterAReconnectTheSubscriptionIsRenewedAndWhatWasMissedIsTold() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        peer.event(handle, 1, "a");
        assertThat(heard.event().text()).isEqualTo("a");
        peer.cut();
        FakeBroker.Peer second = broker.accept();
        int[] renewed = new int[1];
        second.welcome(welcome -> {
            renewed[0] = welcome.getSubscriptions(0).getHandle();
            welcome.setSubscriptions(0, welcome.getSubscriptions(0).toBuilder().setNextOffset(5));
        });
        second.event(renewed[0], 5, "b");

        assertThat(heard.next()).isEqualTo("missed " + ROOM + " 2..5 false");
        assertThat(heard.event().text()).isEqualTo("b");
        assertThat(client.channelStatus().get("chat").reconnects()).isEqualTo(1);
    }

    @Test
    void nothingIsSaidToBeMissedWhereNothingWas() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        peer.event(handle, 1, "a");
        assertThat(heard.event().text()).isEqualTo("a");
        peer.cut();
        FakeBroker.Peer second = broker.accept();
        int[] renewed = new int[1];
        second.welcome(welcome -> {
            renewed[0] = welcome.getSubscriptions(0).getHandle();
            welcome.setSubscriptions(0, welcome.getSubscriptions(0).toBuilder().setNextOffset(2));
        });
        second.event(renewed[0], 2, "b");

        assertThat(heard.event().text()).isEqualTo("b");
    }

    @Test
    void aNewEpochIsToldAndItsOffsetsCountFromTheStart() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        peer.event(handle, 10, "a");
        assertThat(heard.event().text()).isEqualTo("a");
        peer.cut();
        FakeBroker.Peer second = broker.accept();
        int[] renewed = new int[1];
        second.welcome(welcome -> {
            renewed[0] = welcome.getSubscriptions(0).getHandle();
            welcome.setSubscriptions(
                    0, welcome.getSubscriptions(0).toBuilder().setEpoch(8).setNextOffset(1));
        });
        second.event(renewed[0], 1, "b");

        assertThat(heard.next()).isEqualTo("missed " + ROOM + " 11..-1 true");
        Event event = heard.event();
        assertThat(event.epoch()).isEqualTo(8);
        assertThat(event.offset()).isEqualTo(1);
    }

    @Test
    void aSubscriptionThatIsNotRenewedIsSaidToHaveEnded() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        subscribe(heard);
        peer.cut();
        FakeBroker.Peer second = broker.accept();
        second.welcome(welcome -> welcome.setSubscriptions(0, second.refused(ROOM, ErrorCode.FORBIDDEN)));

        assertThat(heard.next()).isEqualTo("ended " + ROOM + " " + ErrorCode.FORBIDDEN.code());
    }

    @Test
    void aTopicPublishedToIsOpenedAgainAfterItsSubscriptionEnded() throws Exception {
        connect(builder());
        CompletableFuture<Subscription> subscribed = client.subscribe(ROOM, event -> {});
        FakeBroker.Frame frame = peer.expect(FrameType.SUBSCRIBE);
        var granted =
                peer.granted(ROOM, EPOCH, 1).toBuilder().setCanPublish(true).build();
        peer.subscribed(frame, granted);
        Subscription subscription = done(subscribed);
        CompletableFuture<PublishReceipt> withoutOpen = client.publish(ROOM, "by the subscription's handle");
        peer.ack(peer.expectPublishes(1), 1);
        done(withoutOpen);

        subscription.close();
        CompletableFuture<PublishReceipt> reopened = client.publish(ROOM, "by a new handle");
        peer.grantUnsubscribe(granted.getHandle());
        int handle = peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(1);
        peer.ack(sent, 2);

        assertThat(sent.get(0).handle()).isEqualTo(handle);
        done(reopened);
    }

    @Test
    @Tag("OB-6")
    void theBrokerIsToldTheLatencyOfWhatWasDelivered() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        for (int i = 1; i <= 10; i++) {
            peer.event(handle, i, broker.nowUs() - 50_000, 0, "m" + i);
        }
        for (int i = 0; i < 10; i++) {
            heard.event();
        }

        Report report = peer.expect(FrameType.REPORT).body(Report.parser());

        assertThat(report.getChannelsCount()).isEqualTo(1);
        assertThat(report.getChannels(0).getChannel()).isEqualTo("chat");
        assertThat(report.getChannels(0).getCountList().stream()
                        .mapToLong(Long::longValue)
                        .sum())
                .isLessThanOrEqualTo(10);
        assertThat(report.getChannels(0).getValueUs(0)).isBetween(45_000L, 30_000_000L);
        ChannelStatus status = client.channelStatus().get("chat");
        assertThat(status.p95LatencyUs()).isBetween(45_000L, 30_000_000L);
        assertThat(status.delivered()).isEqualTo(10);
        assertThat(status.lastEventAtUs()).isBetween(broker.nowUs() - 60_000_000, broker.nowUs() + 100_000);
    }

    @Test
    void whatIsReportedAtTheEndAddsUp() throws Exception {
        connect(builder());
        Heard heard = new Heard();
        int handle = subscribe(heard);
        peer.event(handle, 1, "a");
        heard.event();
        client.closeAsync();

        Report report = peer.expect(FrameType.REPORT).body(Report.parser());

        assertThat(report.getChannels(0).getCountList()).containsExactly(1L);
        peer.expect(FrameType.CLOSE);
    }

    @Test
    void manySubscriptionsAreAskedForTogether() throws Exception {
        connect(builder());
        List<CompletableFuture<Subscription>> all = IntStream.range(0, 300)
                .mapToObj(i -> client.subscribe("chat:room_" + i, event -> {}))
                .toList();
        int answered = 0;
        int requests = 0;
        while (answered < 300) {
            FakeBroker.Frame frame = peer.expect(FrameType.SUBSCRIBE);
            List<String> names =
                    frame.body(hermod.protocol.control.wire.Subscribe.parser()).getTopicsList();
            peer.subscribed(
                    frame,
                    names.stream()
                            .map(name -> peer.granted(name, EPOCH, 1))
                            .toArray(hermod.protocol.control.wire.TopicResult[]::new));
            answered += names.size();
            requests++;
        }

        for (CompletableFuture<Subscription> one : all) {
            done(one);
        }
        assertThat(requests).isLessThan(300);
    }

    @Test
    void brokenFieldsEndTheConnectionAndTheClientComesBack() throws Exception {
        connect(builder());
        int handle = subscribe(event -> {});
        peer.event(handle, 1, broker.nowUs(), 0, 0, Unpooled.wrappedBuffer(new byte[] {9, 9, 9, 9}), new byte[0]);

        peer.expect(FrameType.CLOSE);
        broker.accept().welcome();
        await().until(() -> client.state() == ConnectionState.CONNECTED);
    }
}
