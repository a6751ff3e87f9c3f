package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Coming back to topics where they were left, over a real socket. */
@Tag("HR-2")
class ResumeTest extends ClientFixture {
    private static final Feature[] ALL = {Feature.CREDIT, Feature.RESUME, Feature.GAP};

    private HermodClient client;
    private FakeBroker.Peer peer;
    private final Heard heard = new Heard();
    private int handle;

    private void connect(HermodClient.Builder builder, Feature... agreed) throws Exception {
        client = client(builder);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcomeWith(agreed);
        done(connected);
        CompletableFuture<Subscription> subscribed = client.subscribe(ROOM, heard);
        handle = peer.grantSubscribe(ROOM, EPOCH, 1);
        done(subscribed);
    }

    /** The connection breaks, the next one is welcomed; gives its RESUME. */
    private FakeBroker.Frame comeBack() throws Exception {
        peer.cut();
        peer = broker.accept();
        Hello hello = peer.welcomeWith(ALL);
        assertThat(hello.getSubscriptionsList()).isEmpty();
        return peer.expect(FrameType.RESUME);
    }

    private ResumeResult result(
            TopicResult.Builder topic, ResumeResult.Outcome outcome, long fromOffset, long toOffset) {
        handle = topic.getHandle();
        return ResumeResult.newBuilder()
                .setTopic(topic)
                .setOutcome(outcome)
                .setFromOffset(fromOffset)
                .setToOffset(toOffset)
                .build();
    }

    @Test
    void aTopicGoesOnBehindTheLastEventReceived() throws Exception {
        connect(builder(), ALL);
        peer.event(handle, 1, "a");
        peer.event(handle, 3, "b");
        assertThat(heard.next()).isEqualTo("1 a");
        assertThat(heard.next()).isEqualTo("3 b");
        FakeBroker.Frame frame = comeBack();
        Resume resume = frame.body(Resume.parser());
        peer.resumed(
                frame, result(peer.granted(ROOM, EPOCH, 4).toBuilder(), ResumeResult.Outcome.OUTCOME_REPLAYING, 4, 5));
        peer.event(handle, 3, "b once more, by mistake");
        peer.event(handle, 4, "c");
        peer.event(handle, 5, "d");
        peer.event(handle, 6, "e, live");

        assertThat(resume.getResumeToken().toStringUtf8()).startsWith("resume c-");
        assertThat(resume.getCursorsList()).singleElement().satisfies(cursor -> {
            assertThat(cursor.getTopic()).isEqualTo(ROOM);
            assertThat(cursor.getEpoch()).isEqualTo(EPOCH);
            assertThat(cursor.getOffset()).isEqualTo(3);
        });
        assertThat(List.of(heard.next(), heard.next(), heard.next())).containsExactly("4 c", "5 d", "6 e, live");
        assertThat(client.channelStatus().get("chat").reconnects()).isEqualTo(1);
        assertThat(client.channelStatus().get("chat").gaps()).isZero();
    }

    @Test
    void resumeGoesOutBehindHelloWithoutWaitingForWelcome() throws Exception {
        connect(builder(), ALL);
        peer.cut();
        peer = broker.accept();
        peer.expect(FrameType.HELLO);

        peer.expect(FrameType.RESUME);
    }

    @Test
    void aTopicNobodyPublishedToGoesOnWhereItsSubscriptionBegan() throws Exception {
        connect(builder(), ALL);
        FakeBroker.Frame frame = comeBack();
        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isZero();
        peer.resumed(
                frame, result(peer.granted(ROOM, EPOCH, 1).toBuilder(), ResumeResult.Outcome.OUTCOME_RESUMED, 0, 0));
        peer.event(handle, 1, "a");

        assertThat(heard.next()).isEqualTo("1 a");
    }

    @Test
    @Tag("FL-8")
    void progressAndGapsMoveTheCursorAndAGapBeingFilledDoesNot() throws Exception {
        connect(builder(), ALL);
        peer.event(handle, 1, "a");
        peer.progress(handle, 7);
        FakeBroker.Frame frame = comeBack();
        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isEqualTo(7);
        peer.resumed(
                frame, result(peer.granted(ROOM, EPOCH, 8).toBuilder(), ResumeResult.Outcome.OUTCOME_RESUMED, 0, 0));
        peer.gap(handle, 8, 10, 1, false);
        frame = comeBack();
        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isEqualTo(10);
        peer.resumed(
                frame, result(peer.granted(ROOM, EPOCH, 11).toBuilder(), ResumeResult.Outcome.OUTCOME_RESUMED, 0, 0));
        peer.gap(handle, 12, 20, 2, true);
        peer.event(handle, 13, "b");
        frame = comeBack();

        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isEqualTo(13);
        assertThat(List.of(heard.next(), heard.next(), heard.next(), heard.next()))
                .containsExactly("1 a", "gap 8..10 SHED", "gap 12..20 OVERRUN, to be filled", "13 b");
    }

