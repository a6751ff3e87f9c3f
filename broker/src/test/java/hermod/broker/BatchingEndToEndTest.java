package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.topic.Batching;
import hermod.broker.topic.BatchingConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.ChannelPolicy;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Batching windows and compressed batches of a real broker over real sockets. */
@ExtendWith(LeakCheck.class)
class BatchingEndToEndTest {
    /** Longer than a test may take: what arrives did not wait for the window's end. */
    private static final int ENDLESS_MS = 60_000;

    /** The built-in table with one more channel: LOW with a ceiling of HIGH. */
    private static ChannelPolicies quotes(int minMs, int maxMs) {
        Map<String, ChannelPolicy> all =
                new LinkedHashMap<>(ChannelPolicies.defaults().byName());
        ChannelPolicy any = ChannelPolicy.defaults();
        all.put(
                "quotes",
                new ChannelPolicy(
                        Priority.LOW,
                        Priority.HIGH,
                        any.durability(),
                        any.keeps(),
                        Batching.ADAPTIVE,
                        minMs,
                        maxMs,
                        "none",
                        any.tier(),
                        any.goalP95Ms(),
                        any.windowMinEvents(),
                        any.ratePerMinute(),
                        any.rateBurst(),
                        0,
                        false));
        return new ChannelPolicies(all);
    }

    private static BrokerUnderTest broker(int shards, int windowMs) throws Exception {
        return new BrokerUnderTest.Setup()
                .shards(shards)
                .channels(quotes(windowMs, windowMs))
                .start();
    }

    private static RawClient withLz4(BrokerUnderTest broker, String user) throws Exception {
        RawClient client = broker.socket();
        Welcome welcome = client.connect(RawClient.hello(broker.token(user, BrokerUnderTest.ORDINARY))
                .setFeatures(Feature.LZ4.bit() | 1L << 40));
        assertThat(welcome.getFeatures()).isEqualTo(Feature.LZ4.bit());
        return client;
    }

    private static void awaitAccepted(RawClient publisher, int count) throws Exception {
        for (int accepted = 0; accepted < count; ) {
            var published = publisher.readPublished();
            for (int i = 0; i < published.rangeCount(); i++) {
                accepted += published.rangeLength(i);
            }
        }
    }

    private static String text(int i) {
        return "{\"symbol\":\"HMD\",\"price\":" + i + ",\"text\":\"" + "as in the one before ".repeat(8) + "\"}";
    }

    @Test
    @Tag("FL-2")
    @Tag("EV-5")
    void anEventAboveLowGoesAtOnceAndTakesAlongWhatWaitsOfItsTopic() throws Exception {
        try (BrokerUnderTest broker = broker(2, ENDLESS_MS)) {
            RawClient subscriber = broker.client("sam");
            RawClient publisher = broker.client("pat");
            subscriber.subscribe("quotes:a");
            subscriber.subscribe("quotes:b");
            int a = publisher.open("quotes:a").getHandle();
            int b = publisher.open("quotes:b").getHandle();
            // Homes may differ, and with them windows: each topic gets its own first event.
            publisher.publish(a, 1, "a1");
            publisher.publish(b, 2, "b1");
            await().until(() -> broker.channel("quotes").published() >= 1);
            publisher.publish(a, 3, "a2");
            publisher.publish(b, 4, "b2");
            int high = FrameHeader.FLAG_PRIORITY_GIVEN | Priority.HIGH.code();
            publisher.publish(a, 5, high, 0, 0, 0, "a3");
            publisher.publish(b, 6, high, 0, 0, 0, "b3");
            long startNs = System.nanoTime();
            List<String> texts = RawClient.texts(subscriber, 6);
            assertThat(System.nanoTime() - startNs).isLessThan(ENDLESS_MS * 500_000L);
            assertThat(texts.stream().filter(text -> text.startsWith("a"))).containsExactly("a1", "a2", "a3");
            assertThat(texts.stream().filter(text -> text.startsWith("b"))).containsExactly("b1", "b2", "b3");
        }
    }

    @Test
    @Tag("FL-2")
    void whatWaitsComesAtTheWindowsEnd() throws Exception {
        int windowMs = 300;
        try (BrokerUnderTest broker = broker(1, windowMs)) {
            RawClient subscriber = broker.client("sam");
            RawClient publisher = broker.client("pat");
            subscriber.subscribe("quotes:a");
            subscriber.subscribe("quotes:b");
            int a = publisher.open("quotes:a").getHandle();
            int b = publisher.open("quotes:b").getHandle();
            long startNs = System.nanoTime();
            publisher.inOneWrite(() -> {
                publisher.publish(a, 1, "a1");
                publisher.publish(b, 2, "b1");
            });
            assertThat(subscriber.readEvent().text()).isEqualTo("a1");
            assertThat(subscriber.readEvent().text()).isEqualTo("b1");
            assertThat(System.nanoTime() - startNs).isGreaterThan((windowMs - 2) * 1_000_000L);
            assertThat(broker.channel("quotes").inBroker().max()).isGreaterThan((windowMs - 2) * 900L);
            await().until(() -> broker.channel("quotes").batchWindowUs() == 0);
        }
    }

    @Test
    @Tag("FL-2")
    void theWindowIsAMetricAndWhatWaitsInItIsNotPublishedYet() throws Exception {
        try (BrokerUnderTest broker = broker(1, ENDLESS_MS)) {
            RawClient subscriber = broker.client("sam");
            RawClient publisher = broker.client("pat");
            subscriber.subscribe("quotes:a");
            subscriber.subscribe("quotes:b");
            int a = publisher.open("quotes:a").getHandle();
            int b = publisher.open("quotes:b").getHandle();
            publisher.publish(a, 1, "a1");
            publisher.publish(b, 2, "b1");
            assertThat(subscriber.readEvent().text()).isEqualTo("a1");
            awaitAccepted(publisher, 2);
            await().until(() -> broker.channel("quotes").batchWindowUs() == ENDLESS_MS * 1_000L);
            assertThat(broker.channel("quotes").published()).isEqualTo(1);
        }
    }

