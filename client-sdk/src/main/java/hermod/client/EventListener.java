package hermod.client;

/**
 * Takes the events of the topics it is subscribed to.
 *
 * <p>Called on a handler thread: one event of a topic at a time, in the topic's order; events of different topics may come at the same time. It may block,
 * at the price of delaying other topics. What it throws is logged once per distinct cause and counted, and changes nothing else; but where events are acknowledged.
 *
 * <p>Of channels whose events are acknowledged (of the built-in ones {@code safety}) an event is acknowledged when every listener's {@link #onEvent} has returned normally. One that threw is called again when the broker sends the event again, some
 * seconds later, and on the next connection; not a listener that returned. Events behind it come meanwhile, so the order is not kept for it; and they count as acknowledged only together with it. After 6 failures it is passed over.
 */
@FunctionalInterface
public interface EventListener {
    /** Stands for an end that is not known in {@link #onMissed}. */
    long UNKNOWN_OFFSET = -1;

    void onEvent(Event event);

    /**
     * Events may have been missed, and will not come: the short form of {@link #onGap}, which calls it. Called in its place in the order of events, before the
     * first one after the hole.
     *
     * @param fromOffset first offset that was not seen.
     * @param toOffset the first one after the hole, or {@link #UNKNOWN_OFFSET}. Not every offset in between needs to have been an event for this client.
     * @param epochChanged the broker has forgotten the topic meanwhile and counts from the start; the offsets before and after cannot be compared.
     */
    default void onMissed(String topic, long fromOffset, long toOffset, boolean epochChanged) {}

    /**
     * Events are missing here: the broker let them go, or no longer had them when this client came back. Called in its place in the order of events. Whoever
     * implements this gets no {@link #onMissed} unless it calls it itself.
     */
    default void onGap(Gap gap) {
        if (!gap.isFillComing()) {
            long firstAfter = gap.toOffset() == UNKNOWN_OFFSET ? UNKNOWN_OFFSET : gap.toOffset() + 1;
            onMissed(gap.topic(), gap.fromOffset(), firstAfter, gap.reason() == GapReason.EPOCH_CHANGED);
        }
    }

    /**
     * All events of a gap that was to be filled, and were meant for this client, have been delivered. A connection that is lost before that takes up the filling
     * by resuming the topic, and does not come to this.
     */
    default void onGapClosed(String topic, long fromOffset, long toOffset) {}

    /**
     * The topic could not be resumed where it was left: what the application knows of its latest state may be out of date and is to be fetched anew. Called
     * after {@link #onGap}, before the first event that follows.
     *
     * @param epoch of the events that follow.
     * @param firstOffset no event before this one follows.
     */
    default void onFreshStart(String topic, int epoch, long firstOffset) {}

    /**
     * The broker refused to renew the subscription after a reconnect (rights taken away, channel gone); no more events come.
     *
     * @param why with the broker's code.
     */
    default void onEnded(String topic, HermodException why) {}
}
