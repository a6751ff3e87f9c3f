package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.GatedEngine;
import hermod.broker.engine.KeyedState;
import hermod.broker.schedule.ScheduleConfig;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.ChannelPolicy;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Cancel;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.Recurrence;
import hermod.protocol.control.wire.Schedule;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.Scheduled;
import hermod.protocol.control.wire.ScheduledEvent;
import hermod.protocol.control.wire.Schedules;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Events for later, over a real socket, on a wall clock that the test sets. */
@Tag("EV-10")
class ScheduleEndToEndTest {
    private static final long SECOND = 1_000_000;
    private static final long MINUTE = 60 * SECOND;
    private static final long HOUR = 60 * MINUTE;
    private static final long DAY = 24 * HOUR;
    private static final ScheduleConfig DEFAULTS = ScheduleConfig.defaults();

    /** Stands still unless it is set. */
    private static final class SetClock extends ShardClock {
        private final AtomicLong us;
        private final AtomicInteger looks;

        SetClock(AtomicLong us, AtomicInteger looks) {
            this.us = us;
            this.looks = looks;
            anchor();
        }

        @Override
        protected long readWallUs() {
            // The constructor of the clock asks before there is a field.
            if (us == null) {
                return 0;
            }
            looks.incrementAndGet();
            return us.get();
        }
    }

    /** An engine in memory whose changes can be refused, and that outlives a broker. */
    private static final class KeptEngine implements Engine, KeyedState {
        /** @param isDelete whether the change deletes. */
        record Change(String space, boolean isDelete) {}

        private final GatedEngine gated = new GatedEngine();
        volatile Predicate<Change> isFailing = any -> false;
        volatile boolean isStoredThough;

        @Override
        public void get(String space, byte[] key, Answer<@Nullable Value> answer) {
            gated.state().get(space, key, answer);
        }

        @Override
        public void put(
                String space,
                byte[] key,
                long expectedVersion,
                byte @Nullable [] value,
                long expiresAtUs,
                Answer<Outcome> answer) {
            if (!isFailing.test(new Change(space, value == null))) {
                gated.state().put(space, key, expectedVersion, value, expiresAtUs, answer);
            } else if (isStoredThough) {
                gated.state().put(space, key, expectedVersion, value, expiresAtUs, new Answer<>() {
                    @Override
                    public void onDone(Outcome result) {
                        answer.onFault(EngineFault.FAILED);
                    }

                    @Override
                    public void onFault(EngineFault fault) {
                        answer.onFault(fault);
                    }
                });
            } else {
                answer.onFault(EngineFault.FAILED);
            }
        }

        @Override
        public void scan(String space, byte[] from, byte @Nullable [] end, int countMax, Answer<List<Value>> answer) {
            gated.state().scan(space, from, end, countMax, answer);
        }

        int countOf(String space) throws Exception {
            CompletableFuture<List<Value>> found = new CompletableFuture<>();
            gated.state().scan(space, new byte[0], null, 1_000_000, new Answer<>() {
                @Override
                public void onDone(List<Value> result) {
                    found.complete(result);
                }

                @Override
                public void onFault(EngineFault fault) {
                    found.completeExceptionally(new IllegalStateException(fault.sentence()));
                }
            });
            return found.get(60, TimeUnit.SECONDS).size();
        }

        @Override
        public EventLog events() {
            return gated.events();
        }

        @Override
        public ChannelLog channels() {
            return gated.channels();
        }

        @Override
        public KeyedState state() {
            return this;
        }

        @Override
        public EventBus bus() {
            return gated.bus();
        }

        @Override
        public EngineStatus status() {
            return gated.status();
        }

        @Override
        public boolean isDurable() {
            return true;
        }

        @Override
        public @Nullable EngineFault fault() {
            return null;
        }

        void end() {
            gated.end();
        }

        /** The test ends it. */
        @Override
        public void close() {}
    }

    private final AtomicLong nowUs = new AtomicLong(ShardClock.wallUs());
    private final KeptEngine engine = new KeptEngine();
    private final AtomicInteger looks = new AtomicInteger();
    private int requests;

    /** Brokers of one test share it, as those before and after a restart do. */
    @TempDir
    Path dataDir;

    @AfterEach
    void closeEngine() {
        engine.end();
    }

    private BrokerUnderTest start() throws Exception {
        return start(DEFAULTS, 1);
    }

    private BrokerUnderTest start(ScheduleConfig config, int shards) throws Exception {
        return setup(config, shards).start();
    }

    private BrokerUnderTest.Setup setup(ScheduleConfig config, int shards) {
        return new BrokerUnderTest.Setup()
                .shards(shards)
                .engine(engine)
                .dataDir(dataDir)
                .schedule(config, new SetClock(nowUs, looks));
    }

