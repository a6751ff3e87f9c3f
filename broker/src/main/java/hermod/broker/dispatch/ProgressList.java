package hermod.broker.dispatch;

import hermod.broker.filter.FeedFilter;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FlushList;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.util.ArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The feeds of one shard whose filters were asked lately: tells their subscribers by PROGRESS, at the tick, what was passed over behind the last event they were sent.
 *
 * <p>A PROGRESS is sent when nothing of its feed waits, so it stands behind all events before it; where something does wait, the subscriber learns from that.
 */
@RunsOn(Owner.SHARD)
final class ProgressList {
    private final ShardClock clock;
    private final FlushList flushes;
    private final ByteBufAllocator allocator;
    private final long intervalNs;
    private final ArrayList<Feed> noted = new ArrayList<>();

    ProgressList(ShardClock clock, FlushList flushes, ByteBufAllocator allocator, int intervalMs) {
        this.clock = clock;
        this.flushes = flushes;
        this.allocator = allocator;
        this.intervalNs = TimeUnit.MILLISECONDS.toNanos(intervalMs);
    }

    /** The feed's filter was asked, or replaced. */
    void note(Feed feed, FeedFilter filter) {
        if (filter.note()) {
            noted.add(feed);
        }
    }

    void onTick() {
        long nowNs = clock.nowNs();
        int kept = 0;
        for (int i = 0; i < noted.size(); i++) {
            Feed feed = noted.get(i);
            FeedFilter filter = feed.filter();
            if (filter == null) {
                continue;
            }
            filter.prune(feed.firstUnsent());
            if (filter.isOver()) {
                filter.unnote();
                feed.filter(null);
            } else if (mustWait(feed, filter, nowNs) || !tell(feed, filter, nowNs)) {
                noted.set(kept++, feed);
            } else {
                filter.unnote();
            }
        }
        noted.subList(kept, noted.size()).clear();
    }

    private boolean mustWait(Feed feed, FeedFilter filter, long nowNs) {
        return feed.isQueued() || feed.outbox().isHeldBack() || nowNs - filter.progressNs() < intervalNs;
    }

    /** @return whether there is nothing more to tell. */
    private boolean tell(Feed feed, FeedFilter filter, long nowNs) {
        long offset = feed.nextOffset() - 1;
        if (offset <= filter.knownOffset() || filter.isStarting()) {
            return !filter.isStarting();
        }
        ByteBuf frame = allocator.buffer(FrameHeader.LENGTH + FlowFrames.ONE_NUMBER_BODY_BYTES);
        FlowFrames.writeOneNumber(frame, FrameType.PROGRESS, feed.handle(), offset);
        if (feed.outbox().offerAnswer(frame) == Outbox.Offer.FULL) {
            return false;
        }
        flushes.add(feed.outbox());
        filter.onProgress(offset, nowNs);
        return true;
    }
}
