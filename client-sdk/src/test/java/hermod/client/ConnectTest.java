package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.client.internal.WallClock;
import hermod.protocol.CloseCode;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Refreshed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameType;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Connecting, staying connected, coming back, and saying goodbye, over a real socket. */
class ConnectTest extends ClientFixture {
    @Test
    @Tag("CN-1")
    void helloSaysWhoComesAndWelcomeIsShown() throws Exception {
        HermodClient client = client(builder()
                .deviceId("phone-1")
                .platform(Platform.ANDROID)
                .appVersion("3.2")
                .subscriptions(ROOM, event -> {}));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        Hello hello = broker.accept().welcome();

        ConnectionInfo info = done(connected);

        assertThat(hello.getToken()).isEqualTo("a-token");
        assertThat(hello.getDeviceId()).isEqualTo("phone-1");
        assertThat(hello.getPlatform()).isEqualTo(hermod.protocol.control.wire.Platform.PLATFORM_ANDROID);
        assertThat(hello.getAppVersion()).isEqualTo("3.2");
        assertThat(hello.getSubscriptionsList()).containsExactly(ROOM);
        assertThat(hello.getProducerEpoch()).isNotZero();
        assertThat(info.state()).isEqualTo(ConnectionState.CONNECTED);
        assertThat(info.user()).isEqualTo("ada");
        assertThat(info.org()).isEqualTo("acme");
        assertThat(info.connectionId()).startsWith("c-");
        assertThat(info.limits()).isNotNull();
    }

    @Test
    @Tag("CN-8")
    void anyNumberOfCallersShareOneConnection() throws Exception {
        HermodClient client = client();
        List<CompletableFuture<ConnectionInfo>> calls =
                IntStream.range(0, 20).mapToObj(i -> client.connect()).toList();
        broker.accept().welcome();

        for (CompletableFuture<ConnectionInfo> call : calls) {
            done(call);
        }

        assertThat(calls.stream()
                        .map(CompletableFuture::join)
                        .map(ConnectionInfo::connectionId)
                        .distinct())
                .hasSize(1);
        assertThat(broker.unaccepted()).isZero();
    }

    @Test
    @Tag("CN-4")
    void aLostConnectionIsReplacedAndTheStatesAreTold() throws Exception {
        HermodClient client = client();
        List<ConnectionState> states = new CopyOnWriteArrayList<>();
        ConnectionStateListener listener = (from, to, cause) -> states.add(to);
        client.addStateListener(listener);
        client.addStateListener(listener);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer first = broker.accept();
        first.welcome();
        done(connected);

        first.cut();
        broker.accept().welcome();
        await().until(() -> client.state() == ConnectionState.CONNECTED && states.size() >= 4);

        assertThat(states)
                .containsExactly(
                        ConnectionState.CONNECTING,
                        ConnectionState.CONNECTED,
                        ConnectionState.RECONNECTING,
                        ConnectionState.CONNECTED);
        assertThat(client.connectionInfo().reconnectAttempts()).isZero();
        assertThat(client.stats().reconnects()).isEqualTo(1);
    }

    @Test
    @Tag("CN-4")
    void afterTheFastAttemptsItIsSuspendedAndStillComesBack() throws Exception {
        HermodClient client =
                client(builder().reconnect(new ReconnectPolicy(Duration.ofMillis(1), Duration.ofMillis(50), 3, 0)));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        for (int i = 0; i < 4; i++) {
            broker.accept().cut();
        }
        await().until(() -> client.state() == ConnectionState.SUSPENDED);
        assertThat(client.connectionInfo().reconnectAttempts()).isGreaterThanOrEqualTo(4);

        for (FakeBroker.Peer peer = broker.accept(); !connected.isDone(); peer = broker.accept()) {
            peer.welcome();
            done(connected);
            break;
        }

        assertThat(client.state()).isEqualTo(ConnectionState.CONNECTED);
    }

    @Test
    @Tag("CN-4")
    void aHardLimitOfAttemptsClosesTheClientWithTheReason() throws Exception {
        HermodClient client =
                client(builder().reconnect(new ReconnectPolicy(Duration.ofMillis(1), Duration.ofMillis(2), 10, 3)));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        for (int i = 0; i < 3; i++) {
            broker.accept().cut();
        }

        HermodException why = failure(connected);

        assertThat(why.code()).isEqualTo(HermodException.CONNECTION_LOST);
        assertThat(client.state()).isEqualTo(ConnectionState.CLOSED);
    }

