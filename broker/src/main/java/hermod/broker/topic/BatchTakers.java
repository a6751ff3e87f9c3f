package hermod.broker.topic;

import java.util.concurrent.atomic.AtomicIntegerArray;

/** How many subscriptions of each channel take compressed batches, over all shards: without one nothing is compressed. Any thread. */
public final class BatchTakers {
    private final AtomicIntegerArray byChannel;

    public BatchTakers(int channelCount) {
        byChannel = new AtomicIntegerArray(channelCount);
    }

    void count(int channel, int change) {
        byChannel.addAndGet(channel, change);
    }

    boolean hasAny(int channel) {
        return byChannel.get(channel) > 0;
    }
}