    @Test
    void whatIsNoLongerThereIsToldBeforeTheFreshStart() throws Exception {
        connect(builder(), ALL);
        peer.event(handle, 1, "a");
        assertThat(heard.next()).isEqualTo("1 a");
        FakeBroker.Frame frame = comeBack();
        peer.resumed(
                frame, result(peer.granted(ROOM, EPOCH, 64).toBuilder(), ResumeResult.Outcome.OUTCOME_LOST, 60, 63));
        peer.event(handle, 60, "z");
        peer.event(handle, 64, "live");

        assertThat(List.of(heard.next(), heard.next(), heard.next(), heard.next()))
                .containsExactly("gap 2..59 EXPIRED", "fresh start 7 60", "60 z", "64 live");
        assertThat(client.channelStatus().get("chat").missedAtMost()).isEqualTo(58);
    }

    @Test
    void aBreakInTheMiddleOfWhatIsLeftGoesOnThere() throws Exception {
        connect(builder(), ALL);
        FakeBroker.Frame frame = comeBack();
        peer.resumed(
                frame, result(peer.granted(ROOM, EPOCH, 64).toBuilder(), ResumeResult.Outcome.OUTCOME_LOST, 60, 63));
        peer.event(handle, 60, "z");
        frame = comeBack();

        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isEqualTo(60);
    }

    @Test
    void aTokenThatTheBrokerDoesNotKnowCostsNothingThatIsStillThere() throws Exception {
        connect(builder(), ALL);
        peer.event(handle, 1, "a");
        FakeBroker.Frame frame = comeBack();
        peer.resumed(frame, result(peer.granted(ROOM, EPOCH, 3).toBuilder(), ResumeResult.Outcome.OUTCOME_LOST, 1, 2));
        peer.event(handle, 1, "a");
        peer.event(handle, 2, "b");
        peer.event(handle, 3, "c");

        assertThat(List.of(heard.next(), heard.next(), heard.next())).containsExactly("1 a", "2 b", "3 c");
    }

    @Test
    void anotherEpochIsToldAndItsOffsetsCountFromTheStart() throws Exception {
        connect(builder(), ALL);
        peer.event(handle, 10, "a");
        assertThat(heard.next()).isEqualTo("10 a");
        FakeBroker.Frame frame = comeBack();
        peer.resumed(frame, result(peer.granted(ROOM, 8, 1).toBuilder(), ResumeResult.Outcome.OUTCOME_LOST, 1, 0));
        peer.event(handle, 1, "b");
        assertThat(List.of(heard.next(), heard.next(), heard.next()))
                .containsExactly("gap 11..-1 EPOCH_CHANGED", "fresh start 8 1", "1 b");
        frame = comeBack();

        assertThat(frame.body(Resume.parser()).getCursors(0).getEpoch()).isEqualTo(8);
        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isEqualTo(1);
    }

    @Test
    void aTopicThatMayNotBeResumedEndsWithTheBrokersCode() throws Exception {
        connect(builder(), ALL);
        FakeBroker.Frame frame = comeBack();
        peer.resumed(
                frame,
                ResumeResult.newBuilder()
                        .setTopic(peer.refused(ROOM, ErrorCode.FORBIDDEN))
                        .build());

        assertThat(heard.next()).isEqualTo("ended " + ErrorCode.FORBIDDEN.code());
    }

    @Test
    void aTokenThatIsNotTakenLeadsToSubscribeAndToWordOfWhatWasMissed() throws Exception {
        connect(builder(), ALL);
        peer.event(handle, 1, "a");
        assertThat(heard.next()).isEqualTo("1 a");
        FakeBroker.Frame frame = comeBack();
        peer.error(frame.requestId(), ErrorCode.BAD_REQUEST);
        handle = peer.grantSubscribe(ROOM, EPOCH, 5);
        peer.event(handle, 5, "e");
        assertThat(List.of(heard.next(), heard.next(), heard.next()))
                .containsExactly("gap 2..4 DISCONNECTED", "fresh start 7 5", "5 e");
        frame = comeBack();

        assertThat(frame.body(Resume.parser()).getCursors(0).getOffset()).isEqualTo(5);
    }

