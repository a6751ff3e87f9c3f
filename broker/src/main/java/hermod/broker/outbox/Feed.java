package hermod.broker.outbox;

import hermod.broker.filter.FeedFilter;
import hermod.broker.shard.RunsOn;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/**
 * One topic's way into one outbox: where its subscriber stands in the topic, and its runs that wait.
 *
 * <pre>
 *   LIVE ──a run does not fit, is evicted, or was overrun──▶ BEHIND ──read up to the tail──▶ LIVE
 *     └──────────────── shed by the ladder ────────────────▶ SHED ──────────────────────────┘
 * </pre>
 *
 * <p>While it is not LIVE, new runs pass it by: it reads on from the topic's replay window, at its own pace.
 */
@RunsOn(RunsOn.Owner.SHARD)
public final class Feed {
    enum State {
        LIVE,
        BEHIND,
        SHED
    }

    /** Told of what of a feed was given to the socket. */
    public interface Written {
        /**
         * @param memory borrowed; whole EVENT frames from {@code from} to {@code to}. Those that have expired by {@code nowUs} were left out.
         */
        void onWritten(ByteBuf memory, int from, int to, long nowUs, long nowNs);
    }

    private final Outbox outbox;
    private final int handle;
    private final int channel;
    private final Priority lane;
    private final long device;
    private final boolean takesBatches;
    private @Nullable FeedFilter filter;

    /** Null mostly: only where it matters what was sent. */
    @Nullable
    Written written;

    State state = State.LIVE;

    /** The first offset not yet queued, filtered out or announced as missing. */
    long nextOffset;

    /** Behind the last event that is known to be in the topic. */
    long knownEnd;

    /** Waiting runs in the order of their offsets; the lanes they are in never rise from the first to the last. */
    @Nullable
    QueuedRun first;

    @Nullable
    QueuedRun last;

    /** Of the lane it reads in while it is behind: the channel's, or that of a raised event until it has been read. */
    Priority readLane;

    /** Behind the last raised event it has not read. */
    long liftedEnd;

    /** What a GAP said will follow: from its first offset to behind its last; {@code healEnd} is 0 where none did. */
    long healFrom;

    long healEnd;

    /** Behind the snapshot that it begins with: up to here it reads that. 0 for none. */
    long stateEnd;

    /** Whether the end of the snapshot is to be told. */
    boolean owesStateEnd;

    /** Behind what was sent, or announced as missing, when it was last rewound. */
    long rewoundEnd;

    /** Bytes asked for and not answered; 0 when none. */
    int readBytes;

    /** Tells an answer from one to an earlier question. */
    int readNumber;

    /** Whether it waits in its outbox's list of feeds that want to read. */
    boolean wantsRead;

    /**
     * @param handle the topic's.
     * @param channel index of the topic's channel, for metrics.
     * @param lane of the topic's channel, in which it reads when it is behind.
     * @param device the subscriber's, for events that leave it out.
     * @param nextOffset the first one it is to get.
     */
    public Feed(Outbox outbox, int handle, int channel, Priority lane, long device, long nextOffset) {
        this(outbox, handle, channel, lane, device, nextOffset, false);
    }

    /** @param takesBatches whether the subscriber agreed to LZ4. */
    public Feed(
            Outbox outbox, int handle, int channel, Priority lane, long device, long nextOffset, boolean takesBatches) {
        this.outbox = outbox;
        this.handle = handle;
        this.channel = channel;
        this.lane = lane;
        this.device = device;
        this.takesBatches = takesBatches;
        this.nextOffset = nextOffset;
        this.knownEnd = nextOffset;
        this.readLane = lane;
    }

    public Outbox outbox() {
        return outbox;
    }

    /** From here on this one is told of what is written; not for a feed that takes batches. */
    public void onWritten(Written told) {
        written = told;
    }

    /** Whether it may be sent the compressed form of a run. */
    public boolean takesBatches() {
        return takesBatches;
    }

    /** Whether the home may leave out superfluous events where the channel conflates: it knows nothing of what the subscriber does not want anyway. */
    public boolean mayBeConflated() {
        return filter == null;
    }

    /** The topic's handle. */
    public int handle() {
        return handle;
    }

    public int channel() {
        return channel;
    }

    public Priority lane() {
        return lane;
    }

    public long device() {
        return device;
    }

    /** Whether runs are to be offered as they come. */
    public boolean isLive() {
        return state == State.LIVE;
    }

    /** Null where all events are wanted. */
    public @Nullable FeedFilter filter() {
        return filter;
    }

    public void filter(@Nullable FeedFilter wanted) {
        filter = wanted;
        if (readBytes > 0) {
            // What is being read was asked for without this filter, and perhaps conflated: it is asked again.
            outbox.fallBehind(this, nextOffset);
        }
    }

    /** The first offset not yet queued, filtered out or announced as missing: where the subscriber stands. */
    public long nextOffset() {
        return nextOffset;
    }

    /** Up to which offset it reads a snapshot and not the events; 0 where it reads events. */
    public long stateEnd() {
        return nextOffset < stateEnd ? stateEnd : 0;
    }

    /** All below {@code next} was queued, or was not meant for it. */
    public void advanceTo(long next) {
        nextOffset = next;
        knownEnd = Math.max(knownEnd, next);
    }

    /** Whether something of it waits. */
    public boolean isQueued() {
        return first != null;
    }

    /** The first offset that waits, or {@link #nextOffset} where nothing does: all below was written to the socket or is not meant for the subscriber. */
    public long firstUnsent() {
        return first == null ? nextOffset : first.firstOffset();
    }

    /** The number of the question under way, which its answer repeats. */
    public int readNumber() {
        return readNumber;
    }
}
