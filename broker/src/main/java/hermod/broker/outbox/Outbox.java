package hermod.broker.outbox;

import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Stage 6 of 7: what one subscriber is owed: answers first, then events in four lanes, all within one bound of bytes.
 *
 * <p>From {@code dispatch.Fanout}; on to {@link FrameSink}. Events wait as runs of the chunks that all subscribers share, and a run grows while its topic goes on behind it, so a burst is one write. URGENT is strict; the other lanes
 * share by weight so that LOW keeps more than 5 % of the bytes.
 */
@RunsOn(RunsOn.Owner.SHARD)
public final class Outbox {
    /** What became of an offered run. */
    public enum Offer {
        QUEUED,
        /** The bound is reached; nothing was queued, and the caller decides what that means. */
        FULL
    }

    /** Whose outbox it is: told what the outbox can't decide. */
    public interface Owner {
        /** An offered run did not fit; called once the shard may change its subscriptions. */
        void onOutboxFull();

        /** Events of a topic it subscribes to were overrun on their way to this shard. */
        void onLagged();
    }

    /** Bytes a lane may send before a lane below it gets its share: HIGH : NORMAL : LOW = 32 : 16 : 4. */
    private static final int[] QUANTUM_BYTES = {4 * 1024, 16 * 1024, 32 * 1024, 0};

    /** Runs up to this size are copied into one buffer where several follow on each other: a piece of its own costs Netty and the kernel as much as copying a few KiB. ADR 0041 has the numbers. */
    private static final int COPIED_BYTES_MAX = 1_024;

    private static final int LANES_BY_WEIGHT = Priority.URGENT.code();

    private final Owner owner;
    private final FrameSink sink;
    private final RunPool pool;
    private final ShardMetrics metrics;
    private final ShardClock clock;
    private final int limitBytes;
    private final int urgentReserveBytes;
    private final int freeBurstBytes;
    private final ArrayDeque<ByteBuf> answers = new ArrayDeque<>();
    private final @Nullable QueuedRun[] heads = new QueuedRun[Priority.COUNT];
    private final @Nullable QueuedRun[] tails = new QueuedRun[Priority.COUNT];
    private final int[] creditBytes = new int[Priority.COUNT];
    private @Nullable QueuedRun written;
    private long answerBytes;
    private long queuedBytes;
    private long deliveredCount;
    private int unflushedBytes;
    private boolean isJoining;
    private boolean isCongested;
    private boolean isHeldBack;
    private boolean isDirty;
    private boolean isClosed;

    public Outbox(
            Owner owner, FrameSink sink, RunPool pool, ShardMetrics metrics, ShardClock clock, OutboxConfig config) {
        this.owner = owner;
        this.sink = sink;
        this.pool = pool;
        this.metrics = metrics;
        this.clock = clock;
        this.limitBytes = config.limitBytes();
        this.urgentReserveBytes = config.urgentReserveBytes();
        this.freeBurstBytes = config.freeBurstBytes();
    }

    public Owner owner() {
        return owner;
    }

    /** Events wait until the hold ends; answers don't. For the time before WELCOME, and before a SUBSCRIBED. */
    public void holdBack(boolean hold) {
        isHeldBack = hold;
    }

    /** Makes an outbox for a connection. */
    public interface Factory {
        Outbox make(Owner owner, FrameSink sink);
    }

    /** Marks the outbox to be flushed at the end of the turn; false if it was already. */
    public boolean markDirty() {
        if (isDirty || isClosed) {
            return false;
        }
        isDirty = true;
        return true;
    }

    /** Bytes that wait, events and answers. */
    public long queuedBytes() {
        return queuedBytes + answerBytes;
    }

    /** Bytes of the answers among them. */
    public long answerBytes() {
        return answerBytes;
    }

    /** Bytes of answers up to which the client is read from: half of what it may be owed of them. */
    public long answerBytesReadLimit() {
        return limitBytes / 2;
    }

