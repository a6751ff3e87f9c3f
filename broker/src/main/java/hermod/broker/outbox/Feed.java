package hermod.broker.outbox;

import hermod.broker.filter.FeedFilter;
import hermod.protocol.Priority;
import org.jspecify.annotations.Nullable;

/**
 * One topic's way into one outbox: what fan-out needs to know of a subscription, and the run that may still be extended.
 */
public final class Feed {
    private final Outbox outbox;
    private final int handle;
    private final int channel;
    private final Priority lane;
    private final long device;
    private @Nullable FeedFilter filter;

    /** The first offset not yet queued or passed over. */
    private long nextOffset;

    /** The feed's last run that is still queued; null when there is none. */
    @Nullable
    QueuedRun tail;

    /**
     * @param handle the topic's.
     * @param channel index of the topic's channel, for metrics.
     * @param lane of the topic's channel: all events of a topic queue in one lane, so their order is kept.
     * @param device the subscriber's, for events that leave it out.
     * @param nextOffset the first one it is to get.
     */
    public Feed(Outbox outbox, int handle, int channel, Priority lane, long device, long nextOffset) {
        this.outbox = outbox;
        this.handle = handle;
        this.nextOffset = nextOffset;
        this.channel = channel;
        this.lane = lane;
        this.device = device;
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

    Priority lane() {
        return lane;
    }

    public long device() {
        return device;
    }

    /** Null where all events are wanted. */
    public @Nullable FeedFilter filter() {
        return filter;
    }

    public void filter(@Nullable FeedFilter wanted) {
        filter = wanted;
    }

    /** The first offset not yet queued or passed over. */
    public long nextOffset() {
        return nextOffset;
    }

    /** All below {@code next} was queued, or was not meant for it. */
    public void advanceTo(long next) {
        nextOffset = next;
    }

    /** Whether something of it waits. */
    public boolean isQueued() {
        return tail != null;
    }

    /** The first offset that waits, or {@link #nextOffset} where nothing does: all below was written to the socket or is not meant for the subscriber. */
    public long firstUnsent() {
        return tail == null ? nextOffset : outbox.firstQueued(this);
    }
}
