package hermod.client;

/**
 * Handles the events of a channel for a group: see {@link HermodClient#consume}.
 *
 * <p>Called on threads of the consumer's own, which may be blocked: for one topic one event after the other, for different topics as many at a time as {@link ConsumeOptions#parallelism} says.
 */
@FunctionalInterface
public interface ChannelHandler {
    /**
     * Returning settles the event: the group does not get it again. Throwing releases it: after a while, which grows from 1 s to 60 s with its attempts, it comes again, to this member or another, and what follows of its topic waits until then. What is thrown is counted and logged as a listener's fault.
     *
     * @throws Exception where the event could not be handled.
     */
    void onEvent(ChannelEvent event) throws Exception;

    /**
     * The group should have had these positions (both included), and they are no longer kept: it was away too long. Told once, to one member, beside other calls.
     */
    default void onLost(String channel, long fromPosition, long toPosition) {}

    /**
     * The membership is over, and not because this application has ended it: {@link HermodException#TAKEN_OVER}, {@link HermodException#GROUP_DELETED}, or the broker's refusal, such as {@code FORBIDDEN}. Calls that run are not waited for.
     */
    default void onEnded(String channel, HermodException why) {}
}
