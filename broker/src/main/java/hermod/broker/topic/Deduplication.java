package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import org.agrona.collections.Long2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Which sequences of which producers the topics of one home shard have seen, within a bound of memory.
 *
 * <p>At the bound the producer that was silent longest on any topic is forgotten, at the bound of producers of one topic the one silent longest there; a retry of its would then be taken for new. The
 * counter {@code producers_forgotten} says so. The bounds are set so that it does not happen in ordinary operation.
 */
@RunsOn(Owner.SHARD)
public final class Deduplication {
    private final long limitBytes;
    private final int producersPerTopicLimitCount;
    private long usedBytes;
    private long forgottenCount;

    /** Ends of the list of all windows in the order of their last use, so that the bound holds without a search. */
    private @Nullable SequenceWindow eldest;

    private @Nullable SequenceWindow newest;

    public Deduplication(TopicConfig config) {
        this.limitBytes = config.dedupLimitBytes();
        this.producersPerTopicLimitCount = config.producersPerTopicLimitCount();
    }

    /** @return the offset the sequence got before, {@link SequenceWindow#NEW} (0) or {@link SequenceWindow#TOO_OLD} (−1). */
    public long find(TopicLog log, long producer, long sequence) {
        SequenceWindow window = window(log, producer);
        return window == null ? SequenceWindow.NEW : window.find(sequence);
    }

    private static @Nullable SequenceWindow window(TopicLog log, long producer) {
        SequenceWindow last = log.lastWindow;
        if (last != null && last.producer() == producer) {
            return last;
        }
        SequenceWindow found = log.producers().get(producer);
        log.lastWindow = found;
        return found;
    }

    /** Remembers a sequence that {@link #find} called new. */
    public void put(TopicLog log, long producer, long sequence, long offset, long nowNs) {
        SequenceWindow window = window(log, producer);
        if (window == null) {
            window = add(log, producer);
        }
        if (window != newest) {
            unlink(window);
            linkAsNewest(window);
        }
        long before = window.bytes();
        window.put(sequence, offset, nowNs);
        usedBytes += window.bytes() - before;
        while (usedBytes > limitBytes && eldest != null && eldest != window) {
            forget(eldest);
            forgottenCount++;
        }
    }

    private SequenceWindow add(TopicLog log, long producer) {
        Long2ObjectHashMap<SequenceWindow> producers = log.producers();
        if (producers.size() >= producersPerTopicLimitCount) {
            forgetLongestSilent(producers);
        }
        SequenceWindow window = new SequenceWindow(log, producer);
        producers.put(producer, window);
        log.lastWindow = window;
        usedBytes += SequenceWindow.bytesAtFirst();
        linkAsNewest(window);
        return window;
    }

    private void forgetLongestSilent(Long2ObjectHashMap<SequenceWindow> producers) {
        SequenceWindow longest = null;
        for (SequenceWindow each : producers.values()) {
            if (longest == null || each.usedAtNs() < longest.usedAtNs()) {
                longest = each;
            }
        }
        if (longest != null) {
            forget(longest);
            forgottenCount++;
        }
    }

    private void forget(SequenceWindow window) {
        unlink(window);
        TopicLog topic = window.topic();
        topic.producers().remove(window.producer());
        if (topic.lastWindow == window) {
            topic.lastWindow = null;
        }
        usedBytes -= window.bytes();
    }

    private void linkAsNewest(SequenceWindow window) {
        window.older = newest;
        if (newest == null) {
            eldest = window;
        } else {
            newest.newer = window;
        }
        newest = window;
    }

    private void unlink(SequenceWindow window) {
        SequenceWindow older = window.older;
        SequenceWindow newer = window.newer;
        if (older == null) {
            eldest = newer;
        } else {
            older.newer = newer;
        }
        if (newer == null) {
            newest = older;
        } else {
            newer.older = older;
        }
        window.older = null;
        window.newer = null;
    }

    /** A topic is gone, and its producers with it. */
    void forget(TopicLog log) {
        for (SequenceWindow window : log.producers().values()) {
            unlink(window);
            usedBytes -= window.bytes();
        }
        log.producers().clear();
        log.lastWindow = null;
    }

    public long usedBytes() {
        return usedBytes;
    }

    /** Producers forgotten before their topic was. */
    public long forgottenCount() {
        return forgottenCount;
    }
}