    private static RawClient client(BrokerUnderTest broker, String user, String... rights) throws Exception {
        RawClient client = broker.socket();
        client.connect(
                RawClient.hello(broker.token(user, rights.length == 0 ? BrokerUnderTest.ORDINARY : List.of(rights)))
                        .setFeatures(Feature.SCHEDULE.bit())
                        .setDeviceId(user + "-phone"));
        return client;
    }

    private static ByteString id(int number) {
        return ByteString.copyFrom(
                ByteBuffer.allocate(16).putLong(0, 1).putInt(12, number).array());
    }

    private static ByteString entry(String text) {
        return entry(text, 0);
    }

    private static ByteString entry(String text, long ttlSeconds) {
        byte[] payload = text.getBytes(StandardCharsets.UTF_8);
        ByteBuf entry = Unpooled.buffer();
        Entry.writeFixed(entry, 0, ttlSeconds, 0, 0);
        entry.writeBytes(payload);
        return ByteString.copyFrom(entry.nioBuffer());
    }

    private Schedule.Builder once(int number, String text, long atUs) {
        return Schedule.newBuilder()
                .setTopic("chat:room")
                .setId(id(number))
                .setDeliverAtUs(atUs)
                .setEntry(entry(text));
    }

    private Schedule.Builder recurring(int number, String text, String rule) {
        return Schedule.newBuilder()
                .setTopic("chat:room")
                .setId(id(number))
                .setRecurrence(Recurrence.newBuilder().setRule(rule))
                .setEntry(entry(text));
    }

    private <M extends MessageLite> M ask(
            RawClient client, FrameType type, MessageLite message, FrameType answerType, Parser<M> parser)
            throws Exception {
        client.send(type, ++requests, message);
        ByteBuf answer = client.read(answerType);
        assertThat(FrameHeader.requestId(answer, 0)).isEqualTo(requests);
        return parser.parseFrom(RawClient.body(answer));
    }

    private Scheduled schedule(RawClient client, Schedule.Builder asked) throws Exception {
        return ask(client, FrameType.SCHEDULE, asked.build(), FrameType.SCHEDULED, Scheduled.parser());
    }

    private ErrorCode refusal(RawClient client, Schedule.Builder asked) throws Exception {
        client.send(FrameType.SCHEDULE, ++requests, asked.build());
        int code = client.readError();
        return java.util.Arrays.stream(ErrorCode.values())
                .filter(each -> each.code() == code)
                .findFirst()
                .orElseThrow();
    }

    private boolean cancel(RawClient client, int number) throws Exception {
        return ask(
                        client,
                        FrameType.CANCEL,
                        Cancel.newBuilder().setId(id(number)).build(),
                        FrameType.CANCELLED,
                        Cancelled.parser())
                .getCancelled();
    }

    private List<ScheduledEvent> listed(RawClient client) throws Exception {
        List<ScheduledEvent> all = new ArrayList<>();
        ByteString after = ByteString.EMPTY;
        while (true) {
            ScheduleList page = ask(
                    client,
                    FrameType.SCHEDULES,
                    Schedules.newBuilder().setAfter(after).setLimit(2).build(),
                    FrameType.SCHEDULE_LIST,
                    ScheduleList.parser());
            all.addAll(page.getEventsList());
            if (!page.getMore()) {
                return all;
            }
            after = all.get(all.size() - 1).getId();
        }
    }

    /** Sets the broker's wall clock and has it look. */
    private void setTo(BrokerUnderTest broker, long us) {
        nowUs.set(us);
        broker.broker().lookAtSchedules();
    }

    /** Waits for the store to have no event any more; a broker that does not come to it fails the test by its time-out. */
    private void awaitStored(int events) throws Exception {
        long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (engine.countOf("schedule") != events || engine.countOf("schedule-due") != events) {
            assertThat(System.nanoTime())
                    .as("events stored: " + engine.countOf("schedule"))
                    .isLessThan(endNs);
            Thread.onSpinWait();
        }
    }

    private static void awaitRetried(BrokerUnderTest broker) {
        await().until(() -> broker.counter("schedules_retried") > 0);
    }

