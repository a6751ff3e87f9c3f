package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.session.SessionConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Refreshed;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class HandshakeEndToEndTest {
    @Test
    @Tag("CN-1")
    void welcomeTellsWhoTheClientIsWhatItGotAndWhatTheLimitsAre() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            String token = broker.token("alice", List.of("sub:chat:*", "pub:chat:open"));
            RawClient client = broker.socket();
            Welcome welcome = client.connect(RawClient.hello(token)
                    .addSubscriptions("chat:open")
                    .addSubscriptions("wallet:alice")
                    .addSubscriptions("nosuch:thing")
                    .addSubscriptions("chat::")
                    .addSubscriptions("chat:other"));
            assertThat(welcome.getVersion()).isEqualTo(1);
            assertThat(welcome.getConnectionId()).isNotEmpty();
            assertThat(welcome.getUserId()).isEqualTo("alice");
            assertThat(welcome.getOrg()).isEqualTo("acme");
            assertThat(welcome.getServiceEnabled()).isTrue();
            assertThat(welcome.getHomeRegion()).isEqualTo("local");
            long nowUs = System.currentTimeMillis() * 1_000;
            assertThat(welcome.getServerTimeUs()).isBetween(nowUs - 5_000_000, nowUs + 5_000_000);
            assertThat(welcome.getTokenExpiresAtUs()).isBetween(nowUs + 3_500_000_000L, nowUs + 3_700_000_000L);
            assertThat(welcome.getLimits().getPayloadBytes()).isEqualTo(256 * 1024);
            assertThat(welcome.getLimits().getFrameBytes()).isEqualTo(256 * 1024 + 16 * 1024);
            assertThat(welcome.getPingIntervalMs()).isEqualTo(15_000);
            assertThat(welcome.getSilenceTimeoutMs()).isEqualTo(35_000);
            List<TopicResult> results = welcome.getSubscriptionsList();
            assertThat(results).extracting(TopicResult::getGranted).containsExactly(true, false, false, false, true);
            assertThat(results)
                    .extracting(TopicResult::getCode)
                    .containsExactly(
                            0,
                            ErrorCode.FORBIDDEN.code(),
                            ErrorCode.UNKNOWN_CHANNEL.code(),
                            ErrorCode.BAD_TOPIC_NAME.code(),
                            0);
            assertThat(results.get(2).getMessage()).contains("nosuch").contains("chat, ");
            assertThat(results)
                    .extracting(TopicResult::getCanPublish)
                    .containsExactly(true, false, false, false, false);
        }
    }

    @Test
    @Tag("CN-1")
    void framesPipelinedBehindHelloAreHandledAfterWelcome() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.socket();
            client.send(
                    FrameType.HELLO,
                    0,
                    RawClient.hello(broker.token("alice", BrokerUnderTest.ORDINARY))
                            .build());
            for (int i = 0; i < 20; i++) {
                client.send(
                        FrameType.SUBSCRIBE,
                        i,
                        Subscribe.newBuilder().addTopics("chat:r" + i).build());
            }
            client.read(FrameType.WELCOME);
            for (int i = 0; i < 20; i++) {
                Subscribed answer = Subscribed.parseFrom(RawClient.body(client.read(FrameType.SUBSCRIBED)));
                assertThat(answer.getResults(0).getTopic()).isEqualTo("chat:r" + i);
            }
        }
    }

    @Test
    @Tag("SE-1")
    void aClientWithoutAGoodTokenIsToldAndClosed() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            for (String token : List.of("", "nonsense", broker.token("a", List.of()) + "x")) {
                RawClient client = broker.socket();
                client.send(FrameType.HELLO, 0, RawClient.hello(token).build());
                assertThat(client.readClose()).isEqualTo(CloseCode.UNAUTHORIZED.code());
            }
        }
    }

    @Test
    @Tag("SE-1")
    void developmentModeTakesALocalClientWithoutAToken() throws Exception {
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().dev().start()) {
            Welcome welcome = broker.socket().connect(RawClient.hello(""));
            assertThat(welcome.getUserId()).isEqualTo("dev");
            assertThat(welcome.getTokenExpiresAtUs()).isZero();
        }
    }

    @Test
    void aVersionThatIsNotSpokenIsRefusedByName() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.socket();
            client.send(
                    FrameType.HELLO,
                    0,
                    RawClient.hello("").setMinVersion(2).setMaxVersion(9).build());
            assertThat(client.readClose()).isEqualTo(CloseCode.VERSION_NOT_SUPPORTED.code());
        }
    }

    @Test
    void aFirstFrameThatIsNotHelloIsRefused() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.socket();
            client.send(
                    FrameType.SUBSCRIBE,
                    1,
                    Subscribe.newBuilder().addTopics("chat:a").build());
            assertThat(client.readClose()).isEqualTo(CloseCode.HANDSHAKE_EXPECTED.code());
        }
    }

    @Test
    @Tag("SE-4")
    void aClientThatDoesNotFinishItsHandshakeIsClosedInTime() throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().handshakeTimeoutMs(1_000).start()) {
            RawClient silent = broker.socket();
            RawClient half = broker.socket();
            half.send(new byte[] {100, 0, 0, 0, 1});
            assertThat(silent.readClose()).isEqualTo(CloseCode.HANDSHAKE_TIMEOUT.code());
            assertThat(half.readClose()).isEqualTo(CloseCode.HANDSHAKE_TIMEOUT.code());
        }
    }

    @Test
    @Tag("SE-4")
    void connectionsOfAnAddressAndOfAUserAreBoundedAndServiceTokensAreExempt() throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().connectionLimits(3, 2).start()) {
            broker.client("alice");
            RawClient second = broker.client("alice");
            RawClient third = broker.socket();
            third.send(
                    FrameType.HELLO,
                    0,
                    RawClient.hello(broker.token("alice", List.of())).build());
            assertThat(third.readClose()).isEqualTo(CloseCode.TOO_MANY_CONNECTIONS.code());
            broker.client("bob");
            RawClient fifth = broker.socket();
            fifth.send(
                    FrameType.HELLO,
                    0,
                    RawClient.hello(broker.token("carol", List.of())).build());
            assertThat(fifth.readClose()).isEqualTo(CloseCode.TOO_MANY_CONNECTIONS.code());
            broker.client("bench", List.of("limits:service"));
            second.close();
            await().untilAsserted(() ->
                    assertThat(broker.broker().stats().connections()).isEqualTo(3));
            broker.client("carol");
        }
    }

    @Test
    @Tag("SE-4")
    void socketsWithoutATokenAreBounded() throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().unauthenticatedLimitCount(2).start()) {
            broker.socket();
            broker.socket();
            await().untilAsserted(() ->
                    assertThat(broker.broker().stats().connections()).isEqualTo(2));
            assertThat(broker.socket().readClose()).isEqualTo(CloseCode.OVERLOADED.code());
        }
    }

    @Test
    @Tag("CN-3")
    void aSilentClientIsClosedAndOneThatPingsIsNot() throws Exception {
        SessionConfig fast = new SessionConfig(1_000, 2_000, 10, 1_000, 1 << 20);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().session(fast).start()) {
            RawClient silent = broker.client("silent");
            RawClient lively = broker.client("lively");
            Thread pinger = new Thread(() -> ping(lively));
            pinger.start();
            assertThat(silent.readClose()).isEqualTo(CloseCode.SILENT.code());
            assertThat(broker.counter("connections_silent")).isEqualTo(1);
            assertThat(broker.broker().connections()).extracting("user").containsExactly("lively");
            pinger.interrupt();
            pinger.join();
        }
    }

    private static void ping(RawClient client) {
        java.util.concurrent.locks.LockSupport.parkNanos(1);
        try {
            while (!Thread.currentThread().isInterrupted()) {
                ByteBuf ping = Unpooled.buffer();
                ClockFrames.writePing(ping, 9, 1);
                client.send(ping);
                java.util.concurrent.locks.LockSupport.parkNanos(200_000_000);
            }
        } catch (java.io.IOException closed) {
            // The assertion on the connections says so.
        }
    }

    @Test
    @Tag("CN-3")
    void pongCarriesBothClocks() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            ByteBuf ping = Unpooled.buffer();
            ClockFrames.writePing(ping, 42, 123_456_789);
            client.send(ping);
            ByteBuf pong = client.read(FrameType.PONG);
            assertThat(hermod.protocol.frame.FrameHeader.requestId(pong, 0)).isEqualTo(42);
            assertThat(ClockFrames.pingSentUs(pong, 0)).isEqualTo(123_456_789);
            assertThat(ClockFrames.receivedUs(pong, 0)).isLessThanOrEqualTo(ClockFrames.sentUs(pong, 0));
            assertThat(ClockFrames.sentUs(pong, 0))
                    .isCloseTo(System.currentTimeMillis() * 1_000, org.assertj.core.data.Offset.offset(2_000_000L));
        }
    }

    @Test
    @Tag("CN-7")
    void aSessionEndsWhenItsTokenRunsOutUnlessItWasRefreshed() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            String brief = broker.token("alice", "acme", BrokerUnderTest.ORDINARY, Duration.ofSeconds(3));
            RawClient refreshed = broker.socket();
            refreshed.connect(RawClient.hello(brief));
            RawClient left = broker.socket();
            long expiresAtUs = left.connect(RawClient.hello(brief)).getTokenExpiresAtUs();
            refreshed.send(
                    FrameType.REFRESH,
                    5,
                    Refresh.newBuilder()
                            .setToken(broker.token("alice", BrokerUnderTest.ORDINARY))
                            .build());
            long newExpiryUs = Refreshed.parseFrom(RawClient.body(refreshed.read(FrameType.REFRESHED)))
                    .getTokenExpiresAtUs();
            assertThat(newExpiryUs).isGreaterThan(expiresAtUs);
            assertThat(left.readClose()).isEqualTo(CloseCode.TOKEN_EXPIRED.code());
            assertThat(System.currentTimeMillis() * 1_000).isGreaterThanOrEqualTo(expiresAtUs);
            assertThat(refreshed.subscribe("chat:still-here").getGranted()).isTrue();
        }
    }

    @Test
    @Tag("CN-7")
    void aRefreshForAnotherUserIsRefusedAndTheOldTokenStays() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient alice = broker.client("alice");
            alice.send(
                    FrameType.REFRESH,
                    5,
                    Refresh.newBuilder()
                            .setToken(broker.token("bob", BrokerUnderTest.ORDINARY))
                            .build());
            assertThat(alice.readError()).isEqualTo(ErrorCode.TOKEN_REJECTED.code());
            assertThat(alice.subscribe("chat:a").getGranted()).isTrue();
        }
    }

    @Test
    @Tag("CN-7")
    void rightsThatANewTokenDoesNotGiveEndAtOnceAndTheClientIsTold() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient alice = broker.client("alice");
            int lost = alice.subscribe("chat:lost").getHandle();
            int kept = alice.subscribe("chat:kept").getHandle();
            String less = broker.token("alice", List.of("sub:chat:kept"));
            alice.send(FrameType.REFRESH, 5, Refresh.newBuilder().setToken(less).build());
            Unsubscribed told = Unsubscribed.parseFrom(RawClient.body(alice.read(FrameType.UNSUBSCRIBED)));
            assertThat(told.getHandlesList()).containsExactly(lost);
            alice.read(FrameType.REFRESHED);
            alice.publish(kept, 1, "not any more");
            assertThat(alice.readPublished().exceptionCode(0)).isEqualTo(ErrorCode.FORBIDDEN.code());
        }
    }

    @Test
    @Tag("CN-2")
    void operatorsSeeWhoIsConnectedAndToWhat() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient alice = broker.client("alice");
            alice.subscribe("chat:a");
            var connections = broker.broker().connections();
            assertThat(connections).hasSize(1);
            assertThat(connections.get(0).user()).isEqualTo("alice");
            assertThat(connections.get(0).device()).isEqualTo("alice-phone");
            assertThat(connections.get(0).platform()).isEqualTo("cli");
            assertThat(connections.get(0).address()).isEqualTo("127.0.0.1");
            assertThat(connections.get(0).subscriptions()).containsExactly("chat:a");
            assertThat(connections.get(0).connectedAtUs()).isPositive();
        }
    }

    @Test
    @Tag("CN-1")
    void welcomeRepeatsTheRequestIdAndAClientWithSmallerFramesIsTurnedAway() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.socket();
            String token = broker.token("alice", BrokerUnderTest.ORDINARY);
            client.send(
                    FrameType.HELLO,
                    7,
                    RawClient.hello(token).setMaxFrameBytes(-1).build());
            assertThat(hermod.protocol.frame.FrameHeader.requestId(client.read(FrameType.WELCOME), 0))
                    .isEqualTo(7);
            RawClient small = broker.socket();
            small.send(
                    FrameType.HELLO,
                    7,
                    RawClient.hello(token).setMaxFrameBytes(17_000).build());
            assertThat(small.readClose()).isEqualTo(CloseCode.FRAME_TOO_LONG.code());
        }
    }

    @Test
    void anyCloseComesBehindTheOutcomesOfWhatWasPublishedBeforeIt() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.open("tasks:room").getHandle();
            ByteBuf both = Unpooled.buffer();
            hermod.protocol.frame.PublishFrame.writeHead(both, 0, handle, 1, 0, 0, 0, 0, 0, 0);
            // In the same read a frame that ends the connection: a length below the header's.
            client.send(both.writeIntLE(3));
            assertThat(client.readPublished().rangeCount()).isEqualTo(1);
            assertThat(client.readClose()).isEqualTo(CloseCode.BAD_FRAME.code());
        }
    }

    @Test
    void aGoodbyeIsAnsweredBehindTheOutcomesOfWhatWasPublished() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int handle = client.open("tasks:room").getHandle();
            client.publish(handle, 1, "last words");
            client.send(
                    FrameType.CLOSE,
                    0,
                    hermod.protocol.control.wire.Close.newBuilder()
                            .setCode(CloseCode.NORMAL.code())
                            .build());
            assertThat(client.readPublished().rangeCount()).isEqualTo(1);
            assertThat(client.readClose()).isEqualTo(CloseCode.NORMAL.code());
        }
    }
}
