package hermod.broker.outbox;

import hermod.broker.shard.RunsOn;
import hermod.protocol.Priority;
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

    private final Outbox outbox;
    private final int handle;
    private final int channel;
    private final Priority lane;
    private final long device;

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
        this.outbox = outbox;
        this.handle = handle;
        this.channel = channel;
        this.lane = lane;
        this.device = device;
        this.nextOffset = nextOffset;
        this.knownEnd = nextOffset;
        this.readLane = lane;
    }

    public Outbox outbox() {
        return outbox;
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

    /** The first offset not yet queued, filtered out or announced as missing: where the subscriber stands. */
    public long nextOffset() {
        return nextOffset;
    }

    /** All up to {@code last} was queued, or was not meant for it. */
    public void advanceTo(long next) {
        nextOffset = next;
        knownEnd = Math.max(knownEnd, next);
    }

    /** The number of the question under way, which its answer repeats. */
    public int readNumber() {
        return readNumber;
    }
}
