package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.control.wire.Settled;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-12")
class ConsumeTest extends ClientFixture {
    private static final int SETTLE_TIMEOUT_MS = 600_000;
    private static final ConsumeOptions OPTIONS = ConsumeOptions.defaults();

    private HermodClient client;
    private FakeBroker.Peer peer;
    private final Worker worker = new Worker();

    /** Keeps what it is told, and waits with each event until it may go on. */
    private static final class Worker implements ChannelHandler {
        final BlockingQueue<String> told = new LinkedBlockingQueue<>();
        final Semaphore may = new Semaphore(1_000_000);
        final Set<String> busy = ConcurrentHashMap.newKeySet();
        volatile String bad = "";

        @Override
        public void onEvent(ChannelEvent event) throws Exception {
            if (!busy.add(event.topic())) {
                told.add("two at a time of " + event.topic());
            }
            try {
                handle(event);
            } finally {
                busy.remove(event.topic());
            }
        }

        private void handle(ChannelEvent event) throws Exception {
            told.add(event.topic() + " " + event.position() + "/" + event.attempt() + " "
                    + event.event().text());
            may.acquire();
            if (event.event().text().equals(bad)) {
                throw new IllegalStateException("not today");
            }
        }

        @Override
        public void onLost(String channel, long fromPosition, long toPosition) {
            told.add("lost " + channel + " " + fromPosition + ".." + toPosition);
        }

        @Override
        public void onEnded(String channel, HermodException why) {
            told.add("ended " + channel + " " + why.code());
        }

        String next() throws InterruptedException {
            return told.poll(60, TimeUnit.SECONDS);
        }
    }

    private record Item(String topic, long position, int attempt) {}

    private static Item item(String topic, long position) {
        return new Item(topic, position, 1);
    }

    private void connect(Feature... features) throws Exception {
        client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        assertThat(Feature.GROUP.isIn(peer.welcomeWith(features).getFeatures())).isTrue();
        done(connected);
    }

    private Join grantJoin(long member) throws InterruptedException {
        FakeBroker.Frame frame = peer.expect(FrameType.JOIN);
        peer.send(
                FrameType.JOINED,
                frame.requestId(),
                Joined.newBuilder()
                        .setMember(member)
                        .setSettleTimeoutMs(SETTLE_TIMEOUT_MS)
                        .setInFlightLimit(1_000)
                        .build());
        return frame.body(Join.parser());
    }

    private ChannelConsumer consumer(ConsumeOptions options) throws Exception {
        connect(Feature.GROUP);
        CompletableFuture<ChannelConsumer> joining = client.consume("chat", "mail", options, worker);
        grantJoin(7);
        return done(joining);
    }

    private FakeBroker.Frame fetch() throws InterruptedException {
        return peer.expect(FrameType.FETCH);
    }

    /** Answers a FETCH; the texts are e and the position. */
    private void fetched(FakeBroker.Frame to, Item... items) {
        fetched(to, 0, 0, items);
    }

    private void fetched(FakeBroker.Frame to, long lostFrom, long lostTo, Item... items) {
        ByteBuf all = Unpooled.buffer();
        for (Item item : items) {
            FetchedFrame.writeItemHead(all, item.position, item.attempt, EPOCH, item.topic);
            all.writeBytes(peer.eventFrame(item.position, "e" + item.position));
        }
        ByteBuf out = Unpooled.buffer();
        FetchedFrame.Head head = new FetchedFrame.Head(items.length, lostFrom, lostTo);
        FetchedFrame.writeHead(out, to.requestId(), head, all.readableBytes());
        peer.send(out.writeBytes(all));
    }

    /** Takes SETTLEs, answers them, and FETCHes, which it leaves, until so many positions are settled or released. */
    private String settled(int count) throws InterruptedException {
        List<String> said = new ArrayList<>();
        int found = 0;
        while (found < count) {
            FakeBroker.Frame frame = peer.next();
            if (frame.type() == FrameType.FETCH) {
                lastFetch = frame;
                continue;
            }
            assertThat(frame.type()).isEqualTo(FrameType.SETTLE);
            Settle settle = frame.body(Settle.parser());
            assertThat(settle.getMember()).isEqualTo(7);
            found += add(said, "", settle.getSettledList()) + add(said, "-", settle.getReleasedList());
            peer.send(FrameType.SETTLED, frame.requestId(), Settled.getDefaultInstance());
        }
        return String.join(" ", said);
    }

