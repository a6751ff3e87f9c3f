package hermod.broker.outbox;

import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Stage 6 of 7: what one subscriber is owed: answers first, then events in four lanes, all within one bound of bytes.
 *
 * <p>From {@code dispatch.Fanout}; on to {@link FrameSink}. Events wait as runs of the chunks that all subscribers share, and a run grows while its topic goes on behind it, so a burst is one write. URGENT is strict; the other lanes
 * share by weight so that LOW keeps more than 5 % of the bytes. Lanes go by the events' priorities; one raised above what waits of its topic lifts that to its own lane, so the order within a topic holds.
 *
 * <p>Nothing is lost here. What does not fit, or must make room for a higher lane, is left in its topic's replay window: its {@link Feed} falls behind and reads on from there as room comes, lane by lane. Only what the window no longer
 * has is missing, and the subscriber is told by a GAP.
 */
@RunsOn(RunsOn.Owner.SHARD)
public final class Outbox {
    /** What became of an offer. */
    public enum Offer {
        QUEUED,
        /** The bound is reached. A run's feed is behind now; an answer is dropped, and the caller decides what that means. */
        FULL
    }

    /** Whose outbox it is: told what the outbox can't decide. */
    public interface Owner {
        /**
         * There is room for a feed that is behind: its topic's home is to be asked for what is kept from {@link Feed#nextOffset} on. {@link #onReadBegin}, {@link #offerRead} and {@link #onReadEnd} bring the answer.
         *
         * @param bytes at most, unless a single event is larger.
         */
        void onRoom(Feed feed, int bytes);

        /** Whether the client knows GAP and GAP_CLOSED. */
        boolean knowsGaps();

        /** Events are missing and the client does not know GAP; called once the shard may change its subscriptions. */
        void onLoss();
    }

    /** Bytes a lane may send before a lane below it gets its share: HIGH : NORMAL : LOW = 32 : 16 : 4. */
    private static final int[] QUANTUM_BYTES = {4 * 1024, 16 * 1024, 32 * 1024, 0};

    /** Runs up to this size are copied into one buffer where several follow on each other: a piece of its own costs Netty and the kernel as much as copying a few KiB. ADR 0041 has the numbers. */
    private static final int COPIED_BYTES_MAX = 1_024;

    /** A lane of a full outbox keeps this part of the bound, so that no higher lane but URGENT can keep it from being read. */
    private static final int FLOOR_PART = 12;

    private static final int READ_BYTES_MAX = 64 * 1024;
    private static final int URGENT = Priority.URGENT.code();
    private static final int LANE_OF_ALL = Priority.NORMAL.code();
    private static final Counter[] EVICTED = {Counter.EVICTED_LOW, Counter.EVICTED_NORMAL, Counter.EVICTED_HIGH};

    private final Owner owner;
    private final FrameSink sink;
    private final RunPool pool;
    private final ShardMetrics metrics;
    private final ShardClock clock;
    private final OutboxConfig config;
    private final ArrayDeque<ByteBuf> answers = new ArrayDeque<>();
    private final @Nullable QueuedRun[] heads = new QueuedRun[Priority.COUNT];
    private final @Nullable QueuedRun[] tails = new QueuedRun[Priority.COUNT];
    private final int[] deficitBytes = new int[Priority.COUNT];
    private final long[] laneBytes = new long[Priority.COUNT];

    /** Made when a feed first falls behind: most connections never need it. */
    private @Nullable Backlog backlog;

