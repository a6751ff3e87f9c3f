package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.admin.DrainProgress;
import hermod.broker.admission.ServiceConfig;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.ChannelPolicy;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Close;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import java.io.EOFException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("CN-9")
@ExtendWith(LeakCheck.class)
class DrainEndToEndTest {
    /** A thread for each: the common pool has one for two cores, and on JDK 25 takes no other. */
    private static final Executor BLOCKING = task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        thread.start();
    };

    private static final List<String> FAST = List.of("pub:*", "sub:*", "rate:unlimited");

    private static BrokerUnderTest start(int shards, int delayMs, int flushMs) throws Exception {
        return new BrokerUnderTest.Setup()
                .shards(shards)
                .service(new ServiceConfig(
                        true, "", List.of(), List.of(), 100, List.of("a:1"), List.of("b:2"), delayMs, flushMs))
                .start();
    }

    /** Reads to the end. */
    private static Close goodbye(RawClient client) throws IOException {
        Close close = Close.getDefaultInstance();
        try {
            while (true) {
                ByteBuf frame = client.read();
                if (FrameHeader.type(frame, 0) == FrameType.CLOSE.code()) {
                    close = Close.parseFrom(RawClient.body(frame));
                }
            }
        } catch (EOFException end) {
            return close;
        }
    }

    private static void awaitDrained(BrokerUnderTest broker) {
        await().until(() -> broker.broker().drainProgress().phase().equals(DrainProgress.DRAINED));
    }

    @Test
    void everyClientIsSentElsewhereAfterADelayOfItsOwn() throws Exception {
        try (BrokerUnderTest broker = start(2, 1_000_000, 5_000)) {
            List<RawClient> clients = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                clients.add(broker.client("user-" + i));
            }
            RawClient half = broker.socket();
            broker.broker().drain(0, List.of());
            assertThat(broker.broker().isReady()).isFalse();
            List<Integer> delays = new ArrayList<>();
            for (RawClient client : clients) {
                Close close = goodbye(client);
                assertThat(close.getCode()).isEqualTo(CloseCode.GOING_AWAY.code());
                assertThat(close.getRetryAfterMs()).isBetween(1, 1_000_000);
                assertThat(close.getEndpointsList()).containsExactly("a:1");
                delays.add(close.getRetryAfterMs());
                client.close();
            }
            assertThat(delays).doesNotHaveDuplicates();
            assertThat(half.readClose()).isIn(0, CloseCode.GOING_AWAY.code());
            half.close();
            awaitDrained(broker);
            assertThat(broker.broker().drainProgress().connections()).isZero();
        }
    }

    @Test
    void whatTheOperatorSaysGoesBeforeTheConfiguration() throws Exception {
        try (BrokerUnderTest broker = start(1, 1_000_000, 5_000)) {
            RawClient client = broker.client("alice");
            broker.broker().drain(7, List.of("c:3", "d:4"));
            Close close = goodbye(client);
            assertThat(close.getRetryAfterMs()).isBetween(1, 7);
            assertThat(close.getEndpointsList()).containsExactly("c:3", "d:4");
            assertThat(broker.broker().drain(9, List.of()).phase()).isNotEqualTo(DrainProgress.SERVING);
            client.close();
            awaitDrained(broker);
        }
    }

    /** One that publishes as fast as its subscriber has room for until it is told to go, and knows what was acknowledged. */
    private static CompletableFuture<Long> flood(RawClient client, int handle, Semaphore room) {
        CompletableFuture.runAsync(
                () -> {
                    try {
                        for (int i = 1; room.tryAcquire(1, TimeUnit.MINUTES); i++) {
                            client.publish(handle, i, "x");
                        }
                    } catch (IOException | InterruptedException closed) {
                        // As it must be.
                    }
                },
                BLOCKING);
        return CompletableFuture.supplyAsync(
                () -> {
                    long acknowledged = 0;
                    try {
                        ByteBuf frame = client.read();
                        while (FrameHeader.type(frame, 0) != FrameType.CLOSE.code()) {
                            PublishedFrame published = new PublishedFrame().wrap(frame, 0);
                            for (int i = 0; i < published.rangeCount(); i++) {
                                acknowledged = Math.max(
                                        acknowledged, published.rangeFirstOffset(i) + published.rangeLength(i) - 1);
                            }
                            frame = client.read();
                        }
                        client.close();
                    } catch (Exception failed) {
                        throw new IllegalStateException("no CLOSE came", failed);
                    }
                    return acknowledged;
                },
                BLOCKING);
    }

    /** The last offset it was sent, with none left out. */
    private static CompletableFuture<Long> follow(RawClient client) {
        return follow(client, new Semaphore(0));
    }

    private static CompletableFuture<Long> follow(RawClient client, Semaphore room) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        long last = 0;
                        ByteBuf frame = client.read();
                        while (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                            assertThat(EventFrame.offset(frame, 0)).isEqualTo(last + 1);
                            last++;
                            room.release();
                            frame = client.read();
                        }
                        assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.CLOSE.code());
                        assertThat(Close.parseFrom(RawClient.body(frame)).getCode())
                                .isEqualTo(CloseCode.GOING_AWAY.code());
                        client.close();
                        return last;
                    } catch (IOException failed) {
                        throw new IllegalStateException("no CLOSE came", failed);
                    }
                },
                BLOCKING);
    }

    @Test
    void whatWasAcknowledgedIsDeliveredBeforeTheConnectionsEndWhileEverybodyPublishes() throws Exception {
        for (int round = 0; round < 3; round++) {
            try (BrokerUnderTest broker = start(2, 10, 10_000)) {
                List<CompletableFuture<Long>> acknowledged = new ArrayList<>();
                List<CompletableFuture<Long>> delivered = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    RawClient subscriber = broker.client("subscriber-" + i, FAST);
                    subscriber.subscribe("chat:" + i);
                    // One that is behind by more than its topic's window is closed, as it should be; not meant here.
                    Semaphore room = new Semaphore(4_000);
                    delivered.add(follow(subscriber, room));
                    RawClient publisher = broker.client("publisher-" + i, FAST);
                    acknowledged.add(
                            flood(publisher, publisher.open("chat:" + i).getHandle(), room));
                }
                await().until(() -> broker.channel("chat").published() > 20_000);
                broker.broker().drain(0, List.of());
                for (int i = 0; i < acknowledged.size(); i++) {
                    assertThat(delivered.get(i).join())
                            .as("delivered, of as many acknowledged")
                            .isGreaterThanOrEqualTo(acknowledged.get(i).join());
                    assertThat(acknowledged.get(i).join()).isPositive();
                }
                awaitDrained(broker);
            }
        }
    }

    @Test
    void whatWaitsInAnOutboxIsSentBeforeItsConnectionEnds() throws Exception {
        try (BrokerUnderTest broker = start(1, 10, 10_000)) {
            RawClient publisher = broker.client("publisher", FAST);
            RawClient late = broker.client("late");
            int handle = publisher.open("chat:1").getHandle();
            late.subscribe("chat:1");
            byte[] payload = new byte[100_000];
            long sent = 0;
            while (broker.broker().connections().stream().allMatch(one -> one.outboxBytes() == 0)) {
                publisher.publish(handle, (int) ++sent, 0, 0, 0, 0, 0, new byte[0], payload);
                assertThat(publisher.readPublished().rangeCount()).isEqualTo(1);
            }
            broker.broker().drain(0, List.of());
            // Closed at once, since it is owed nothing; the other is not.
            assertThat(goodbye(publisher).getCode()).isEqualTo(CloseCode.GOING_AWAY.code());
            publisher.close();
            assertThat(follow(late).join()).isEqualTo(sent);
            awaitDrained(broker);
        }
    }

    @Test
    void aClientThatDoesNotReadHoldsTheStopUpForTheConfiguredTimeAndNotLonger() throws Exception {
        try (BrokerUnderTest broker = start(1, 10, 500)) {
            RawClient publisher = broker.client("publisher", FAST);
            RawClient stalled = broker.client("stalled");
            int handle = publisher.open("chat:1").getHandle();
            stalled.subscribe("chat:1");
            byte[] payload = new byte[100_000];
            int sent = 0;
            while (broker.broker().connections().stream().allMatch(one -> one.outboxBytes() == 0)) {
                publisher.publish(handle, ++sent, 0, 0, 0, 0, 0, new byte[0], payload);
                publisher.readPublished();
            }
            broker.broker().drain(0, List.of());
            assertThat(goodbye(publisher).getCode()).isEqualTo(CloseCode.GOING_AWAY.code());
            publisher.close();
            awaitDrained(broker);
            assertThat(broker.broker().drainProgress().waiting()).isZero();
        }
    }

    @Test
    void whatWaitsInABatchingWindowIsSentBeforeItsConnectionEnds() throws Exception {
        Map<String, ChannelPolicy> all =
                new LinkedHashMap<>(ChannelPolicies.defaults().byName());
        ChannelPolicy feed = all.get("feed");
        all.put(
                "feed",
                new ChannelPolicy(
                        feed.lane(),
                        feed.ceiling(),
                        feed.durability(),
                        feed.keeps(),
                        feed.batching(),
                        10_000,
                        10_000,
                        feed.conflateBy(),
                        feed.tier(),
                        feed.goalP95Ms(),
                        feed.windowMinEvents(),
                        0,
                        1,
                        0,
                        false));
        ServiceConfig service = new ServiceConfig(true, "", List.of(), List.of(), 100, List.of(), List.of(), 10, 5_000);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup()
                .shards(2)
                .channels(new ChannelPolicies(all))
                .service(service)
                .start()) {
            RawClient publisher = broker.client("publisher", FAST);
            List<CompletableFuture<Long>> delivered = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                RawClient subscriber = broker.client("subscriber-" + i);
                subscriber.subscribe("feed:" + i);
                delivered.add(follow(subscriber));
                int handle = publisher.open("feed:" + i).getHandle();
                // The first goes at once and opens the window in which the others wait.
                for (int n = 1; n <= 3; n++) {
                    publisher.publish(handle, n, "x");
                    publisher.readPublished();
                }
            }
            broker.broker().drain(0, List.of());
            for (CompletableFuture<Long> each : delivered) {
                assertThat(each.join()).isEqualTo(3);
            }
            assertThat(goodbye(publisher).getCode()).isEqualTo(CloseCode.GOING_AWAY.code());
            publisher.close();
            awaitDrained(broker);
        }
    }

    @Test
    void aSubscriberThatIsBehindReadsItsTopicsToTheEndBeforeItsConnectionEnds() throws Exception {
        ServiceConfig service =
                new ServiceConfig(true, "", List.of(), List.of(), 100, List.of(), List.of(), 10, 10_000);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup()
                .shards(2)
                .outbox(new OutboxConfig(512 * 1024, 64 * 1024, 64 * 1024))
                .service(service)
                .start()) {
            RawClient publisher = broker.client("publisher", FAST);
            RawClient late = broker.client("late");
            int handle = publisher.open("chat:1").getHandle();
            late.subscribe("chat:1");
            byte[] payload = new byte[50_000];
            long sent = 0;
            // Then some more, so that it must read often: between two readings its outbox is empty.
            for (int more = 0; more < 15; more += broker.counter("subscriptions_behind") == 0 ? 0 : 1) {
                publisher.publish(handle, (int) ++sent, 0, 0, 0, 0, 0, new byte[0], payload);
                assertThat(publisher.readPublished().rangeCount()).isEqualTo(1);
            }
            broker.broker().drain(0, List.of());
            assertThat(goodbye(publisher).getCode()).isEqualTo(CloseCode.GOING_AWAY.code());
            publisher.close();
            assertThat(follow(late).join()).isEqualTo(sent);
            awaitDrained(broker);
        }
    }

    @Test
    void aClientThatGivesNoCreditHoldsTheStopUpForTheConfiguredTimeAndNotLonger() throws Exception {
        try (BrokerUnderTest broker = start(1, 10, 500)) {
            RawClient publisher = broker.client("publisher", FAST);
            RawClient stingy = broker.socket();
            stingy.connect(RawClient.hello(broker.token("stingy", FAST)).setFeatures(Feature.CREDIT.bit()));
            stingy.subscribe("chat:1");
            publisher.publish(publisher.open("chat:1").getHandle(), 1, "x");
            publisher.readPublished();
            await().until(() -> broker.broker().connections().stream().anyMatch(one -> one.outboxBytes() > 0));
            broker.broker().drain(0, List.of());
            assertThat(goodbye(publisher).getCode()).isEqualTo(CloseCode.GOING_AWAY.code());
            publisher.close();
            assertThat(FrameHeader.type(stingy.read(), 0)).isEqualTo(FrameType.CLOSE.code());
            stingy.close();
            awaitDrained(broker);
        }
    }
}
