package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.memory.MemoryEngine;
import hermod.broker.filter.FilterText;
import hermod.broker.history.HistoryConfig;
import hermod.broker.shard.ShardClock;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.History.Start;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Pages of history over a real socket; what is stored is put into the engine by the test. */
@Tag("HR-3")
@ExtendWith(LeakCheck.class)
class HistoryEndToEndTest {
    private static final String ROOM = "chat:room_7";
    private static final int EPOCH = 0xdeadbeef;

    /** A page, taken apart. */
    record Page(HistoryPageFrame.Head head, List<RawClient.Event> events, int frameBytes) {
        List<Long> offsets() {
            return events.stream().map(RawClient.Event::offset).toList();
        }

        List<String> texts() {
            return events.stream().map(RawClient.Event::text).toList();
        }
    }

    private static History.Builder from(long offset) {
        return History.newBuilder().setTopic(ROOM).setStart(Start.START_OFFSET).setOffset(offset);
    }

    private static History.Builder newest() {
        return History.newBuilder().setTopic(ROOM).setStart(Start.START_NEWEST).setBackwards(true);
    }

    private static History.Builder since(long timeUs) {
        return History.newBuilder().setTopic(ROOM).setStart(Start.START_TIME).setTimeUs(timeUs);
    }

    private static RawClient reader(BrokerUnderTest broker, String user, List<String> rights) throws Exception {
        RawClient client = broker.socket();
        client.connect(RawClient.hello(broker.token(user, rights))
                .setDeviceId(user + "-phone")
                .setFeatures(Feature.HISTORY.bit() | Feature.FILTER.bit()));
        return client;
    }

    private static RawClient reader(BrokerUnderTest broker) throws Exception {
        return reader(broker, "reader", BrokerUnderTest.ORDINARY);
    }

    private static Page page(RawClient client, History.Builder asked) throws Exception {
        client.send(FrameType.HISTORY, 5, asked.build());
        return readPage(client);
    }

    private static Page readPage(RawClient client) throws Exception {
        ByteBuf frame = client.read(FrameType.HISTORY_PAGE);
        HistoryPageFrame.check(frame, 0);
        assertThat(FrameHeader.requestId(frame, 0)).isEqualTo(5);
        List<RawClient.Event> events = new ArrayList<>();
        int next = HistoryPageFrame.eventsAt(frame, 0);
        while (next < frame.writerIndex()) {
            int bytes = FrameHeader.frameBytes(frame, next);
            RawClient.Event event = new RawClient.Event(frame.slice(next, bytes));
            assertThat(event.handle()).isZero();
            events.add(event);
            next += bytes;
        }
        return new Page(HistoryPageFrame.head(frame, 0), events, frame.writerIndex());
    }

    private static int refusal(RawClient client, History.Builder asked) throws Exception {
        client.send(FrameType.HISTORY, 5, asked.build());
        ByteBuf frame = client.read(FrameType.ERROR);
        assertThat(FrameHeader.requestId(frame, 0)).isEqualTo(5);
        return hermod.protocol.control.wire.Error.parseFrom(RawClient.body(frame))
                .getCode();
    }

    private static List<Long> range(long from, long to) {
        List<Long> offsets = new ArrayList<>();
        for (long offset = from; from <= to ? offset <= to : offset >= to; offset += from <= to ? 1 : -1) {
            offsets.add(offset);
        }
        return offsets;
    }

