package hermod.client;

/**
 * An event of a channel, in a consumer's hands. Immutable.
 *
 * @param position its place in the channel's log: no two alike, and of one topic they rise. It is the same when the event comes again.
 * @param attempt 1 where the broker knows that it was not handed out before, to whomever; more where somebody may have handled it. A broker that was restarted, or whose group was without members for some time, begins at 1 again.
 */
public record ChannelEvent(long position, int attempt, Event event) {
    public String topic() {
        return event.topic();
    }
}
