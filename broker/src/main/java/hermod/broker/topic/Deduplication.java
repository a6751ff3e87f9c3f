package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import org.agrona.collections.Long2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Which sequences of which producers the topics of one home shard have seen, within a bound of memory.
 *
 * <p>At the bound the producer that was silent longest on any topic is forgotten, or one silent nearly as long, at the bound of producers of one topic the one silent longest there; a retry of its would then be taken for new. The
 * counter {@code producers_forgotten} says so. The bounds are set so that it does not happen in ordinary operation.
 */
@RunsOn(Owner.SHARD)
public final class Deduplication {
    /** Windows looked at for each one forgotten: a full table must not stop its shard. */
    private static final int SECOND_CHANCES_MAX = 64;

    private final long limitBytes;
    private final int producersPerTopicLimitCount;
    private long usedBytes;
    private long forgottenCount;

    /** Ends of the list of all windows, about in the order of their last use. */
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
            window = add(log, producer, nowNs);
        }
        long before = window.bytes();
        window.put(sequence, offset, nowNs);
        usedBytes += window.bytes() - before;
        while (usedBytes > limitBytes && forgetLongestSilentBut(window)) {
            forgottenCount++;
        }
    }

    /** Whether the topic remembers the producer. */
    public boolean knows(TopicLog log, long producer) {
        return window(log, producer) != null;
    }

    /** Begins to remember a producer, with what the store has of it; no sequence need be there. */
    public void recall(TopicLog log, long producer, long[] sequences, long[] offsets, long nowNs) {
        if (window(log, producer) == null) {
            add(log, producer, nowNs);
        }
        for (int i = 0; i < sequences.length; i++) {
            if (find(log, producer, sequences[i]) == SequenceWindow.NEW) {
                put(log, producer, sequences[i], offsets[i], nowNs);
            }
        }
    }

    /** Takes a sequence back whose event was not stored. */
    public void takeBack(TopicLog log, long producer, long sequence) {
        SequenceWindow window = window(log, producer);
        if (window != null) {
            window.forget(sequence);
        }
    }

    /**
     * Forgets the window that was used longest ago, about: a use only notes its time, so that an event need not touch the neighbours' memory, and whoever is first here and was used since it came to its place gets a second
     * chance, as in the clock algorithm for memory pages.
     *
     * @return false if there is no other than {@code kept}.
     */
    private boolean forgetLongestSilentBut(SequenceWindow kept) {
        SequenceWindow first = eldest;
        for (int i = 0; i < SECOND_CHANCES_MAX && first != null && first.usedAtNs() > first.linkedAtNs; i++) {
            unlink(first);
            linkAsNewest(first, first.usedAtNs());
            first = eldest;
        }
        if (first == kept) {
            first = kept.newer;
        }
        if (first == null) {
            return false;
        }
        forget(first);
        return true;
    }

    private SequenceWindow add(TopicLog log, long producer, long nowNs) {
        Long2ObjectHashMap<SequenceWindow> producers = log.producers();
        if (producers.size() >= producersPerTopicLimitCount) {
            forgetLongestSilent(producers);
        }
        SequenceWindow window = new SequenceWindow(log, producer);
        producers.put(producer, window);
        log.lastWindow = window;
        usedBytes += SequenceWindow.bytesAtFirst();
        linkAsNewest(window, nowNs);
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

    private void linkAsNewest(SequenceWindow window, long nowNs) {
        window.linkedAtNs = nowNs;
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