    /** Events written to the socket so far. */
    public long deliveredCount() {
        return deliveredCount;
    }

    /**
     * Queues a frame that is not an event.
     *
     * @param frame given, whatever is returned.
     */
    public Offer offerAnswer(ByteBuf frame) {
        int bytes = frame.readableBytes();
        if (isClosed || answerBytes + bytes > limitBytes) {
            frame.release();
            return Offer.FULL;
        }
        answers.addLast(frame);
        answerBytes += bytes;
        return Offer.QUEUED;
    }

    /**
     * Queues a run of events behind the others of its feed. Never blocks and never drops.
     *
     * @param memory borrowed; retained by this outbox only when QUEUED is returned.
     * @param from index of the first frame's first byte, {@code to} behind the last one's last.
     * @param count events in it.
     * @param expiresAtUs when the first of them expires.
     */
    public Offer offer(Feed feed, ByteBuf memory, int from, int to, int count, long expiresAtUs) {
        int bytes = to - from;
        int lane = feed.lane().code();
        int limit = lane == Priority.URGENT.code() ? limitBytes : limitBytes - urgentReserveBytes;
        if (isClosed || queuedBytes + bytes > limit) {
            return Offer.FULL;
        }
        queuedBytes += bytes;
        QueuedRun last = feed.tail;
        if (last != null && last.memory == memory && last.to == from) {
            last.to = to;
            last.count += count;
            last.expiresAtUs = Math.min(last.expiresAtUs, expiresAtUs);
            return Offer.QUEUED;
        }
        QueuedRun run = pool.take();
        run.feed = feed;
        run.memory = memory.retain();
        run.from = from;
        run.to = to;
        run.count = count;
        run.expiresAtUs = expiresAtUs;
        run.queuedNs = clock.nowNs();
        append(lane, run);
        feed.tail = run;
        return Offer.QUEUED;
    }

    private void append(int lane, QueuedRun run) {
        QueuedRun last = tails[lane];
        if (last == null) {
            heads[lane] = run;
        } else {
            last.next = run;
        }
        tails[lane] = run;
    }

    /**
     * Writes to the socket what it takes, and flushes it once per burst.
     *
     * @return whether everything went.
     */
    public boolean flush() {
        isDirty = false;
        return flushEarly();
    }

    /** The same in the middle of a turn: at its end the outbox is flushed again. */
    public boolean flushEarly() {
        if (isClosed) {
            return true;
        }
        while (hasRoom() && writeNext()) {
            if (!hasRoom()) {
                // What Netty holds can no longer be overtaken: let the kernel take it before more is chosen.
                flushAndMeter();
            }
        }
        if (unflushedBytes > 0) {
            flushAndMeter();
        }
        return answers.isEmpty() && (queuedBytes == 0 || isHeldBack);
    }

    /** Fewer and larger writes while the socket takes all it is given: at fan-out of 1 KiB events a tenth more. */
    private boolean hasRoom() {
        return sink.isWritable() || (!isCongested && unflushedBytes < freeBurstBytes);
    }

    /** Answers wait like events where the socket takes no more, or a client that asks and never reads would fill the memory. */
    private boolean writeNext() {
        ByteBuf answer = answers.pollFirst();
        if (answer != null) {
            answerBytes -= answer.readableBytes();
            unflushedBytes += answer.readableBytes();
            sink.write(answer);
            return true;
        }
        int lane = isHeldBack ? -1 : nextLane();
        if (lane < 0) {
            return false;
        }
        writeHead(lane);
        return true;
    }

    private int nextLane() {
        if (heads[Priority.URGENT.code()] != null) {
            return Priority.URGENT.code();
        }
        if (queuedBytes == 0) {
            return -1;
        }
        while (true) {
            for (int lane = LANES_BY_WEIGHT - 1; lane >= 0; lane--) {
                if (heads[lane] != null && creditBytes[lane] > 0) {
                    return lane;
                }
            }
            for (int lane = 0; lane < LANES_BY_WEIGHT; lane++) {
                creditBytes[lane] = heads[lane] == null ? 0 : creditBytes[lane] + QUANTUM_BYTES[lane];
            }
        }
    }

