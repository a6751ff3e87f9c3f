package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.CountingOwner;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.Outbox;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.outbox.RunPool;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.Test;

class SubscriptionsTest {
    private final Subscriptions subscriptions = new Subscriptions();

    /** A socket nobody writes to. */
    private static final class NoSink implements FrameSink {
        @Override
        public boolean isWritable() {
            return false;
        }

        @Override
        public void write(ByteBuf frames) {
            frames.release();
        }

        @Override
        public void flush() {}

        @Override
        public void close(ByteBuf last) {
            last.release();
        }

        @Override
        public void readEnabled(boolean enabled) {}
    }

    private static Feed feed() {
        Outbox outbox = new Outbox(
                new CountingOwner(),
                new NoSink(),
                new RunPool(),
                new ShardMetrics(1, 2, 64),
                new ShardClock(),
                OutboxConfig.defaults());
        return new Feed(outbox, 1, 0, Priority.NORMAL, 1, 1);
    }

    private Set<Feed> of(int handle) {
        Set<Feed> feeds = new HashSet<>();
        Subscriptions.Subscribers subscribers = subscriptions.of(handle);
        for (int i = 0; subscribers != null && i < subscribers.count(); i++) {
            assertThat(feeds.add(subscribers.at(i))).isTrue();
        }
        return feeds;
    }

    @Test
    void aTopicWithoutSubscribersHasNoEntry() {
        Feed feed = feed();
        subscriptions.add(1, feed);
        subscriptions.remove(1, feed);
        assertThat(subscriptions.of(1)).isNull();
        assertThat(subscriptions.of(2)).isNull();
    }

    @Test
    void removingAFeedThatIsNotThereChangesNothing() {
        Feed feed = feed();
        subscriptions.add(1, feed);
        subscriptions.remove(1, feed());
        subscriptions.remove(2, feed);
        assertThat(of(1)).containsExactly(feed);
    }

    @Test
    void whoIsAddedIsThereAndWhoIsRemovedIsNot() {
        long seed = ThreadLocalRandom.current().nextLong();
        Random random = new Random(seed);
        List<Set<Feed>> model = List.of(new HashSet<>(), new HashSet<>(), new HashSet<>());
        for (int step = 0; step < 2_000; step++) {
            int handle = random.nextInt(model.size());
            List<Feed> there = new ArrayList<>(model.get(handle));
            if (there.isEmpty() || random.nextInt(5) < 3) {
                Feed feed = feed();
                subscriptions.add(handle, feed);
                model.get(handle).add(feed);
            } else {
                Feed feed = there.get(random.nextInt(there.size()));
                subscriptions.remove(handle, feed);
                model.get(handle).remove(feed);
            }
            assertThat(of(handle)).as("seed=%d, step=%d", seed, step).isEqualTo(model.get(handle));
        }
    }
}
