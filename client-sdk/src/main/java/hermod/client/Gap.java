package hermod.client;

/**
 * Events of a topic that are not coming now. Not every offset in the range needs to have been an event for this client. Immutable.
 *
 * @param epoch in which the offsets count; where the reason is {@link GapReason#EPOCH_CHANGED} the one that has ended.
 * @param fromOffset first missing offset.
 * @param toOffset last missing offset, or {@link EventListener#UNKNOWN_OFFSET}.
 * @param isFillComing whether the broker sends the missing events next, before any later one, and then says that the gap is closed.
 */
public record Gap(String topic, int epoch, long fromOffset, long toOffset, GapReason reason, boolean isFillComing) {
    /** At most so many events are missing; 0 where that is not known or they are still to come. */
    public long missedAtMost() {
        return isFillComing || toOffset == EventListener.UNKNOWN_OFFSET ? 0 : toOffset - fromOffset + 1;
    }
}