    private FakeBroker.Frame lastFetch;

    private static int add(List<String> said, String prefix, List<PositionRange> ranges) {
        int found = 0;
        for (PositionRange range : ranges) {
            said.add(prefix + range.getFrom() + ".." + range.getTo());
            found += (int) (range.getTo() - range.getFrom() + 1);
        }
        return found;
    }

    private void left(Left.Reason reason) {
        peer.send(
                FrameType.LEFT,
                0,
                Left.newBuilder()
                        .setMember(7)
                        .setReason(reason)
                        .setMessage("so it is")
                        .build());
    }

    @Test
    void whatIsFetchedIsHandledAndSettledTogether() throws Exception {
        connect(Feature.GROUP);
        CompletableFuture<ChannelConsumer> joining = client.consume("chat", "mail", OPTIONS.fromFirst(), worker);
        assertThat(grantJoin(7))
                .isEqualTo(Join.newBuilder()
                        .setChannel("chat")
                        .setGroup("mail")
                        .setMode(Join.Mode.MODE_SHARED)
                        .setStart(Join.Start.START_FIRST)
                        .build());
        ChannelConsumer consumer = done(joining);
        assertThat(consumer.channel()).isEqualTo("chat");
        assertThat(consumer.group()).isEqualTo("mail");
        assertThat(consumer.state()).isEqualTo(ConsumerState.ACTIVE);
        FakeBroker.Frame first = fetch();
        Fetch asked = first.body(Fetch.parser());
        assertThat(asked.getMember()).isEqualTo(7);
        assertThat(asked.getLimit()).isEqualTo(1);
        assertThat(asked.getWaitMs()).isBetween(1, 60_000);
        fetched(first, item("chat:a", 1), item("chat:a", 2), item("chat:b", 4), item("chat:a", 5));
        assertThat(settled(4)).isIn("1..2 4..5", "1..2 5..5 4..4", "1..2 4..4 5..5");
        assertThat(List.of(worker.next(), worker.next(), worker.next(), worker.next()))
                .containsExactlyInAnyOrder("chat:a 1/1 e1", "chat:b 4/1 e4", "chat:a 2/1 e2", "chat:a 5/1 e5");
        if (lastFetch == null) {
            lastFetch = fetch();
        }
        fetched(lastFetch);
        assertThat(fetch().body(Fetch.parser()).getLimit())
                .as("quick handlers get many at a time")
                .isGreaterThan(100);
    }

    @Test
    void anObserverJoinsAsOne() throws Exception {
        connect(Feature.GROUP);
        CompletableFuture<ChannelConsumer> joining = client.observe("chat", "audit", OPTIONS, worker);
        Join join = grantJoin(7);
        assertThat(join.getMode()).isEqualTo(Join.Mode.MODE_OBSERVER);
        assertThat(join.getStart()).isEqualTo(Join.Start.START_NOW);
        done(joining);
    }

    @Test
    void eventsOfATopicAreHandledInTurnAndThoseOfOthersMeanwhile() throws Exception {
        consumer(OPTIONS.parallelism(2));
        worker.may.drainPermits();
        FakeBroker.Frame fetch = fetch();
        assertThat(fetch.body(Fetch.parser()).getLimit()).isEqualTo(2);
        fetched(fetch, item("chat:a", 1), item("chat:a", 2), item("chat:b", 3), item("chat:c", 4));
        assertThat(List.of(worker.next(), worker.next())).containsExactlyInAnyOrder("chat:a 1/1 e1", "chat:b 3/1 e3");
        assertThat(worker.told).as("two at a time").isEmpty();
        worker.may.release(4);
        settled(4);
        assertThat(List.of(worker.next(), worker.next())).containsExactlyInAnyOrder("chat:a 2/1 e2", "chat:c 4/1 e4");
    }

    @Test
    void whatFollowsOfATopicWaitsForItsTurnThoughThereAreThreads() throws Exception {
        consumer(OPTIONS.parallelism(3));
        worker.may.drainPermits();
        fetched(fetch(), item("chat:a", 1));
        assertThat(worker.next()).isEqualTo("chat:a 1/1 e1");
        fetched(fetch(), item("chat:a", 2), item("chat:b", 3));
        assertThat(worker.next()).isEqualTo("chat:b 3/1 e3");
        worker.may.release(3);
        assertThat(worker.next()).isEqualTo("chat:a 2/1 e2");
        settled(3);
        assertThat(worker.told).isEmpty();
    }

