package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;

/** How many keys of state topics one shard has in memory, over all of its topics, and how many it may have. */
@RunsOn(Owner.SHARD)
public final class KeyBudget {
    private final int limitCount;
    private int count;

    /** @param limitCount keys of one shard at most. */
    public KeyBudget(int limitCount) {
        this.limitCount = limitCount;
    }

    /** Whether there is room for no other key. */
    public boolean isFull() {
        return count >= limitCount;
    }

    /** Whether there are more than there may be: a topic that was opened brought too many. */
    public boolean isExceeded() {
        return count > limitCount;
    }

    void add(int keys) {
        count += keys;
    }
}
