package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import org.agrona.collections.Long2ObjectHashMap;

/**
 * Which sequences of which producers the topics of one home shard have seen, within a bound of memory.
 *
 * <p>At the bound, or at the bound of producers of one topic, the producer that was silent longest on that topic is forgotten; a retry of its would then be taken for new. The
 * counter {@code producers_forgotten} says so. The bounds are set so that it does not happen in ordinary operation.
 */
@RunsOn(Owner.SHARD)
public final class Deduplication {
    private final long limitBytes;
    private final int producersPerTopicLimitCount;
    private long usedBytes;
    private long forgottenCount;

    public Deduplication(TopicConfig config) {
        this.limitBytes = config.dedupLimitBytes();
        this.producersPerTopicLimitCount = config.producersPerTopicLimitCount();
    }

    /** @return the offset the sequence got before, {@link SequenceWindow#NEW} (0) or {@link SequenceWindow#TOO_OLD} (−1). */
    public long find(TopicLog log, long producer, long sequence) {
        SequenceWindow window = log.producers().get(producer);
        return window == null ? SequenceWindow.NEW : window.find(sequence);
    }

    /** Remembers a sequence that {@link #find} called new. */
    public void put(TopicLog log, long producer, long sequence, long offset, long nowNs) {
        Long2ObjectHashMap<SequenceWindow> producers = log.producers();
        SequenceWindow window = producers.get(producer);
        if (window == null) {
            makeRoom(producers);
            window = new SequenceWindow();
            producers.put(producer, window);
            usedBytes += SequenceWindow.bytesAtFirst();
        }
        long before = window.bytes();
        window.put(sequence, offset, nowNs);
        usedBytes += window.bytes() - before;
    }

    private void makeRoom(Long2ObjectHashMap<SequenceWindow> producers) {
        if (producers.size() >= producersPerTopicLimitCount || (usedBytes >= limitBytes && !producers.isEmpty())) {
            forgetLongestSilent(producers);
        }
    }

    private void forgetLongestSilent(Long2ObjectHashMap<SequenceWindow> producers) {
        long eldest = 0;
        long eldestNs = Long.MAX_VALUE;
        Long2ObjectHashMap<SequenceWindow>.EntryIterator each =
                producers.entrySet().iterator();
        while (each.hasNext()) {
            each.next();
            long usedNs = each.getValue().usedAtNs();
            if (usedNs < eldestNs) {
                eldestNs = usedNs;
                eldest = each.getLongKey();
            }
        }
        SequenceWindow forgotten = producers.remove(eldest);
        if (forgotten != null) {
            usedBytes -= forgotten.bytes();
            forgottenCount++;
        }
    }

    /** A topic is gone, and its producers with it. */
    void forget(TopicLog log) {
        for (SequenceWindow window : log.producers().values()) {
            usedBytes -= window.bytes();
        }
        log.producers().clear();
    }

    public long usedBytes() {
        return usedBytes;
    }

    /** Producers forgotten before their topic was. */
    public long forgottenCount() {
        return forgottenCount;
    }
}