    @Test
    void aBrokerThatNoLongerHasItIsSubscribedTo() throws Exception {
        connect(builder(), ALL);
        peer.cut();
        peer = broker.accept();
        peer.welcome();
        FakeBroker.Frame resume = peer.expect(FrameType.RESUME);
        FakeBroker.Frame subscribe = peer.expect(FrameType.SUBSCRIBE);
        peer.error(resume.requestId(), ErrorCode.UNSUPPORTED);
        TopicResult granted = peer.granted(ROOM, EPOCH, 1);
        peer.subscribed(subscribe, granted);
        peer.event(granted.getHandle(), 1, "a");
        assertThat(heard.next()).isEqualTo("1 a");
        peer.cut();
        peer = broker.accept();

        assertThat(peer.welcome().getSubscriptionsList()).containsExactly(ROOM);
    }

    @Test
    void withoutTheFeatureTopicsAreRenewedInHello() throws Exception {
        connect(builder().features(Set.of(Feature.CREDIT, Feature.GAP)), Feature.CREDIT, Feature.GAP);
        peer.cut();
        peer = broker.accept();

        assertThat(peer.welcomeWith(Feature.CREDIT, Feature.GAP).getSubscriptionsList())
                .containsExactly(ROOM);
    }

    @Test
    void aTopicThatIsNewIsSubscribedToWhileTheOthersAreResumed() throws Exception {
        connect(builder(), ALL);
        peer.cut();
        CompletableFuture<Subscription> subscribed = client.subscribe("chat:new", heard);
        peer = broker.accept();
        Hello hello = peer.welcomeWith(ALL);
        List<String> asked = new ArrayList<>(hello.getSubscriptionsList());
        boolean isResumed = false;
        while (asked.isEmpty() || !isResumed) {
            FakeBroker.Frame frame = peer.next();
            if (frame.type() == FrameType.SUBSCRIBE) {
                asked.addAll(frame.body(Subscribe.parser()).getTopicsList());
                peer.subscribed(frame, peer.granted("chat:new", EPOCH, 1));
            } else {
                assertThat(frame.type()).isEqualTo(FrameType.RESUME);
                isResumed = true;
            }
        }
        done(subscribed);

        assertThat(asked).containsExactly("chat:new");
    }

    @Test
    void thousandsOfTopicsAreResumedInFramesThatFitTheHandshake() throws Exception {
        int topics = 3_000;
        broker.limits = limits -> limits.setTopicsPerConnection(100_000);
        client = client(builder());
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcomeWith(ALL);
        done(connected);
        IntStream.range(0, topics).forEach(i -> client.subscribe("chat:room_" + i, event -> {}));
        int subscribed = 0;
        while (subscribed < topics) {
            FakeBroker.Frame frame = peer.expect(FrameType.SUBSCRIBE);
            List<String> names = frame.body(Subscribe.parser()).getTopicsList();
            peer.subscribed(
                    frame,
                    names.stream().map(name -> peer.granted(name, EPOCH, 1)).toArray(TopicResult[]::new));
            subscribed += names.size();
        }
        FakeBroker.Frame frame = comeBackWhenSubscribed(topics);
        Set<String> resumed = new java.util.HashSet<>();
        while (resumed.size() < topics) {
            assertThat(frame.bytes().readableBytes()).isLessThanOrEqualTo(16_384);
            Resume resume = frame.body(Resume.parser());
            resume.getCursorsList().forEach(cursor -> resumed.add(cursor.getTopic()));
            peer.resumed(
                    frame,
                    resume.getCursorsList().stream()
                            .map(cursor -> result(
                                    peer.granted(cursor.getTopic(), EPOCH, 1).toBuilder(),
                                    ResumeResult.Outcome.OUTCOME_RESUMED,
                                    0,
                                    0))
                            .toArray(ResumeResult[]::new));
            frame = resumed.size() < topics ? peer.expect(FrameType.RESUME) : frame;
        }
    }

