package hermod.broker.outbox;

import hermod.protocol.Priority;
import org.jspecify.annotations.Nullable;

/**
 * One topic's way into one outbox: what fan-out needs to know of a subscription, and the run that may still be extended.
 */
public final class Feed {
    private final Outbox outbox;
    private final int channel;
    private final Priority lane;
    private final long device;
    private final boolean takesBatches;

    /** The feed's last run that is still queued; null when there is none. */
    @Nullable
    QueuedRun tail;

    /**
     * @param channel index of the topic's channel, for metrics.
     * @param lane of the topic's channel: all events of a topic queue in one lane, so their order is kept.
     * @param device the subscriber's, for events that leave it out.
     */
    public Feed(Outbox outbox, int channel, Priority lane, long device) {
        this(outbox, channel, lane, device, false);
    }

    /** @param takesBatches whether the subscriber agreed to LZ4. */
    public Feed(Outbox outbox, int channel, Priority lane, long device, boolean takesBatches) {
        this.outbox = outbox;
        this.channel = channel;
        this.lane = lane;
        this.device = device;
        this.takesBatches = takesBatches;
    }

    public Outbox outbox() {
        return outbox;
    }

    /** Whether it may be sent the compressed form of a run. */
    public boolean takesBatches() {
        return takesBatches;
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
}
