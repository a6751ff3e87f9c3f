package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.History.Start;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import hermod.protocol.frame.HistoryPageFrame.Head;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("HR-3")
class HistoryTest extends ClientFixture {
    private HermodClient client;
    private FakeBroker.Peer peer;

    private void connect(Feature... features) throws Exception {
        client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        assertThat(Feature.HISTORY.isIn(peer.welcomeWith(features).getFeatures()))
                .isTrue();
        done(connected);
    }

    private FakeBroker.Frame asked() throws InterruptedException {
        return peer.expect(FrameType.HISTORY);
    }

    private static History body(FakeBroker.Frame frame) {
        return frame.body(History.parser());
    }

    /** Answers with events at these offsets, whose texts are e1, e2 … */
    private void answer(FakeBroker.Frame to, boolean hasMore, long... offsets) {
        long low = Math.min(offsets[0], offsets[offsets.length - 1]);
        long high = Math.max(offsets[0], offsets[offsets.length - 1]);
        answer(to, new Head(EPOCH, offsets.length, 0, hasMore, false, 1, 100, high + 1, low - 1, 0, 0), offsets);
    }

    private void answer(FakeBroker.Frame to, Head head, long... offsets) {
        ByteBuf events = Unpooled.buffer();
        for (long offset : offsets) {
            events.writeBytes(peer.eventFrame(offset, "e" + offset));
        }
        ByteBuf out = Unpooled.buffer();
        HistoryPageFrame.writeHead(out, to.requestId(), head, events.readableBytes());
        peer.send(out.writeBytes(events));
    }

    private static List<String> texts(HistoryPage page) {
        return page.events().stream().map(Event::text).toList();
    }

    @Test
    void withoutMoreTheNewestHundredAreAskedForBackwards() throws Exception {
        connect(Feature.HISTORY);
        CompletableFuture<HistoryPage> page = client.history(ROOM).page();
        FakeBroker.Frame frame = asked();
        assertThat(body(frame))
                .isEqualTo(History.newBuilder()
                        .setTopic(ROOM)
                        .setStart(Start.START_NEWEST)
                        .setBackwards(true)
                        .build());
        answer(frame, true, 9, 8, 6);
        assertThat(texts(done(page))).containsExactly("e9", "e8", "e6");
        Event event = done(page).events().get(0);
        assertThat(event.offset()).isEqualTo(9);
        assertThat(event.topic()).isEqualTo(ROOM);
        assertThat(event.epoch()).isEqualTo(EPOCH);
        assertThat(event.source()).isEqualTo("grace");
        assertThat(done(page).hasMore()).isTrue();
        assertThat(done(page).lost()).isNull();
    }

    @Test
    void aPageIsAskedForByOffsetByTimeByEpochWithALimitAndAFilter() throws Exception {
        connect(Feature.HISTORY, Feature.FILTER);
        CompletableFuture<HistoryPage> one =
                client.history(ROOM).fromOffset(3, 42).limit(300).page();
        History byOffset = body(asked());
        assertThat(byOffset.getStart()).isEqualTo(Start.START_OFFSET);
        assertThat(byOffset.getOffset()).isEqualTo(42);
        assertThat(byOffset.getEpoch()).isEqualTo(3);
        assertThat(byOffset.getLimit()).isEqualTo(300);
        assertThat(byOffset.getBackwards()).isFalse();
        CompletableFuture<HistoryPage> two = client.history(ROOM)
                .fromTime(Instant.ofEpochSecond(7, 5_000))
                .backwards()
                .filter(Filter.of("a").is("b"))
                .page();
        History byTime = body(asked());
        assertThat(byTime.getStart()).isEqualTo(Start.START_TIME);
        assertThat(byTime.getTimeUs()).isEqualTo(7_000_005);
        assertThat(byTime.getBackwards()).isTrue();
        assertThat(byTime.getFilter().getKey()).isEqualTo("a");
        assertThat(one).isNotDone();
        assertThat(two).isNotDone();
    }