    private FakeBroker.Frame comeBackWhenSubscribed(int topics) throws Exception {
        // The last SUBSCRIBED has been read once the answer to what comes behind it is there.
        CompletableFuture<PublishReceipt> behind = client.publish("other:1", "x");
        peer.grantOpen("other:1");
        peer.ack(peer.expectPublishes(1), 1);
        done(behind);
        return comeBack();
    }

    @Test
    @Tag("EV-5")
    void whateverBreaksEveryEventIsSeenOnceAndInOrder() throws Exception {
        long seed = 17;
        Random random = new Random(seed);
        int events = 2_000;
        int topics = 3;
        client = client(builder());
        List<Heard> listeners = new ArrayList<>();
        for (int t = 0; t < topics; t++) {
            listeners.add(new Heard());
            client.subscribe("chat:room_" + t, listeners.get(t));
        }
        client.connect();
        long[] published = new long[topics];
        boolean isFirst = true;
        while (IntStream.range(0, topics).anyMatch(t -> published[t] < events)) {
            FakeBroker.Peer on = broker.accept();
            Map<Integer, long[]> next = new HashMap<>();
            Hello hello = on.welcome(welcome -> {
                on.agree(welcome, ALL);
                welcome.getSubscriptionsList()
                        .forEach(each -> next.put(each.getHandle(), new long[] {topicOf(each.getTopic()), 1}));
            });
            assertThat(hello.getSubscriptionsCount()).isEqualTo(isFirst ? topics : 0);
            if (!isFirst) {
                FakeBroker.Frame frame = on.expect(FrameType.RESUME);
                Resume resume = frame.body(Resume.parser());
                List<ResumeResult> results = new ArrayList<>();
                resume.getCursorsList().forEach(cursor -> {
                    long from = cursor.getOffset() + 1;
                    TopicResult granted = on.granted(cursor.getTopic(), EPOCH, from);
                    next.put(granted.getHandle(), new long[] {topicOf(cursor.getTopic()), from});
                    results.add(ResumeResult.newBuilder()
                            .setTopic(granted)
                            .setOutcome(ResumeResult.Outcome.OUTCOME_REPLAYING)
                            .setFromOffset(from)
                            .setToOffset(published[topicOf(cursor.getTopic())])
                            .build());
                });
                on.resumed(frame, results.toArray(new ResumeResult[0]));
            }
            int burst = 1 + random.nextInt(400);
            for (int i = 0; i < burst; i++) {
                for (Map.Entry<Integer, long[]> entry : next.entrySet()) {
                    int topic = (int) entry.getValue()[0];
                    long offset = entry.getValue()[1];
                    if (offset <= events) {
                        on.event(entry.getKey(), offset, "m" + offset);
                        entry.getValue()[1]++;
                        published[topic] = Math.max(published[topic], offset);
                    }
                }
            }
            isFirst = false;
            if (IntStream.range(0, topics).anyMatch(t -> published[t] < events)) {
                on.cut();
            }
            peer = on;
        }
        // What the last break swallowed comes with one more connection.
        peer.cut();
        peer = broker.accept();
        peer.welcomeWith(ALL);
        FakeBroker.Frame frame = peer.expect(FrameType.RESUME);
        List<ResumeResult> results = new ArrayList<>();
        Map<Integer, Long> from = new HashMap<>();
        frame.body(Resume.parser()).getCursorsList().forEach(cursor -> {
            TopicResult granted = peer.granted(cursor.getTopic(), EPOCH, cursor.getOffset() + 1);
            from.put(granted.getHandle(), cursor.getOffset() + 1);
            results.add(ResumeResult.newBuilder()
                    .setTopic(granted)
                    .setOutcome(ResumeResult.Outcome.OUTCOME_REPLAYING)
                    .build());
        });
        peer.resumed(frame, results.toArray(new ResumeResult[0]));
        from.forEach((to, first) -> {
            for (long offset = first; offset <= events; offset++) {
                peer.event(to, offset, "m" + offset);
            }
        });

        for (Heard each : listeners) {
            await().until(() -> each.all.size() >= events);
            List<String> expected =
                    IntStream.rangeClosed(1, events).mapToObj(i -> i + " m" + i).toList();
            assertThat(new ArrayList<>(each.all)).as("seed=%d", seed).isEqualTo(expected);
        }
        assertThat(client.stats().reconnects()).isGreaterThan(5);
    }

    private static int topicOf(String name) {
        return Integer.parseInt(name.substring(name.indexOf('_') + 1));
    }
}
