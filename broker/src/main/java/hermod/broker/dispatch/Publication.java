package hermod.broker.dispatch;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicLog;
import hermod.protocol.Priority;
import org.jspecify.annotations.Nullable;

/**
 * A topic as a publisher of this shard needs it, looked up once and not with every event.
 *
 * <p>Good for as long as the connection holds the topic: its home does not forget a topic that is held.
 */
@RunsOn(Owner.SHARD)
public final class Publication {
    final Topic topic;
    final int channel;
    final Priority lane;
    final Priority ceiling;

    /** The topic's log where this shard is its home. */
    final @Nullable TopicLog log;

    Publication(Topic topic, @Nullable TopicLog log) {
        this.topic = topic;
        this.channel = topic.channel().index();
        this.lane = topic.channel().policy().lane();
        this.ceiling = topic.channel().policy().ceiling();
        this.log = log;
    }

    public Topic topic() {
        return topic;
    }
}
