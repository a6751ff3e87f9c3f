package hermod.broker.dispatch;

import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.Topic;

/** Told by each topic's home of channels whose events are to be acknowledged. Called on shards; must not wait. */
public interface Watch {
    /** Somebody holds a topic of such a channel from now on. */
    void onHeld(Topic topic);

    /**
     * An event was taken into such a topic and is fanned out at the end of this turn; it comes before anything that a subscriber says of it.
     *
     * @param event borrowed.
     * @param eventIdAt index of its id in {@link IncomingEvent#in}; −1 where the publisher gave none.
     * @param hasSubscriber whether anybody is subscribed to the topic.
     */
    void onTaken(int shard, Topic topic, IncomingEvent event, int eventIdAt, long offset, boolean hasSubscriber);
}
