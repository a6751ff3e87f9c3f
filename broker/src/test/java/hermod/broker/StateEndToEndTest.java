package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.GatedEngine;
import hermod.broker.topic.TopicConfig;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.awaitility.core.ConditionFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** State topics, with an engine whose disk the test holds. On one shard the publisher's is the home, on two it mostly is not. */
@Tag("HR-5")
@ExtendWith(LeakCheck.class)
class StateEndToEndTest {
    private static final List<String> RIGHTS = List.of("pub:*", "sub:*", "rate:unlimited");
    private static final long FEATURES =
            Feature.RESUME.bit() | Feature.GAP.bit() | Feature.FILTER.bit() | Feature.STATE.bit();
    private static final String TOPIC = "wallet:1";
    private static final long ANY = -1;

    private final GatedEngine engine = new GatedEngine();
    private int lastRequestId;

    @AfterEach
    void end() {
        engine.end();
    }

    private BrokerUnderTest broker(int shards) throws Exception {
        return new BrokerUnderTest.Setup().shards(shards).engine(engine).start();
    }

    private static RawClient client(BrokerUnderTest broker, String user) throws Exception {
        return client(broker, user, FEATURES);
    }

    private static RawClient client(BrokerUnderTest broker, String user, long features) throws Exception {
        RawClient client = broker.socket();
        client.connect(RawClient.hello(broker.token(user, RIGHTS))
                .setDeviceId(user + "-phone")
                .setFeatures(features));
        return client;
    }

    /** Looks often: most of it takes a millisecond. */
    private static ConditionFactory soon() {
        return await().pollDelay(Duration.ZERO).pollInterval(Duration.ofMillis(2));
    }

    // ---- writing