    @Test
    void theNextPageGoesOnInTheSameDirectionWithTheSameLimit() throws Exception {
        connect(Feature.HISTORY);
        CompletableFuture<HistoryPage> first =
                client.history(ROOM).fromTime(Instant.EPOCH).limit(2).page();
        answer(asked(), true, 4, 6);
        CompletableFuture<HistoryPage> second = done(first).next();
        FakeBroker.Frame frame = asked();
        assertThat(body(frame))
                .isEqualTo(History.newBuilder()
                        .setTopic(ROOM)
                        .setStart(Start.START_OFFSET)
                        .setOffset(7)
                        .setEpoch(EPOCH)
                        .setLimit(2)
                        .build());
        answer(frame, false, 7, 8);
        assertThat(texts(done(second))).containsExactly("e7", "e8");
        assertThat(done(second).hasMore()).isFalse();

        CompletableFuture<HistoryPage> newest = client.history(ROOM).page();
        answer(asked(), true, 9, 8);
        CompletableFuture<HistoryPage> unused = done(newest).next();
        History older = body(asked());
        assertThat(older.getOffset()).isEqualTo(7);
        assertThat(older.getBackwards()).isTrue();
    }

    @Test
    void whatIsLostLeftOutOrOfAnotherEpochIsTold() throws Exception {
        connect(Feature.HISTORY);
        CompletableFuture<HistoryPage> asked =
                client.history(ROOM).fromOffset(5).page();
        answer(asked(), new Head(EPOCH, 1, 2, true, true, 20, 40, 24, 4, 5, 19), 20);
        HistoryPage page = done(asked);
        assertThat(page.lost()).isEqualTo(new HistoryPage.Range(5, 19));
        assertThat(page.leftOut()).isEqualTo(2);
        assertThat(page.isEpochChanged()).isTrue();
        assertThat(page.firstOffset()).isEqualTo(20);
        assertThat(page.nextOffset()).isEqualTo(40);
        assertThat(page.forwardsFrom()).isEqualTo(24);
        assertThat(page.backwardsFrom()).isEqualTo(4);
    }

    @Test
    void eventsOfAPageDoNotGoToListenersAndListenersMissNothingForIt() throws Exception {
        connect(Feature.HISTORY);
        BlockingQueue<String> heard = new LinkedBlockingQueue<>();
        CompletableFuture<Subscription> subscribed = client.subscribe(ROOM, event -> heard.add(event.text()));
        int handle = peer.grantSubscribe(ROOM, EPOCH, 8);
        done(subscribed);
        CompletableFuture<HistoryPage> page = client.history(ROOM).fromOffset(7).page();
        FakeBroker.Frame frame = asked();
        answer(frame, false, 7, 8, 9);
        assertThat(texts(done(page))).containsExactly("e7", "e8", "e9");
        peer.event(handle, 8, "live 8");
        peer.event(handle, 9, "live 9");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("live 8");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("live 9");
    }

    @Test
    void aFewPagesAreUnderWayAtATimeAndTheOthersWait() throws Exception {
        connect(Feature.HISTORY);
        List<CompletableFuture<HistoryPage>> pages = new ArrayList<>();
        for (int i = 1; i <= 5; i++) {
            pages.add(client.history(ROOM).fromOffset(i).page());
        }
        FakeBroker.Frame one = asked();
        FakeBroker.Frame two = asked();
        assertThat(body(two).getOffset()).isEqualTo(2);
        // Something else comes next: the third waits.
        CompletableFuture<Subscription> unused = client.subscribe("chat:other", event -> {});
        peer.grantSubscribe("chat:other", EPOCH, 1);
        // Answers may come in any order.
        answer(two, false, 2);
        FakeBroker.Frame three = asked();
        assertThat(body(three).getOffset()).isEqualTo(3);
        answer(one, false, 1);
        answer(three, false, 3);
        answer(asked(), false, 4);
        answer(asked(), false, 5);
        for (int i = 0; i < 5; i++) {
            assertThat(texts(done(pages.get(i)))).containsExactly("e" + (i + 1));
        }
    }

