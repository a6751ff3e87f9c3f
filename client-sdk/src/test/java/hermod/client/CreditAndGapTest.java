package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.frame.FrameType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Credit, gaps and progress over a real socket. */
class CreditAndGapTest extends ClientFixture {
    private HermodClient client;
    private FakeBroker.Peer peer;

    private Hello connect(HermodClient.Builder builder, Feature... agreed) throws Exception {
        client = client(builder);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        Hello hello = peer.welcomeWith(agreed);
        done(connected);
        return hello;
    }

    private int subscribe(String topic, EventListener listener) throws Exception {
        CompletableFuture<Subscription> subscribed = client.subscribe(topic, listener);
        int handle = peer.grantSubscribe(topic, EPOCH, 1);
        done(subscribed);
        return handle;
    }

    @Test
    @Tag("FL-11")
    void theWindowIsGrantedBehindHelloWithoutWaitingForWelcome() throws Exception {
        client = client(builder().receiveCredit(10_000));
        client.connect();
        peer = broker.accept();
        await().until(() -> peer.credit.get() == 10_000);
        Hello hello = peer.welcomeWith(Feature.CREDIT);

        assertThat(Feature.CREDIT.isIn(hello.getFeatures())).isTrue();
        await().until(() -> client.state() == ConnectionState.CONNECTED);
        assertThat(client.stats().creditOutstanding()).isEqualTo(10_000);
    }

    @Test
    @Tag("FL-11")
    void moreIsGrantedOnlyAfterHandlersAreDoneAndNothingUrgentCounts() throws Exception {
        connect(builder().receiveCredit(10_000), Feature.CREDIT);
        CountDownLatch release = new CountDownLatch(1);
        List<Long> seen = Collections.synchronizedList(new ArrayList<>());
        int handle = subscribe(ROOM, event -> {
            awaitQuietly(release);
            seen.add(event.offset());
        });
        List<String> urgent = Collections.synchronizedList(new ArrayList<>());
        int safety = subscribe("safety:room_7", event -> urgent.add(event.text()));
        long sent = 0;
        long offset = 0;
        while (sent < 10_000) {
            sent += peer.event(Priority.NORMAL, handle, ++offset, "x".repeat(100));
        }
        long received = sent;
        await().until(() -> client.stats().creditHeld() == received);
        for (int i = 1; i <= 500; i++) {
            peer.event(Priority.URGENT, safety, i, "y".repeat(100));
        }
        await().until(() -> urgent.size() == 500);

        assertThat(peer.credit).hasValue(10_000);
        assertThat(client.stats().creditOutstanding()).isZero();
        assertThat(client.isHandlerBehind()).isTrue();
        assertThat(client.stats().readingPaused()).isFalse();

        release.countDown();
        await().until(() -> client.stats().creditHeld() == 0 && client.stats().creditOutstanding() > 9_000);
        assertThat(seen).hasSize((int) offset).isSorted();
        await().until(() -> peer.credit.get() >= 9_000 + received);
        assertThat(peer.credit.get()).isLessThanOrEqualTo(10_000 + received);
        assertThat(client.isHandlerBehind()).isFalse();
        assertThat(peer.creditFrames.get()).isLessThanOrEqualTo(1 + 5);
    }

    @Test
    @Tag("FL-11")
    void theReadingStopsForUrgentEventsAtTheirOwnBoundOnly() throws Exception {
        connect(builder().receiveCredit(1_000_000).queuedEvents(100, 1_000_000), Feature.CREDIT);
        CountDownLatch release = new CountDownLatch(1);
        int handle = subscribe(ROOM, event -> awaitQuietly(release));
        for (int i = 1; i <= 1_000; i++) {
            peer.event(Priority.HIGH, handle, i, "");
        }
        await().until(() -> client.stats().eventsQueued() >= 999);
        assertThat(client.stats().readingPaused()).isFalse();
        for (int i = 1_001; i <= 1_200; i++) {
            peer.event(Priority.URGENT, handle, i, "");
        }
        await().until(() -> client.stats().readingPaused());
        release.countDown();

        await().until(() ->
                client.stats().eventsQueued() == 0 && !client.stats().readingPaused());
    }

    @Test
    @Tag("FL-11")
    void aDroppedDuplicateIsGrantedAgain() throws Exception {
        connect(builder().receiveCredit(1_024), Feature.CREDIT);
        Heard heard = new Heard();
        int handle = subscribe(ROOM, heard);
        long sent = 0;
        while (sent < 600) {
            sent += peer.event(Priority.LOW, handle, 1, "again and again");
        }
        long received = sent;

        await().until(() -> peer.credit.get() > 960 + received);
        assertThat(heard.all).hasSize(1);
    }

