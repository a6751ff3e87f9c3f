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
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

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
    private final ArrayList<Outbox> full = new ArrayList<>();
    private final ArrayList<Outbox> longOnes = new ArrayList<>();
    private int runsSinceClock;

    Fanout(
            ShardClock clock,
            ShardMetrics metrics,
            Subscriptions subscriptions,
            ChunkTable[] chunks,
            FlushList flushes) {
        this.clock = clock;
        this.metrics = metrics;
        this.subscriptions = subscriptions;
        this.chunks = chunks;
        this.flushes = flushes;
    }

    void onRun(ByteBuf in, int at) {
        int handle = in.getIntLE(at);
        Chunk chunk = chunks[in.getUnsignedShortLE(at + 4)].of(in.getIntLE(at + 8));
        if (chunk == null) {
            throw new IllegalStateException("run of a chunk that is gone: handle=" + handle);
        }
        ByteBuf memory = chunk.memory();
        Chunk compressed = compressed(in, at);
        try {
            Subscriptions.Subscribers subscribers = subscriptions.of(handle);
            if (subscribers != null) {
                fanOut(subscribers, memory, compressed, in, at);
                flushLong();
                note(in, at);
            }
        } finally {
            memory.release();
            if (compressed != null) {
                compressed.memory().release();
            }
        }
    }

    private @Nullable Chunk compressed(ByteBuf in, int at) {
        int slot = in.getIntLE(at + 44);
        return slot == RingRecords.NOT_COMPRESSED ? null : chunks[in.getUnsignedShortLE(at + 4)].of(slot);
    }

    private void fanOut(
            Subscriptions.Subscribers subscribers, ByteBuf memory, @Nullable Chunk compressed, ByteBuf in, int at) {
        boolean hasExclusions = in.getByte(at + 6) != 0;
        int from = in.getIntLE(at + 12);
        int to = in.getIntLE(at + 16);
        int count = in.getIntLE(at + 20);
        long expiresAtUs = in.getLongLE(at + 24);
        for (int i = 0; i < subscribers.count(); i++) {
            Feed feed = subscribers.at(i);
            if (hasExclusions) {
                offerWithoutExcluded(feed, memory, from, to, expiresAtUs);
            } else if (compressed != null && feed.takesBatches()) {
                // Its events are not looked at one by one any more; a client leaves out what has expired by then.
                offer(feed, compressed.memory(), in.getIntLE(at + 48), in.getIntLE(at + 52), count, Long.MAX_VALUE);
            } else {
                offer(feed, memory, from, to, count, expiresAtUs);
            }
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

    /** The slow way, for a run in which some events leave a device out: what lies between those is offered piece by piece. */
    private void offerWithoutExcluded(Feed feed, ByteBuf memory, int from, int to, long expiresAtUs) {
        int pieceFrom = from;
        int pieceCount = 0;
        int next = from;
        while (next < to) {
            int frameBytes = FrameHeader.frameBytes(memory, next);
            if (isExcluded(feed, memory, next)) {
                if (pieceCount > 0) {
                    offer(feed, memory, pieceFrom, next, pieceCount, expiresAtUs);
                }
                pieceFrom = next + frameBytes;
                pieceCount = 0;
            } else {
                pieceCount++;
            }
            next += frameBytes;
        }
        if (pieceCount > 0) {
            offer(feed, memory, pieceFrom, to, pieceCount, expiresAtUs);
        }
    }

    private static boolean isExcluded(Feed feed, ByteBuf memory, int at) {
        if ((FrameHeader.flags(memory, at) & FrameHeader.FLAG_EXCLUDE_DEVICE) == 0) {
            return false;
        }
        int entryAt = EventFrame.entryAt(memory, at);
        int valueAt = EventFields.find(
                memory, entryAt + Entry.FIELDS_AT, Entry.fieldsBytes(memory, entryAt), EventFields.TAG_EXCLUDED_DEVICE);
        return valueAt >= 0 && memory.getLongLE(valueAt) == feed.device();
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