    private static byte[] fields(String key, long expected, boolean isDeleted) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_KEY, key.getBytes(StandardCharsets.UTF_8));
        if (expected != ANY) {
            byte[] version = new byte[Long.BYTES];
            Unpooled.wrappedBuffer(version).setLongLE(0, expected);
            EventFields.write(fields, EventFields.TAG_EXPECTED_VERSION, version);
        }
        if (isDeleted) {
            EventFields.write(fields, EventFields.TAG_DELETED, new byte[0]);
        }
        return ByteBufUtil.getBytes(fields);
    }

    private void send(RawClient writer, int handle, String key, long expected, String value) throws Exception {
        writer.publish(
                handle,
                ++lastRequestId,
                0,
                0,
                0,
                0,
                0,
                fields(key, expected, false),
                value.getBytes(StandardCharsets.UTF_8));
    }

    private long put(RawClient writer, int handle, String key, long expected, String value) throws Exception {
        send(writer, handle, key, expected, value);
        return accepted(writer);
    }

    private long delete(RawClient writer, int handle, String key, long expected) throws Exception {
        writer.publish(handle, ++lastRequestId, 0, 0, 0, 0, 0, fields(key, expected, true), new byte[0]);
        return accepted(writer);
    }

    private static long accepted(RawClient writer) throws Exception {
        PublishedFrame outcome = writer.readPublished();
        assertThat(outcome.exceptionCount()).isZero();
        assertThat(outcome.rangeCount()).isEqualTo(1);
        return outcome.rangeFirstOffset(0);
    }

    /** @return the version told. */
    private static long conflict(RawClient writer) throws Exception {
        return refused(writer, ErrorCode.CONFLICT);
    }

    private static long refused(RawClient writer, ErrorCode code) throws Exception {
        PublishedFrame outcome = writer.readPublished();
        assertThat(outcome.rangeCount()).isZero();
        assertThat(outcome.exceptionCount()).isEqualTo(1);
        assertThat(outcome.exceptionKind(0)).isEqualTo(PublishedFrame.KIND_REFUSED);
        assertThat(outcome.exceptionCode(0)).isEqualTo(code.code());
        return outcome.exceptionOffset(0);
    }

    // ---- reading

    private static String keyOf(RawClient.Event event) {
        String key = event.field(EventFields.TAG_KEY);
        return key == null ? "" : key;
    }

    /** The snapshot behind an answer that told of one: its events and the word of its end. */
    private static Map<String, String> snapshot(RawClient subscriber, TopicResult result) throws Exception {
        assertThat(result.hasStateCount()).isTrue();
        Map<String, String> state = new TreeMap<>();
        long last = 0;
        for (int i = 0; i < result.getStateCount(); i++) {
            RawClient.Event event = subscriber.readEvent();
            assertThat(event.offset()).isGreaterThan(last).isLessThan(result.getNextOffset());
            last = event.offset();
            assertThat(state.put(keyOf(event), event.offset() + " " + event.text()))
                    .isNull();
        }
        if (result.getStateCount() > 0) {
            ByteBuf progress = subscriber.read(FrameType.PROGRESS);
            assertThat(FlowFrames.first(progress, 0)).isEqualTo(result.getNextOffset() - 1);
        }
        return state;
    }

    // ---- versions

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aWriterThatExpectsAnotherVersionIsToldTheOneThereIs(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            send(writer, handle, "balance", 7, "?");
            assertThat(conflict(writer)).isZero();
            assertThat(put(writer, handle, "balance", 0, "10")).isEqualTo(1);
            send(writer, handle, "balance", 0, "?");
            assertThat(conflict(writer)).isEqualTo(1);
            assertThat(put(writer, handle, "other", 0, "x")).isEqualTo(2);
            assertThat(put(writer, handle, "balance", 1, "20")).isEqualTo(3);
            assertThat(put(writer, handle, "balance", ANY, "30")).isEqualTo(4);
            send(writer, handle, "balance", 3, "?");
            assertThat(conflict(writer)).isEqualTo(4);
        }
    }

    @Tag("WA-1")
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void ofTwoWritersThatExpectTheSameVersionOneSucceedsAndTheOtherLearnsTheNewOne(int shards) throws Exception {
        Random random = new Random(64);
        try (BrokerUnderTest broker = broker(shards)) {
            List<RawClient> writers = List.of(client(broker, "alice"), client(broker, "bob"));
            int handle = writers.get(0).open(TOPIC).getHandle();
            assertThat(writers.get(1).open(TOPIC).getHandle()).isEqualTo(handle);
            long version = 0;
            for (int round = 0; round < 200; round++) {
                boolean isHeld = random.nextInt(4) == 0;
                if (isHeld) {
                    engine.hold();
                }
                int first = random.nextInt(2);
                send(writers.get(first), handle, "balance", version, "a" + round);
                send(writers.get(1 - first), handle, "balance", version, "b" + round);
                if (isHeld) {
                    soon().until(() -> engine.heldCount() > 0);
                    engine.release();
                }
                long told = 0;
                long got = 0;
                for (RawClient writer : writers) {
                    PublishedFrame outcome = writer.readPublished();
                    if (outcome.rangeCount() == 1) {
                        assertThat(got).as("both accepted in round %d", round).isZero();
                        got = outcome.rangeFirstOffset(0);
                    } else {
                        assertThat(outcome.exceptionCode(0)).isEqualTo(ErrorCode.CONFLICT.code());
                        told = outcome.exceptionOffset(0);
                    }
                }
                assertThat(got).as("round %d", round).isGreaterThan(version).isEqualTo(told);
                version = got;
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aRetryOfWhatWasAcceptedIsADuplicateAndNoConflict(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            for (int i = 0; i < 2; i++) {
                writer.publish(
                        handle, 1, 0, 5, 0, 0, 0, fields("balance", 0, false), "10".getBytes(StandardCharsets.UTF_8));
                PublishedFrame outcome = writer.readPublished();
                assertThat(outcome.rangeCount()).isEqualTo(1 - i);
                assertThat(outcome.exceptionCount()).isEqualTo(i);
                if (i == 1) {
                    assertThat(outcome.exceptionKind(0)).isEqualTo(PublishedFrame.KIND_DUPLICATE);
                    assertThat(outcome.exceptionOffset(0)).isEqualTo(1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aDeletedKeyDoesNotExistAndItsDeletionIsAChangeLikeOthers(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            RawClient follower = client(broker, "carol");
            int handle = writer.open(TOPIC).getHandle();
            put(writer, handle, "card", 0, "visa");
            assertThat(snapshot(follower, follower.subscribe(TOPIC))).containsOnly(Map.entry("card", "1 visa"));
            assertThat(delete(writer, handle, "card", 1)).isEqualTo(2);
            RawClient.Event deletion = follower.readEvent();
            assertThat(deletion.offset()).isEqualTo(2);
            assertThat(keyOf(deletion)).isEqualTo("card");
            assertThat(EventFields.find(
                            deletion.frame(), RawClientFields.AT, deletion.fieldsBytes(), EventFields.TAG_DELETED))
                    .isPositive();
            RawClient late = client(broker, "bob");
            TopicResult empty = late.subscribe(TOPIC);
            assertThat(empty.getStateCount()).isZero();
            assertThat(empty.getNextOffset()).isEqualTo(3);
            send(writer, handle, "card", 1, "?");
            assertThat(conflict(writer)).isZero();
            assertThat(put(writer, handle, "card", 0, "master")).isEqualTo(3);
            assertThat(late.readEvent().text()).isEqualTo("master");
        }
    }

    /** Where fields of an EVENT begin. */
    private static final class RawClientFields {
        static final int AT = hermod.protocol.frame.EventFrame.ENTRY_AT + Entry.FIELDS_AT;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aConflictIsNotToldBeforeTheVersionItNamesIsStored(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            RawClient other = client(broker, "bob");
            int handle = writer.open(TOPIC).getHandle();
            other.open(TOPIC);
            put(writer, handle, "balance", 0, "10");
            engine.hold();
            send(writer, handle, "balance", 1, "20");
            soon().until(() -> engine.heldCount() > 0);
            send(other, handle, "balance", 1, "30");
            assertThat(other.isQuiet(50)).isTrue();
            engine.release();
            assertThat(accepted(writer)).isEqualTo(2);
            assertThat(conflict(other)).isEqualTo(2);
            // And where it comes to nothing, neither succeeds, and the version is what it was.
            engine.hold();
            engine.fail(EngineFault.FAILED);
            send(writer, handle, "balance", 2, "40");
            soon().until(() -> engine.heldCount() > 0);
            engine.fail(null);
            send(other, handle, "balance", 2, "50");
            assertThat(other.isQuiet(50)).isTrue();
            engine.release();
            refused(writer, ErrorCode.NOT_STORED);
            refused(other, ErrorCode.NOT_STORED);
            assertThat(put(other, handle, "balance", 2, "50")).isEqualTo(4);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whatCouldNotBeStoredTakesItsVersionBackWhateverElseIsUnderWay(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            assertThat(put(writer, handle, "balance", 0, "10")).isEqualTo(1);
            // The first of two fails.
            engine.hold();
            engine.fail(EngineFault.FAILED);
            send(writer, handle, "balance", ANY, "lost");
            soon().until(() -> engine.heldCount() == 1);
            engine.fail(null);
            send(writer, handle, "balance", ANY, "30");
            soon().until(() -> engine.heldCount() == 2);
            engine.release();
            List<Long> got = outcomes(writer, 2);
            assertThat(got).containsExactlyInAnyOrder(-(long) ErrorCode.NOT_STORED.code(), 3L);
            // The second of two fails, a deletion.
            engine.hold();
            send(writer, handle, "balance", 3, "40");
            soon().until(() -> engine.heldCount() == 1);
            engine.fail(EngineFault.FAILED);
            writer.publish(handle, ++lastRequestId, 0, 0, 0, 0, 0, fields("balance", ANY, true), new byte[0]);
            soon().until(() -> engine.heldCount() == 2);
            engine.release();
            engine.fail(null);
            assertThat(outcomes(writer, 2)).containsExactlyInAnyOrder(-(long) ErrorCode.NOT_STORED.code(), 4L);
            RawClient late = client(broker, "bob");
            assertThat(snapshot(late, late.subscribe(TOPIC))).containsOnly(Map.entry("balance", "4 40"));
            assertThat(put(writer, handle, "balance", 4, "50")).isEqualTo(6);
        }
    }

    /** Offsets of what was accepted, codes below 0 of what was refused. */
    private static List<Long> outcomes(RawClient writer, int count) throws Exception {
        List<Long> got = new ArrayList<>();
        while (got.size() < count) {
            PublishedFrame outcome = writer.readPublished();
            for (int i = 0; i < outcome.rangeCount(); i++) {
                for (int j = 0; j < outcome.rangeLength(i); j++) {
                    got.add(outcome.rangeFirstOffset(i) + j);
                }
            }
            for (int i = 0; i < outcome.exceptionCount(); i++) {
                got.add(-(long) outcome.exceptionCode(i));
            }
        }
        return got;
    }

    @Test
    void aTopicWithAsManyKeysAsItMayHaveTakesNoMoreUntilOneIsDeletedOrExpires() throws Exception {
        TopicConfig all = TopicConfig.defaults();
        TopicConfig few = new TopicConfig(
                all.topicsLimitCount(),
                all.idleSeconds(),
                all.chunkBytes(),
                all.producersPerTopicLimitCount(),
                all.dedupIdsPerTopicLimitCount(),
                2,
                all.stateKeysLimitCount(),
                all.dedupLimitBytes(),
                all.replaySeconds(),
                all.replayTopicBytes(),
                all.replayLimitBytes());
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().topic(few).engine(engine).start()) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            put(writer, handle, "a", ANY, "1");
            put(writer, handle, "b", ANY, "1");
            send(writer, handle, "c", ANY, "1");
            refused(writer, ErrorCode.TOO_MANY_KEYS);
            put(writer, handle, "a", ANY, "2");
            delete(writer, handle, "b", ANY);
            // Of a time that has nearly passed: it expires in a moment.
            long soonUs = System.currentTimeMillis() * 1_000 - 59_500_000;
            writer.publish(handle, 1, 0, 0, soonUs, 60, 0, fields("c", ANY, false), new byte[0]);
            accepted(writer);
            soon().until(() -> {
                send(writer, handle, "d", 0, "1");
                return writer.readPublished().rangeCount() == 1;
            });
        }
    }

    private static TopicConfig keysInAll(int limitCount) {
        TopicConfig all = TopicConfig.defaults();
        return new TopicConfig(
                all.topicsLimitCount(),
                1,
                all.chunkBytes(),
                all.producersPerTopicLimitCount(),
                all.dedupIdsPerTopicLimitCount(),
                all.stateKeysPerTopicLimitCount(),
                limitCount,
                all.dedupLimitBytes(),
                all.replaySeconds(),
                all.replayTopicBytes(),
                all.replayLimitBytes());
    }

    @Test
    void theKeysOfAllTopicsInMemoryAreBoundedAndThoseOfATopicThatNobodyHoldsDoNotCountForLong() throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().topic(keysInAll(3)).engine(engine).start()) {
            RawClient writer = client(broker, "alice");
            int first = writer.open("wallet:1").getHandle();
            RawClient other = client(broker, "bob");
            int second = other.open("wallet:2").getHandle();
            put(writer, first, "a", ANY, "1");
            put(writer, first, "b", ANY, "1");
            put(other, second, "c", ANY, "1");
            send(other, second, "d", ANY, "1");
            refused(other, ErrorCode.TOO_MANY_KEYS);
            put(other, second, "c", ANY, "2");
            delete(writer, first, "b", ANY);
            put(other, second, "d", ANY, "1");
            send(other, second, "e", ANY, "1");
            refused(other, ErrorCode.TOO_MANY_KEYS);

            writer.close();
            soon().until(() -> {
                send(other, second, "e", ANY, "1");
                return other.readPublished().rangeCount() == 1;
            });
        }
        // One key in the first topic, three in the other.
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().topic(keysInAll(2)).engine(engine).start()) {
            RawClient reader = client(broker, "bob");
            TopicResult refused = reader.subscribe("wallet:2");
            assertThat(refused.getGranted()).isFalse();
            assertThat(refused.getCode()).isEqualTo(ErrorCode.TOO_MANY_TOPICS.code());
            assertThat(reader.subscribe("chat:1").getGranted()).isTrue();
            assertThat(reader.subscribe("wallet:1").getStateCount()).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void onlyStateTopicsHaveKeys(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open("chat:1").getHandle();
            send(writer, handle, "balance", ANY, "10");
            refused(writer, ErrorCode.BAD_EVENT);
            RawClient subscriber = client(broker, "bob");
            assertThat(subscriber.subscribe("chat:1").hasStateCount()).isFalse();
            // An event without a key is none of the state, and goes to those who listen.
            int wallet = writer.open(TOPIC).getHandle();
            writer.publish(wallet, 1, "hint");
            accepted(writer);
            assertThat(subscriber.subscribe(TOPIC).getStateCount()).isZero();
            writer.publish(wallet, 2, "hint 2");
            assertThat(subscriber.readEvent().text()).isEqualTo("hint 2");
        }
    }

    // ---- the state first, then the changes

    @Tag("WA-1")
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aNewSubscriberGetsTheStateFirstAndThenTheChanges(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            for (int i = 1; i <= 10; i++) {
                put(writer, handle, "k" + i % 3, ANY, "v" + i);
            }
            RawClient phone = client(broker, "bob");
            TopicResult result = phone.subscribe(TOPIC);
            assertThat(result.getNextOffset()).isEqualTo(11);
            assertThat(snapshot(phone, result))
                    .containsExactly(Map.entry("k0", "9 v9"), Map.entry("k1", "10 v10"), Map.entry("k2", "8 v8"));
            put(writer, handle, "k1", 10, "v11");
            assertThat(phone.readEvent().text()).isEqualTo("v11");
            // Subscribing again to what is subscribed begins nothing anew.
            assertThat(phone.subscribe(TOPIC).hasStateCount()).isFalse();
            assertThat(phone.isQuiet(50)).isTrue();
            // As a wish of HELLO.
            RawClient tablet = broker.socket();
            Welcome welcome = tablet.connect(RawClient.hello(broker.token("bob", RIGHTS))
                    .setDeviceId("bob-tablet")
                    .setFeatures(FEATURES)
                    .addSubscriptions(TOPIC));
            assertThat(snapshot(tablet, welcome.getSubscriptions(0)))
                    .containsExactly(Map.entry("k0", "9 v9"), Map.entry("k1", "11 v11"), Map.entry("k2", "8 v8"));
            // With REPLACE.
            RawClient web = client(broker, "carol");
            web.subscribe("chat:1");
            web.send(FrameType.REPLACE, 3, Replace.newBuilder().addTopics(TOPIC).build());
            Replaced replaced = Replaced.parseFrom(RawClient.body(web.read(FrameType.REPLACED)));
            assertThat(snapshot(web, replaced.getResults(0))).hasSize(3);
            put(writer, handle, "k1", 11, "v12");
            assertThat(web.readEvent().offset()).isEqualTo(12);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void theDeviceThatChangesMakeNoCopyForStillGetsTheStateItDoesNotKnow(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            writer.publish(
                    handle,
                    1,
                    FrameHeader.FLAG_EXCLUDE_DEVICE,
                    0,
                    0,
                    0,
                    0,
                    fields("balance", 0, false),
                    "10".getBytes(StandardCharsets.UTF_8));
            accepted(writer);
            assertThat(snapshot(writer, writer.subscribe(TOPIC))).containsOnly(Map.entry("balance", "1 10"));
            writer.publish(
                    handle, 2, FrameHeader.FLAG_EXCLUDE_DEVICE, 0, 0, 0, 0, fields("balance", 1, false), new byte[0]);
            accepted(writer);
            assertThat(writer.isQuiet(50)).isTrue();
        }
    }

    @Test
    void aConnectionWithoutTheFeatureIsServedAsBefore() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            RawClient writer = client(broker, "alice", 0);
            int handle = writer.open(TOPIC).getHandle();
            put(writer, handle, "balance", 0, "10");
            RawClient plain = client(broker, "bob", Feature.RESUME.bit());
            TopicResult result = plain.subscribe(TOPIC);
            assertThat(result.hasStateCount()).isFalse();
            assertThat(result.getNextOffset()).isEqualTo(2);
            put(writer, handle, "balance", 1, "20");
            assertThat(plain.readEvent().offset()).isEqualTo(2);
            RawClient other = client(broker, "carol", Feature.RESUME.bit());
            ResumeResult lost = resume(other, Welcome.getDefaultInstance(), 5, 0);
            assertThat(lost.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_LOST);
            assertThat(lost.getFromOffset()).isEqualTo(1);
            assertThat(RawClient.texts(other, 2)).containsExactly("10", "20");
        }
    }

    private static ResumeResult resume(RawClient client, Welcome before, int epoch, long cursor) throws Exception {
        client.send(
                FrameType.RESUME,
                9,
                Resume.newBuilder()
                        .setResumeToken(before.getResumeToken())
                        .addCursors(Cursor.newBuilder()
                                .setTopic(TOPIC)
                                .setEpoch(epoch)
                                .setOffset(cursor))
                        .build());
        return Resumed.parseFrom(RawClient.body(client.read(FrameType.RESUMED))).getResults(0);
    }

    @Tag("HR-2")
    @Test
    void aRestartedBrokerKnowsTheVersionsAndACursorThatMeansNothingGetsTheState() throws Exception {
        Path dataDir = Files.createTempDirectory("hermod-test");
        Welcome before;
        int epoch;
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient writer = client(broker, "alice");
            TopicResult topic = writer.open(TOPIC);
            epoch = topic.getEpoch();
            put(writer, topic.getHandle(), "balance", 0, "10");
            put(writer, topic.getHandle(), "card", 0, "visa");
            put(writer, topic.getHandle(), "balance", 1, "20");
            delete(writer, topic.getHandle(), "card", 2);
            put(writer, topic.getHandle(), "limit", 0, "100");
            before = broker.socket()
                    .connect(RawClient.hello(broker.token("bob", RIGHTS))
                            .setDeviceId("bob-phone")
                            .setFeatures(FEATURES));
        }
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            send(writer, handle, "balance", 1, "?");
            assertThat(conflict(writer)).isEqualTo(3);
            send(writer, handle, "card", 4, "?");
            assertThat(conflict(writer)).isZero();
            assertThat(put(writer, handle, "balance", 3, "30")).isEqualTo(6);
            RawClient kept = client(broker, "bob");
            ResumeResult resumed = resume(kept, before, epoch, 4);
            assertThat(resumed.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_REPLAYING);
            assertThat(resumed.getTopic().hasStateCount()).isFalse();
            assertThat(RawClient.texts(kept, 2)).containsExactly("100", "30");
            RawClient lost = client(broker, "bob");
            ResumeResult fresh = resume(lost, before, epoch + 1, 4);
            assertThat(fresh.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_LOST);
            assertThat(fresh.getToOffset()).isLessThan(fresh.getFromOffset());
            assertThat(fresh.getTopic().getNextOffset()).isEqualTo(7);
            assertThat(snapshot(lost, fresh.getTopic()))
                    .containsExactly(Map.entry("balance", "6 30"), Map.entry("limit", "5 100"));
        }
    }

    // ---- the snapshot among writes

    /** What one writer has had accepted, by offset. */
    private record Written(String key, @Nullable String value) {}

    @Tag("WA-1")
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aSnapshotAmongWritesIsTheStateAtItsOffsetAndNoChangeBehindItIsLostOrDoubled(int shards) throws Exception {
        Random random = new Random(5);
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            ConcurrentSkipListMap<Long, Written> written = new ConcurrentSkipListMap<>();
            AtomicBoolean isOver = new AtomicBoolean();
            AtomicReference<Throwable> fault = new AtomicReference<>();
            Thread writing = new Thread(() -> {
                try {
                    writeUntil(isOver, writer, handle, written);
                } catch (Throwable unexpected) {
                    fault.set(unexpected);
                }
            });
            writing.start();
            try {
                for (int round = 0; round < 60; round++) {
                    RawClient reader = client(broker, "bob");
                    TopicResult result = reader.subscribe(TOPIC);
                    Map<String, String> state = snapshot(reader, result);
                    long next = result.getNextOffset();
                    int changes = 1 + random.nextInt(40);
                    Map<Long, Written> seen = new LinkedHashMap<>();
                    for (int i = 0; i < changes; i++) {
                        RawClient.Event event = reader.readEvent();
                        assertThat(event.offset()).isEqualTo(next + i);
                        seen.put(event.offset(), new Written(keyOf(event), isDeletion(event) ? null : event.text()));
                    }
                    long last = next + changes - 1;
                    soon().until(() -> written.containsKey(last) || fault.get() != null);
                    assertThat(state).as("round %d, at %d", round, next).isEqualTo(stateBefore(written, next));
                    assertThat(seen).isEqualTo(written.subMap(next, last + 1));
                    reader.close();
                }
            } finally {
                isOver.set(true);
                writing.join();
            }
            assertThat(fault.get()).isNull();
        }
    }

    private static boolean isDeletion(RawClient.Event event) {
        return EventFields.find(event.frame(), RawClientFields.AT, event.fieldsBytes(), EventFields.TAG_DELETED) >= 0;
    }

    private static Map<String, String> stateBefore(ConcurrentSkipListMap<Long, Written> written, long end) {
        Map<String, String> state = new TreeMap<>();
        written.headMap(end).forEach((offset, each) -> {
            if (each.value == null) {
                state.remove(each.key);
            } else {
                state.put(each.key, offset + " " + each.value);
            }
        });
        return state;
    }

    /** Several keys, deletions among them, a few at a time in the air. */
    private static void writeUntil(
            AtomicBoolean isOver, RawClient writer, int handle, ConcurrentSkipListMap<Long, Written> written)
            throws Exception {
        Random random = new Random(6);
        int requestId = 0;
        while (!isOver.get()) {
            Map<Integer, Written> sent = new TreeMap<>();
            for (int i = 0; i < 8; i++) {
                String key = "k" + random.nextInt(30);
                boolean isDeleted = random.nextInt(5) == 0;
                String value = isDeleted ? null : "v" + requestId;
                writer.publish(
                        handle,
                        ++requestId,
                        0,
                        0,
                        0,
                        0,
                        0,
                        fields(key, ANY, isDeleted),
                        value == null ? new byte[0] : value.getBytes(StandardCharsets.UTF_8));
                sent.put(requestId, new Written(key, value));
            }
            while (!sent.isEmpty()) {
                PublishedFrame outcome = writer.readPublished();
                assertThat(outcome.exceptionCount()).isZero();
                for (int i = 0; i < outcome.rangeCount(); i++) {
                    for (int j = 0; j < outcome.rangeLength(i); j++) {
                        Written each = sent.remove(outcome.rangeFirstRequestId(i) + j);
                        if (each != null) {
                            written.put(outcome.rangeFirstOffset(i) + j, each);
                        }
                    }
                }
            }
        }
    }

    @Test
    void aLargeStateComesInPiecesAsThereIsRoomForThem() throws Exception {
        try (BrokerUnderTest broker = broker(2)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            String value = "x".repeat(10_000);
            for (int i = 0; i < 200; i++) {
                put(writer, handle, "k" + i, 0, i + value);
            }
            RawClient reader = client(broker, "bob");
            TopicResult result = reader.subscribe(TOPIC);
            // Overwritten while the reader takes nothing: its snapshot is still the one of its offset.
            for (int i = 0; i < 200; i++) {
                put(writer, handle, "k" + i, ANY, "new " + i);
            }
            Map<String, String> state = snapshot(reader, result);
            assertThat(state).hasSize(200);
            for (int i = 0; i < 200; i++) {
                assertThat(state).containsEntry("k" + i, (i + 1) + " " + i + value);
            }
            for (int i = 0; i < 200; i++) {
                assertThat(reader.readEvent().text()).isEqualTo("new " + i);
            }
        }
    }

    @Test
    void ofTwoRunsUnderWayARetryIsAnsweredByTheOneThatHoldsIt() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            engine.hold();
            engine.fail(EngineFault.FAILED);
            writer.publish(handle, 1, 0, 1, 0, 0, "lost");
            soon().until(() -> engine.heldCount() == 1);
            engine.fail(null);
            writer.publish(handle, 2, 0, 2, 0, 0, "stored");
            soon().until(() -> engine.heldCount() == 2);
            writer.publish(handle, 3, 0, 1, 0, 0, "lost");
            assertThat(writer.isQuiet(50)).isTrue();
            engine.release();
            assertThat(outcomes(writer, 3))
                    .containsExactlyInAnyOrder(
                            -(long) ErrorCode.NOT_STORED.code(), -(long) ErrorCode.NOT_STORED.code(), 2L);
        }
    }

    @Test
    void anExpiredValueIsNotPartOfTheStateAndItsKeyDoesNotExist() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            long soonUs = System.currentTimeMillis() * 1_000 - 59_700_000;
            writer.publish(handle, 1, 0, 0, soonUs, 60, 0, fields("offer", 0, false), new byte[0]);
            assertThat(accepted(writer)).isEqualTo(1);
            put(writer, handle, "balance", 0, "10");
            soon().until(() -> {
                try (RawClient reader = client(broker, "bob")) {
                    return reader.subscribe(TOPIC).getStateCount() == 1;
                }
            });
            send(writer, handle, "offer", 1, "?");
            assertThat(conflict(writer)).isZero();
            assertThat(put(writer, handle, "offer", 0, "new")).isEqualTo(3);
        }
    }

    @Test
    void aFrameOfSeveralWritesComparesEachWithThoseBeforeIt() throws Exception {
        try (BrokerUnderTest broker = broker(2)) {
            RawClient writer = client(broker, "alice");
            int handle = writer.open(TOPIC).getHandle();
            ByteBuf entries = Unpooled.buffer();
            for (long expected : new long[] {0, 0, 1}) {
                byte[] fields = fields("balance", expected, false);
                entries.writeIntLE(Entry.FIXED_BYTES + fields.length);
                Entry.writeFixed(entries, 0, 0, 0, fields.length);
                entries.writeBytes(fields);
            }
            ByteBuf frame = Unpooled.buffer();
            FrameHeader.write(
                    frame,
                    FrameType.PUBLISH,
                    FrameHeader.FLAG_MANY,
                    handle,
                    10,
                    PublishFrame.SEQUENCE_BYTES + entries.readableBytes());
            writer.send(frame.writeLongLE(0).writeBytes(entries));
            assertThat(outcomes(writer, 3)).containsExactlyInAnyOrder(1L, -(long) ErrorCode.CONFLICT.code(), 2L);
        }
    }
}