    @Test
    void aRefusalIsTypedAndAPassingOneIsAskedAgain() throws Exception {
        connect(Feature.HISTORY);
        CompletableFuture<HistoryPage> forbidden = client.history(ROOM).page();
        peer.error(asked().requestId(), ErrorCode.FORBIDDEN);
        assertThat(failure(forbidden).is(ErrorCode.FORBIDDEN)).isTrue();
        CompletableFuture<HistoryPage> broken = client.history(ROOM).page();
        peer.error(asked().requestId(), ErrorCode.UNAVAILABLE);
        assertThat(failure(broken).isRetryable()).isTrue();

        CompletableFuture<HistoryPage> late = client.history(ROOM).page();
        peer.error(asked().requestId(), ErrorCode.BACK_PRESSURED);
        peer.error(asked().requestId(), ErrorCode.RATE_LIMITED);
        answer(asked(), false, 3);
        assertThat(texts(done(late))).containsExactly("e3");
        CompletableFuture<HistoryPage> never = client.history(ROOM).page();
        for (int i = 0; i < 6; i++) {
            peer.error(asked().requestId(), ErrorCode.RATE_LIMITED);
        }
        assertThat(failure(never).is(ErrorCode.RATE_LIMITED)).isTrue();
    }

    @Test
    void aBrokerWithoutHistoryIsNotAsked() throws Exception {
        connect();
        assertThat(failure(client.history(ROOM).page()).is(ErrorCode.UNSUPPORTED))
                .isTrue();
    }

    @Test
    void aLostConnectionDoesNotLoseTheQuestion() throws Exception {
        connect(Feature.HISTORY);
        CompletableFuture<HistoryPage> first =
                client.history(ROOM).fromOffset(1).page();
        CompletableFuture<HistoryPage> second =
                client.history(ROOM).fromOffset(2).page();
        asked();
        asked();
        peer.cut();
        peer = broker.accept();
        peer.welcomeWith(Feature.HISTORY);
        FakeBroker.Frame again = asked();
        assertThat(body(again).getOffset()).isEqualTo(1);
        answer(again, false, 1);
        answer(asked(), false, 2);
        assertThat(texts(done(first))).containsExactly("e1");
        assertThat(texts(done(second))).containsExactly("e2");
    }

    @Test
    void aPageThatBreaksTheProtocolFailsItsQuestionAndTheConnection() throws Exception {
        connect(Feature.HISTORY);
        CompletableFuture<HistoryPage> page =
                client.history(ROOM).fromOffset(1).backwards().page();
        answer(asked(), false, 1, 2);
        assertThat(failure(page).code()).isEqualTo(HermodException.CONNECTION_LOST);
        peer.expect(FrameType.CLOSE);
        broker.accept();
    }

    @Test
    void aPageWhereHistoryWasNotAgreedEndsTheConnection() throws Exception {
        connect();
        ByteBuf out = Unpooled.buffer();
        HistoryPageFrame.writeHead(out, 1, new Head(0, 0, 0, false, false, 1, 1, 1, 0, 0, 0), 0);
        peer.send(out);
        peer.expect(FrameType.CLOSE);
    }

    @Test
    void whatCantBeAskedIsRefusedAtOnceAndAClosedClientFails() throws Exception {
        connect(Feature.HISTORY);
        assertThatThrownBy(() -> client.history("nothing")).isInstanceOf(IllegalArgumentException.class);
        HistoryQuery query = client.history(ROOM);
        assertThatThrownBy(() -> query.limit(0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> query.limit(301)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> query.fromOffset(-1)).isInstanceOf(IllegalArgumentException.class);
        CompletableFuture<HistoryPage> unanswered = query.page();
        asked();
        client.close();
        assertThat(failure(unanswered).code()).isEqualTo(HermodException.CLIENT_CLOSED);
        assertThat(failure(query.page()).code()).isEqualTo(HermodException.CLIENT_CLOSED);
    }
}