    private static byte[] eventId(RawClient.Event event) {
        byte[] id = new byte[EventFields.EVENT_ID_BYTES];
        assertThat(event.field(EventFields.TAG_EVENT_ID, id)).isPositive();
        return id;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void eventsComeInTheOrderOfTheirTimesAsTheirAuthorsWithTheirIds(int shards) throws Exception {
        try (BrokerUnderTest broker = start(DEFAULTS, shards)) {
            RawClient alice = client(broker, "alice");
            RawClient bob = client(broker, "bob");
            bob.subscribe("chat:room");
            long base = nowUs.get();
            schedule(alice, once(1, "third", base + 3 * MINUTE));
            schedule(alice, once(2, "first", base + MINUTE));
            schedule(bob, once(3, "second", base + 2 * MINUTE));
            setTo(broker, base + MINUTE - 1);
            assertThat(bob.isQuiet(100)).isTrue();
            setTo(broker, base + MINUTE);
            RawClient.Event first = bob.readEvent();
            assertThat(first.text()).isEqualTo("first");
            assertThat(first.field(EventFields.TAG_SOURCE)).isEqualTo("alice");
            assertThat(eventId(first)).isEqualTo(id(2).toByteArray());
            setTo(broker, base + HOUR);
            RawClient.Event second = bob.readEvent();
            assertThat(second.text()).isEqualTo("second");
            assertThat(second.field(EventFields.TAG_SOURCE)).isEqualTo("bob");
            assertThat(bob.readEvent().text()).isEqualTo("third");
            awaitStored(0);
            assertThat(broker.counter("schedules_sent")).isEqualTo(3);
        }
    }

    @Test
    void anEventTravelsWithItsPriorityFieldsAndTimeToLive() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            RawClient bob = client(broker, "bob");
            bob.subscribe("chat:room");
            ByteBuf entry = Unpooled.buffer();
            Entry.writeFixed(entry, 5, 7_200, 5, 5);
            EventFields.write(entry, EventFields.TAG_TARGET, "bo".getBytes(StandardCharsets.UTF_8));
            entry.writeBytes(new byte[] {'x'});
            long at = nowUs.get() + SECOND;
            schedule(
                    alice,
                    once(1, "", at)
                            .setFlags(FrameHeader.FLAG_PRIORITY_GIVEN | 2)
                            .setEntry(ByteString.copyFrom(entry.nioBuffer())));
            setTo(broker, at);
            RawClient.Event event = bob.readEvent();
            assertThat(FrameHeader.priority(event.frame(), 0)).isEqualTo(hermod.protocol.Priority.HIGH);
            assertThat(event.field(EventFields.TAG_TARGET)).isEqualTo("bo");
            assertThat(event.ttlSeconds()).isEqualTo(7_200);
            assertThat(event.text()).isEqualTo("x");
        }
    }

    @Test
    void whatIsCancelledBeforeItsTimeNeverComesAndAfterItCancellingSaysSo() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long base = nowUs.get();
            schedule(alice, once(1, "cancelled", base + MINUTE));
            schedule(alice, once(2, "kept", base + 2 * MINUTE));
            assertThat(cancel(client(broker, "bob"), 1)).as("another user's").isFalse();
            assertThat(cancel(alice, 1)).isTrue();
            assertThat(cancel(alice, 1)).isFalse();
            setTo(broker, base + 2 * MINUTE);
            assertThat(alice.readEvent().text()).isEqualTo("kept");
            awaitStored(0);
            assertThat(cancel(alice, 2)).as("too late").isFalse();
            assertThat(alice.isQuiet(50)).isTrue();
        }
    }

    @Test
    void aUserSeesTheirOwnScheduledEventsPageByPage() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            long base = nowUs.get();
            for (int i = 5; i > 0; i--) {
                schedule(alice, once(i, "n" + i, base + i * HOUR));
            }
            schedule(alice, recurring(6, "daily", "daily 08:30"));
            schedule(client(broker, "alicia"), once(7, "another's", base + HOUR));
            List<ScheduledEvent> all = listed(alice);
            assertThat(all).extracting(ScheduledEvent::getId).containsExactly(id(1), id(2), id(3), id(4), id(5), id(6));
            assertThat(all.get(1).getTopic()).isEqualTo("chat:room");
            assertThat(all.get(1).getDeliverAtUs()).isEqualTo(base + 2 * HOUR);
            assertThat(all.get(1).getPayloadBytes()).isEqualTo(2);
            assertThat(all.get(1).hasRecurrence()).isFalse();
            assertThat(all.get(5).getRecurrence().getRule()).isEqualTo("daily 08:30");
            assertThat(listed(client(broker, "bob"))).isEmpty();
        }
    }

    @Test
    void theSameRequestTwiceSchedulesOnceAndAnotherUnderItsIdIsRefused() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long at = nowUs.get() + MINUTE;
            assertThat(schedule(alice, once(1, "once", at)).getExisted()).isFalse();
            assertThat(schedule(alice, once(1, "once", at)).getExisted()).isTrue();
            assertThat(refusal(alice, once(1, "other", at))).isEqualTo(ErrorCode.BAD_REQUEST);
            assertThat(refusal(alice, once(1, "once", at + 1))).isEqualTo(ErrorCode.BAD_REQUEST);
            setTo(broker, at);
            assertThat(alice.readEvent().text()).isEqualTo("once");
            assertThat(alice.isQuiet(50)).isTrue();
        }
    }

    @Test
    void aRestartLosesNothingAndWhatWasMissedIsSentLate() throws Exception {
        long base = nowUs.get();
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            schedule(alice, once(1, "missed", base + MINUTE));
            schedule(alice, once(2, "ahead", base + 2 * HOUR));
            schedule(alice, once(3, "cancelled", base + MINUTE));
            assertThat(cancel(alice, 3)).isTrue();
        }
        // Looked at only when somebody listens: the broker sends what it has missed as soon as it runs.
        try (BrokerUnderTest broker = start()) {
            RawClient bob = client(broker, "bob");
            bob.subscribe("chat:room");
            setTo(broker, base + 30 * MINUTE);
            assertThat(bob.readEvent().text()).isEqualTo("missed");
            setTo(broker, base + 2 * HOUR);
            assertThat(bob.readEvent().text()).isEqualTo("ahead");
            awaitStored(0);
        }
    }

    @Test
    void whatIsLaterThanItMayBeIsDroppedAndCounted() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long base = nowUs.get();
            schedule(alice, once(1, "too late", base + MINUTE));
            schedule(alice, once(2, "just in time", base + 2 * MINUTE));
            setTo(broker, base + 2 * MINUTE + HOUR);
            assertThat(alice.readEvent().text()).isEqualTo("just in time");
            awaitStored(0);
            assertThat(broker.counter("schedules_dropped")).isEqualTo(1);
        }
    }

    @Test
    void aTimeToLiveCountsFromTheTimeTheEventWasDue() throws Exception {
        long base = nowUs.addAndGet(-HOUR);
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            schedule(alice, once(1, "", base + MINUTE).setEntry(entry("worthless", 600)));
            schedule(alice, once(2, "", base + 2 * MINUTE).setEntry(entry("good", 7_200)));
            // The shards' clocks are an hour ahead of the scheduler's.
            setTo(broker, base + 2 * MINUTE);
            RawClient.Event good = alice.readEvent();
            assertThat(good.text()).isEqualTo("good");
            assertThat(good.timestampUs()).isEqualTo(base + 2 * MINUTE);
            awaitStored(0);
            assertThat(broker.counter("schedules_dropped")).isEqualTo(1);
        }
    }

    @Test
    void aRecurringEventComesAtEachOfItsTimesUntilItIsCancelled() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long firstUs = schedule(alice, recurring(1, "tick", "*/10 * * * *"))
                    .getEvent()
                    .getDeliverAtUs();
            assertThat(firstUs % (10 * MINUTE)).isZero();
            assertThat(firstUs - nowUs.get()).isBetween(1L, 10 * MINUTE);
            List<ByteString> ids = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                setTo(broker, firstUs + i * 10 * MINUTE);
                RawClient.Event event = alice.readEvent();
                assertThat(event.text()).isEqualTo("tick");
                ids.add(ByteString.copyFrom(eventId(event)));
            }
            assertThat(ids).doesNotHaveDuplicates();
            assertThat(schedule(alice, recurring(1, "tick", "*/10 * * * *")).getExisted())
                    .as("asked again long after")
                    .isTrue();
            assertThat(cancel(alice, 1)).isTrue();
            setTo(broker, firstUs + 40 * MINUTE);
            assertThat(alice.isQuiet(50)).isTrue();
            awaitStored(0);
        }
    }

    @Test
    void aRecurringEventThatMissedManyTimesIsSentOnceAndGoesOn() throws Exception {
        long firstUs;
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            firstUs = schedule(alice, recurring(1, "tick", "*/10 * * * *"))
                    .getEvent()
                    .getDeliverAtUs();
        }
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            setTo(broker, firstUs + 3 * DAY + MINUTE);
            assertThat(alice.readEvent().text()).isEqualTo("tick");
            long nextUs = 0;
            for (int i = 0; i < 1_000 && nextUs != firstUs + 3 * DAY + 10 * MINUTE; i++) {
                nextUs = listed(alice).get(0).getDeliverAtUs();
            }
            assertThat(nextUs).isEqualTo(firstUs + 3 * DAY + 10 * MINUTE);
            setTo(broker, firstUs + 3 * DAY + 10 * MINUTE);
            assertThat(alice.readEvent().text()).isEqualTo("tick");
            assertThat(alice.isQuiet(50)).isTrue();
        }
    }

    @Test
    void aRecurringEventEndsAtItsEnd() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long endUs = nowUs.get() + 25 * MINUTE;
            Schedule.Builder asked = recurring(1, "tick", "*/20 * * * *");
            asked.setRecurrence(asked.getRecurrence().toBuilder().setUntilUs(endUs));
            long firstUs = schedule(alice, asked).getEvent().getDeliverAtUs();
            int expected = firstUs + 20 * MINUTE <= endUs ? 2 : 1;
            for (int i = 0; i < expected; i++) {
                setTo(broker, firstUs + i * 20 * MINUTE);
                assertThat(alice.readEvent().text()).isEqualTo("tick");
            }
            awaitStored(0);
        }
    }

    @Test
    void whatWasPublishedAndNotNotedIsPublishedAgainAndRecognised() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long base = nowUs.get();
            long firstUs = schedule(alice, recurring(1, "tick", "*/10 * * * *"))
                    .getEvent()
                    .getDeliverAtUs();
            schedule(alice, once(2, "once", firstUs));
            engine.isFailing = change -> change.space().equals("schedule");
            setTo(broker, firstUs);
            assertThat(RawClient.texts(alice, 2)).containsExactlyInAnyOrder("tick", "once");
            long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (broker.channel("chat").duplicates() < 2) {
                assertThat(System.nanoTime()).isLessThan(endNs);
                Thread.onSpinWait();
            }
            engine.isFailing = change -> false;
            awaitStored(1);
            assertThat(listed(alice).get(0).getDeliverAtUs()).isEqualTo(firstUs + 10 * MINUTE);
            assertThat(alice.isQuiet(50)).isTrue();
            assertThat(base).isLessThan(firstUs);
        }
    }

    @Test
    void whatIsCutOffBetweenTwoWritesLosesNothingAndFiresNothingCancelled() throws Exception {
        long base = nowUs.get();
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            // The event is stored, and its author is told that this is not known.
            engine.isStoredThough = true;
            engine.isFailing = change -> change.space().equals("schedule") && !change.isDelete();
            assertThat(refusal(alice, once(1, "stored", base + MINUTE))).isEqualTo(ErrorCode.UNAVAILABLE);
            // The index has it, the event was never stored.
            engine.isStoredThough = false;
            assertThat(refusal(alice, once(2, "not stored", base + MINUTE))).isEqualTo(ErrorCode.UNAVAILABLE);
            engine.isFailing = change -> false;
            schedule(alice, once(3, "cancelled", base + MINUTE));
            engine.isFailing = change -> change.space().equals("schedule-due");
            assertThat(cancel(alice, 3)).isTrue();
            assertThat(refusal(alice, once(4, "not in the index", base + MINUTE)))
                    .isEqualTo(ErrorCode.UNAVAILABLE);
            engine.isFailing = change -> false;
            assertThat(listed(alice)).extracting(ScheduledEvent::getId).containsExactly(id(1));
        }
        assertThat(engine.countOf("schedule-due")).isEqualTo(3);
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            setTo(broker, base + MINUTE);
            assertThat(alice.readEvent().text()).isEqualTo("stored");
            awaitStored(0);
            assertThat(alice.isQuiet(50)).isTrue();
        }
    }

    @Test
    void aMoveThatWasCutOffIsMadeGoodAfterTheRestart() throws Exception {
        long firstUs;
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            firstUs = schedule(alice, recurring(1, "tick", "*/10 * * * *"))
                    .getEvent()
                    .getDeliverAtUs();
            engine.isFailing = change -> change.space().equals("schedule");
            setTo(broker, firstUs);
            assertThat(alice.readEvent().text()).isEqualTo("tick");
            long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (engine.countOf("schedule-due") < 2) {
                assertThat(System.nanoTime()).isLessThan(endNs);
                Thread.onSpinWait();
            }
        }
        engine.isFailing = change -> false;
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            awaitStored(1);
            assertThat(listed(alice).get(0).getDeliverAtUs()).isEqualTo(firstUs + 10 * MINUTE);
        }
    }

    @Test
    void aClockThatIsSetBackSendsNothingTwiceAndOneThatIsSetForwardSendsWhatHasBecomeDue() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long base = nowUs.get();
            long firstUs = schedule(alice, recurring(1, "tick", "0 * * * *"))
                    .getEvent()
                    .getDeliverAtUs();
            schedule(alice, once(2, "once", firstUs + HOUR + MINUTE));
            setTo(broker, firstUs);
            assertThat(alice.readEvent().text()).isEqualTo("tick");
            awaitStored(2);
            setTo(broker, base - DAY);
            assertThat(alice.isQuiet(50)).isTrue();
            setTo(broker, firstUs);
            assertThat(alice.isQuiet(50)).isTrue();
            setTo(broker, firstUs + HOUR + MINUTE);
            assertThat(RawClient.texts(alice, 2)).containsExactlyInAnyOrder("tick", "once");
        }
    }

    @Test
    void whatIsSwitchedOffWaitsUntilItIsOnAgain() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            RawClient bob = client(broker, "bob");
            long at = nowUs.get() + MINUTE;
            schedule(alice, once(1, "held up", at));
            broker.broker().kill("chat", "too loud", false);
            setTo(broker, at);
            awaitRetried(broker);
            assertThat(broker.counter("schedules_sent")).isZero();
            broker.broker().lift("chat");
            bob.read(FrameType.SERVICE);
            awaitStored(0);
            assertThat(broker.counter("schedules_sent")).isEqualTo(1);
        }
    }

    @Test
    void theRightToPublishIsNeededWhenSchedulingAndCountsWhenDue() throws Exception {
        try (BrokerUnderTest broker = start()) {
            long at = nowUs.get() + MINUTE;
            RawClient reader = client(broker, "bob", "sub:*");
            assertThat(refusal(reader, once(1, "no", at))).isEqualTo(ErrorCode.FORBIDDEN);
            RawClient alice = client(broker, "alice");
            assertThat(refusal(alice, once(1, "no", at).setTopic("nowhere:x"))).isEqualTo(ErrorCode.UNKNOWN_CHANNEL);
            assertThat(refusal(alice, once(1, "no", at).setTopic("chat"))).isEqualTo(ErrorCode.BAD_TOPIC_NAME);
            assertThat(refusal(alice, once(1, "no", at).setTopic("feed:x"))).isEqualTo(ErrorCode.BAD_REQUEST);
            assertThat(refusal(alice, once(1, "no", at).setTopic("typing:x"))).isEqualTo(ErrorCode.BAD_REQUEST);
            reader.subscribe("chat:room");
            schedule(alice, once(1, "yes", at));
            alice.close();
            setTo(broker, at);
            assertThat(reader.readEvent().text()).isEqualTo("yes");
        }
    }

    @Test
    void whatMakesNoSenseIsRefusedWithASentence() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            long now = nowUs.get();
            ErrorCode bad = ErrorCode.BAD_REQUEST;
            assertThat(refusal(alice, once(1, "past", now))).isEqualTo(bad);
            assertThat(refusal(alice, once(1, "past", -5))).isEqualTo(bad);
            assertThat(refusal(alice, once(1, "far", now + 30 * DAY + 1))).isEqualTo(bad);
            assertThat(refusal(alice, once(1, "no time", 0))).isEqualTo(bad);
            assertThat(refusal(alice, recurring(1, "both", "daily 08:30").setDeliverAtUs(now + DAY)))
                    .isEqualTo(bad);
            assertThat(refusal(alice, once(1, "no id", now + DAY).setId(ByteString.EMPTY)))
                    .isEqualTo(bad);
            assertThat(refusal(alice, once(0, "", now + DAY).setId(ByteString.copyFrom(new byte[16]))))
                    .isEqualTo(bad);
            assertThat(refusal(alice, recurring(1, "", "now and then"))).isEqualTo(bad);
            Schedule.Builder over = recurring(1, "", "daily 08:30");
            over.setRecurrence(over.getRecurrence().toBuilder().setUntilUs(now));
            assertThat(refusal(alice, over)).isEqualTo(bad);
            assertThat(refusal(alice, once(1, "", now + DAY).setEntry(ByteString.copyFrom(new byte[15]))))
                    .isEqualTo(ErrorCode.BAD_EVENT);
            ByteBuf withId = Unpooled.buffer();
            Entry.writeFixed(withId, 0, 0, 0, 19);
            EventFields.write(withId, EventFields.TAG_EVENT_ID, new byte[16]);
            assertThat(refusal(alice, once(1, "", now + DAY).setEntry(ByteString.copyFrom(withId.nioBuffer()))))
                    .isEqualTo(ErrorCode.BAD_EVENT);
            assertThat(refusal(alice, once(1, "x".repeat(65_536), now + DAY))).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
            schedule(alice, once(1, "the last moment", now + 30 * DAY));
        }
    }

    @Test
    void whatIsBeyondALimitIsRefusedAndRoomComesBackWithWhatIsCancelledOrSent() throws Exception {
        ScheduleConfig small = new ScheduleConfig(2, 3, 1L << 30, 65_536, 60_000, 3_600, 100, 64, 100);
        long base = nowUs.get();
        try (BrokerUnderTest broker = start(small, 1)) {
            RawClient alice = client(broker, "alice");
            RawClient bob = client(broker, "bob");
            schedule(alice, once(1, "a", base + MINUTE));
            schedule(alice, once(2, "a", base + HOUR));
            assertThat(refusal(alice, once(3, "a", base + HOUR))).isEqualTo(ErrorCode.TOO_MANY_SCHEDULES);
            schedule(bob, once(1, "b", base + HOUR));
            assertThat(refusal(bob, once(2, "b", base + HOUR))).isEqualTo(ErrorCode.TOO_MANY_SCHEDULES);
        }
        try (BrokerUnderTest broker = start(small, 1)) {
            RawClient alice = client(broker, "alice");
            RawClient bob = client(broker, "bob");
            assertThat(refusal(bob, once(2, "b", base + HOUR)))
                    .as("counted again after the restart")
                    .isEqualTo(ErrorCode.TOO_MANY_SCHEDULES);
            setTo(broker, base + MINUTE);
            awaitStored(2);
            schedule(bob, once(2, "b", base + HOUR));
            assertThat(cancel(alice, 2)).isTrue();
            awaitStored(2);
            schedule(alice, once(4, "a", base + HOUR));
        }
        ScheduleConfig few = new ScheduleConfig(10, 10, 1_024, 65_536, 60_000, 3_600, 100, 64, 100);
        try (BrokerUnderTest broker = start(few, 1)) {
            assertThat(refusal(client(broker, "carol"), once(1, "x".repeat(1_000), base + HOUR)))
                    .isEqualTo(ErrorCode.TOO_MANY_SCHEDULES);
        }
    }

    @Test
    void moreThanFitsInMemoryComesInOrderAllTheSame() throws Exception {
        ScheduleConfig narrow = new ScheduleConfig(1_000, 1_000, 1L << 30, 65_536, 60_000, 3_600, 100, 1, 100);
        long base = nowUs.get();
        List<String> expected = new ArrayList<>();
        try (BrokerUnderTest broker = start(narrow, 1)) {
            RawClient alice = client(broker, "alice");
            for (int i = 0; i < 350; i++) {
                // Neither rising nor falling, so that some belong before and some behind what is in memory.
                schedule(alice, once(i + 1, "n" + (i * 11) % 350, base + MINUTE + (i * 11) % 350));
                expected.add("n" + i);
            }
            alice.subscribe("chat:room");
            setTo(broker, base + HOUR / 2);
            assertThat(RawClient.texts(alice, 350)).isEqualTo(expected);
            awaitStored(0);
        }
    }

    @Test
    void manyThatAreHeldUpDoNotHoldUpTheOthers() throws Exception {
        ScheduleConfig narrow = new ScheduleConfig(1_000, 1_000, 1L << 30, 65_536, 60_000, 3_600, 100, 4, 100);
        long base = nowUs.get();
        try (BrokerUnderTest broker = start(narrow, 1)) {
            RawClient alice = client(broker, "alice");
            for (int i = 0; i < 150; i++) {
                schedule(alice, once(i + 1, "held up", base + MINUTE + i).setTopic("dm:x"));
            }
            schedule(alice, once(200, "passes", base + MINUTE + 200));
            alice.subscribe("chat:room");
            broker.broker().kill("dm", "too loud", false);
            setTo(broker, base + HOUR / 2);
            alice.read(FrameType.SERVICE);
            assertThat(alice.readEvent().text()).isEqualTo("passes");
            assertThat(engine.countOf("schedule")).isGreaterThanOrEqualTo(150);
        }
    }

    @Test
    void withoutTheFeatureTheFramesAreUnsupported() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient plain = broker.client("alice");
            assertThat(refusal(plain, once(1, "no", nowUs.get() + MINUTE))).isEqualTo(ErrorCode.UNSUPPORTED);
        }
    }

    /** The chat without comparing ids of events, so that only its producers are known. */
    private static ChannelPolicies withoutIds() {
        Map<String, ChannelPolicy> table =
                new LinkedHashMap<>(ChannelPolicies.defaults().byName());
        ChannelPolicy chat = table.get("chat");
        table.put(
                "chat",
                new ChannelPolicy(
                        chat.lane(),
                        chat.ceiling(),
                        chat.durability(),
                        chat.keeps(),
                        chat.batching(),
                        chat.batchMinMs(),
                        chat.batchMaxMs(),
                        chat.conflateBy(),
                        chat.tier(),
                        chat.goalP95Ms(),
                        chat.windowMinEvents(),
                        chat.ratePerMinute(),
                        chat.rateBurst(),
                        0,
                        false));
        return new ChannelPolicies(table);
    }

    @Tag("HR-2")
    @Tag("EV-6")
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void whatWasPublishedAndNotNotedBeforeACrashIsRecognisedAfterTheRestart(int shards) throws Exception {
        long firstUs;
        try (BrokerUnderTest broker =
                setup(DEFAULTS, shards).channels(withoutIds()).start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            firstUs = schedule(alice, recurring(1, "tick", "*/10 * * * *"))
                    .getEvent()
                    .getDeliverAtUs();
            schedule(alice, once(2, "once", firstUs));
            engine.isFailing = change -> change.space().equals("schedule");
            setTo(broker, firstUs);
            assertThat(RawClient.texts(alice, 2)).containsExactlyInAnyOrder("tick", "once");
            assertThat(engine.countOf("schedule")).isEqualTo(2);
        }
        engine.isFailing = change -> false;
        try (BrokerUnderTest broker =
                setup(DEFAULTS, shards).channels(withoutIds()).start()) {
            RawClient alice = client(broker, "alice");
            setTo(broker, firstUs);
            awaitStored(1);
            assertThat(listed(alice).get(0).getDeliverAtUs()).isEqualTo(firstUs + 10 * MINUTE);
            assertThat(broker.channel("chat").duplicates()).isEqualTo(2);
            assertThat(alice.subscribe("chat:room").getNextOffset())
                    .as("nothing was added to the two")
                    .isEqualTo(3);
            setTo(broker, firstUs + 10 * MINUTE);
            assertThat(alice.readEvent().text()).isEqualTo("tick");
        }
    }

    @Test
    void anEventIsNotSentBeforeItIsStoredNorTakenForSent() throws Exception {
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            long at = nowUs.get() + MINUTE;
            schedule(alice, once(1, "stored first", at));
            engine.gated.fail(EngineFault.FAILED);
            setTo(broker, at);
            awaitRetried(broker);
            assertThat(engine.countOf("schedule")).isEqualTo(1);
            engine.gated.fail(null);
            engine.gated.hold();
            await().until(() -> engine.gated.heldCount() > 0);
            assertThat(alice.isQuiet(50)).isTrue();
            assertThat(engine.countOf("schedule")).isEqualTo(1);
            engine.gated.release();
            assertThat(alice.readEvent().text()).isEqualTo("stored first");
            awaitStored(0);
        }
    }

    @Test
    void aBrokerThatDrainsSendsNothingThatBecomesDueAndTheNextOneDoes() throws Exception {
        long at = nowUs.get() + MINUTE;
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            schedule(alice, once(1, "after the restart", at));
            alice.close();
            broker.broker().drain();
            int before = looks.get();
            setTo(broker, at);
            // The second look has the first one behind it.
            await().until(() -> {
                broker.broker().lookAtSchedules();
                return looks.get() >= before + 2;
            });
        }
        assertThat(engine.countOf("schedule")).isEqualTo(1);
        nowUs.set(at - 1);
        try (BrokerUnderTest broker = start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            setTo(broker, at);
            assertThat(alice.readEvent().text()).isEqualTo("after the restart");
        }
    }

    /** A moment ahead by the broker's own clock: longer from time to time, as a machine may be too slow to ask in time. */
    private void scheduleSoon(RawClient client) throws Exception {
        ByteBuf answer;
        long aheadUs = SECOND / 10;
        do {
            aheadUs *= 2;
            Schedule asked = once(3, "soon", ShardClock.wallUs() + aheadUs).build();
            client.send(FrameType.SCHEDULE, ++requests, asked);
            answer = client.read();
        } while (FrameHeader.type(answer, 0) == FrameType.ERROR.code());
        assertThat(FrameHeader.type(answer, 0)).isEqualTo(FrameType.SCHEDULED.code());
    }

    @Tag("HR-2")
    @Test
    void aBrokerOnDiskKeepsAnEventForLaterOverARestart() throws Exception {
        long at = ShardClock.wallUs() + HOUR;
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().embedded().dataDir(dataDir).start()) {
            RawClient alice = client(broker, "alice");
            alice.subscribe("chat:room");
            schedule(alice, once(1, "from the disk", at));
            schedule(alice, once(2, "cancelled", at));
            assertThat(cancel(alice, 2)).isTrue();
            scheduleSoon(alice);
            assertThat(alice.readEvent().text()).isEqualTo("soon");
            await().until(() -> listed(alice).size() == 1);
        }
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().embedded().dataDir(dataDir).start()) {
            RawClient alice = client(broker, "alice");
            assertThat(listed(alice)).extracting(ScheduledEvent::getId).containsExactly(id(1));
            assertThat(schedule(alice, once(1, "from the disk", at)).getExisted())
                    .isTrue();
        }
    }
}