    @Test
    void whatAHandlerThrowsOnIsReleasedAndWhatFollowsOfItsTopicComesAgainBehindIt() throws Exception {
        consumer(OPTIONS);
        worker.bad = "e1";
        worker.may.drainPermits();
        fetched(fetch(), item("chat:a", 1), item("chat:a", 2), item("chat:b", 3));
        assertThat(worker.next()).isEqualTo("chat:a 1/1 e1");
        worker.may.release(2);
        assertThat(settled(2)).isIn("3..3 -1..1", "-1..1 3..3");
        assertThat(worker.next()).isEqualTo("chat:b 3/1 e3");
        assertThat(worker.told).as("2 is taken back with 1").isEmpty();
        await().until(() -> client.stats().listenerFailures() == 1);
        worker.bad = "";
        worker.may.release(10);
        if (lastFetch == null) {
            lastFetch = fetch();
        }
        fetched(lastFetch, new Item("chat:a", 1, 2), new Item("chat:a", 2, 2));
        assertThat(settled(2)).isEqualTo("1..2");
        assertThat(worker.next()).isEqualTo("chat:a 1/2 e1");
        assertThat(worker.next()).isEqualTo("chat:a 2/2 e2");
    }

    @Test
    void whatWasFetchedBeforeTheBrokerKnewOfAReleaseIsNotHandled() throws Exception {
        consumer(OPTIONS);
        worker.bad = "e1";
        fetched(fetch(), item("chat:a", 1));
        FakeBroker.Frame second = fetch();
        FakeBroker.Frame settle = peer.expect(FrameType.SETTLE);
        fetched(second, item("chat:a", 2), item("chat:b", 3));
        assertThat(worker.next()).isEqualTo("chat:a 1/1 e1");
        assertThat(worker.next()).isEqualTo("chat:b 3/1 e3");
        peer.send(FrameType.SETTLED, settle.requestId(), Settled.getDefaultInstance());
        assertThat(settled(1)).isEqualTo("3..3");
        if (lastFetch == null) {
            lastFetch = fetch();
        }
        fetched(lastFetch, item("chat:a", 4));
        assertThat(worker.next()).as("others have handled 1 and 2 meanwhile").isEqualTo("chat:a 4/1 e4");
    }

    @Test
    void aRangeThatIsLostIsTold() throws Exception {
        consumer(OPTIONS);
        fetched(fetch(), 3, 9);
        assertThat(worker.next()).isEqualTo("lost chat 3..9");
    }

    @Test
    void whatCouldNotBeStoredIsSettledAgain() throws Exception {
        consumer(OPTIONS);
        fetched(fetch(), item("chat:a", 1));
        FakeBroker.Frame fetch = fetch();
        FakeBroker.Frame settle = peer.expect(FrameType.SETTLE);
        peer.error(settle.requestId(), ErrorCode.STORE_FULL);
        assertThat(settled(1)).isEqualTo("1..1");
        fetched(fetch);
    }

    @Test
    void afterALostConnectionItJoinsAgainAndWhatWasInHandsIsNotSettledByTheOldNumber() throws Exception {
        ChannelConsumer consumer = consumer(OPTIONS);
        worker.may.drainPermits();
        fetched(fetch(), item("chat:a", 1), item("chat:a", 2), item("chat:b", 3));
        assertThat(worker.next()).isEqualTo("chat:a 1/1 e1");
        peer.cut();
        peer = broker.accept();
        peer.welcomeWith(Feature.GROUP);
        grantJoin(7);
        fetched(fetch(), new Item("chat:a", 1, 2), new Item("chat:a", 2, 2));
        worker.may.release(100);
        assertThat(settled(2)).isEqualTo("1..2");
        assertThat(worker.next()).isEqualTo("chat:a 1/2 e1");
        assertThat(worker.next()).isEqualTo("chat:a 2/2 e2");
        assertThat(worker.told).isEmpty();
        assertThat(consumer.state()).isEqualTo(ConsumerState.ACTIVE);
    }

