package hermod.broker;

import static hermod.broker.FilteringClient.filtered;
import static hermod.broker.FilteringClient.publish;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.outbox.OutboxConfig;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.RemovedTopic;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("CN-6")
@ExtendWith(LeakCheck.class)
class ReplaceEndToEndTest {
    @Test
    void theSetIsReplacedInOneStepOverTheOpenConnection() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            FilteringClient client = FilteringClient.of(broker, "u");
            int kept = client.raw().subscribe("feed:kept").getHandle();
            int gone = client.raw().subscribe("feed:gone").getHandle();
            RawClient publisher = broker.client("publisher");
            int toKept = publisher.open("feed:kept").getHandle();
            int toGone = publisher.open("feed:gone").getHandle();
            int toNew = publisher.open("feed:new").getHandle();
            publish(publisher, toKept, 1, "k1", "a", "2");
            publish(publisher, toGone, 2, "g1");
            publish(publisher, toNew, 3, "n1");
            assertThat(RawClient.texts(client.raw(), 2)).containsExactlyInAnyOrder("k1", "g1");

            Replaced answer = client.replace(Replace.newBuilder()
                    .addTopics("feed:new")
                    .addTopics("bad name")
                    .addFiltered(filtered("feed:kept", "a = 1")));

            assertThat(answer.getResultsList())
                    .extracting(TopicResult::getTopic)
                    .containsExactly("feed:new", "bad name", "feed:kept");
            assertThat(answer.getResults(0).getNextOffset()).isEqualTo(2);
            assertThat(answer.getResults(1).getCode()).isEqualTo(ErrorCode.BAD_TOPIC_NAME.code());
            assertThat(answer.getResults(2).getHandle()).isEqualTo(kept);
            assertThat(answer.getResults(2).getNextOffset()).isEqualTo(2);
            assertThat(answer.getRemovedList())
                    .containsExactly(RemovedTopic.newBuilder()
                            .setHandle(gone)
                            .setEndOffset(2)
                            .build());
            publish(publisher, toGone, 4, "g2");
            publish(publisher, toKept, 5, "k2", "a", "2");
            publish(publisher, toKept, 6, "k3", "a", "1");
            publish(publisher, toNew, 7, "n2");
            assertThat(RawClient.texts(client.raw(), 2)).containsExactlyInAnyOrder("k3", "n2");
            assertThat(broker.counter("subscriptions_replaced")).isEqualTo(1);
        }
    }

    @Test
    void anAbsentFilterClearsOneAndKeepOthersLeavesWhatIsNotNamed() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            client.subscribe("feed:a", "a = 1");
            client.subscribe("feed:b", "b = 1");
            Replaced answer = client.replace(Replace.newBuilder()
                    .addFiltered(FilteredTopic.newBuilder().setTopic("feed:a"))
                    .setKeepOthers(true));
            assertThat(answer.getResultsCount()).isEqualTo(1);
            assertThat(answer.getRemovedCount()).isZero();
            RawClient publisher = broker.client("publisher");
            int toA = publisher.open("feed:a").getHandle();
            int toB = publisher.open("feed:b").getHandle();
            publish(publisher, toB, 1, "b0", "b", "0");
            publish(publisher, toB, 2, "b1", "b", "1");
            publish(publisher, toA, 3, "a0", "a", "0");
            assertThat(RawClient.texts(client.raw(), 2)).containsExactlyInAnyOrder("b1", "a0");
        }
    }

    @Test
    void aRefusedTopicStaysAsItWasAndTheRestSwitches() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            client.subscribe("feed:a", "a = 1");
            Replaced answer = client.replace(Replace.newBuilder()
                    .addTopics("feed:b")
                    .addFiltered(FilteredTopic.newBuilder()
                            .setTopic("feed:a")
                            .setFilter(Filter.newBuilder().setKey("a").setAbove("much"))));
            assertThat(answer.getResults(0).getGranted()).isTrue();
            assertThat(answer.getResults(1).getCode()).isEqualTo(ErrorCode.BAD_FILTER.code());
            assertThat(answer.getRemovedCount()).isZero();
            RawClient publisher = broker.client("publisher");
            int toA = publisher.open("feed:a").getHandle();
            publish(publisher, toA, 1, "no", "a", "0");
            publish(publisher, toA, 2, "yes", "a", "1");
            assertThat(client.raw().readEvent().text()).isEqualTo("yes");
        }
    }

    @Test
    void aRemovedTopicThatIsOpenedTooKeepsItsHandleForPublishing() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            int handle = client.raw().subscribe("feed:a").getHandle();
            client.raw().open("feed:a");
            int other = client.raw().subscribe("feed:b").getHandle();
            Replaced answer = client.replace(Replace.newBuilder());
            assertThat(answer.getRemovedList())
                    .containsExactlyInAnyOrder(
                            RemovedTopic.newBuilder()
                                    .setHandle(handle)
                                    .setEndOffset(1)
                                    .setIsOpen(true)
                                    .build(),
                            RemovedTopic.newBuilder()
                                    .setHandle(other)
                                    .setEndOffset(1)
                                    .build());
            client.raw().publish(handle, 1, "x");
            assertThat(client.raw().readPublished().rangeCount()).isEqualTo(1);
            client.raw().publish(other, 2, "x");
            assertThat(client.raw().readPublished().exceptionCode(0)).isEqualTo(ErrorCode.UNKNOWN_HANDLE.code());
        }
    }

    @Test
    void requestsBehindAReplaceAreDoneBehindItInTheOrderSent() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(3)) {
            FilteringClient client = FilteringClient.of(broker, "u");
            RawClient raw = client.raw();
            raw.send(FrameType.SUBSCRIBE, 1, subscribe("feed:1", "feed:2"));
            raw.send(
                    FrameType.REPLACE,
                    2,
                    Replace.newBuilder().addTopics("feed:3").addTopics("feed:4").build());
            raw.send(
                    FrameType.REPLACE,
                    3,
                    Replace.newBuilder().addTopics("feed:4").addTopics("feed:5").build());
            raw.send(FrameType.SUBSCRIBE, 4, subscribe("feed:3"));
            raw.send(
                    FrameType.REPLACE,
                    5,
                    Replace.newBuilder().addTopics("feed:6").setKeepOthers(true).build());
            List<Integer> answered = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                answered.add(FrameHeader.requestId(raw.read(), 0));
            }
            assertThat(answered).containsExactly(1, 2, 3, 4, 5);
            assertThat(broker.broker().connections().get(0).subscriptions())
                    .containsExactlyInAnyOrder("feed:3", "feed:4", "feed:5", "feed:6");
            assertThat(broker.broker().topics("", "feed:1").get(0).subscribers())
                    .isZero();
            assertThat(broker.broker().topics("", "feed:4").get(0).subscribers())
                    .isEqualTo(1);
        }
    }

    private static hermod.protocol.control.wire.Subscribe subscribe(String... topics) {
        return hermod.protocol.control.wire.Subscribe.newBuilder()
                .addAllTopics(List.of(topics))
                .build();
    }

    @Test
    void aTopicNamedTwiceIsABadRequestAndChangesNothing() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            client.raw().subscribe("feed:a");
            client.raw()
                    .send(
                            FrameType.REPLACE,
                            3,
                            Replace.newBuilder()
                                    .addTopics("feed:b")
                                    .addFiltered(filtered("feed:b", "k"))
                                    .build());
            assertThat(client.raw().readError()).isEqualTo(ErrorCode.BAD_REQUEST.code());
            assertThat(broker.broker().connections().get(0).subscriptions()).containsExactly("feed:a");
        }
    }

    @Test
    void theLimitOnTopicsHoldsForTheSetAfterTheSwitch() throws Exception {
        hermod.broker.session.SessionConfig few =
                new hermod.broker.session.SessionConfig(15_000, 35_000, 3, 1_000, 1 << 20);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().session(few).start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            client.raw().open("feed:open");
            client.raw().subscribe("feed:a");
            client.raw().subscribe("feed:b");
            Replaced answer = client.replace(
                    Replace.newBuilder().addTopics("feed:c").addTopics("feed:a").addTopics("feed:d"));
            assertThat(answer.getResultsList())
                    .extracting(TopicResult::getCode)
                    .containsExactly(0, 0, ErrorCode.TOO_MANY_TOPICS_HELD.code());
            assertThat(broker.broker().connections().get(0).subscriptions())
                    .containsExactlyInAnyOrder("feed:a", "feed:c");
        }
    }

    @Test
    void whatWaitsInTheOutboxAtTheSwitchStillGoesByTheOldFilter() throws Exception {
        OutboxConfig outbox = new OutboxConfig(16 * 1024 * 1024, 0, 64 * 1024);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().outbox(outbox).start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            client.subscribe("tasks:a", "a = 1");
            int gone = client.raw().subscribe("tasks:gone").getHandle();
            RawClient publisher = broker.client("publisher", List.of("pub:*", "rate:unlimited"));
            int toA = publisher.open("tasks:a").getHandle();
            int toGone = publisher.open("tasks:gone").getHandle();
            String text = "x".repeat(10_000);
            int published = 0;
            // The client does not read: the kernel's buffers fill, then the outbox.
            while (broker.broker().connections().stream()
                            .mapToLong(each -> each.outboxBytes())
                            .sum()
                    < 512 * 1024) {
                for (int i = 0; i < 20; i++) {
                    publish(publisher, toA, ++published, text, "a", Integer.toString(published % 2));
                    publish(publisher, toGone, ++published, text);
                    readOutcomes(publisher, 2);
                }
            }
            client.raw()
                    .send(
                            FrameType.REPLACE,
                            5,
                            Replace.newBuilder()
                                    .addFiltered(filtered("tasks:a", "a = 0"))
                                    .build());
            await().until(() -> broker.counter("subscriptions_replaced") == 1);
            publish(publisher, toA, ++published, "last", "a", "0");

            Map<Integer, List<Long>> offsets = new HashMap<>();
            Replaced answer = null;
            long end = 0;
            while (true) {
                ByteBuf frame = client.raw().read();
                if (FrameHeader.type(frame, 0) == FrameType.REPLACED.code()) {
                    answer = Replaced.parseFrom(RawClient.body(frame));
                    end = answer.getRemoved(0).getEndOffset();
                } else if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                    RawClient.Event event = new RawClient.Event(frame);
                    assertThat(event.handle() == gone && answer != null)
                            .as("an event of a removed topic behind REPLACED")
                            .isFalse();
                    offsets.computeIfAbsent(event.handle(), none -> new ArrayList<>())
                            .add(event.offset());
                    if (event.text().equals("last")) {
                        break;
                    }
                }
            }
            assertThat(answer).isNotNull();
            int events = published / 2;
            long switchOffset = answer.getResults(0).getNextOffset();
            assertThat(switchOffset).isEqualTo(events + 1);
            List<Long> expected = new ArrayList<>();
            for (long offset = 1; offset < switchOffset; offset++) {
                // Event i of the topic has request id 2 i − 1, which is odd: a = 1.
                expected.add(offset);
            }
            expected.add(switchOffset);
            assertThat(offsets.get(answer.getResults(0).getHandle())).isEqualTo(expected);
            // The removed topic's events stop at the offset that was told, without a hole before it.
            List<Long> sent = offsets.getOrDefault(gone, List.of());
            assertThat(end).isLessThan(events);
            assertThat(sent).hasSize((int) end - 1).isSorted();
        }
    }

    private static void readOutcomes(RawClient publisher, int count) throws Exception {
        int read = 0;
        while (read < count) {
            var outcome = publisher.readPublished();
            for (int i = 0; i < outcome.rangeCount(); i++) {
                read += outcome.rangeLength(i);
            }
        }
    }

    @Test
    void anOperatorReplacesTheSubscriptionsOfAllConnectionsOfAUserWithinTheirRights() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            FilteringClient one = FilteringClient.of(broker, "ann");
            FilteringClient two = FilteringClient.of(broker, "ann");
            FilteringClient bob = FilteringClient.of(broker, "bob");
            RawClient old = broker.client("ann");
            RawClient narrow = broker.socket();
            narrow.connect(RawClient.hello(broker.token("ann", List.of("sub:feed:*")))
                    .setFeatures(hermod.protocol.Feature.FILTER.bit()));
            int gone = one.raw().subscribe("chat:gone").getHandle();
            old.subscribe("chat:gone");
            bob.raw().subscribe("chat:gone");

            List<hermod.broker.admin.SubscriptionsOutcome> outcomes = broker.broker()
                    .replaceSubscriptions(new hermod.broker.admin.SubscriptionsOrder(
                            "acme",
                            "ann",
                            List.of(
                                    filtered("feed:a", "a = 1"),
                                    FilteredTopic.newBuilder()
                                            .setTopic("chat:b")
                                            .build()),
                            false));

            assertThat(outcomes).hasSize(4);
            assertThat(outcomes).filteredOn(each -> each.isReplaced()).hasSize(3);
            assertThat(outcomes)
                    .flatExtracting(each -> each.refused())
                    .extracting(each -> each.topic() + " " + each.code())
                    .containsExactly("chat:b " + ErrorCode.FORBIDDEN.code());
            ByteBuf frame = one.raw().read(FrameType.REPLACED);
            assertThat(FrameHeader.requestId(frame, 0)).isZero();
            Replaced told = Replaced.parseFrom(RawClient.body(frame));
            assertThat(told.getResults(0).getFilter())
                    .isEqualTo(filtered("feed:a", "a = 1").getFilter());
            assertThat(told.getResults(1).hasFilter()).isFalse();
            assertThat(told.getRemovedList())
                    .extracting(RemovedTopic::getHandle)
                    .containsExactly(gone);
            two.raw().read(FrameType.REPLACED);
            assertThat(Replaced.parseFrom(RawClient.body(narrow.read(FrameType.REPLACED)))
                            .getResultsList())
                    .extracting(TopicResult::getGranted)
                    .containsExactly(true, false);
            RawClient publisher = broker.client("publisher");
            int toA = publisher.open("feed:a").getHandle();
            int toGone = publisher.open("chat:gone").getHandle();
            publish(publisher, toGone, 1, "gone");
            publish(publisher, toA, 2, "no", "a", "2");
            publish(publisher, toA, 3, "yes", "a", "1");
            assertThat(one.raw().readEvent().text()).isEqualTo("yes");
            assertThat(two.raw().readEvent().text()).isEqualTo("yes");
            assertThat(narrow.readEvent().text()).isEqualTo("yes");
            // Who can't be told, and others, keep what they had.
            assertThat(old.readEvent().text()).isEqualTo("gone");
            assertThat(bob.raw().readEvent().text()).isEqualTo("gone");
        }
    }

    /** What the client knows of one topic: its offsets, and from which offset on which filter (null: unsubscribed). */
    private static final class Stream {
        final List<Long> seen = new ArrayList<>();
        final TreeMap<Long, Integer> filters = new TreeMap<>();
    }

    @Test
    void replacementsUnderLoadCostNoEventAndRepeatNoneAndLeaveTheConnectionOpen() throws Exception {
        int rounds = 120;
        int eventsPerRound = 150;
        List<String> topics = List.of("feed:0", "feed:1", "feed:2", "chat:3", "properties:4", "presence:5");
        OutboxConfig outbox = new OutboxConfig(64 * 1024 * 1024, 0, 256 * 1024);
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().shards(3).outbox(outbox).start()) {
            Semaphore permits = new Semaphore(0);
            boolean[] isStopped = new boolean[1];
            RawClient publisher = broker.client("publisher", List.of("pub:*", "rate:unlimited"));
            List<Integer> handles = new ArrayList<>();
            for (String topic : topics) {
                handles.add(publisher.open(topic).getHandle());
            }
            Thread load = new Thread(() -> {
                try {
                    for (int n = 0; ; n++) {
                        permits.acquire();
                        if (isStopped[0]) {
                            return;
                        }
                        // Round robin, so event o of each topic is the o-th here, with a = o modulo 3.
                        long offset = n / topics.size() + 1L;
                        publish(
                                publisher,
                                handles.get(n % topics.size()),
                                n,
                                "x",
                                "a",
                                Long.toString(offset % 3),
                                "n",
                                Long.toString(offset));
                        while (publisher.socket().getInputStream().available() > 0) {
                            publisher.read();
                        }
                    }
                } catch (Exception ended) {
                    throw new IllegalStateException(ended);
                }
            });
            load.start();
            FilteringClient client = FilteringClient.of(broker, "u");
            Map<Integer, Stream> streams = new HashMap<>();
            Map<Integer, Long> progress = new HashMap<>();
            Map<String, Integer> wanted = new LinkedHashMap<>();
            for (int round = 0; round < rounds; round++) {
                // The load is at most a round behind, so that each set has events of its own.
                while (permits.availablePermits() > eventsPerRound && load.isAlive()) {
                    Thread.yield();
                }
                permits.release(eventsPerRound);
                // Two at a time every fourth round: the second waits in the broker for the first.
                int count = round % 4 == 0 ? 2 : 1;
                List<Map<String, Integer>> sets = new ArrayList<>();
                for (int i = 0; i < count; i++) {
                    sets.add(setOf(topics, round * 7 + i * 3));
                    client.raw().send(FrameType.REPLACE, 1_000 + round, replaceBy(sets.get(i)));
                }
                for (int i = 0; i < count; i++) {
                    wanted = sets.get(i);
                    onReplaced(readUntilReplaced(client.raw(), streams, progress), wanted, streams);
                }
            }
            // A last set of everything, and a last event on each topic, so that all before it has come.
            wanted = new LinkedHashMap<>();
            for (String topic : topics) {
                wanted.put(topic, -1);
            }
            client.raw().send(FrameType.REPLACE, 1, replaceBy(wanted));
            onReplaced(readUntilReplaced(client.raw(), streams, progress), wanted, streams);
            long total = (long) rounds * eventsPerRound;
            long last = total / topics.size();
            // A topic's last event may have come before its switch, and not have matched.
            while (streams.values().stream()
                    .anyMatch(stream -> stream.filters.lastKey() <= last
                            && (stream.seen.isEmpty() || stream.seen.get(stream.seen.size() - 1) < last))) {
                onFrame(client.raw().read(), streams, progress);
            }
            isStopped[0] = true;
            permits.release();
            load.join();

            assertThat(streams).hasSize(topics.size());
            int selected = 0;
            for (Stream stream : streams.values()) {
                List<Long> expected = new ArrayList<>();
                for (long offset = 1; offset <= last; offset++) {
                    Map.Entry<Long, Integer> filter = stream.filters.floorEntry(offset);
                    if (filter != null
                            && filter.getValue() != null
                            && (filter.getValue() < 0 || offset % 3 == filter.getValue())) {
                        expected.add(offset);
                    }
                }
                assertThat(stream.seen).isEqualTo(expected);
                selected += expected.size();
            }
            assertThat(selected).isBetween((int) total / 10, (int) total * 9 / 10);
            assertThat(broker.counter("subscriptions_replaced")).isEqualTo(rounds + rounds / 4 + 1);
            // The publisher's and this one: nobody came back.
            assertThat(broker.counter("connections_welcomed")).isEqualTo(2);
            assertThat(broker.counter("connections_closed")).isZero();
        }
    }

    /** Which topics, each with the remainder its filter asks for; −1 for no filter. */
    private static Map<String, Integer> setOf(List<String> topics, int seed) {
        Map<String, Integer> set = new LinkedHashMap<>();
        for (int i = 0; i < topics.size(); i++) {
            int choice = Math.floorMod((seed + i * 31) * 0x9E3779B1 >>> 16, 5);
            if (choice < 4) {
                set.put(topics.get(i), choice - 1);
            }
        }
        return set;
    }

    private static Replace replaceBy(Map<String, Integer> set) throws Exception {
        Replace.Builder replace = Replace.newBuilder();
        for (Map.Entry<String, Integer> each : set.entrySet()) {
            replace.addFiltered(
                    each.getValue() < 0
                            ? FilteredTopic.newBuilder().setTopic(each.getKey()).build()
                            : filtered(each.getKey(), "a = " + each.getValue() + " and n > 0"));
        }
        return replace.build();
    }

    private static void onReplaced(Replaced answer, Map<String, Integer> set, Map<Integer, Stream> streams) {
        assertThat(answer.getResultsList()).allMatch(TopicResult::getGranted);
        assertThat(answer.getResultsList()).extracting(TopicResult::getTopic).containsExactlyElementsOf(set.keySet());
        for (TopicResult result : answer.getResultsList()) {
            streams.computeIfAbsent(result.getHandle(), none -> new Stream())
                    .filters
                    .put(result.getNextOffset(), set.get(result.getTopic()));
        }
        for (RemovedTopic removed : answer.getRemovedList()) {
            Stream stream = streams.get(removed.getHandle());
            stream.filters.tailMap(removed.getEndOffset(), true).clear();
            stream.filters.put(removed.getEndOffset(), null);
        }
    }

    private static Replaced readUntilReplaced(RawClient raw, Map<Integer, Stream> streams, Map<Integer, Long> progress)
            throws Exception {
        while (true) {
            ByteBuf frame = raw.read();
            if (FrameHeader.type(frame, 0) == FrameType.REPLACED.code()) {
                return Replaced.parseFrom(RawClient.body(frame));
            }
            onFrame(frame, streams, progress);
        }
    }

    private static void onFrame(ByteBuf frame, Map<Integer, Stream> streams, Map<Integer, Long> progress) {
        int handle = FrameHeader.handle(frame, 0);
        if (FrameHeader.type(frame, 0) == FrameType.PROGRESS.code()) {
            progress.merge(handle, FlowFrames.first(frame, 0), Math::max);
            return;
        }
        assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.EVENT.code());
        long offset = new RawClient.Event(frame).offset();
        assertThat(offset).isGreaterThan(progress.getOrDefault(handle, 0L));
        streams.get(handle).seen.add(offset);
    }
}