    @Test
    @Tag("CN-4")
    void theBrokersAdviceOverridesTheBackoff() throws Exception {
        HermodClient client =
                client(builder().reconnect(new ReconnectPolicy(Duration.ofHours(1), Duration.ofHours(2), 10, 0)));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        broker.accept().close(CloseCode.OVERLOADED, 1);

        broker.accept().welcome();

        done(connected);
    }

    @Test
    @Tag("CN-4")
    void aVerdictOfTheBrokerClosesTheClient() throws Exception {
        HermodClient client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        broker.accept().close(CloseCode.UNAUTHORIZED, 0);

        HermodException why = failure(connected);

        assertThat(why.is(CloseCode.UNAUTHORIZED)).isTrue();
        assertThat(why.isRetryable()).isFalse();
        assertThat(client.state()).isEqualTo(ConnectionState.CLOSED);
        assertThat(failure(client.publish(ROOM, "late")).is(CloseCode.UNAUTHORIZED))
                .isTrue();
        assertThat(failure(client.connect()).is(CloseCode.UNAUTHORIZED)).isTrue();
    }

    @Test
    @Tag("CN-7")
    void anExpiredTokenIsReplacedFromTheSource() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        HermodClient client = client(
                builder().tokenSource(() -> CompletableFuture.completedFuture("fresh-" + asked.incrementAndGet())));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer first = broker.accept();
        assertThat(first.expect(FrameType.HELLO).body(Hello.parser()).getToken())
                .isEqualTo("a-token");
        first.close(CloseCode.TOKEN_EXPIRED, 0);

        Hello second = broker.accept().welcome();