    @Test
    @Tag("FL-11")
    void withoutAgreementNothingIsGrantedButWhatWentBehindHello() throws Exception {
        connect(builder().receiveCredit(1_024));
        Heard heard = new Heard();
        int handle = subscribe(ROOM, heard);
        for (int i = 1; i <= 100; i++) {
            peer.event(Priority.LOW, handle, i, "x");
        }
        await().until(() -> heard.all.size() == 100);
        client.closeAsync();
        FakeBroker.Frame frame = peer.next();
        while (frame.type() != FrameType.CLOSE) {
            frame = peer.next();
        }

        assertThat(peer.credit).hasValue(1_024);
        assertThat(client.stats().creditOutstanding()).isZero();
    }

    @Test
    @Tag("FL-11")
    void aClientThatDoesNotOfferCreditGrantsNone() throws Exception {
        Hello hello = connect(builder().features(Set.of(Feature.GAP)), Feature.GAP);
        client.closeAsync();
        peer.expect(FrameType.CLOSE);

        assertThat(hello.getFeatures()).isEqualTo(Feature.GAP.bit());
        assertThat(peer.creditFrames).hasValue(0);
    }

    @Test
    void aFeatureThatWasNotOfferedEndsTheConnection() throws Exception {
        client = client(builder().features(Set.of()));
        client.connect();
        peer = broker.accept();
        peer.welcomeWith(Feature.CREDIT);

        peer.expect(FrameType.CLOSE);
        broker.accept().welcome();
        await().until(() -> client.state() == ConnectionState.CONNECTED);
    }

    @Test
    void aGapThatWasNotAgreedEndsTheConnection() throws Exception {
        connect(builder());
        int handle = subscribe(ROOM, new Heard());
        peer.gap(handle, 1, 2, 1, false);

        peer.expect(FrameType.CLOSE);
    }

    @Test
    @Tag("FL-8")
    void aGapStandsInItsPlaceAndIsCounted() throws Exception {
        connect(builder(), Feature.GAP);
        Heard heard = new Heard();
        int handle = subscribe(ROOM, heard);
        peer.event(handle, 1, "a");
        peer.gap(handle, 2, 4, 1, false);
        peer.event(handle, 5, "b");
        peer.gap(handle, 6, 6, 2, false);
        peer.gap(handle, 7, 7, 99, false);
        peer.event(handle, 8, "c");

        assertThat(List.of(heard.next(), heard.next(), heard.next(), heard.next(), heard.next(), heard.next()))
                .containsExactly("1 a", "gap 2..4 SHED", "5 b", "gap 6..6 OVERRUN", "gap 7..7 OTHER", "8 c");
        ChannelStatus status = client.channelStatus().get("chat");
        assertThat(status.gaps()).isEqualTo(3);
        assertThat(status.missedAtMost()).isEqualTo(5);
        assertThat(status.delivered()).isEqualTo(3);
        assertThat(status.suppressed()).isZero();
    }

    @Test
    @Tag("FL-8")
    void whatFillsAGapIsDeliveredInOrderBeforeItIsClosed() throws Exception {
        connect(builder(), Feature.GAP);
        Heard heard = new Heard();
        int handle = subscribe(ROOM, heard);
        peer.event(handle, 1, "a");
        peer.gap(handle, 2, 5, 2, true);
        peer.event(handle, 2, "b");
        peer.event(handle, 4, "d");
        peer.gapClosed(handle, 2, 5);
        peer.event(handle, 6, "f");

        assertThat(List.of(heard.next(), heard.next(), heard.next(), heard.next(), heard.next(), heard.next()))
                .containsExactly("1 a", "gap 2..5 OVERRUN, to be filled", "2 b", "4 d", "closed 2..5", "6 f");
        ChannelStatus status = client.channelStatus().get("chat");
        assertThat(status.gapsClosed()).isEqualTo(1);
        assertThat(status.missedAtMost()).isZero();
    }

    @Test
    @Tag("FL-8")
    void aListenerThatKnowsOnlyOfMissedEventsIsToldOfGapsToo() throws Exception {
        connect(builder(), Feature.GAP);
        List<String> heard = Collections.synchronizedList(new ArrayList<>());
        int handle = subscribe(ROOM, new EventListener() {
            @Override
            public void onEvent(Event event) {
                heard.add(event.text());
            }

            @Override
            public void onMissed(String topic, long fromOffset, long toOffset, boolean epochChanged) {
                heard.add("missed " + fromOffset + ".." + toOffset);
            }
        });
        peer.gap(handle, 1, 4, 1, false);
        peer.gap(handle, 5, 6, 2, true);
        peer.event(handle, 5, "five");
        await().until(() -> heard.size() == 2);

        assertThat(heard).containsExactly("missed 1..5", "five");
    }

    @Test
    void aGapOfNoRangeEndsTheConnection() throws Exception {
        connect(builder(), Feature.GAP);
        int handle = subscribe(ROOM, new Heard());
        peer.gap(handle, 3, 2, 1, false);

        peer.expect(FrameType.CLOSE);
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }
}
