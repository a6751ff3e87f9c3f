package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import org.jspecify.annotations.Nullable;

/** What {@link BatchWindows} keeps of one topic of a batched channel; made and held by the topic's log. */
@RunsOn(Owner.SHARD)
final class BatchedTopic {
    final TopicLog log;

    /** The window of the topic's organization and channel; may have been retired since. */
    @Nullable
    BatchWindow window;

    /** Whether it is on its window's list. */
    boolean isWaiting;

    BatchedTopic(TopicLog log) {
        this.log = log;
    }
}
