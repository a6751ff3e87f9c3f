package hermod.client;

/**
 * Takes the events of the topics it is subscribed to.
 *
 * <p>Called on a handler thread: one event of a topic at a time, in the topic's order; events of different topics may come at the same time. It may block,
 * at the price of delaying other topics. What it throws is logged once per distinct cause and counted, and changes nothing else.
 */
@FunctionalInterface
public interface EventListener {
    /** Stands for an end that is not known in {@link #onMissed}. */
    long UNKNOWN_OFFSET = -1;

    void onEvent(Event event);

    /**
     * Events may have been missed while the client was not connected. Called in its place in the order of events, before the first one after the hole.
     *
     * @param fromOffset first offset that was not seen.
     * @param toOffset the first one after the hole, or {@link #UNKNOWN_OFFSET}. Not every offset in between needs to have been an event for this client.
     * @param epochChanged the broker has forgotten the topic meanwhile and counts from the start; the offsets before and after cannot be compared.
     */
    default void onMissed(String topic, long fromOffset, long toOffset, boolean epochChanged) {}

    /**
     * The broker refused to renew the subscription after a reconnect (rights taken away, channel gone); no more events come.
     *
     * @param why with the broker's code.
     */
    default void onEnded(String topic, HermodException why) {}
}
