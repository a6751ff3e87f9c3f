package hermod.broker.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import hermod.broker.BrokerUnderTest;
import hermod.broker.LeakCheck;
import hermod.broker.RawClient;
import hermod.broker.SlowReader;
import hermod.broker.config.ConfigException;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.transport.TransportConfig.Io;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What sockets do to the broker, through each interface to them, with loops that sleep at once and loops that look again. */
@ExtendWith(LeakCheck.class)
class SocketIoEndToEndTest {
    private static final List<String> UNLIMITED = List.of("pub:*", "sub:*", "limits:service", "rate:unlimited");
    private static final int SPIN_US = 200;

    /** Events on their way at once: fewer bytes than an outbox holds. */
    private static final int BATCH_COUNT = 20;

    static Stream<Arguments> each() {
        return Stream.of(Io.EPOLL, Io.IO_URING, Io.NIO)
                .flatMap(io -> Stream.of(Arguments.of(io, 0), Arguments.of(io, SPIN_US)));
    }

    private static BrokerUnderTest.Setup setup(Io io, int spinUs) {
        boolean isHere = true;
        try {
            SocketIo.of(io);
        } catch (ConfigException missing) {
            isHere = false;
        }
        assumeTrue(isHere, () -> io + " is not available on this machine");
        return new BrokerUnderTest.Setup().io(io).spinUs(spinUs);
    }

    @ParameterizedTest
    @MethodSource("each")
    void eventsOfEverySizeArriveWholeAndInOrderAlsoAcrossShards(Io io, int spinUs) throws Exception {
        int count = 300;
        try (BrokerUnderTest broker = setup(io, spinUs).shards(2).start()) {
            RawClient publisher = broker.client("publisher", UNLIMITED);
            RawClient near = broker.client("near", UNLIMITED);
            RawClient far = broker.client("far", UNLIMITED);
            near.subscribe("tasks:one");
            far.subscribe("tasks:one");
            int handle = publisher.open("tasks:one").getHandle();
            for (int i = 0; i < count; i += BATCH_COUNT) {
                for (int k = i; k < i + BATCH_COUNT; k++) {
                    publisher.publish(handle, k, text(k));
                }
                for (int k = i; k < i + BATCH_COUNT; k++) {
                    assertThat(near.readEvent().text()).isEqualTo(text(k));
                    assertThat(far.readEvent().text()).isEqualTo(text(k));
                }
            }
            int outcomes = 0;
            while (outcomes < count) {
                PublishedFrame published = publisher.readPublished();
                assertThat(published.exceptionCount()).isZero();
                for (int i = 0; i < published.rangeCount(); i++) {
                    outcomes += published.rangeLength(i);
                }
            }
            assertThat(outcomes).isEqualTo(count);
        }
    }

    private static String text(int number) {
        return number + ":" + "x".repeat(number * 97 % 30_000);
    }

