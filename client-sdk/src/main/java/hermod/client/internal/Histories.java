package hermod.client.internal;

import hermod.client.Event;
import hermod.client.HermodException;
import hermod.client.HistoryPage;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.wire.History;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Asks the broker for pages of history, a few at a time, the others wait. A question outlives its connection: asking twice does no harm. Loop thread only.
 */
final class Histories {
    /** Fewer than a broker takes by default: a page holds up what comes behind it on the socket. */
    private static final int UNDER_WAY_MAX = 2;

    private static final int WAITING_MAX = 1_000;
    private static final int RETRIES_MAX = 5;
    private static final long RETRY_MS_MIN = 50;

    private static final class Order {
        final History asked;
        final CompletableFuture<HistoryPage> future;
        int retries;
        long notBeforeNs;
        boolean isDelayed;

        Order(History asked, CompletableFuture<HistoryPage> future) {
            this.asked = asked;
            this.future = future;
        }
    }

    private final Session session;
    private final Completions completions;
    private final ArrayDeque<Order> waiting = new ArrayDeque<>();
    private final List<Order> underWay = new ArrayList<>();

    Histories(Session session, Completions completions) {
        this.session = session;
        this.completions = completions;
    }

    void add(History asked, CompletableFuture<HistoryPage> future) {
        if (waiting.size() >= WAITING_MAX) {
            completions.fail(
                    future,
                    new HermodException(
                            ErrorCode.BACK_PRESSURED, "too many pages of history wait: limit=" + WAITING_MAX));
        } else {
            waiting.addLast(new Order(asked, future));
        }
    }

    /** Sends what may be sent now; the caller flushes. */
    void send(Connection to, long nowNs) {
        if (!to.has(Feature.HISTORY)) {
            failAll(new HermodException(ErrorCode.UNSUPPORTED, "the broker has no history"));
            return;
        }
        int sentCount = 0;
        while (underWay.size() < UNDER_WAY_MAX && isDue(waiting.peekFirst(), nowNs)) {
            send(to, waiting.removeFirst(), nowNs);
            sentCount++;
        }
        if (sentCount > 0) {
            to.flush();
        }
    }

    private static boolean isDue(@Nullable Order order, long nowNs) {
        return order != null && (!order.isDelayed || nowNs - order.notBeforeNs >= 0);
    }

    private void send(Connection to, Order order, long nowNs) {
        underWay.add(order);
        to.request(FrameType.HISTORY, order.asked, FrameType.HISTORY_PAGE, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) throws ProtocolException {
                underWay.remove(order);
                try {
                    completions.complete(order.future, page(to, order.asked, in, at));
                } catch (ProtocolException defect) {
                    completions.fail(
                            order.future,
                            new HermodException(
                                    HermodException.CONNECTION_LOST,
                                    "the broker broke the protocol: " + defect.getMessage()));
                    throw defect;
                }
            }

            @Override
            public void onFailure(HermodException why) {
                underWay.remove(order);
                boolean isPassing = why.is(ErrorCode.BACK_PRESSURED) || why.is(ErrorCode.RATE_LIMITED);
                if (!isPassing || order.retries++ >= RETRIES_MAX) {
                    completions.fail(order.future, why);
                    return;
                }
                order.isDelayed = true;
                order.notBeforeNs = System.nanoTime()
                        + TimeUnit.MILLISECONDS.toNanos(
                                Math.max(RETRY_MS_MIN, why.retryAfter().toMillis()));
                waiting.addFirst(order);
            }
        });
    }

    private HistoryPage page(Connection from, History asked, ByteBuf in, int at) throws ProtocolException {
        HistoryPageFrame.Head head = HistoryPageFrame.head(in, at);
        List<Event> events = new ArrayList<>(head.count());
        long receivedAtUs = from.readAtUs() + session.clockOffsetUs();
        int end = at + FrameHeader.frameBytes(in, at);
        long last = 0;
        for (int next = HistoryPageFrame.eventsAt(in, at); next < end; next += FrameHeader.frameBytes(in, next)) {
            long offset = EventFrame.offset(in, next);
            if (last != 0 && (offset < last) != asked.getBackwards()) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a page in the other direction");
            }
            last = offset;
            events.add(ReceivedEvent.of(asked.getTopic(), head.epoch(), from.number(), 0, receivedAtUs, in, next));
        }
        return new ReceivedPage(session, asked, head, List.copyOf(events));
    }

    /** What was under way is asked again, first. */
    void onDisconnected() {
        for (int i = underWay.size() - 1; i >= 0; i--) {
            waiting.addFirst(underWay.get(i));
        }
        underWay.clear();
    }

    void onClosed(HermodException why) {
        onDisconnected();
        failAll(why);
    }

    private void failAll(HermodException why) {
        waiting.forEach(order -> completions.fail(order.future, why));
        waiting.clear();
    }
}
