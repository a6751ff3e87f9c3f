package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.audit.AuditStream;
import hermod.broker.audit.ChainCheck;
import hermod.broker.audit.EngineAudit;
import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.GatedEngine;
import hermod.broker.engine.StoredEntry;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Durable channels, with an engine whose disk the test holds. On one shard the publisher's is the home, on two it mostly is not. */
@Tag("DL-4")
@ExtendWith(LeakCheck.class)
class DurableEndToEndTest {
    private static final List<String> RIGHTS = List.of("pub:*", "sub:*", "rate:unlimited", "urgent");
    private static final long FEATURES = Feature.RESUME.bit() | Feature.GAP.bit();

    private final GatedEngine engine = new GatedEngine();

    @AfterEach
    void end() {
        engine.end();
    }

    private BrokerUnderTest broker(int shards) throws Exception {
        return new BrokerUnderTest.Setup().shards(shards).engine(engine).start();
    }

    private static RawClient client(BrokerUnderTest broker, String user, long epoch) throws Exception {
        RawClient client = broker.socket();
        client.connect(RawClient.hello(broker.token(user, RIGHTS))
                .setDeviceId(user + "-phone")
                .setProducerEpoch(epoch)
                .setFeatures(FEATURES));
        return client;
    }

    private static void accepted(RawClient publisher, long offset) throws Exception {
        PublishedFrame outcome = publisher.readPublished();
        assertThat(outcome.rangeCount()).isEqualTo(1);
        assertThat(outcome.rangeFirstOffset(0)).isEqualTo(offset);
    }

    private static void refused(RawClient publisher, ErrorCode code) throws Exception {
        PublishedFrame outcome = publisher.readPublished();
        assertThat(outcome.rangeCount()).isZero();
        assertThat(outcome.exceptionCount()).isEqualTo(1);
        assertThat(outcome.exceptionKind(0)).isEqualTo(1);
        assertThat(outcome.exceptionCode(0)).isEqualTo(code.code());
        assertThat(outcome.exceptionRetryAfterMs(0)).isPositive();
    }

    private static void duplicate(RawClient publisher, long offset) throws Exception {
        PublishedFrame outcome = publisher.readPublished();
        assertThat(outcome.exceptionCount()).isEqualTo(1);
        assertThat(outcome.exceptionKind(0)).isEqualTo(3);
        assertThat(outcome.exceptionOffset(0)).isEqualTo(offset);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void nobodySeesAnEventAndItsPublisherIsToldNothingBeforeItIsStored(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient subscriber = client(broker, "bob", 1);
            RawClient publisher = client(broker, "alice", 1);
            subscriber.subscribe("chat:1");
            int handle = publisher.open("chat:1").getHandle();
            engine.hold();
            publisher.publish(handle, 1, 0, 1, 0, 0, "a");
            publisher.publish(handle, 2, 0, 2, 0, 0, "b");
            await().until(() -> engine.heldCount() > 0);
            // A late subscriber's first event is the first one that is not visible yet.
            assertThat(client(broker, "carol", 1).subscribe("chat:1").getNextOffset())
                    .isEqualTo(1);
            assertThat(subscriber.isQuiet(50)).isTrue();
            assertThat(publisher.isQuiet(50)).isTrue();
            engine.release();
            assertThat(RawClient.texts(subscriber, 2)).containsExactly("a", "b");
            PublishedFrame outcome = publisher.readPublished();
            assertThat(outcome.rangeFirstOffset(0)).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void whatCouldNotBeStoredIsRefusedSeenByNobodyAndAcceptedWhenItIsSentAgain(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient subscriber = client(broker, "bob", 1);
            RawClient publisher = client(broker, "alice", 1);
            subscriber.subscribe("chat:1");
            int handle = publisher.open("chat:1").getHandle();
            publisher.publish(handle, 1, 0, 1, 0, 0, "a");
            accepted(publisher, 1);
            engine.fail(EngineFault.FAILED);
            publisher.publish(handle, 2, 0, 2, 0, 0, "b");
            refused(publisher, ErrorCode.NOT_STORED);
            engine.fail(null);
            publisher.publish(handle, 3, 0, 2, 0, 0, "b again");
            accepted(publisher, 3);
            publisher.publish(handle, 4, 0, 3, 0, 0, "c");
            accepted(publisher, 4);
            assertThat(RawClient.texts(subscriber, 3)).containsExactly("a", "b again", "c");
            // Read again, from the store and from memory, it is not there either.
            RawClient late = client(broker, "carol", 1);
            assertThat(resume(late, 0).getFromOffset()).isEqualTo(1);
            assertThat(RawClient.texts(late, 3)).containsExactly("a", "b again", "c");
        }
    }

    private static ResumeResult resume(RawClient client, long cursor) throws Exception {
        TopicResult topic = client.open("chat:1");
        client.send(
                FrameType.RESUME,
                9,
                Resume.newBuilder()
                        .addCursors(Cursor.newBuilder()
                                .setTopic("chat:1")
                                .setEpoch(topic.getEpoch())
                                .setOffset(cursor))
                        .build());
        return Resumed.parseFrom(RawClient.body(client.read(FrameType.RESUMED))).getResults(0);
    }

    private static <T extends @Nullable Object> Answer<T> answering(CompletableFuture<T> future) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                future.complete(result);
            }

