package hermod.broker.topic;

import hermod.protocol.ProtocolLimits;
import org.jspecify.annotations.Nullable;

/**
 * The last sequences of one producer on one topic with the offsets they got: section 6.3 of the protocol.
 *
 * <p>A table indexed by the sequence's low bits. It grows, up to {@link ProtocolLimits#SEQUENCE_WINDOW}, whenever two sequences of the window would share a slot, so a producer that sends little costs little. The home shard's.
 */
final class SequenceWindow {
    /** The windows of one home shard used just before and just after this one; {@link Deduplication}'s. */
    @Nullable
    SequenceWindow older;

    @Nullable
    SequenceWindow newer;

    /** What {@link #find} returns for a sequence that was not seen. */
    static final long NEW = 0;

    /** What {@link #find} returns for a sequence further back than the window. */
    static final long TOO_OLD = -1;

    private static final int FIRST_CAPACITY = 8;

    private final TopicLog topic;
    private final long producer;
    private long[] sequences = new long[FIRST_CAPACITY];
    private long[] offsets = new long[FIRST_CAPACITY];
    private long highest;
    private long usedAtNs;

    /** When it was put at its place among the windows; {@link Deduplication}'s. */
    long linkedAtNs;

    /** @param topic where it is found under its producer. */
    SequenceWindow(TopicLog topic, long producer) {
        this.topic = topic;
        this.producer = producer;
    }

    TopicLog topic() {
        return topic;
    }

    long producer() {
        return producer;
    }

    /** @return the offset the sequence got (from 1), {@link #NEW} or {@link #TOO_OLD}. */
    long find(long sequence) {
        if (sequence > highest) {
            return NEW;
        }
        if (highest - sequence >= ProtocolLimits.SEQUENCE_WINDOW) {
            return TOO_OLD;
        }
        int slot = slot(sequence);
        return sequences[slot] == sequence ? offsets[slot] : NEW;
    }

    /** Remembers a sequence that {@link #find} called new. */
    void put(long sequence, long offset, long nowNs) {
        usedAtNs = nowNs;
        highest = Math.max(highest, sequence);
        int slot = slot(sequence);
        while (sequences.length < ProtocolLimits.SEQUENCE_WINDOW
                && sequences[slot] != 0
                && highest - sequences[slot] < ProtocolLimits.SEQUENCE_WINDOW) {
            grow();
            slot = slot(sequence);
        }
        sequences[slot] = sequence;
        offsets[slot] = offset;
    }

    /** Takes a sequence back: its event was not stored, so the same one may come again. */
    void forget(long sequence) {
        int slot = slot(sequence);
        if (sequences[slot] == sequence) {
            sequences[slot] = 0;
            offsets[slot] = 0;
        }
    }

    long usedAtNs() {
        return usedAtNs;
    }

    /** Memory it takes, about. */
    long bytes() {
        return 80L + 16L * sequences.length;
    }

    static long bytesAtFirst() {
        return 80L + 16L * FIRST_CAPACITY;
    }

    private int slot(long sequence) {
        return (int) sequence & (sequences.length - 1);
    }

    private void grow() {
        long[] oldSequences = sequences;
        long[] oldOffsets = offsets;
        sequences = new long[oldSequences.length * 2];
        offsets = new long[oldSequences.length * 2];
        for (int i = 0; i < oldSequences.length; i++) {
            if (oldSequences[i] != 0 && highest - oldSequences[i] < ProtocolLimits.SEQUENCE_WINDOW) {
                int slot = slot(oldSequences[i]);
                sequences[slot] = oldSequences[i];
                offsets[slot] = oldOffsets[i];
            }
        }
    }
}