    @ParameterizedTest
    @MethodSource("each")
    void anEventIsAnsweredWhetherTheLoopSleepsOrNot(Io io, int spinUs) throws Exception {
        try (BrokerUnderTest broker = setup(io, spinUs).shards(2).start()) {
            RawClient client = broker.client("alice", UNLIMITED);
            RawClient other = broker.client("bob", UNLIMITED);
            int handle = client.subscribe("chat:room").getHandle();
            int otherHandle = other.subscribe("chat:other").getHandle();
            for (int i = 0; i < 50; i++) {
                assertThat(client.echo(handle, "a" + i)).isEqualTo("a" + i);
                assertThat(other.echo(otherHandle, "b" + i)).isEqualTo("b" + i);
                if (i % 10 == 0) {
                    // Longer than it looks for more.
                    assertThat(client.isQuiet(2)).isTrue();
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("each")
    void aBurstThatTheKernelHasRoomForDoesNotCloseItsSubscriber(Io io, int spinUs) throws Exception {
        int perPublisherCount = 130;
        String payload = "x".repeat(1_024);
        try (BrokerUnderTest broker = setup(io, spinUs).start()) {
            RawClient subscriber = broker.client("subscriber", UNLIMITED);
            subscriber.subscribe("tasks:one");
            List<Thread> publishers = new ArrayList<>();
            CountDownLatch start = new CountDownLatch(1);
            for (int i = 0; i < 8; i++) {
                RawClient publisher = broker.client("publisher" + i, UNLIMITED);
                ByteBuf burst = burst(publisher.open("tasks:one").getHandle(), perPublisherCount, payload);
                Thread thread = new Thread(() -> {
                    try {
                        start.await();
                        publisher.send(burst);
                    } catch (Exception failed) {
                        throw new IllegalStateException(failed);
                    }
                });
                thread.start();
                publishers.add(thread);
            }
            start.countDown();
            for (Thread thread : publishers) {
                thread.join();
            }
            for (int i = 0; i < publishers.size() * perPublisherCount; i++) {
                assertThat(subscriber.readEvent().offset()).isEqualTo(i + 1);
            }
        }
    }

    private static ByteBuf burst(int handle, int count, String payload) {
        ByteBuf burst = Unpooled.buffer();
        for (int i = 0; i < count; i++) {
            PublishFrame.writeHead(burst, 0, handle, i, 0, 0, 0, 0, 0, payload.length());
            burst.writeCharSequence(payload, StandardCharsets.UTF_8);
        }
        return burst;
    }

    @ParameterizedTest
    @MethodSource("each")
    void aSubscriberThatStoppedReadingIsToldWhatItMissedAndTheOthersGetAll(Io io, int spinUs) throws Exception {
        OutboxConfig small = new OutboxConfig(512 * 1024, 64 * 1024, 256 * 1024);
        try (BrokerUnderTest broker = setup(io, spinUs).outbox(small).start()) {
            SlowReader stalled = SlowReader.connect(broker, "stalled", "tasks:one", Feature.GAP);
            RawClient lively = broker.client("lively", UNLIMITED);
            RawClient publisher = broker.client("publisher", UNLIMITED);
            lively.subscribe("tasks:one");
            int handle = publisher.open("tasks:one").getHandle();
            String payload = "x".repeat(60_000);
            for (int sent = 1; sent <= 400; sent++) {
                publisher.publish(handle, sent, payload);
                assertThat(lively.readEvent().offset()).isEqualTo(sent);
                publisher.read(FrameType.PUBLISHED);
            }
            stalled.readUpTo(400);
            assertThat(stalled.events()).isNotEmpty();
            assertThat(stalled.missing()).isNotEmpty();
        }
    }

    @ParameterizedTest
    @MethodSource("each")
    void aSocketThatEndsHalfOrIsResetIsClosedWholly(Io io, int spinUs) throws Exception {
        try (BrokerUnderTest broker = setup(io, spinUs).start()) {
            RawClient half = broker.client("half");
            RawClient reset = broker.client("reset");
            RawClient silent = broker.socket();
            RawClient stays = broker.client("stays");
            half.subscribe("chat:room");
            reset.subscribe("chat:room");
            int handle = stays.subscribe("chat:room").getHandle();
            half.socket().shutdownOutput();
            reset.socket().setSoLinger(true, 0);
            reset.close();
            silent.close();
            Awaitility.await()
                    .untilAsserted(() ->
                            assertThat(broker.broker().stats().connections()).isEqualTo(1));
            assertThat(half.readClose()).isZero();
            assertThat(stays.echo(handle, "still here")).isEqualTo("still here");
        }
    }

    @ParameterizedTest
    @MethodSource("each")
    void aStopTellsEveryClientAndClosesItsSocket(Io io, int spinUs) throws Exception {
        RawClient client;
        try (BrokerUnderTest broker = setup(io, spinUs).shards(2).start()) {
            client = new RawClient(broker.address());
            client.connect(RawClient.hello(broker.token("alice", BrokerUnderTest.ORDINARY)));
        }
        assertThat(client.readClose()).isEqualTo(CloseCode.GOING_AWAY.code());
        client.close();
    }

    @ParameterizedTest
    @MethodSource("each")
    void aFrameThatIsTooLongIsAnsweredWithItsCode(Io io, int spinUs) throws Exception {
        try (BrokerUnderTest broker = setup(io, spinUs).start()) {
            RawClient client = broker.socket();
            client.send(new byte[] {-1, -1, -1, 127, 1, 0, 0, 0});
            assertThat(client.readClose()).isEqualTo(CloseCode.FRAME_TOO_LONG.code());
        }
    }

    @Test
    void autoTakesEpollWhereItIs() throws Exception {
        assumeTrue(io.netty.channel.epoll.Epoll.isAvailable());
        assertThat(SocketIo.of(Io.AUTO).kind()).isEqualTo(Io.EPOLL);
    }

    @Test
    void theReasonIsTheInnermostOneInOneLine() {
        Throwable cause = new IllegalStateException("outer", new UnsatisfiedLinkError("no library\nat all"));
        assertThat(SocketIo.reason(cause)).isEqualTo("no library");
        assertThat(SocketIo.reason(null)).isEqualTo("no reason known");
        assertThat(SocketIo.reason(new IllegalStateException())).isEqualTo("no reason known");
        assertThat(catchThrowableOfType(ConfigException.class, () -> SocketIo.of(Io.NIO)))
                .isNull();
    }
}
