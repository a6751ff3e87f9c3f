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

    /** What an event that asks for nothing travels with, before it is clamped. */
    final Priority lane;

    final Priority ceiling;

    /** Whether its events may have a key. */
    final boolean isState;

    /** How fast it may be published to; null for as fast as one likes. */
    final @Nullable Allowance allowance;

    /** The topic's log where this shard is its home. */
    final @Nullable TopicLog log;

    Publication(Topic topic, Priority raisedTo, @Nullable Allowance allowance, @Nullable TopicLog log) {
        this.topic = topic;
        this.channel = topic.channel().index();
        this.isState = topic.channel().policy().isState();
        this.ceiling = topic.channel().policy().ceiling();
        this.lane = higher(topic.channel().policy().lane(), lower(raisedTo, ceiling));
        this.allowance = allowance;
        this.log = log;
    }

    private static Priority higher(Priority one, Priority other) {
        return one.compareTo(other) > 0 ? one : other;
    }

    private static Priority lower(Priority one, Priority other) {
        return one.compareTo(other) < 0 ? one : other;
    }

    public Topic topic() {
        return topic;
    }
}
