package hermod.broker.dispatch;

import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.Stage;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FlushList;
import hermod.broker.outbox.GapReason;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Chunk;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Subscriptions;
import hermod.protocol.Priority;
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
    private final Selection selection;
    private final ArrayList<Outbox> losing = new ArrayList<>();
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
        ByteBuf memory = memoryOf(in, at);
        ByteBuf compressed = null;
        try {
            compressed = compressedOf(in, at);
            Subscriptions.Subscribers subscribers = subscriptions.of(in.getIntLE(at));
            if (subscribers != null) {
                fanOut(subscribers, memory, compressed, in, at);
                flushLong();
                note(in, at);
            }
        } finally {
            memory.release();
            if (compressed != null) {
                compressed.release();
            }
        }
    }

    /** The memory a record points into; its reference is now the caller's. */
    private ByteBuf memoryOf(ByteBuf in, int at) {
        Chunk chunk = chunks[in.getUnsignedShortLE(at + 4)].of(in.getIntLE(at + 8));
        if (chunk == null) {
            throw new IllegalStateException("run of a chunk that is gone: handle=" + in.getIntLE(at));
        }
        return chunk.memory();
    }

    /** The memory of a run's compressed form, with a reference too; null where it has none. */
    private @Nullable ByteBuf compressedOf(ByteBuf in, int at) {
        int slot = in.getIntLE(at + RingRecords.COMPRESSED_AT);
        if (slot == RingRecords.NOT_COMPRESSED) {
            return null;
        }
        Chunk chunk = chunks[in.getUnsignedShortLE(at + 4)].of(slot);
        if (chunk == null) {
            throw new IllegalStateException("compressed run of a chunk that is gone: handle=" + in.getIntLE(at));
        }
        return chunk.memory();
    }

    private void fanOut(
            Subscriptions.Subscribers subscribers, ByteBuf memory, @Nullable ByteBuf compressed, ByteBuf in, int at) {
        boolean hasExclusions = in.getByte(at + 6) != 0;
        Priority priority = Priority.ofCode(in.getByte(at + 7));
        int from = in.getIntLE(at + 12);
        int to = in.getIntLE(at + 16);
        int count = in.getIntLE(at + 20);
        long expiresAtUs = in.getLongLE(at + 24);
        long firstOffset = in.getLongLE(at + 48);
        for (int i = 0; i < subscribers.count(); i++) {
            Feed feed = subscribers.at(i);
            if (!feed.isLive()) {
                passBy(feed, firstOffset + count - 1, priority);
            } else if (feed.nextOffset() != firstOffset) {
                onUnexpected(feed, firstOffset, firstOffset + count - 1, priority);
            } else {
                boolean isQueued;
                if (hasExclusions || feed.filter() != null) {
                    isQueued = offerSelected(feed, memory, from, to, expiresAtUs);
                } else if (compressed != null && feed.takesBatches()) {
                    isQueued = offerBatch(feed, priority, compressed, in, at);
                } else {
                    isQueued = offer(feed, priority, memory, from, to, count, expiresAtUs);
                }
                if (isQueued) {
                    feed.advanceTo(firstOffset + count);
                } else {
                    passBy(feed, firstOffset + count - 1, priority);
                }
                onOffered(feed.outbox());
            }
        }
    }

    private void passBy(Feed feed, long lastOffset, Priority priority) {
        feed.outbox().onPassedBy(feed, lastOffset, priority);
        if (priority.compareTo(feed.lane()) > 0) {
            // It reads sooner now.
            flushes.add(feed.outbox());
        }
    }

    /** Runs before this one were overrun on their way here, or it lies before the subscription. */
    private void onUnexpected(Feed feed, long firstOffset, long lastOffset, Priority priority) {
        if (firstOffset > feed.nextOffset()) {
            feed.outbox().fallBehind(feed, feed.nextOffset());
            passBy(feed, lastOffset, priority);
            flushes.add(feed.outbox());
        }
    }

    private static boolean offer(
            Feed feed, Priority priority, ByteBuf memory, int from, int to, int count, long expiresAtUs) {
        return feed.outbox().offer(feed, priority, memory, from, to, count, expiresAtUs) == Outbox.Offer.QUEUED;
    }

    private static boolean offerBatch(Feed feed, Priority priority, ByteBuf compressed, ByteBuf in, int at) {
        int from = in.getIntLE(at + RingRecords.COMPRESSED_AT + 4);
        int to = in.getIntLE(at + RingRecords.COMPRESSED_AT + 8);
        int count = in.getIntLE(at + 20);
        return feed.outbox().offerBatch(feed, priority, compressed, from, to, count, in.getLongLE(at + 48))
                == Outbox.Offer.QUEUED;
    }

    private void onOffered(Outbox outbox) {
        flushes.add(outbox);
        if (outbox.queuedBytes() >= FLUSH_AT_BYTES) {
            longOnes.add(outbox);
        }
    }

    /** A topic's runs were overrun on their way to this shard, and none has come since. */
    void onLagged(ByteBuf in, int at) {
        Subscriptions.Subscribers subscribers = subscriptions.of(in.getIntLE(at));
        if (subscribers == null) {
            return;
        }
        long lastOffset = in.getLongLE(at + 8);
        for (int i = 0; i < subscribers.count(); i++) {
            Feed feed = subscribers.at(i);
            if (feed.isLive() && feed.nextOffset() <= lastOffset) {
                onUnexpected(feed, lastOffset + 1, lastOffset, feed.lane());
            }
        }
    }

    /** @param feed that asked, or null when its subscription is over. */
    void onReadBegin(@Nullable Feed feed, ByteBuf in, int at) {
        if (feed != null
                && isAnswered(feed, in.getIntLE(at + 12))
                && !feed.outbox()
                        .onReadBegin(
                                feed,
                                in.getLongLE(at + 16),
                                in.getByte(at + 24) != 0 ? GapReason.EXPIRED : GapReason.OVERRUN)) {
            losing.add(feed.outbox());
        }
    }

    /** @param feed that asked, or null when its subscription is over. */
    void onPiece(@Nullable Feed feed, ByteBuf in, int at) {
        ByteBuf memory = memoryOf(in, at);
        try {
            if (feed != null && isAnswered(feed, in.getIntLE(at + 64))) {
                boolean hasExclusions = in.getByte(at + 6) != 0;
                Priority priority = Priority.ofCode(in.getByte(at + 7));
                int from = in.getIntLE(at + 12);
                int to = in.getIntLE(at + 16);
                int count = in.getIntLE(at + 20);
                long expiresAtUs = in.getLongLE(at + 24);
                if (hasExclusions || feed.filter() != null) {
                    offerSelected(feed, memory, from, to, expiresAtUs);
                } else {
                    feed.outbox().offerRead(feed, priority, memory, from, to, count, expiresAtUs);
                }
                if (isAnswered(feed, in.getIntLE(at + 64))) {
                    feed.advanceTo(in.getLongLE(at + 48) + count);
                }
            }
        } finally {
            memory.release();
        }
    }

    /** @param feed that asked, or null when its subscription is over. */
    void onReadEnd(@Nullable Feed feed, ByteBuf in, int at) {
        if (feed != null && isAnswered(feed, in.getIntLE(at + 12))) {
            feed.outbox().onReadEnd(feed, in.getLongLE(at + 16), in.getByte(at + 24) != 0);
            flushes.add(feed.outbox());
        }
    }

    /** Whether an answer is to the feed's last question. */
    private static boolean isAnswered(Feed feed, int readNumber) {
        return !feed.isLive() && feed.readNumber() == readNumber;
    }

    /** Not while the subscribers are walked: nothing may come back from a socket that changes them. */
    private void flushLong() {
        for (int i = 0; i < longOnes.size(); i++) {
            longOnes.get(i).flushEarly();
        }
        longOnes.clear();
    }

    /** The slow way, for a feed with a filter and for a run in which some events leave a device out. @return false when a piece did not fit. */
    private boolean offerSelected(Feed feed, ByteBuf memory, int from, int to, long expiresAtUs) {
        selection.begin(feed, memory, from, to);
        while (selection.next()) {
            if (!offerPiece(
                    feed,
                    selection.priority(),
                    memory,
                    selection.from(),
                    selection.to(),
                    selection.count(),
                    expiresAtUs)) {
                selection.abandon();
                return false;
            }
        }
        return true;
    }

    /** Of a run to a live feed, or of an answer to one that reads. */
    private static boolean offerPiece(
            Feed feed, Priority priority, ByteBuf memory, int from, int to, int count, long expiresAtUs) {
        if (feed.isLive()) {
            return offer(feed, priority, memory, from, to, count, expiresAtUs);
        }
        int readNumber = feed.readNumber();
        feed.outbox().offerRead(feed, priority, memory, from, to, count, expiresAtUs);
        return feed.readNumber() == readNumber;
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

    /** Tells the owners of outboxes whose clients miss events and can't be told; at the end of a turn, when subscriptions may change. */
    void reportLoss() {
        runsSinceClock = 0;
        for (int i = 0; i < losing.size(); i++) {
            losing.get(i).owner().onLoss();
        }
        losing.clear();
    }
}
