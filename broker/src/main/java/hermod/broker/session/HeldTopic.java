package hermod.broker.session;

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

    HeldTopic(Topic topic) {
        this.topic = topic;
    }

    Topic topic() {
        return topic;
    }
}