            @Override
            public void onFault(EngineFault fault) {
                future.completeExceptionally(new AssertionError(fault));
            }
        };
    }

    @Test
    void theOrdinalsOfWhatIsStoredHaveNoHoleWhereSomethingCouldNotBe() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            RawClient publisher = client(broker, "alice", 1);
            int handle = publisher.open("chat:1").getHandle();
            publisher.publish(handle, 1, 0, 1, 0, 0, "a");
            accepted(publisher, 1);
            engine.fail(EngineFault.FAILED);
            publisher.publish(handle, 2, 0, 2, 0, 0, "b");
            refused(publisher, ErrorCode.NOT_STORED);
            publisher.publish(handle, 3, 0, 3, 0, 0, "c");
            refused(publisher, ErrorCode.NOT_STORED);
            engine.fail(null);
            publisher.publish(handle, 4, 0, 4, 0, 0, "d");
            accepted(publisher, 4);
        }
        CompletableFuture<EventLog.Opened> known = new CompletableFuture<>();
        engine.events().find("acme", "chat:1", answering(known));
        CompletableFuture<EventLog.Page> read = new CompletableFuture<>();
        long stream = known.get(60, TimeUnit.SECONDS).stream();
        engine.events().read(new EventLog.Order(stream, 1, Long.MAX_VALUE, false, 100, 100_000), answering(read));
        ByteBuf entries = Unpooled.wrappedBuffer(read.get(60, TimeUnit.SECONDS).entries());
        int second = StoredEntry.bytes(entries, 0);
        assertThat(StoredEntry.offset(entries, second)).isEqualTo(4);
        assertThat(StoredEntry.ordinal(entries, 0)).isEqualTo(1);
        assertThat(StoredEntry.ordinal(entries, second)).isEqualTo(2);
        assertThat(StoredEntry.authorOrdinal(entries, second)).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aFullStoreRefusesDurableEventsAndLeavesMemoryChannelsAlone(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient publisher = client(broker, "alice", 1);
            int durable = publisher.open("chat:1").getHandle();
            int inMemory = publisher.open("tasks:1").getHandle();
            engine.refuse(EngineFault.FULL);
            publisher.publish(durable, 1, 0, 1, 0, 0, "a");
            refused(publisher, ErrorCode.STORE_FULL);
            publisher.publish(inMemory, 2, 0, 1, 0, 0, "b");
            accepted(publisher, 1);
            engine.refuse(null);
            publisher.publish(durable, 3, 0, 1, 0, 0, "a");
            accepted(publisher, 1);
        }
    }

    @Tag("SA-7")
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void safetyIsDeliveredBeforeItIsStoredAndThenAcknowledged(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient subscriber = client(broker, "bob", 1);
            RawClient publisher = client(broker, "alice", 1);
            subscriber.subscribe("safety:1");
            int handle = publisher.open("safety:1").getHandle();
            engine.hold();
            publisher.publish(handle, 1, 0, 1, 0, 0, "help");
            assertThat(subscriber.readEvent().text()).isEqualTo("help");
            assertThat(publisher.isQuiet(50)).isTrue();
            engine.release();
            accepted(publisher, 1);
        }
    }

    @Tag("SA-7")
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void safetyThatCouldNotBeStoredIsDeliveredOnceToldAndStoredWhenSentAgain(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient subscriber = client(broker, "bob", 1);
            RawClient publisher = client(broker, "alice", 1);
            subscriber.subscribe("safety:1");
            int handle = publisher.open("safety:1").getHandle();
            engine.fail(EngineFault.FAILED);
            publisher.publish(handle, 1, 0, 1, 0, 0, "one");
            refused(publisher, ErrorCode.NOT_STORED);
            engine.fail(null);
            engine.refuse(EngineFault.FULL);
            publisher.publish(handle, 2, 0, 2, 0, 0, "two");
            refused(publisher, ErrorCode.NOT_STORED);
            publisher.publish(handle, 3, 0, 1, 0, 0, "one");
            refused(publisher, ErrorCode.NOT_STORED);
            engine.refuse(null);
            publisher.publish(handle, 4, 0, 1, 0, 0, "one");
            accepted(publisher, 1);
            publisher.publish(handle, 5, 0, 2, 0, 0, "two");
            accepted(publisher, 2);
            publisher.publish(handle, 6, 0, 2, 0, 0, "two");
            duplicate(publisher, 2);
            publisher.publish(handle, 7, 0, 3, 0, 0, "three");
            accepted(publisher, 3);
            assertThat(RawClient.texts(subscriber, 3)).containsExactly("one", "two", "three");
        }
    }

    private long streamOf(String name) throws Exception {
        return new EngineAudit(engine)
                .streams().stream()
                        .filter(stream -> stream.name().equals(name))
                        .findFirst()
                        .orElseThrow()
                        .number();
    }

    private ChainCheck chain(String name) throws Exception {
        return new ChainCheck(name).run(new EngineAudit(engine), new AuditStream(name, streamOf(name)));
    }

    @Tag("SA-4")
    @Test
    void aSafetyEventsRecordIsHandedToTheEngineBeforeTheEventAndItsDelivery() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            RawClient subscriber = client(broker, "bob", 1);
            RawClient publisher = client(broker, "alice", 1);
            subscriber.subscribe("safety:1");
            int handle = publisher.open("safety:1").getHandle();
            long audit = streamOf("audit:shard-0");
            List<Long> appended = new CopyOnWriteArrayList<>();
            CountDownLatch mayAppend = new CountDownLatch(1);
            engine.onAppend(stream -> {
                appended.add(stream);
                if (stream == audit) {
                    try {
                        if (!mayAppend.await(60, TimeUnit.SECONDS)) {
                            appended.add(-1L);
                        }
                    } catch (InterruptedException stopping) {
                        Thread.currentThread().interrupt();
                    }
                }
            });
            publisher.publish(handle, 1, 0, 1, 0, 0, "help");
            await().until(() -> !appended.isEmpty());
            assertThat(subscriber.isQuiet(50)).isTrue();
            assertThat(appended).containsExactly(audit);
            mayAppend.countDown();
            assertThat(subscriber.readEvent().text()).isEqualTo("help");
            accepted(publisher, 1);
            assertThat(appended).hasSize(2).last().isNotEqualTo(audit);
            ChainCheck chain = chain("audit:shard-0");
            assertThat(chain.isIntact()).isTrue();
            assertThat(chain.recordCount()).isOne();
        }
    }

    @Tag("SA-4")
    @Test
    void aSafetyEventThatIsSentAgainIsRecordedOnceAndNotStoredBeforeItsRecord() throws Exception {
        try (BrokerUnderTest broker = broker(1)) {
            RawClient publisher = client(broker, "alice", 1);
            // Or it would escalate, which is recorded too.
            client(broker, "bob", 1).subscribe("safety:1");
            int handle = publisher.open("safety:1").getHandle();
            long audit = streamOf("audit:shard-0");
            engine.fail(EngineFault.FAILED);
            publisher.publish(handle, 1, 0, 1, 0, 0, "one");
            refused(publisher, ErrorCode.NOT_STORED);
            engine.refuse(EngineFault.FULL);
            engine.fail(null);
            publisher.publish(handle, 2, 0, 2, 0, 0, "two");
            refused(publisher, ErrorCode.NOT_STORED);
            List<Long> appended = new CopyOnWriteArrayList<>();
            engine.onAppend(appended::add);
            engine.refuse(null);
            publisher.publish(handle, 3, 0, 1, 0, 0, "one");
            accepted(publisher, 1);
            assertThat(appended).first().isEqualTo(audit);
            publisher.publish(handle, 4, 0, 2, 0, 0, "two");
            accepted(publisher, 2);
            publisher.publish(handle, 5, 0, 2, 0, 0, "two");
            duplicate(publisher, 2);
            ChainCheck chain = chain("audit:shard-0");
            assertThat(chain.isIntact()).isTrue();
            assertThat(chain.recordCount()).isEqualTo(2);
            assertThat(chain.lostCount()).isZero();
        }
    }

    @Tag("EV-6")
    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aRetryIsToldDuplicateOnlyWhenTheFirstOneIsStored(int shards) throws Exception {
        try (BrokerUnderTest broker = broker(shards)) {
            RawClient publisher = client(broker, "alice", 1);
            int handle = publisher.open("chat:1").getHandle();
            engine.hold();
            publisher.publish(handle, 1, 0, 1, 0, 0, "a");
            await().until(() -> engine.heldCount() > 0);
            publisher.publish(handle, 2, 0, 1, 0, 0, "a");
            assertThat(publisher.isQuiet(50)).isTrue();
            engine.release();
            PublishedFrame outcome = publisher.readPublished();
            assertThat(outcome.rangeFirstOffset(0)).isEqualTo(1);
            if (outcome.exceptionCount() == 0) {
                outcome = publisher.readPublished();
            }
            assertThat(outcome.exceptionKind(0)).isEqualTo(3);
            assertThat(outcome.exceptionOffset(0)).isEqualTo(1);
        }
    }

    @Tag("HR-2")
    @Tag("EV-6")
    @Test
    void aRestartedBrokerGoesOnWhereItStoodAndKnowsWhatIsSentAgain() throws Exception {
        Path dataDir = Files.createTempDirectory("hermod-test");
        Welcome before;
        int epoch;
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient publisher = client(broker, "alice", 7);
            TopicResult topic = publisher.open("chat:1");
            epoch = topic.getEpoch();
            for (int i = 1; i <= 5; i++) {
                publisher.publish(topic.getHandle(), i, 0, i, 0, 0, "event " + i);
                accepted(publisher, i);
            }
            RawClient subscriber = broker.socket();
            before = subscriber.connect(RawClient.hello(broker.token("bob", RIGHTS))
                    .setDeviceId("bob-phone")
                    .setFeatures(FEATURES));
        }
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient publisher = client(broker, "alice", 7);
            TopicResult topic = publisher.open("chat:1");
            assertThat(topic.getEpoch()).isEqualTo(epoch);
            assertThat(topic.getNextOffset()).isEqualTo(6);
            publisher.publish(topic.getHandle(), 1, 0, 4, 0, 0, "event 4");
            duplicate(publisher, 4);
            publisher.publish(topic.getHandle(), 2, 0, 6, 0, 0, "event 6");
            accepted(publisher, 6);
            RawClient subscriber = broker.socket();
            subscriber.connect(RawClient.hello(broker.token("bob", RIGHTS))
                    .setDeviceId("bob-phone")
                    .setFeatures(FEATURES));
            subscriber.send(
                    FrameType.RESUME,
                    9,
                    Resume.newBuilder()
                            .setResumeToken(before.getResumeToken())
                            .addCursors(Cursor.newBuilder()
                                    .setTopic("chat:1")
                                    .setEpoch(epoch)
                                    .setOffset(2))
                            .build());
            ResumeResult resumed = Resumed.parseFrom(RawClient.body(subscriber.read(FrameType.RESUMED)))
                    .getResults(0);
            assertThat(resumed.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_REPLAYING);
            assertThat(resumed.getFromOffset()).isEqualTo(3);
            publisher.publish(topic.getHandle(), 3, 0, 7, 0, 0, "event 7");
            assertThat(RawClient.texts(subscriber, 5))
                    .containsExactly("event 3", "event 4", "event 5", "event 6", "event 7");
        }
    }

    private static final byte[] ID = new byte[16];

    private static void publishWithId(RawClient publisher, int handle, int requestId) throws Exception {
        ByteBuf fields = Unpooled.buffer();
        fields.writeByte(EventFields.TAG_EVENT_ID).writeShortLE(ID.length).writeBytes(ID);
        publisher.publish(handle, requestId, 0, 0, 0, 0, 0, ByteBufUtil.getBytes(fields), new byte[] {1});
    }

    @Tag("EV-6")
    @Test
    void anEventIdIsRecognisedFromWhomeverItComesAndAfterARestart() throws Exception {
        Path dataDir = Files.createTempDirectory("hermod-test");
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient publisher = client(broker, "alice", 7);
            RawClient other = client(broker, "bob", 8);
            RawClient subscriber = client(broker, "carol", 9);
            subscriber.subscribe("chat:1");
            int handle = publisher.open("chat:1").getHandle();
            engine.fail(EngineFault.FAILED);
            publishWithId(publisher, handle, 1);
            refused(publisher, ErrorCode.NOT_STORED);
            engine.fail(null);
            publishWithId(publisher, handle, 2);
            accepted(publisher, 2);
            publishWithId(other, other.open("chat:1").getHandle(), 3);
            duplicate(other, 2);
            publishWithId(publisher, publisher.open("chat:2").getHandle(), 4);
            accepted(publisher, 1);
            subscriber.readEvent();
            assertThat(subscriber.isQuiet(50)).isTrue();
        }
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient publisher = client(broker, "alice", 17);
            publishWithId(publisher, publisher.open("chat:1").getHandle(), 5);
            duplicate(publisher, 2);
        }
    }

    @Test
    void offsetsReservedForSafetyAreNotGivenAgainAfterARestart() throws Exception {
        Path dataDir = Files.createTempDirectory("hermod-test");
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient publisher = client(broker, "alice", 7);
            int handle = publisher.open("safety:1").getHandle();
            engine.fail(EngineFault.FAILED);
            publisher.publish(handle, 1, 0, 1, 0, 0, "given out and not stored");
            refused(publisher, ErrorCode.NOT_STORED);
            engine.fail(null);
        }
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().engine(engine).dataDir(dataDir).start()) {
            RawClient publisher = client(broker, "alice", 7);
            TopicResult topic = publisher.open("safety:1");
            assertThat(topic.getNextOffset()).isGreaterThan(1_000);
        }
    }
}