    @Test
    @Tag("FL-2")
    void aSubscriberThatComesDuringAWindowGetsNothingFromBefore() throws Exception {
        try (BrokerUnderTest broker = broker(1, ENDLESS_MS)) {
            RawClient early = broker.client("sam");
            RawClient publisher = broker.client("pat");
            early.subscribe("quotes:a");
            early.subscribe("quotes:b");
            int a = publisher.open("quotes:a").getHandle();
            int b = publisher.open("quotes:b").getHandle();
            publisher.publish(a, 1, "a1");
            publisher.publish(b, 2, "b1");
            publisher.publish(b, 3, "b2");
            assertThat(early.readEvent().text()).isEqualTo("a1");
            awaitAccepted(publisher, 3);
            RawClient late = broker.client("lea");
            assertThat(late.subscribe("quotes:b").getNextOffset()).isEqualTo(3);
            // Handed over by the other one's SUBSCRIBE.
            assertThat(RawClient.texts(early, 2)).containsExactly("b1", "b2");
            publisher.publish(b, 4, FrameHeader.FLAG_PRIORITY_GIVEN | Priority.NORMAL.code(), 0, 0, 0, "b3");
            assertThat(late.readEvent().text()).isEqualTo("b3");
        }
    }

    @Test
    @Tag("FL-2")
    @Tag("SA-2")
    void aBrokerThatStopsHandsOverWhatWaits() throws Exception {
        BrokerUnderTest broker = broker(2, ENDLESS_MS);
        RawClient subscriber = broker.client("sam");
        RawClient publisher = broker.client("pat");
        List<Integer> handles = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            subscriber.subscribe("quotes:" + i);
            handles.add(publisher.open("quotes:" + i).getHandle());
        }
        for (int i = 0; i < 8; i++) {
            publisher.publish(handles.get(i), i, "event " + i);
        }
        awaitAccepted(publisher, 8);
        Thread stop = new Thread(() -> broker.broker().close());
        stop.start();
        assertThat(RawClient.texts(subscriber, 8))
                .containsExactlyInAnyOrder(
                        "event 0", "event 1", "event 2", "event 3", "event 4", "event 5", "event 6", "event 7");
        assertThat(subscriber.readClose()).isEqualTo(CloseCode.GOING_AWAY.code());
        stop.join();
        broker.close();
    }

    @Test
    @Tag("FL-7")
    void whoAgreedToLz4IsSentBatchesAndTheOthersTheSameEventsPlain() throws Exception {
        try (BrokerUnderTest broker = broker(2, 60)) {
            RawClient plain = broker.client("sam");
            RawClient lz4 = withLz4(broker, "liz");
            BatchedEvents batched = new BatchedEvents(lz4);
            plain.subscribe("quotes:a");
            lz4.subscribe("quotes:a");
            RawClient publisher = broker.client("pat");
            int handle = publisher.open("quotes:a").getHandle();
            int count = 120;
            for (int i = 0; i < count; i++) {
                publisher.publish(handle, i, text(i));
            }
            for (int i = 0; i < count; i++) {
                RawClient.Event expected = plain.readEvent();
                assertThat(expected.offset()).isEqualTo(i + 1);
                assertThat(expected.text()).isEqualTo(text(i));
                assertThat(ByteBufUtil.hexDump(batched.next().frame()))
                        .isEqualTo(ByteBufUtil.hexDump(expected.frame()));
            }
            assertThat(batched.batchCount).isPositive();
            assertThat(broker.counter("runs_compressed")).isGreaterThanOrEqualTo(batched.batchCount);
            await().until(() -> broker.channel("quotes").delivered() == 2 * count);
        }
    }

    @Test
    @Tag("FL-7")
    void aRaisedEventAndOneThatLeavesADeviceOutAreNeverInABatch() throws Exception {
        try (BrokerUnderTest broker = broker(1, 60)) {
            RawClient subscriber = withLz4(broker, "liz");
            subscriber.subscribe("quotes:a");
            RawClient publisher = broker.client("pat");
            int handle = publisher.open("quotes:a").getHandle();
            int[] flags = {FrameHeader.FLAG_PRIORITY_GIVEN | Priority.HIGH.code(), FrameHeader.FLAG_EXCLUDE_DEVICE};
            for (int kind : flags) {
                for (int i = 0; i < 20; i++) {
                    publisher.publish(handle, i, kind, 0, 0, 0, text(i));
                }
                for (int i = 0; i < 20; i++) {
                    ByteBuf frame = subscriber.read(FrameType.EVENT);
                    assertThat(new RawClient.Event(frame).text()).isEqualTo(text(i));
                }
            }
        }
    }

    @Test
    @Tag("FL-7")
    void withNoTimeForCompressionLz4IsNotAgreedTo() throws Exception {
        BatchingConfig defaults = BatchingConfig.defaults();
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup()
                .batching(new BatchingConfig(
                        defaults.fullCount(),
                        defaults.fullBytes(),
                        defaults.compressFromBytes(),
                        defaults.compressLimitBytes(),
                        defaults.compressSavePercent(),
                        0))
                .start()) {
            Welcome welcome = broker.socket()
                    .connect(RawClient.hello(broker.token("sam", BrokerUnderTest.ORDINARY))
                            .setFeatures(Feature.LZ4.bit()));
            assertThat(welcome.getFeatures()).isZero();
        }
    }
}