    @Test
    void aTopicIsReadForwardsPageByPageToItsEnd() throws Exception {
        Engine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(1, 7);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page first = page(reader, from(1).setLimit(3));
            assertThat(first.texts()).containsExactly("e1", "e2", "e3");
            assertThat(first.head()).isEqualTo(new HistoryPageFrame.Head(EPOCH, 3, 0, true, false, 1, 8, 4, 0, 0, 0));
            Page second = page(reader, from(4).setLimit(3).setEpoch(EPOCH));
            assertThat(second.offsets()).containsExactly(4L, 5L, 6L);
            Page third = page(reader, from(7).setLimit(1));
            assertThat(third.offsets()).containsExactly(7L);
            assertThat(third.head().hasMore()).isFalse();
            assertThat(third.head().forwardsFrom()).isEqualTo(8);
            Page end = page(reader, from(8));
            assertThat(end.head()).isEqualTo(new HistoryPageFrame.Head(EPOCH, 0, 0, false, false, 1, 8, 8, 7, 0, 0));
            assertThat(broker.counter("history_pages")).isEqualTo(4);
        }
    }

    @Test
    void aTopicIsReadBackwardsFromTheNewestPageByPageToItsBeginning() throws Exception {
        Engine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(1, 7);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page first = page(reader, newest().setLimit(3));
            assertThat(first.offsets()).containsExactly(7L, 6L, 5L);
            assertThat(first.head().hasMore()).isTrue();
            assertThat(first.head().forwardsFrom()).isEqualTo(8);
            assertThat(first.head().backwardsFrom()).isEqualTo(4);
            Page second = page(reader, from(4).setBackwards(true));
            assertThat(second.offsets()).containsExactly(4L, 3L, 2L, 1L);
            assertThat(second.head()).isEqualTo(new HistoryPageFrame.Head(EPOCH, 4, 0, false, false, 1, 8, 5, 0, 0, 0));
            Page before = page(reader, from(0).setBackwards(true));
            assertThat(before.head()).isEqualTo(new HistoryPageFrame.Head(EPOCH, 0, 0, false, false, 1, 8, 1, 0, 0, 0));
        }
    }

    @Test
    void behindTheNewestThereIsNothingAndThePageSaysWhereThatIs() throws Exception {
        Engine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(1, 7).reserve(500);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page end = page(reader, newest().setBackwards(false));
            // Not 500: what lies between may be stored yet.
            assertThat(end.head()).isEqualTo(new HistoryPageFrame.Head(EPOCH, 0, 0, false, false, 1, 500, 8, 7, 0, 0));
            assertThat(page(reader, from(100).setBackwards(true).setLimit(1))
                            .head()
                            .forwardsFrom())
                    .isEqualTo(8);
        }
    }

    @Test
    void aPageBeginsAtATimeForwardsAndEndsBeforeItBackwards() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH);
        for (int i = 1; i <= 5; i++) {
            long atUs = i * 1_000L;
            // The event's own time falls, the broker's rises.
            topic.store(i * 10L, event -> {
                event.storedAtUs = atUs;
                event.timestampUs = 9_000_000 - atUs;
            });
        }
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            assertThat(page(reader, since(3_000)).offsets()).containsExactly(30L, 40L, 50L);
            assertThat(page(reader, since(3_001)).offsets()).containsExactly(40L, 50L);
            assertThat(page(reader, since(0)).offsets()).containsExactly(10L, 20L, 30L, 40L, 50L);
            assertThat(page(reader, since(5_001)).head().forwardsFrom()).isEqualTo(51);
            assertThat(page(reader, since(3_000).setBackwards(true)).offsets()).containsExactly(20L, 10L);
            assertThat(page(reader, since(9_000).setBackwards(true).setLimit(1)).offsets())
                    .containsExactly(50L);
            assertThat(page(reader, since(1_000).setBackwards(true)).offsets()).isEmpty();
        }
    }

    @Test
    void holesArePassedOverAndCovered() throws Exception {
        Engine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(3, 4).store(900, 901);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page page = page(reader, from(4).setLimit(2));
            assertThat(page.offsets()).containsExactly(4L, 900L);
            assertThat(page.head().forwardsFrom()).isEqualTo(901);
            assertThat(page(reader, from(899).setBackwards(true)).offsets()).containsExactly(4L, 3L);
        }
    }

    /** Holds 20 to 22; what was below is gone. */
    private static Engine trimmedTo20() throws Exception {
        MemoryEngine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(20, 22);
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        engine.removeBelow("acme", ROOM, 20, () -> done.complete(true));
        done.get(60, TimeUnit.SECONDS);
        return engine;
    }

    @Test
    void whatWasAskedForAndIsNotKeptIsTold() throws Exception {
        Engine engine = trimmedTo20();
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page page = page(reader, from(5));
            assertThat(page.offsets()).containsExactly(20L, 21L, 22L);
            assertThat(page.head())
                    .isEqualTo(new HistoryPageFrame.Head(EPOCH, 3, 0, false, false, 20, 23, 23, 4, 5, 19));
            HistoryPageFrame.Head backwards =
                    page(reader, from(10).setBackwards(true)).head();
            assertThat(backwards).isEqualTo(new HistoryPageFrame.Head(EPOCH, 0, 0, false, false, 20, 23, 11, 0, 1, 10));
            assertThat(page(reader, from(20)).head().lostTo()).isZero();
        }
    }

    @Test
    void anotherEpochsOffsetMeansNothingAndThePageBeginsAtWhatThereIs() throws Exception {
        Engine engine = trimmedTo20();
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page forwards = page(reader, from(500).setEpoch(3));
            assertThat(forwards.offsets()).containsExactly(20L, 21L, 22L);
            assertThat(forwards.head())
                    .isEqualTo(new HistoryPageFrame.Head(EPOCH, 3, 0, false, true, 20, 23, 23, 19, 0, 0));
            Page backwards = page(reader, from(2).setEpoch(3).setBackwards(true).setLimit(2));
            assertThat(backwards.offsets()).containsExactly(22L, 21L);
            assertThat(backwards.head().isEpochChanged()).isTrue();
        }
    }

    @Test
    void aTopicThatNobodyEverWroteHasAnEmptyPageAndIsNotMadeByReading() throws Exception {
        Engine engine = new MemoryEngine();
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            Page page = page(reader(broker), newest());
            assertThat(page.head()).isEqualTo(new HistoryPageFrame.Head(0, 0, 0, false, false, 1, 1, 1, 0, 0, 0));
            assertThat(StoredTopic.exists(engine, ROOM)).isFalse();
        }
    }

    @Tag("EV-3")
    @Test
    void whatHasExpiredIsNeverInAPageAndIsCounted() throws Exception {
        Engine engine = new MemoryEngine();
        long nowUs = ShardClock.wallUs();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH).store(1, 1);
        for (long offset = 2; offset <= 4; offset++) {
            topic.store(offset, event -> {
                event.timestampUs = nowUs - 60_000_000;
                event.ttlSeconds = 59;
            });
        }
        topic.store(5, event -> {
            event.text = "still good";
            event.timestampUs = nowUs - 60_000_000;
            event.ttlSeconds = 3_600;
        });
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            Page page = page(reader, from(1));
            assertThat(page.texts()).containsExactly("e1", "still good");
            assertThat(page(reader, newest()).offsets()).containsExactly(5L, 1L);
            assertThat(broker.channel("chat").expired()).isEqualTo(6);
        }
    }

    @Tag("EV-11")
    @Test
    void whatLeavesADeviceOutIsNotInItsPageAndInThoseOfOthers() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH).store(1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient me = reader(broker, "me", BrokerUnderTest.ORDINARY);
            RawClient other = reader(broker, "other", BrokerUnderTest.ORDINARY);
            other.subscribe("tasks:one");
            int handle = me.open("tasks:one").getHandle();
            me.publish(handle, 1, FrameHeader.FLAG_EXCLUDE_DEVICE, 0, 0, 0, "x");
            byte[] device = new byte[Long.BYTES];
            other.readEvent().field(EventFields.TAG_EXCLUDED_DEVICE, device);
            me.readPublished();
            topic.store(2, event -> {
                event.text = "not for me";
                event.excludedDevice =
                        io.netty.buffer.Unpooled.wrappedBuffer(device).getLongLE(0);
            });
            topic.store(3, 3);
            assertThat(page(me, from(1)).texts()).containsExactly("e1", "e3");
            assertThat(page(me, from(1)).head().forwardsFrom()).isEqualTo(4);
            assertThat(page(other, from(1)).texts()).containsExactly("e1", "not for me", "e3");
        }
    }

    @Test
    void aFilterPicksEventsAndThePageCoversWhatItPassedOver() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH);
        for (long offset = 1; offset <= 20; offset++) {
            String room = offset % 5 == 0 ? "7" : "8";
            topic.store(offset, event -> event.attributes = Map.of("room", room));
        }
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            History.Builder asked = from(1).setFilter(FilterText.parse("room = 7"));
            Page first = page(reader, asked.setLimit(2));
            assertThat(first.offsets()).containsExactly(5L, 10L);
            assertThat(first.head().forwardsFrom()).isEqualTo(11);
            Page second = page(reader, asked.setOffset(11).setLimit(100));
            assertThat(second.offsets()).containsExactly(15L, 20L);
            assertThat(page(reader, newest().setFilter(FilterText.parse("not room = 8")))
                            .offsets())
                    .containsExactly(20L, 15L, 10L, 5L);
            assertThat(refusal(reader, from(1).setFilter(hermod.protocol.control.wire.Filter.getDefaultInstance())))
                    .isEqualTo(ErrorCode.BAD_FILTER.code());
        }
    }

    @Test
    void aPageEndsWhereEnoughWasLookedAtAndTheClientAsksOn() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH).store(1, 650);
        topic.store(651, event -> event.attributes = Map.of("room", "7"));
        HistoryConfig defaults = HistoryConfig.defaults();
        HistoryConfig config = new HistoryConfig(
                defaults.pagesUnderWayLimitCount(), defaults.pagesPerSecond(), defaults.pageLimitBytes(), 300);
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).history(config).start()) {
            RawClient reader = reader(broker);
            History.Builder asked = from(1).setFilter(FilterText.parse("room = 7"));
            List<Long> froms = new ArrayList<>();
            Page page = page(reader, asked);
            while (page.events().isEmpty()) {
                assertThat(page.head().hasMore()).isTrue();
                froms.add(page.head().forwardsFrom());
                page = page(reader, asked.setOffset(page.head().forwardsFrom()));
            }
            assertThat(froms).containsExactly(301L, 601L);
            assertThat(page.offsets()).containsExactly(651L);
            assertThat(page.head().hasMore()).isFalse();
        }
    }

    @Test
    void aPageIsCutAtItsBytesAndOneEventAlwaysFits() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH);
        for (long offset = 1; offset <= 4; offset++) {
            topic.store(offset, event -> event.payloadBytes = 1_000);
        }
        topic.store(5, event -> event.payloadBytes = 200_000);
        topic.store(6, 6);
        HistoryConfig config = new HistoryConfig(4, 1_000, 2_500, 2_000);
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).history(config).start()) {
            RawClient reader = reader(broker);
            Page first = page(reader, from(1));
            assertThat(first.offsets()).containsExactly(1L, 2L);
            assertThat(first.head().hasMore()).isTrue();
            assertThat(first.head().forwardsFrom()).isEqualTo(3);
            assertThat(first.frameBytes()).isLessThan(2_500);
            assertThat(page(reader, from(3)).offsets()).containsExactly(3L, 4L);
            Page large = page(reader, from(5));
            assertThat(large.offsets()).containsExactly(5L);
            assertThat(large.head().hasMore()).isTrue();
            assertThat(page(reader, from(6)).head().hasMore()).isFalse();
            assertThat(page(reader, newest()).offsets()).containsExactly(6L);
            assertThat(page(reader, from(5).setBackwards(true)).offsets()).containsExactly(5L);
        }
    }

    @Test
    void anEventOfAHigherPayloadLimitOfOnceIsLeftOutAndCounted() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH).store(1, 1);
        topic.store(2, event -> event.payloadBytes = 1024 * 1024);
        topic.store(3, 3);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            Page page = page(reader(broker), from(1));
            assertThat(page.offsets()).containsExactly(1L, 3L);
            assertThat(page.head().leftOut()).isEqualTo(1);
        }
    }

    @Test
    void theLargestEventThatMayBePublishedFitsWithThePagesNumbers() throws Exception {
        Engine engine = new MemoryEngine();
        int payloadBytes = 1_060_000;
        new StoredTopic(engine, ROOM, EPOCH).store(1, event -> {
            event.payloadBytes = payloadBytes;
            event.excludedDevice = 1;
            event.attributes = attributesOf(8_192);
        });
        hermod.broker.outbox.OutboxConfig outbox =
                new hermod.broker.outbox.OutboxConfig(8 * 1024 * 1024, 256 * 1024, 256 * 1024);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup()
                .engine(engine)
                .outbox(outbox)
                .ringCapacityBytes(32 * 1024 * 1024)
                .payloadLimitBytes(payloadBytes)
                .start()) {
            Page page = page(reader(broker), from(1));
            assertThat(page.offsets()).containsExactly(1L);
            assertThat(page.frameBytes()).isLessThanOrEqualTo(payloadBytes + 16 * 1024);
        }
    }

    /** So many that the field has just this many bytes with its head. */
    private static Map<String, String> attributesOf(int bytes) {
        Map<String, String> attributes = new java.util.LinkedHashMap<>();
        int left = bytes - 3;
        for (int i = 0; left > 0; i++) {
            int valueBytes = Math.min(1_024, left - 6);
            String key = "k" + (char) ('a' + i) + "_";
            attributes.put(key, "v".repeat(valueBytes));
            left -= 6 + valueBytes;
        }
        return attributes;
    }

    @Test
    void aRightASwitchedOffChannelAndANameAreAskedForAsWithASubscription() throws Exception {
        Engine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker, "reader", List.of("sub:chat:room_7", "pub:*"));
            assertThat(page(reader, from(1)).offsets()).containsExactly(1L);
            assertThat(refusal(reader, from(1).setTopic("chat:room_8"))).isEqualTo(ErrorCode.FORBIDDEN.code());
            assertThat(refusal(reader, from(1).setTopic("nowhere:x"))).isEqualTo(ErrorCode.UNKNOWN_CHANNEL.code());
            assertThat(refusal(reader, from(1).setTopic("chat"))).isEqualTo(ErrorCode.BAD_TOPIC_NAME.code());
            broker.broker().kill("chat", "broken", true);
            RawClient told = reader;
            told.send(FrameType.HISTORY, 5, from(1).build());
            ByteBuf frame = told.read();
            while (FrameHeader.type(frame, 0) != FrameType.ERROR.code()) {
                frame = told.read();
            }
            assertThat(hermod.protocol.control.wire.Error.parseFrom(RawClient.body(frame))
                            .getCode())
                    .isEqualTo(ErrorCode.NOT_ENABLED.code());
        }
    }

    @Test
    void anOrgSeesItsOwnTopicsOnly() throws Exception {
        Engine engine = new MemoryEngine();
        new StoredTopic(engine, ROOM, EPOCH).store(1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient stranger = broker.socket();
            stranger.connect(
                    RawClient.hello(broker.token("eve", "other", BrokerUnderTest.ORDINARY, Duration.ofHours(1)))
                            .setFeatures(Feature.HISTORY.bit()));
            assertThat(page(stranger, from(1)).head().epoch()).isZero();
        }
    }

    @Test
    void whatCantBeAskedIsRefusedWithASentence() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient reader = reader(broker);
            int bad = ErrorCode.BAD_REQUEST.code();
            assertThat(refusal(reader, from(1).setTopic("tasks:one"))).isEqualTo(bad);
            assertThat(refusal(reader, from(-1))).isEqualTo(bad);
            assertThat(refusal(reader, from(1).setLimit(301))).isEqualTo(bad);
            assertThat(refusal(reader, from(1).setLimit(-1))).isEqualTo(bad);
            assertThat(refusal(reader, History.newBuilder().setTopic(ROOM))).isEqualTo(bad);
            assertThat(refusal(reader, from(1).setStartValue(77))).isEqualTo(bad);

            RawClient without = broker.socket();
            without.connect(RawClient.hello(broker.token("plain", BrokerUnderTest.ORDINARY)));
            assertThat(refusal(without, from(1))).isEqualTo(ErrorCode.UNSUPPORTED.code());
            RawClient unfiltered = broker.socket();
            unfiltered.connect(RawClient.hello(broker.token("plain", BrokerUnderTest.ORDINARY))
                    .setFeatures(Feature.HISTORY.bit()));
            assertThat(refusal(unfiltered, from(1).setFilter(FilterText.parse("a = 1"))))
                    .isEqualTo(ErrorCode.UNSUPPORTED.code());
        }
    }

    @Test
    void pagesAreRefusedBeyondTheirRateButNotAService() throws Exception {
        HistoryConfig config = new HistoryConfig(4, 2, 64 * 1024, 2_000);
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().history(config).start()) {
            RawClient reader = reader(broker);
            List<Integer> types = new ArrayList<>();
            reader.inOneWrite(() -> {
                for (int i = 0; i < 3; i++) {
                    reader.send(FrameType.HISTORY, 5, from(1).build());
                }
            });
            ByteBuf refused = null;
            for (int i = 0; i < 3; i++) {
                ByteBuf frame = reader.read();
                types.add(FrameHeader.type(frame, 0));
                if (FrameHeader.type(frame, 0) == FrameType.ERROR.code()) {
                    refused = frame;
                }
            }
            assertThat(types).contains(FrameType.ERROR.code(), FrameType.HISTORY_PAGE.code());
            assertThat(refused).isNotNull();
            var error = hermod.protocol.control.wire.Error.parseFrom(RawClient.body(refused));
            assertThat(error.getCode()).isEqualTo(ErrorCode.RATE_LIMITED.code());
            assertThat(error.getRetryAfterMs()).isBetween(1, 500);
            RawClient service = reader(broker, "service", List.of("sub:*", "limits:service"));
            for (int i = 0; i < 20; i++) {
                page(service, from(1));
            }
        }
    }

    @Test
    void pagesUnderWayAreBoundedAndTheirAnswersMakeRoom() throws Exception {
        SlowEngine engine = new SlowEngine();
        new StoredTopic(engine.inner, ROOM, EPOCH).store(1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            for (int i = 0; i < 4; i++) {
                reader.send(FrameType.HISTORY, 5, from(1).build());
            }
            assertThat(refusal(reader, from(1))).isEqualTo(ErrorCode.BACK_PRESSURED.code());
            await().until(() -> engine.held.size() == 4);
            engine.goOn();
            for (int i = 0; i < 4; i++) {
                assertThat(readPage(reader).offsets()).containsExactly(1L);
            }
            assertThat(page(reader, from(1)).offsets()).containsExactly(1L);
        }
    }

    @Test
    void aRightThatIsLostWhileThePageIsReadIsLost() throws Exception {
        SlowEngine engine = new SlowEngine();
        new StoredTopic(engine.inner, ROOM, EPOCH).store(1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            reader.send(FrameType.HISTORY, 5, from(1).build());
            await().until(() -> engine.held.size() == 1);
            reader.send(
                    FrameType.REFRESH,
                    6,
                    Refresh.newBuilder()
                            .setToken(broker.token("reader", List.of("sub:feed:*")))
                            .build());
            reader.read(FrameType.REFRESHED);
            engine.goOn();
            assertThat(reader.readError()).isEqualTo(ErrorCode.FORBIDDEN.code());
        }
    }

    @Test
    void aConnectionThatEndsWhileItsPageIsReadHurtsNobody() throws Exception {
        SlowEngine engine = new SlowEngine();
        new StoredTopic(engine.inner, ROOM, EPOCH).store(1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient gone = reader(broker);
            gone.send(FrameType.HISTORY, 5, from(1).build());
            await().until(() -> engine.held.size() == 1);
            gone.close();
            await().until(() -> broker.counter("connections_closed") == 1);
            engine.goOn();
            assertThat(page(reader(broker), from(1)).offsets()).containsExactly(1L);
        }
    }

    @Test
    void aStoreThatCantBeReadIsToldWithItsReason() throws Exception {
        SlowEngine engine = new SlowEngine();
        new StoredTopic(engine.inner, ROOM, EPOCH).store(1, 1);
        engine.goOn();
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker);
            engine.fault = EngineFault.CORRUPT;
            reader.send(FrameType.HISTORY, 5, from(1).build());
            var error = hermod.protocol.control.wire.Error.parseFrom(RawClient.body(reader.read(FrameType.ERROR)));
            assertThat(error.getCode()).isEqualTo(ErrorCode.UNAVAILABLE.code());
            assertThat(error.getMessage()).contains("damaged");
            engine.fault = EngineFault.BUSY;
            assertThat(refusal(reader, from(1))).isEqualTo(ErrorCode.BACK_PRESSURED.code());
            engine.fault = null;
            assertThat(page(reader, from(1)).offsets()).containsExactly(1L);
        }
    }

    @Test
    void aClientThatAsksAndDoesNotReadIsToldToWaitAndGetsItsPagesWhenItReads() throws Exception {
        Engine engine = new MemoryEngine();
        StoredTopic topic = new StoredTopic(engine, ROOM, EPOCH);
        for (long offset = 1; offset <= 8; offset++) {
            topic.store(offset, event -> event.payloadBytes = 200_000);
        }
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().engine(engine).start()) {
            RawClient reader = reader(broker, "reader", List.of("sub:*", "limits:service"));
            int asked = 0;
            for (int i = 0; i < 60; i++) {
                reader.send(FrameType.HISTORY, 5, from(1 + i % 8).build());
                asked++;
            }
            int pages = 0;
            for (int i = 0; i < asked; i++) {
                ByteBuf frame = reader.read();
                if (FrameHeader.type(frame, 0) == FrameType.HISTORY_PAGE.code()) {
                    pages++;
                } else {
                    assertThat(hermod.protocol.control.wire.Error.parseFrom(RawClient.body(frame))
                                    .getCode())
                            .isEqualTo(ErrorCode.BACK_PRESSURED.code());
                }
            }
            assertThat(pages).isPositive();
            assertThat(page(reader, from(1)).offsets()).containsExactly(1L);
        }
    }

    /** Holds reads back until it is told to go on; {@link #fault} is what reads end with. */
    private static final class SlowEngine implements Engine {
        final MemoryEngine inner = new MemoryEngine();
        final Queue<Runnable> held = new ConcurrentLinkedQueue<>();
        volatile @Nullable EngineFault fault;
        private volatile boolean isGoingOn;

        void goOn() {
            isGoingOn = true;
            for (Runnable next : new ArrayDeque<>(held)) {
                next.run();
            }
        }

        @Override
        public boolean isDurable() {
            return false;
        }

        @Override
        public @Nullable EngineFault fault() {
            return null;
        }

        @Override
        public EventLog events() {
            EventLog log = inner.events();
            return new EventLog() {
                @Override
                public Appender appender(Completion completion) {
                    return log.appender(completion);
                }

                @Override
                public void open(String org, String topic, int epoch, Answer<Opened> answer) {
                    log.open(org, topic, epoch, answer);
                }

                @Override
                public void find(String org, String topic, Answer<@Nullable Opened> answer) {
                    log.find(org, topic, answer);
                }

                @Override
                public void recall(long stream, long producer, long author, Answer<Recalled> answer) {
                    log.recall(stream, producer, author, answer);
                }

                @Override
                public void read(Order order, Answer<Page> answer) {
                    EngineFault why = fault;
                    if (why != null) {
                        answer.onFault(why);
                    } else if (isGoingOn) {
                        log.read(order, answer);
                    } else {
                        held.add(() -> log.read(order, answer));
                    }
                }

                @Override
                public void offsetAt(long stream, long storedAtUs, Answer<Long> answer) {
                    log.offsetAt(stream, storedAtUs, answer);
                }

                @Override
                public void lastOfKeys(long stream, byte[] afterKey, int countMax, int bytesMax, Answer<Page> answer) {
                    log.lastOfKeys(stream, afterKey, countMax, bytesMax, answer);
                }
            };
        }

        @Override
        public ChannelLog channels() {
            return inner.channels();
        }

        @Override
        public KeyedState state() {
            return inner.state();
        }

        @Override
        public EventBus bus() {
            return inner.bus();
        }

        @Override
        public EngineStatus status() {
            return inner.status();
        }

        @Override
        public void close() {
            inner.close();
        }
    }
}
