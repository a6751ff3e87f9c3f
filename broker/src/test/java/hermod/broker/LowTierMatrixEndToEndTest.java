package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.topic.Batching;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.ChannelPolicy;
import hermod.protocol.EventType;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What may happen to the events of a low tier, in every combination: each subscriber gets exactly what it should, in order.
 *
 * <p>One topic, {@value #EVENTS} events with {@value #KEYS} keys in turn. What a subscriber should get is worked out from the combination alone.
 */
@Tag("FL-10")
@ExtendWith(LeakCheck.class)
class LowTierMatrixEndToEndTest {
    private static final int EVENTS = 90;
    private static final int KEYS = 5;
    private static final List<String> MATCHING = List.of("k1", "k4");
    private static final String TOPIC = "quotes:a";

    /** What is on or off. */
    private enum Part {
        LZ4,
        FILTER,
        BATCHING,
        CONFLATION,
        /** Every third event is sent once more with its sequence. */
        DUPLICATES,
        /** The subscriber is away while they are published, and reads them from the replay window when it is back. */
        BEHIND
    }

    @TestFactory
    Stream<DynamicTest> eachCombinationDeliversExactlyWhatItShouldInOrder() {
        return IntStream.range(0, 1 << Part.values().length).mapToObj(bits -> {
            Set<Part> on = EnumSet.noneOf(Part.class);
            for (Part part : Part.values()) {
                if ((bits & 1 << part.ordinal()) != 0) {
                    on.add(part);
                }
            }
            return DynamicTest.dynamicTest(on.toString(), () -> check(on));
        });
    }

    private static void check(Set<Part> on) throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().shards(2).channels(quotes(on)).start()) {
            long features =
                    Feature.RESUME.bit() | Feature.FILTER.bit() | (on.contains(Part.LZ4) ? Feature.LZ4.bit() : 0);
            String token = broker.token("sam", BrokerUnderTest.ORDINARY);
            RawClient subscriber = broker.socket();
            Welcome welcome = subscriber.connect(RawClient.hello(token).setFeatures(features));
            TopicResult subscribed = subscribe(subscriber, on);
            assertThat(subscribed.getNextOffset()).isEqualTo(1);
            RawClient publisher = broker.client("pat");
            int handle = publisher.open(TOPIC).getHandle();
            if (on.contains(Part.BEHIND)) {
                subscriber.close();
            }
            int duplicates = publish(publisher, handle, on.contains(Part.DUPLICATES));
            assertThat(duplicates).isEqualTo(on.contains(Part.DUPLICATES) ? EVENTS / 3 : 0);
            if (on.contains(Part.BEHIND)) {
                subscriber = broker.socket();
                subscriber.connect(RawClient.hello(token).setFeatures(features));
                resume(subscriber, welcome, subscribed.getEpoch(), on);
            }

            BatchedEvents events = new BatchedEvents(subscriber);
            List<String> got = new ArrayList<>();
            List<String> expected = expected(on);
            while (got.size() < expected.size()) {
                got.add(describe(events.next()));
            }
            assertThat(got).isEqualTo(expected);
            // Nothing comes behind the last: the next event there is, is another topic's.
            subscriber.send(
                    FrameType.SUBSCRIBE,
                    2,
                    Subscribe.newBuilder().addTopics("chat:marker").build());
            await().until(() -> broker.broker().topics("acme", "chat:marker").size() == 1);
            int marker = publisher.open("chat:marker").getHandle();
            publisher.publish(marker, 1_000, "the end");
            assertThat(events.next().text()).isEqualTo("the end");
            boolean mayBeCompressed = on.contains(Part.LZ4)
                    && on.contains(Part.BATCHING)
                    && !on.contains(Part.BEHIND)
                    && !on.contains(Part.FILTER);
            assertThat(events.batchCount > 0).isEqualTo(mayBeCompressed);
            assertThat(broker.channel("quotes").published()).isEqualTo(EVENTS);
            assertThat(broker.channel("quotes").duplicates()).isEqualTo(duplicates);
        }
    }

    private static TopicResult subscribe(RawClient client, Set<Part> on) throws Exception {
        if (!on.contains(Part.FILTER)) {
            return client.subscribe(TOPIC);
        }
        client.send(
                FrameType.SUBSCRIBE,
                1,
                Subscribe.newBuilder()
                        .addFiltered(FilteredTopic.newBuilder().setTopic(TOPIC).setFilter(filter()))
                        .build());
        return Subscribed.parseFrom(RawClient.body(client.read(FrameType.SUBSCRIBED)))
                .getResults(0);
    }

    private static Filter filter() {
        return Filter.newBuilder().setKey("key").addAllIn(MATCHING).build();
    }

    private static ChannelPolicies quotes(Set<Part> on) {
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
                        on.contains(Part.BATCHING) ? Batching.ADAPTIVE : Batching.NEVER,
                        20,
                        50,
                        on.contains(Part.CONFLATION) ? "key" : "none",
                        any.tier(),
                        any.goalP95Ms(),
                        any.windowMinEvents(),
                        any.ratePerMinute(),
                        any.rateBurst(),
                        0,
                        false));
        return new ChannelPolicies(all);
    }

    /** @return outcomes that told of a duplicate. */
    private static int publish(RawClient publisher, int handle, boolean withDuplicates) throws Exception {
        ByteBuf burst = Unpooled.buffer();
        int sent = 0;
        for (int i = 0; i < EVENTS; i++) {
            for (int copy = 0; copy < (withDuplicates && i % 3 == 0 ? 2 : 1); copy++) {
                write(burst, handle, sent++, i);
            }
            if (i % 30 == 29) {
                publisher.send(ByteBufUtil.getBytes(burst));
                burst.clear();
            }
        }
        int duplicates = 0;
        for (int answered = 0; answered < sent; ) {
            PublishedFrame published = publisher.readPublished();
            for (int i = 0; i < published.rangeCount(); i++) {
                answered += published.rangeLength(i);
            }
            for (int i = 0; i < published.exceptionCount(); i++) {
                assertThat(published.exceptionKind(i)).isEqualTo(PublishedFrame.KIND_DUPLICATE);
                duplicates++;
                answered++;
            }
        }
        return duplicates;
    }

    private static void write(ByteBuf out, int handle, int requestId, int i) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.writeAttributes(fields, Map.of("key", key(i)));
        byte[] payload = text(i).getBytes(StandardCharsets.UTF_8);
        hermod.protocol.frame.PublishFrame.writeHead(
                out, 0, handle, requestId, 1 + i, 0, 0, EventType.CUSTOM, fields.readableBytes(), payload.length);
        out.writeBytes(fields).writeBytes(payload);
    }

    private static String key(int i) {
        return "k" + i % KEYS;
    }

    private static String text(int i) {
        return "{\"symbol\":\"HMD\",\"price\":" + i + ",\"text\":\"" + "as in the one before ".repeat(8) + "\"}";
    }

    private static String describe(RawClient.Event event) {
        return event.offset() + " " + event.text();
    }

    private static void resume(RawClient client, Welcome before, int epoch, Set<Part> on) throws Exception {
        Cursor.Builder cursor = Cursor.newBuilder().setTopic(TOPIC).setEpoch(epoch);
        if (on.contains(Part.FILTER)) {
            cursor.setFilter(filter());
        }
        client.send(
                FrameType.RESUME,
                1,
                Resume.newBuilder()
                        .setResumeToken(before.getResumeToken())
                        .addCursors(cursor)
                        .build());
        ResumeResult result = Resumed.parseFrom(RawClient.body(client.read(FrameType.RESUMED)))
                .getResults(0);
        assertThat(result.getOutcome()).isEqualTo(ResumeResult.Outcome.OUTCOME_REPLAYING);
    }

    /** A subscriber that keeps up gets every event once, whatever else is on; one that is behind, where the channel conflates, of each key the newest. */
    private static List<String> expected(Set<Part> on) {
        // A filter's subscriber gets all that match: the home, which leaves out what is superfluous, does not know the
        // filter.
        boolean isConflated = on.contains(Part.BEHIND) && on.contains(Part.CONFLATION) && !on.contains(Part.FILTER);
        return IntStream.range(0, EVENTS)
                .filter(i -> !on.contains(Part.FILTER) || MATCHING.contains(key(i)))
                .filter(i -> !isConflated || i >= EVENTS - KEYS)
                .mapToObj(i -> (i + 1) + " " + text(i))
                .toList();
    }
}
