package hermod.broker.topic;

import hermod.protocol.Priority;

/** Takes what is read from a topic's replay window; {@code dispatch} implements it. */
public interface PieceSink {
    /**
     * @param chunk that holds the events, borrowed.
     * @param from index of the first frame's first byte, {@code to} behind the last one's last.
     * @param firstOffset of the first event.
     * @param count events in it, offsets without a hole.
     * @param priority the highest among them.
     * @param expiresAtUs when the first of them expires; {@code Long.MAX_VALUE} for never.
     * @param hasExclusions whether any of them leaves a device out.
     */
    void onPiece(
            Chunk chunk,
            int from,
            int to,
            long firstOffset,
            int count,
            Priority priority,
            long expiresAtUs,
            boolean hasExclusions);
}