    private void writeHead(int lane) {
        QueuedRun run = heads[lane];
        if (run == null) {
            return;
        }
        heads[lane] = run.next;
        if (run.next == null) {
            tails[lane] = null;
        }
        Feed feed = run.feed;
        if (feed != null && feed.tail == run) {
            feed.tail = null;
        }
        queuedBytes -= run.bytes();
        creditBytes[lane] -= run.bytes();
        unflushedBytes += run.bytes();
        if (clock.nowUs() < run.expiresAtUs) {
            if (run.bytes() <= COPIED_BYTES_MAX && (isJoining || run.next != null)) {
                isJoining = true;
                sink.writeCopy(run.memory, run.from, run.bytes());
            } else {
                isJoining = false;
                sink.write(run.memory.retainedSlice(run.from, run.bytes()));
            }
        } else {
            writeUnexpired(run);
        }
        run.memory.release();
        run.next = written;
        written = run;
    }

    /** The slow way, for a run in which something has expired: frame by frame. */
    private void writeUnexpired(QueuedRun run) {
        int expired = 0;
        int keptFrom = run.from;
        int at = run.from;
        while (at < run.to) {
            int frameBytes = FrameHeader.frameBytes(run.memory, at);
            if (EventFrame.expiresAtUs(run.memory, at) <= clock.nowUs()) {
                writePiece(run.memory, keptFrom, at);
                keptFrom = at + frameBytes;
                expired++;
            }
            at += frameBytes;
        }
        writePiece(run.memory, keptFrom, run.to);
        run.count -= expired;
        Feed feed = run.feed;
        if (feed != null) {
            metrics.expired(feed.channel(), expired);
        }
    }

    private void writePiece(ByteBuf memory, int from, int to) {
        if (to > from) {
            sink.write(memory.retainedSlice(from, to - from));
        }
    }

    private void flushAndMeter() {
        sink.flush();
        isJoining = false;
        unflushedBytes = 0;
        isCongested = !sink.isWritable();
        metrics.add(Counter.SOCKET_FLUSHES, 1);
        if (written == null) {
            return;
        }
        clock.update();
        long nowNs = clock.nowNs();
        QueuedRun run = written;
        while (run != null) {
            QueuedRun next = run.next;
            Feed feed = run.feed;
            if (feed != null && run.count > 0) {
                metrics.delivered(feed.channel(), run.count, nowNs - run.queuedNs);
                deliveredCount += run.count;
            }
            pool.giveBack(run);
            run = next;
        }
        written = null;
    }

    /** Forgets what waits for a feed: its subscription is over. */
    public void discard(Feed feed) {
        if (feed.tail == null) {
            return;
        }
        int lane = feed.lane().code();
        QueuedRun before = null;
        QueuedRun run = heads[lane];
        while (run != null) {
            QueuedRun next = run.next;
            if (run.feed == feed) {
                if (before == null) {
                    heads[lane] = next;
                } else {
                    before.next = next;
                }
                if (next == null) {
                    tails[lane] = before;
                }
                drop(run);
            } else {
                before = run;
            }
            run = next;
        }
        feed.tail = null;
    }

    private void drop(QueuedRun run) {
        queuedBytes -= run.bytes();
        run.memory.release();
        pool.giveBack(run);
    }

    /** Releases all that waits; the socket is gone or going. */
    public void close() {
        isClosed = true;
        ByteBuf frame;
        while ((frame = answers.pollFirst()) != null) {
            frame.release();
        }
        answerBytes = 0;
        for (int lane = 0; lane < heads.length; lane++) {
            QueuedRun run = heads[lane];
            while (run != null) {
                QueuedRun next = run.next;
                drop(run);
                run = next;
            }
            heads[lane] = null;
            tails[lane] = null;
        }
    }
}