        done(connected);
        assertThat(second.getToken()).isEqualTo("fresh-1");
    }

    @Test
    @Tag("CN-7")
    void anExpiredTokenWithoutASourceClosesTheClient() throws Exception {
        HermodClient client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        broker.accept().close(CloseCode.TOKEN_EXPIRED, 0);

        assertThat(failure(connected).is(CloseCode.TOKEN_EXPIRED)).isTrue();
    }

    @Test
    @Tag("CN-7")
    void aTokenIsRefreshedAheadOfItsExpiryAndCallersShareTheAttempt() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        CompletableFuture<String> fromSource = new CompletableFuture<>();
        HermodClient client = client(builder().tokenSource(() -> {
            asked.incrementAndGet();
            return fromSource;
        }));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer peer = broker.accept();
        peer.welcome(welcome -> welcome.setTokenExpiresAtUs(broker.nowUs() + 2_000_000));
        done(connected);
        await().until(() -> asked.get() == 1);
        CompletableFuture<Void> byHand = client.refreshToken();
        CompletableFuture<Void> again = client.refreshToken();
        fromSource.complete("fresh");

        FakeBroker.Frame refresh = peer.expect(FrameType.REFRESH);
        peer.send(
                FrameType.REFRESHED,
                refresh.requestId(),
                Refreshed.newBuilder()
                        .setTokenExpiresAtUs(broker.nowUs() + 3_600_000_000L)
                        .build());

        done(byHand);
        done(again);
        assertThat(refresh.body(Refresh.parser()).getToken()).isEqualTo("fresh");
        assertThat(asked).hasValue(1);
        assertThat(client.state()).isEqualTo(ConnectionState.CONNECTED);
    }

    @Test
    @Tag("CN-3")
    void severalPingsRightAfterWelcomeSettleTheClock() throws Exception {
        broker.clockShiftUs = 3_600_000_000L;
        HermodClient client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer peer = broker.accept();
        peer.welcome();
        done(connected);

        await().until(() -> peer.pings.get() >= 5);
        // As exact as the machine's round trips are short; the shift is a hundred times as much and more.
        await().until(() -> client.connectionInfo().clockErrorUs() < broker.clockShiftUs / 100);

        ConnectionInfo info = client.connectionInfo();
        assertThat(Math.abs(info.clockOffsetUs() - broker.clockShiftUs)).isLessThanOrEqualTo(info.clockErrorUs() + 1);
        long beforeUs = broker.nowUs();
        long estimateUs = client.brokerNowUs();
        assertThat(estimateUs).isBetween(beforeUs - info.clockErrorUs() - 1, broker.nowUs() + info.clockErrorUs() + 1);
        await().until(() -> client.connectionInfo().quality() != ConnectionQuality.UNKNOWN);
        assertThat(client.connectionInfo().roundTrip()).isNotNull();
    }

    @Test
    @Tag("CN-3")
    void aSilentBrokerIsLeftForANewConnection() throws Exception {
        broker.isDeaf = true;
        HermodClient client = client(builder().silenceTimeout(Duration.ofMillis(300)));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer first = broker.accept();
        first.welcome();
        done(connected);

        first.expectEnd();
        broker.isDeaf = false;
        broker.accept().welcome();

        await().until(() -> client.state() == ConnectionState.CONNECTED);
    }

    @Test
    @Tag("CN-5")
    void unansweredHeartbeatsLowerTheQuality() throws Exception {
        HermodClient client = client(builder().pingInterval(Duration.ofMillis(100)));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        broker.accept().welcome();
        done(connected);
        await().until(() -> client.connectionInfo().quality() == ConnectionQuality.EXCELLENT);

        broker.isDeaf = true;

        await().until(() -> client.connectionInfo().quality() == ConnectionQuality.POOR);
        broker.isDeaf = false;
        await().until(() -> client.connectionInfo().quality() == ConnectionQuality.EXCELLENT);
    }

    @Test
    @Tag("CN-11")
    void theNetworkComingBackSkipsTheBackoff() throws Exception {
        HermodClient client =
                client(builder().reconnect(new ReconnectPolicy(Duration.ofHours(1), Duration.ofHours(2), 10, 0)));
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer first = broker.accept();
        first.welcome();
        done(connected);
        client.networkLost();
        first.expectEnd();
        await().until(() -> client.state() == ConnectionState.RECONNECTING);

        client.networkBack();
        broker.accept().welcome();

        await().until(() -> client.state() == ConnectionState.CONNECTED);
    }

    @Test
    @Tag("CN-11")
    void comingToTheForegroundReplacesAConnectionThatDoesNotAnswer() throws Exception {
        HermodClient client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer first = broker.accept();
        first.welcome();
        done(connected);
        broker.isDeaf = true;

        client.foreground();
        first.expectEnd();
        broker.isDeaf = false;
        broker.accept().welcome();

        await().until(() -> client.state() == ConnectionState.CONNECTED);
    }

    @Test
    void closeSaysGoodbyeAfterWhatWasPublishedIsAcknowledged() throws Exception {
        HermodClient client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer peer = broker.accept();
        peer.welcome();
        done(connected);
        CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, "last words");
        CompletableFuture<Void> closed = client.closeAsync();
        peer.grantOpen(ROOM);
        List<FakeBroker.Sent> sent = peer.expectPublishes(1);
        assertThat(closed).isNotDone();
        peer.ack(sent, 1);

        assertThat(peer.expect(FrameType.CLOSE).body(Close.parser()).getCode()).isEqualTo(CloseCode.NORMAL.code());
        peer.expectEnd();
        done(closed);
        assertThat(done(receipt).offset()).isEqualTo(1);
        assertThat(client.state()).isEqualTo(ConnectionState.CLOSED);
        assertThat(failure(client.publish(ROOM, "too late")).code()).isEqualTo(HermodException.CLIENT_CLOSED);
    }

    @Test
    void aClientThatNeverConnectedClosesAndFailsWhatWaited() throws Exception {
        HermodClient client = client();
        CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, "never sent");

        client.close();

        assertThat(failure(receipt).code()).isEqualTo(HermodException.CLIENT_CLOSED);
        assertThat(client.state()).isEqualTo(ConnectionState.CLOSED);
    }

    @Test
    void aVersionThatWasNotOfferedIsRefused() throws Exception {
        HermodClient client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        FakeBroker.Peer peer = broker.accept();
        peer.welcome(welcome -> welcome.setVersion(2));

        assertThat(peer.expect(FrameType.CLOSE).body(Close.parser()).getCode())
                .isEqualTo(CloseCode.VERSION_NOT_SUPPORTED.code());
        peer.expectEnd();
        assertThat(connected).isNotDone();
        broker.accept().welcome();
        done(connected);
    }

    @Test
    void theEndpointsOfWelcomeAreUsedForTheNextConnection() throws Exception {
        try (FakeBroker other = new FakeBroker()) {
            HermodClient client = client();
            CompletableFuture<ConnectionInfo> connected = client.connect();
            FakeBroker.Peer first = broker.accept();
            first.welcome((Welcome.Builder welcome) -> welcome.addEndpoints(other.hostPort()));
            done(connected);

            first.cut();

            other.accept().welcome();
            await().until(() -> client.state() == ConnectionState.CONNECTED);
        }
    }

    @Test
    void theClocksOfAllClientsOfAProcessAgree() {
        long before = System.currentTimeMillis() * 1_000 - 50_000;
        assertThat(WallClock.SYSTEM.getAsLong()).isBetween(before, before + 1_000_000);
    }
}
