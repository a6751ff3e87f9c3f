package hermod.broker.session;

import hermod.broker.dispatch.Publication;
import hermod.broker.outbox.Feed;
import hermod.broker.topic.Topic;
import org.jspecify.annotations.Nullable;

/** What one connection holds of one topic: a row of the session's table of rights. The session's shard's. */
final class HeldTopic {
    private final Topic topic;

    @Nullable
    Feed feed;

    boolean isOpened;
    boolean mayPublish;

    /** Its channel is switched off: nothing is published to it, and its feed is not among the topic's subscribers. */
    boolean isOff;

    /** Made with the first event published: most holders only listen. */
    private @Nullable Publication publication;

    HeldTopic(Topic topic) {
        this.topic = topic;
    }

    Topic topic() {
        return topic;
    }

    /** Null before the first event published, and after the rights have changed. */
    @Nullable
    Publication publication() {
        return publication;
    }

    void publication(@Nullable Publication made) {
        publication = made;
    }
}
