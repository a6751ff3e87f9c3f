package hermod.broker.dispatch;

import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.Stage;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FlushList;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Chunk;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Subscriptions;
import hermod.protocol.frame.EventFrame;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;

/**
 * Stage 5 of 7: on a subscriber's shard, puts a topic's run into the outbox of everyone here who wants it.
 *
 * <p>From {@link TopicDispatcher} through {@code shard.PriorityRings}; on to {@code outbox.Outbox}.
 */
@RunsOn(Owner.SHARD)
final class Fanout {
    /** Bytes after which an outbox is flushed in the middle of a turn: a long turn must not fill one whose socket would take it all. */
    private static final int FLUSH_AT_BYTES = 128 * 1024;

    private static final int RUNS_PER_CLOCK = 16;

    private final ShardClock clock;
    private final ShardMetrics metrics;
    private final Subscriptions subscriptions;
    private final ChunkTable[] chunks;
    private final FlushList flushes;
    private final Selection selection;
    private final ArrayList<Outbox> full = new ArrayList<>();
    private final ArrayList<Outbox> longOnes = new ArrayList<>();
    private int runsSinceClock;

    Fanout(
            ShardClock clock,
            ShardMetrics metrics,
            Subscriptions subscriptions,
            ChunkTable[] chunks,
            FlushList flushes,
            Selection selection) {
        this.clock = clock;
        this.metrics = metrics;
        this.subscriptions = subscriptions;
        this.chunks = chunks;
        this.flushes = flushes;
        this.selection = selection;
    }

    void onRun(ByteBuf in, int at) {
        int handle = in.getIntLE(at);
        Chunk chunk = chunks[in.getUnsignedShortLE(at + 4)].of(in.getIntLE(at + 8));
        if (chunk == null) {
            throw new IllegalStateException("run of a chunk that is gone: handle=" + handle);
        }
        ByteBuf memory = chunk.memory();
        try {
            Subscriptions.Subscribers subscribers = subscriptions.of(handle);
            if (subscribers != null) {
                fanOut(subscribers, memory, in, at);
                flushLong();
                note(in, at);
            }
        } finally {
            memory.release();
        }
    }

    private void fanOut(Subscriptions.Subscribers subscribers, ByteBuf memory, ByteBuf in, int at) {
        boolean hasExclusions = in.getByte(at + 6) != 0;
        int from = in.getIntLE(at + 12);
        int to = in.getIntLE(at + 16);
        int count = in.getIntLE(at + 20);
        long expiresAtUs = in.getLongLE(at + 24);
        long nextOffset = EventFrame.offset(memory, from) + count;
        for (int i = 0; i < subscribers.count(); i++) {
            Feed feed = subscribers.at(i);
            if (hasExclusions || feed.filter() != null) {
                offerSelected(feed, memory, from, to, expiresAtUs);
            } else {
                offer(feed, memory, from, to, count, expiresAtUs);
            }
            feed.advanceTo(nextOffset);
        }
    }

    private void offer(Feed feed, ByteBuf memory, int from, int to, int count, long expiresAtUs) {
        Outbox outbox = feed.outbox();
        if (outbox.offer(feed, memory, from, to, count, expiresAtUs) == Outbox.Offer.FULL) {
            full.add(outbox);
        }
        flushes.add(outbox);
        if (outbox.queuedBytes() >= FLUSH_AT_BYTES) {
            longOnes.add(outbox);
        }
    }

    /** Not while the subscribers are walked: nothing may come back from a socket that changes them. */
    private void flushLong() {
        for (int i = 0; i < longOnes.size(); i++) {
            longOnes.get(i).flushEarly();
        }
        longOnes.clear();
    }

    /** The slow way, for a feed with a filter and for a run in which some events leave a device out. */
    private void offerSelected(Feed feed, ByteBuf memory, int from, int to, long expiresAtUs) {
        selection.begin(feed, memory, from, to);
        while (selection.next()) {
            offer(feed, memory, selection.from(), selection.to(), selection.count(), expiresAtUs);
        }
    }

    private void note(ByteBuf in, int at) {
        // With the first run of a turn, but not with each of many small ones: a look at the clock costs as much as
        // fanning one out.
        if (runsSinceClock++ % RUNS_PER_CLOCK == 0) {
            clock.update();
        }
        long ns = Math.max(0, clock.nowNs() - in.getLongLE(at + 32));
        metrics.record(in.getUnsignedShortLE(at + 40), Stage.IN_BROKER, ns / 1_000, in.getIntLE(at + 20));
    }

    /** Tells the owners of outboxes that overflowed; at the end of a turn, when subscriptions may change. */
    void reportFull() {
        runsSinceClock = 0;
        for (int i = 0; i < full.size(); i++) {
            full.get(i).owner().onOutboxFull();
        }
        full.clear();
    }
}