    @Test
    void leavingWaitsForWhatIsInHandsSettlesItAndSaysSo() throws Exception {
        ChannelConsumer consumer = consumer(OPTIONS);
        worker.may.drainPermits();
        fetched(fetch(), item("chat:a", 1), item("chat:a", 2));
        assertThat(worker.next()).isEqualTo("chat:a 1/1 e1");
        CompletableFuture<Void> left = consumer.leave();
        await().until(() -> consumer.state() == ConsumerState.LEAVING);
        worker.may.release(2);
        assertThat(settled(2)).isEqualTo("1..2");
        FakeBroker.Frame leave = peer.expect(FrameType.LEAVE);
        assertThat(leave.body(Leave.parser()).getMember()).isEqualTo(7);
        assertThat(left).isNotDone();
        peer.send(
                FrameType.LEFT,
                leave.requestId(),
                Left.newBuilder()
                        .setMember(7)
                        .setReason(Left.Reason.REASON_ASKED)
                        .build());
        done(left);
        assertThat(consumer.state()).isEqualTo(ConsumerState.ENDED);
        done(consumer.leave());
        assertThat(worker.next()).isEqualTo("chat:a 2/1 e2");
        assertThat(worker.told).as("it was asked for").isEmpty();
    }

    @Test
    void closingTheClientLeavesFirst() throws Exception {
        consumer(OPTIONS);
        fetch();
        CompletableFuture<Void> closed = client.closeAsync();
        FakeBroker.Frame leave = peer.expect(FrameType.LEAVE);
        assertThat(closed).isNotDone();
        peer.send(
                FrameType.LEFT,
                leave.requestId(),
                Left.newBuilder().setMember(7).build());
        peer.expect(FrameType.CLOSE);
        done(closed);
    }

    @Test
    void whyItEndsIsTold() throws Exception {
        ChannelConsumer consumer = consumer(OPTIONS);
        left(Left.Reason.REASON_TAKEN_OVER);
        assertThat(worker.next()).isEqualTo("ended chat " + HermodException.TAKEN_OVER);
        assertThat(consumer.state()).isEqualTo(ConsumerState.ENDED);
    }

    @Test
    void aGroupThatIsDeletedEndsItsMembers() throws Exception {
        consumer(OPTIONS);
        left(Left.Reason.REASON_DELETED);
        assertThat(worker.next()).isEqualTo("ended chat " + HermodException.GROUP_DELETED);
    }

    @Test
    void aChannelThatIsOffIsJoinedAgainWhenItIsOn() throws Exception {
        ChannelConsumer consumer = consumer(OPTIONS);
        fetch();
        left(Left.Reason.REASON_NOT_ENABLED);
        FakeBroker.Frame join = peer.expect(FrameType.JOIN);
        assertThat(consumer.state()).isEqualTo(ConsumerState.JOINING);
        peer.error(join.requestId(), ErrorCode.NOT_ENABLED);
        grantJoin(7);
        fetched(fetch(), item("chat:a", 1));
        assertThat(worker.next()).isEqualTo("chat:a 1/1 e1");
    }

    @Test
    void aRightThatIsGoneWhenItComesBackEndsIt() throws Exception {
        consumer(OPTIONS);
        peer.cut();
        peer = broker.accept();
        peer.welcomeWith(Feature.GROUP);
        peer.error(peer.expect(FrameType.JOIN).requestId(), ErrorCode.FORBIDDEN);
        assertThat(worker.next()).isEqualTo("ended chat " + ErrorCode.FORBIDDEN.code());
    }

    @Test
    void aRefusalAndABrokerWithoutGroupsFailIt() throws Exception {
        connect(Feature.GROUP);
        CompletableFuture<ChannelConsumer> refused = client.consume("chat", "mail", OPTIONS, worker);
        peer.error(peer.expect(FrameType.JOIN).requestId(), ErrorCode.BAD_REQUEST);
        assertThat(failure(refused).is(ErrorCode.BAD_REQUEST)).isTrue();
        peer.cut();
        peer = broker.accept();
        peer.welcome();
        assertThat(failure(client.consume("chat", "mail", OPTIONS, worker)).is(ErrorCode.UNSUPPORTED))
                .isTrue();
        assertThat(worker.told).isEmpty();
    }

    @Test
    void aBrokenAnswerEndsTheConnection() throws Exception {
        consumer(OPTIONS);
        fetched(fetch(), 9, 3);
        peer.expect(FrameType.CLOSE);
    }

    @Test
    void badNamesAndNumbersAreRefusedAtOnce() {
        HermodClient idle = client();
        assertThatThrownBy(() -> idle.consume("chat:room", "mail", OPTIONS, worker))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> idle.consume("chat", "no name", OPTIONS, worker))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> OPTIONS.parallelism(65)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> OPTIONS.inHandsMax(0)).isInstanceOf(IllegalArgumentException.class);
    }
}