    private @Nullable QueuedRun written;
    private long answerBytes;
    private long queuedBytes;
    private long deliveredCount;
    private long creditBytes = Long.MAX_VALUE;
    private boolean usesCredit;
    private long grantedNs;
    private long takenBytes;
    private long overrunCount;
    private long gapCount;
    private int shedCount;
    private boolean isParked;
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
        this.config = config;
    }

    public Owner owner() {
        return owner;
    }

    /** Events wait until the hold ends; answers don't. For the time before WELCOME, and before a SUBSCRIBED. */
    public void holdBack(boolean hold) {
        isHeldBack = hold;
    }

    public boolean isHeldBack() {
        return isHeldBack;
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
        return config.limitBytes() / 2;
    }

    /** Bytes of events that wait in a lane. */
    public long queuedBytes(Priority lane) {
        return laneBytes[lane.code()];
    }

    /** Subscriptions that are behind and read on from their topics' replay windows. */
    public int behindCount() {
        return backlog == null ? 0 : backlog.feedCount;
    }

    public OutboxConfig config() {
        return config;
    }

    /** Whether events wait, here or for a feed that is behind. */
    public boolean owesEvents() {
        return queuedBytes > 0 || behindCount() > 0;
    }

    /** Bytes of events below URGENT given to the socket so far, and of URGENT ones while nothing else waits: rises as long as the connection takes something. */
    public long takenBytes() {
        return takenBytes;
    }

    /** Times a subscription fell behind while none was. */
    public long overrunCount() {
        return overrunCount;
    }

    /** When credit was last granted, on the monotonic clock. */
    public long grantedNs() {
        return grantedNs;
    }

    /** Subscriptions that are shed now. */
    public int shedCount() {
        return shedCount;
    }

    /** GAPs announced. */
    public long gapCount() {
        return gapCount;
    }

    /** Events written to the socket so far. */
    public long deliveredCount() {
        return deliveredCount;
    }

    // ---- credit

    /** From now on events of LOW to HIGH are sent only against credit, of which there is none yet. */
    public void useCredit() {
        usesCredit = true;
        creditBytes = 0;
    }

    /**
     * The client grants more bytes of LOW to HIGH.
     *
     * @return false when the sum would be above 2^63 − 1.
     */
    public boolean grant(long bytes) {
        long sum = creditBytes + bytes;
        if (bytes < 0 || (creditBytes > 0 && sum < 0)) {
            return false;
        }
        creditBytes = sum;
        grantedNs = clock.nowNs();
        return true;
    }

    /** Bytes of LOW to HIGH that may be sent; 0 or less when it waits for credit. {@code Long.MAX_VALUE} where the client does not use credit. */
    public long creditBytes() {
        return creditBytes;
    }

    /** Whether events wait for nothing but credit. */
    public boolean lacksCredit() {
        return usesCredit && creditBytes <= 0 && queuedBytes > laneBytes[URGENT];
    }

    /** Whether the socket took less than it was given, the last time. */
    public boolean isCongested() {
        return !sink.isWritable();
    }

    // ---- offers

    /**
     * Queues a frame that is not about a topic's events.
     *
     * @param frame given, whatever is returned.
     */
    public Offer offerAnswer(ByteBuf frame) {
        int bytes = frame.readableBytes();
        if (isClosed || answerBytes + bytes > config.limitBytes()) {
            frame.release();
            return Offer.FULL;
        }
        answers.addLast(frame);
        answerBytes += bytes;
        return Offer.QUEUED;
    }

    /**
     * Queues a run of events of a live feed behind its others. Never blocks. Where it does not fit, lower lanes make room; where that is not enough, the feed falls behind.
     *
     * @param priority the highest among the events.
     * @param memory borrowed; retained by this outbox only when QUEUED is returned.
     * @param from index of the first frame's first byte, {@code to} behind the last one's last.
     * @param count events in it.
     * @param expiresAtUs when the first of them expires.
     */
    public Offer offer(Feed feed, Priority priority, ByteBuf memory, int from, int to, int count, long expiresAtUs) {
        return offer(feed, priority, memory, from, to, count, expiresAtUs, 0);
    }

    /**
     * Queues the compressed form of a run likewise: one BATCH, which is sent whole or read again as single events. What of it has expired by then is left to the client.
     *
     * @param firstOffset of its first event, above 0.
     */
    public Offer offerBatch(
            Feed feed, Priority priority, ByteBuf memory, int from, int to, int count, long firstOffset) {
        return offer(feed, priority, memory, from, to, count, Long.MAX_VALUE, firstOffset);
    }

    private Offer offer(
            Feed feed,
            Priority priority,
            ByteBuf memory,
            int from,
            int to,
            int count,
            long expiresAtUs,
            long batchOffset) {
        int lane = laneOf(priority);
        if (isClosed) {
            return Offer.FULL;
        }
        boolean hasRoom = makeRoom(lane, to - from);
        if (!feed.isLive()) {
            // Its own runs of a lower lane had to make room: this one is read again behind them.
            return Offer.FULL;
        }
        if (!hasRoom) {
            fallBehind(feed, batchOffset > 0 ? batchOffset : firstOffset(memory, from));
            return Offer.FULL;
        }
        enqueue(feed, lane, memory, from, to, count, expiresAtUs, batchOffset);
        return Offer.QUEUED;
    }

    private int laneOf(Priority priority) {
        return config.lanes() ? priority.code() : LANE_OF_ALL;
    }

    private void enqueue(
            Feed feed, int lane, ByteBuf memory, int from, int to, int count, long expiresAtUs, long batchOffset) {
        QueuedRun last = feed.last;
        if (last != null) {
            if (last.lane < lane) {
                lift(feed, lane);
            }
            if (last.lane == lane && last.memory == memory && last.to == from && batchOffset == 0) {
                last.to = to;
                last.count += count;
                last.expiresAtUs = Math.min(last.expiresAtUs, expiresAtUs);
                queuedBytes += to - from;
                laneBytes[lane] += to - from;
                return;
            }
        }
        QueuedRun run = pool.take();
        run.memory = memory.retain();
        run.from = from;
        run.to = to;
        run.count = count;
        run.position = batchOffset;
        run.expiresAtUs = expiresAtUs;
        run.queuedNs = clock.nowNs();
        append(feed, lane, run);
    }

    private void append(Feed feed, int lane, QueuedRun run) {
        run.feed = feed;
        run.previousOfFeed = feed.last;
        if (feed.last == null) {
            feed.first = run;
        } else {
            feed.last.nextOfFeed = run;
        }
        feed.last = run;
        queuedBytes += run.bytes();
        addToLane(lane, run);
    }

    private void addToLane(int lane, QueuedRun run) {
        run.lane = lane;
        QueuedRun last = tails[lane];
        run.previous = last;
        run.next = null;
        if (last == null) {
            heads[lane] = run;
        } else {
            last.next = run;
        }
        tails[lane] = run;
        laneBytes[lane] += run.bytes();
    }

    private void takeFromLane(QueuedRun run) {
        QueuedRun before = run.previous;
        QueuedRun behind = run.next;
        if (before == null) {
            heads[run.lane] = behind;
        } else {
            before.next = behind;
        }
        if (behind == null) {
            tails[run.lane] = before;
        } else {
            behind.previous = before;
        }
        run.previous = null;
        run.next = null;
        laneBytes[run.lane] -= run.bytes();
    }

    private void takeFromFeed(QueuedRun run) {
        Feed feed = run.feed;
        if (feed == null) {
            return;
        }
        QueuedRun before = run.previousOfFeed;
        QueuedRun behind = run.nextOfFeed;
        if (before == null) {
            feed.first = behind;
        } else {
            before.nextOfFeed = behind;
        }
        if (behind == null) {
            feed.last = before;
        } else {
            behind.previousOfFeed = before;
        }
        run.previousOfFeed = null;
        run.nextOfFeed = null;
    }

    /** What waits of the feed below a lane joins it there: an event raised to that lane comes behind it. */
    private void lift(Feed feed, int lane) {
        QueuedRun run = feed.last;
        while (run != null && run.previousOfFeed != null && run.previousOfFeed.lane < lane) {
            run = run.previousOfFeed;
        }
        while (run != null && run.lane < lane) {
            takeFromLane(run);
            addToLane(lane, run);
            run = run.nextOfFeed;
        }
    }

    // ---- room

    private int capBytes(int lane) {
        return lane == URGENT ? config.limitBytes() : config.limitBytes() - config.urgentReserveBytes();
    }

    private int floorBytes() {
        return (config.limitBytes() - config.urgentReserveBytes()) / FLOOR_PART;
    }

    private boolean makeRoom(int lane, int bytes) {
        if (fits(lane, bytes)) {
            return true;
        }
        int floorBytes = lane == URGENT ? 0 : floorBytes();
        for (int lower = 0; lower < lane; lower++) {
            QueuedRun run;
            while (laneBytes[lower] > floorBytes && (run = tails[lower]) != null) {
                evict(run);
                if (fits(lane, bytes)) {
                    return true;
                }
            }
        }
        return false;
    }

    private boolean fits(int lane, int bytes) {
        long taken = queuedBytes + bytes;
        Backlog behind = backlog;
        if (behind != null && lane < URGENT) {
            taken += behind.promisedBytes(lane, laneBytes, floorBytes());
        }
        return taken <= capBytes(lane);
    }

    /** Takes a run back, and what is queued of its feed behind it: it will be read again. */
    private void evict(QueuedRun run) {
        Feed feed = run.feed;
        if (feed == null) {
            throw new IllegalStateException("a queued run without a feed");
        }
        long offset = run.firstOffset();
        QueuedRun last;
        do {
            last = feed.last;
            if (last == null) {
                throw new IllegalStateException("a queued run that is not in its feed's row");
            }
            metrics.add(EVICTED[Math.min(last.lane, EVICTED.length - 1)], last.count);
            takeBack(feed, last);
        } while (last != run);
        fallBehind(feed, offset);
    }

    /** Drops the feed's last run, which was not sent. */
    private void takeBack(Feed feed, QueuedRun run) {
        if (run.count == 0) {
            int type = FrameHeader.type(run.memory, run.from);
            if (type == FrameType.GAP.code() && FlowFrames.isFillComing(run.memory, run.from)) {
                // What it says will follow follows without word.
                feed.healEnd = 0;
            } else if (type == FrameType.GAP_CLOSED.code()) {
                // To be said again, with the answer to the next question.
                feed.healFrom = FlowFrames.first(run.memory, run.from);
                feed.healEnd = FlowFrames.last(run.memory, run.from) + 1;
            } else if (type == FrameType.PROGRESS.code()) {
                feed.owesStateEnd = true;
            }
        }
        drop(run);
    }

    /** Of an EVENT, a GAP and a PROGRESS alike. */
    static long firstOffset(ByteBuf memory, int at) {
        return memory.getLongLE(at + EventFrame.OFFSET_AT);
    }

    private Backlog backlog() {
        Backlog known = backlog;
        if (known == null) {
            known = new Backlog();
            backlog = known;
        }
        return known;
    }

    /** From an offset on, the feed's events are to be read from its topic's replay window. */
    public void fallBehind(Feed feed, long offset) {
        if (isClosed) {
            return;
        }
        if (feed.state == Feed.State.SHED) {
            // The word of what was shed was taken back: it will be said at the end of the quarantine.
            feed.nextOffset = Math.min(feed.nextOffset, offset);
            return;
        }
        if (feed.state == Feed.State.LIVE) {
            metrics.add(Counter.SUBSCRIPTIONS_BEHIND, 1);
            overrunCount += behindCount() == 0 ? 1 : 0;
        }
        feed.knownEnd = Math.max(feed.knownEnd, feed.nextOffset);
        feed.nextOffset = offset;
        backlog().add(feed, Priority.ofCode(laneOf(feed.lane())));
    }

    /**
     * Has a live feed of which nothing waits send again from an offset on, in order; what is no longer kept of it does not come, and nothing is said: the subscriber had it, or was told.
     *
     * @return false for one that waits for its socket or reads already: nothing has changed.
     */
    public boolean rewind(Feed feed, long offset) {
        if (isClosed || !feed.isLive() || feed.isQueued() || offset >= feed.nextOffset) {
            return false;
        }
        feed.rewoundEnd = Math.max(feed.rewoundEnd, feed.nextOffset);
        // It is not slow: neither counters nor the ladder are to take it for that.
        feed.knownEnd = Math.max(feed.knownEnd, feed.nextOffset);
        feed.nextOffset = offset;
        backlog().add(feed, Priority.ofCode(laneOf(feed.lane())));
        return true;
    }

    /**
     * Has a feed begin with the snapshot of a state topic; a PROGRESS stands at its end.
     *
     * @param end above the offsets in it: events follow from there on.
     */
    public void beginState(Feed feed, long end) {
        if (!isClosed) {
            feed.stateEnd = end;
            feed.owesStateEnd = true;
            fallBehind(feed, 1);
        }
    }

    /**
     * A run went by of a feed that is not live.
     *
     * @param priority the highest among its events.
     */
    public void onPassedBy(Feed feed, long lastOffset, Priority priority) {
        feed.knownEnd = lastOffset + 1;
        int lane = laneOf(priority);
        if (feed.state == Feed.State.BEHIND && lane > feed.readLane.code()) {
            backlog().lift(feed, Priority.ofCode(lane), lastOffset + 1);
            if (feed.last != null && feed.last.lane < lane) {
                lift(feed, lane);
            }
        }
    }

    // ---- reading again

    /** Asks for what feeds that are behind want to read, as far as there is room in their lanes. */
    private void refill() {
        Backlog behind = backlog;
        if (behind == null || !behind.isWanting() || isHeldBack) {
            return;
        }
        if (isParked && !isCongested() && (!usesCredit || creditBytes > 0)) {
            isParked = false;
        }
        int floorBytes = floorBytes();
        int readBytes = Math.min(READ_BYTES_MAX, floorBytes);
        // URGENT is never parked.
        int lowest = isParked ? URGENT : 0;
        for (int lane = Priority.COUNT - 1; lane >= lowest; lane--) {
            while (behind.isWanting(lane) && mayRead(behind, lane, readBytes, floorBytes)) {
                Feed feed = behind.ask(lane, readBytes);
                owner.onRoom(feed, readBytes);
            }
        }
    }

    private boolean mayRead(Backlog behind, int lane, int readBytes, int floorBytes) {
        long has = laneBytes[lane] + behind.askedBytes(lane);
        if (lane == URGENT) {
            return has == 0 || has + readBytes <= Math.max(config.urgentReserveBytes(), readBytes);
        }
        long taken = queuedBytes + behind.askedBytes() + readBytes;
        if (has + readBytes <= floorBytes) {
            return taken <= config.limitBytes();
        }
        int capBytes = capBytes(lane);
        return has + readBytes <= capBytes / behind.laneCount(laneBytes) && taken <= capBytes;
    }

    /**
     * The answer to {@link Owner#onRoom} begins.
     *
     * @param firstAvailable the first offset that is kept: what the feed still wanted before it is missing, for this reason.
     * @return false when the client can't be told; its owner is then to be told of the loss.
     */
    public boolean onReadBegin(Feed feed, long firstAvailable, GapReason reason) {
        if (feed.nextOffset < feed.rewoundEnd) {
            feed.nextOffset = Math.max(feed.nextOffset, Math.min(firstAvailable, feed.rewoundEnd));
        }
        if (firstAvailable <= feed.nextOffset) {
            return true;
        }
        if (!owner.knowsGaps()) {
            return false;
        }
        announceGap(feed, feed.nextOffset, firstAvailable - 1, reason);
        feed.nextOffset = firstAvailable;
        return true;
    }

    /**
     * Queues what was read for a feed. It was given room when it was asked for.
     *
     * @param memory borrowed; retained as long as it waits.
     */
    public void offerRead(Feed feed, Priority priority, ByteBuf memory, int from, int to, int count, long expiresAtUs) {
        if (isClosed) {
            return;
        }
        if (queuedBytes > 0 && queuedBytes + (to - from) > config.limitBytes()) {
            // URGENT ones took the room meanwhile.
            fallBehind(feed, firstOffset(memory, from));
            return;
        }
        // What stands behind the raised event it was lifted for is read in the topic's own lane again.
        Priority readLane = firstOffset(memory, from) < feed.liftedEnd ? feed.readLane : laneBelowUrgent(feed);
        int lane = Math.max(laneOf(priority), laneOf(readLane));
        enqueue(feed, lane, memory, from, to, count, expiresAtUs, 0);
    }

    /** The lane of the topic's channel for events that are not URGENT themselves: those of an URGENT channel need credit like all others. */
    private static Priority laneBelowUrgent(Feed feed) {
        return feed.lane() == Priority.URGENT ? Priority.HIGH : feed.lane();
    }

    /**
     * The answer ends.
     *
     * @param next the offset to read on from.
     * @param isTail whether that is the topic's next one, so that runs follow on from here.
     */
    public void onReadEnd(Feed feed, long next, boolean isTail) {
        if (isClosed) {
            return;
        }
        feed.advanceTo(next);
        if (feed.healEnd > 0 && next >= feed.healEnd) {
            ByteBuf frame = Unpooled.buffer(FrameHeader.LENGTH + FlowFrames.GAP_CLOSED_BODY_BYTES);
            FlowFrames.writeGapClosed(frame, feed.handle(), feed.healFrom, feed.healEnd - 1);
            announce(feed, frame, next);
            feed.healEnd = 0;
        }
        if (feed.owesStateEnd && next >= feed.stateEnd) {
            ByteBuf frame = Unpooled.buffer(FrameHeader.LENGTH + FlowFrames.ONE_NUMBER_BODY_BYTES);
            FlowFrames.writeOneNumber(frame, FrameType.PROGRESS, feed.handle(), feed.stateEnd - 1);
            announce(feed, frame, next);
            feed.owesStateEnd = false;
        }
        backlog().onAnswer(feed, Priority.ofCode(laneOf(feed.lane())), isTail);
    }

    // ---- the ladder

    /** Sends nothing of the feed from here on, until {@link #restore}; what waited and was not sent is announced as shed. */
    public void shed(Feed feed) {
        if (isClosed || feed.state == Feed.State.SHED) {
            return;
        }
        takeBack(feed);
        backlog().remove(feed);
        feed.state = Feed.State.SHED;
        feed.healEnd = 0;
        feed.owesStateEnd = false;
        shedCount++;
        announceShed(feed);
    }

    /** The feed is live again; what passed it by is announced as shed. */
    public void restore(Feed feed) {
        if (isClosed || feed.state != Feed.State.SHED) {
            return;
        }
        announceShed(feed);
        feed.state = Feed.State.LIVE;
        shedCount--;
    }

    private void announceShed(Feed feed) {
        if (feed.knownEnd > feed.nextOffset) {
            metrics.add(feed.channel(), ChannelCounter.SHED, feed.knownEnd - feed.nextOffset);
            announceGap(feed, feed.nextOffset, feed.knownEnd - 1, GapReason.SHED);
            feed.nextOffset = feed.knownEnd;
        }
    }

    /** Takes back all that waits of a feed. */
    private void takeBack(Feed feed) {
        QueuedRun first = feed.first;
        if (first == null) {
            return;
        }
        feed.knownEnd = Math.max(feed.knownEnd, feed.nextOffset);
        feed.nextOffset = first.firstOffset();
        QueuedRun run;
        while ((run = feed.last) != null) {
            takeBack(feed, run);
        }
    }

    /** Says of a feed that is behind that what it misses will follow, up to what is known of its topic now. */
    public void announceFill(Feed feed) {
        if (isClosed || feed.state != Feed.State.BEHIND || feed.healEnd > 0 || feed.knownEnd <= feed.nextOffset) {
            return;
        }
        feed.healFrom = feed.nextOffset;
        feed.healEnd = feed.knownEnd;
        ByteBuf frame = Unpooled.buffer(FrameHeader.LENGTH + FlowFrames.GAP_BODY_BYTES);
        FlowFrames.writeGap(frame, feed.handle(), feed.healFrom, feed.healEnd - 1, GapReason.OVERRUN.code(), true);
        metrics.add(Counter.GAPS_SENT, 1);
        gapCount++;
        announce(feed, frame, feed.healFrom);
    }

    /** Takes back all that waits below URGENT: it stays in the replay windows until the connection takes something again. */
    public void park() {
        if (isClosed) {
            return;
        }
        for (int lane = 0; lane < URGENT; lane++) {
            QueuedRun run;
            while ((run = tails[lane]) != null) {
                evict(run);
            }
        }
        isParked = true;
    }

    /**
     * Puts word of missing events into the feed's row, in their place.
     *
     * @param to included.
     */
    void announceGap(Feed feed, long from, long to, GapReason reason) {
        QueuedRun last = feed.last;
        if (last != null && isGap(last, reason) && FlowFrames.last(last.memory, last.from) == from - 1) {
            last.memory.setLongLE(last.from + EventFrame.OFFSET_AT + Long.BYTES, to);
            return;
        }
        ByteBuf frame = Unpooled.buffer(FrameHeader.LENGTH + FlowFrames.GAP_BODY_BYTES);
        FlowFrames.writeGap(frame, feed.handle(), from, to, reason.code());
        metrics.add(Counter.GAPS_SENT, 1);
        gapCount++;
        announce(feed, frame, from);
    }

    private static boolean isGap(QueuedRun run, GapReason reason) {
        return run.count == 0
                && FrameHeader.type(run.memory, run.from) == FrameType.GAP.code()
                && FlowFrames.gapReason(run.memory, run.from) == reason.code()
                && !FlowFrames.isFillComing(run.memory, run.from);
    }

    /**
     * Queues a frame about a topic's events in its place in the feed's row.
     *
     * @param frame given.
     * @param position offset of the event that comes next behind it: from there the feed reads again if the frame is taken back.
     */
    private void announce(Feed feed, ByteBuf frame, long position) {
        if (isClosed) {
            frame.release();
            return;
        }
        QueuedRun run = pool.take();
        run.memory = frame;
        run.from = frame.readerIndex();
        run.to = frame.writerIndex();
        run.count = 0;
        run.position = position;
        run.expiresAtUs = Long.MAX_VALUE;
        run.queuedNs = clock.nowNs();
        int lane = feed.last == null ? laneOf(feed.lane()) : feed.last.lane;
        append(feed, lane, run);
    }

    // ---- to the socket

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
        refill();
        return answers.isEmpty() && (queuedBytes == 0 || isHeldBack);
    }

    /** Fewer and larger writes while the socket takes all it is given: at fan-out of 1 KiB events a tenth more. */
    private boolean hasRoom() {
        return sink.isWritable() || (!isCongested && unflushedBytes < config.freeBurstBytes());
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
        if (heads[URGENT] != null) {
            return URGENT;
        }
        if (queuedBytes == 0 || (usesCredit && creditBytes <= 0)) {
            return -1;
        }
        while (true) {
            for (int lane = URGENT - 1; lane >= 0; lane--) {
                if (heads[lane] != null && deficitBytes[lane] > 0) {
                    return laneOfFirst(lane);
                }
            }
            for (int lane = 0; lane < URGENT; lane++) {
                deficitBytes[lane] = heads[lane] == null ? 0 : deficitBytes[lane] + QUANTUM_BYTES[lane];
            }
        }
    }

    /** Where what stands before a lane's head in its topic was lifted, that goes first. */
    private int laneOfFirst(int lane) {
        int chosen = lane;
        while (true) {
            QueuedRun run = heads[chosen];
            Feed feed = run == null ? null : run.feed;
            if (feed == null || feed.first == null || feed.first == run) {
                return chosen;
            }
            chosen = feed.first.lane;
        }
    }

    private void writeHead(int lane) {
        QueuedRun run = heads[lane];
        if (run == null) {
            return;
        }
        QueuedRun out = usesCredit ? takeAgainstCredit(run) : run;
        if (out == run) {
            takeFromLane(run);
            takeFromFeed(run);
        }
        int bytes = out.bytes();
        queuedBytes -= bytes;
        if (lane < URGENT || (laneBytes[URGENT] == queuedBytes && behindCount() == 0)) {
            takenBytes += bytes;
        }
        deficitBytes[lane] -= bytes;
        unflushedBytes += bytes;
        Feed feed = out.feed;
        if (feed != null && feed.written != null && out.count > 0) {
            feed.written.onWritten(out.memory, out.from, out.to, clock.nowUs(), clock.nowNs());
        }
        if (clock.nowUs() < out.expiresAtUs) {
            if (bytes <= COPIED_BYTES_MAX && (isJoining || heads[lane] != null)) {
                isJoining = true;
                sink.writeCopy(out.memory, out.from, bytes);
            } else {
                isJoining = false;
                sink.write(out.memory.retainedSlice(out.from, bytes));
            }
        } else {
            writeUnexpired(out);
        }
        out.memory.release();
        out.next = written;
        written = out;
    }

    /** Takes from the credit what is sent of LOW to HIGH. @return the run, or as much of it as the credit covers; the frame that uses it up is sent whole. */
    private QueuedRun takeAgainstCredit(QueuedRun run) {
        if (run.count == 0) {
            return run;
        }
        // Without lanes URGENT ones are among them, which the client does not grant again: the slow way leaves them
        // out.
        if (config.lanes() && run.lane < URGENT && run.bytes() <= creditBytes) {
            creditBytes -= run.bytes();
            return run;
        }
        int at = run.from;
        int count = 0;
        while (at < run.to && (creditBytes > 0 || run.lane == URGENT)) {
            int frameBytes = FrameHeader.frameBytes(run.memory, at);
            // Lifted ones go with the URGENT one behind them, but against credit.
            if (FrameHeader.priority(run.memory, at) != Priority.URGENT) {
                creditBytes -= frameBytes;
            }
            at += frameBytes;
            count++;
        }
        if (at == run.to) {
            return run;
        }
        QueuedRun part = pool.take();
        part.feed = run.feed;
        part.memory = run.memory.retain();
        part.from = run.from;
        part.to = at;
        part.count = count;
        part.position = 0;
        part.lane = run.lane;
        part.expiresAtUs = run.expiresAtUs;
        part.queuedNs = run.queuedNs;
        laneBytes[run.lane] -= part.bytes();
        run.from = at;
        run.count -= count;
        return part;
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
                if (usesCredit && FrameHeader.priority(run.memory, at) != Priority.URGENT) {
                    creditBytes += frameBytes;
                }
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
        QueuedRun run;
        while ((run = feed.last) != null) {
            drop(run);
        }
        if (feed.state == Feed.State.SHED) {
            feed.state = Feed.State.LIVE;
            shedCount--;
        }
        if (backlog != null) {
            backlog.remove(feed);
        }
    }

    /** Forgets what waits for a feed, which stands before the first event that was not sent; {@link #fallBehind} has it go on from there. */
    public void suspend(Feed feed) {
        long position = feed.firstUnsent();
        QueuedRun run;
        while ((run = feed.last) != null) {
            takeBack(feed, run);
        }
        discard(feed);
        feed.advanceTo(position);
    }

    private void drop(QueuedRun run) {
        takeFromLane(run);
        takeFromFeed(run);
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
            QueuedRun run;
            while ((run = heads[lane]) != null) {
                drop(run);
            }
        }
        backlog = null;
    }
}
