package hermod.broker.topic;

import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.Arrays;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/** Who on one shard subscribes to what. */
@RunsOn(Owner.SHARD)
public final class Subscriptions {
    /** The subscribers of one topic on this shard, in an array that fan-out walks. */
    public static final class Subscribers {
        private Feed[] feeds = new Feed[2];
        private int count;

        public int count() {
            return count;
        }

        public Feed at(int index) {
            return feeds[index];
        }

        private void add(Feed feed) {
            if (count == feeds.length) {
                feeds = Arrays.copyOf(feeds, count * 2);
            }
            feeds[count++] = feed;
        }

        private boolean remove(Feed feed) {
            for (int i = 0; i < count; i++) {
                if (feeds[i] == feed) {
                    // Order among subscribers means nothing, so the last one fills the hole.
                    feeds[i] = feeds[--count];
                    Arrays.fill(feeds, count, count + 1, null);
                    return true;
                }
            }
            return false;
        }
    }

    private final Int2ObjectHashMap<Subscribers> byHandle = new Int2ObjectHashMap<>();
    private final BatchTakers takers;

    public Subscriptions() {
        this(new BatchTakers(0));
    }

    /** @param takers counts the subscriptions that take batches; shared by all shards. */
    public Subscriptions(BatchTakers takers) {
        this.takers = takers;
    }

    /** @return null when nobody on this shard subscribes. */
    public @Nullable Subscribers of(int handle) {
        return byHandle.get(handle);
    }

    public void add(int handle, Feed feed) {
        byHandle.computeIfAbsent(handle, none -> new Subscribers()).add(feed);
        count(feed, 1);
    }

    private void count(Feed feed, int change) {
        if (feed.takesBatches()) {
            takers.count(feed.channel(), change);
        }
    }

    /** Not to be called while fan-out walks the topic's subscribers. */
    public void remove(int handle, Feed feed) {
        Subscribers subscribers = byHandle.get(handle);
        if (subscribers != null && subscribers.remove(feed)) {
            count(feed, -1);
            if (subscribers.count == 0) {
                byHandle.remove(handle);
            }
        }
    }
}
