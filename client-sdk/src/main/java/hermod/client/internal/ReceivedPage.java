package hermod.client.internal;

import hermod.client.Event;
import hermod.client.HistoryPage;
import hermod.protocol.control.wire.History;
import hermod.protocol.frame.HistoryPageFrame;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** A page and the question it answers. Immutable. */
record ReceivedPage(Session session, History asked, HistoryPageFrame.Head head, List<Event> events)
        implements HistoryPage {
    @Override
    public String topic() {
        return asked.getTopic();
    }

    @Override
    public int epoch() {
        return head.epoch();
    }

    @Override
    public boolean hasMore() {
        return head.hasMore();
    }

    @Override
    public CompletableFuture<HistoryPage> next() {
        return session.history(asked.toBuilder()
                .setStart(History.Start.START_OFFSET)
                .setOffset(asked.getBackwards() ? head.backwardsFrom() : head.forwardsFrom())
                .setEpoch(head.epoch())
                .clearTimeUs()
                .build());
    }

    @Override
    public boolean isEpochChanged() {
        return head.isEpochChanged();
    }

    @Override
    public long firstOffset() {
        return head.firstOffset();
    }

    @Override
    public long nextOffset() {
        return head.nextOffset();
    }

    @Override
    public long forwardsFrom() {
        return head.forwardsFrom();
    }

    @Override
    public long backwardsFrom() {
        return head.backwardsFrom();
    }

    @Override
    public @Nullable Range lost() {
        return head.lostFrom() == 0 ? null : new Range(head.lostFrom(), head.lostTo());
    }

    @Override
    public int leftOut() {
        return head.leftOut();
    }

    /** Without the events' payloads. */
    @Override
    public String toString() {
        return "HistoryPage[topic=" + topic() + ", " + head + "]";
    }
}
