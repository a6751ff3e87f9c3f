package hermod.client.internal;

import hermod.client.Subscription;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One listener's hold on a topic, in the application's hands. Any thread. */
final class TopicSubscription implements Subscription {
    private final Session session;
    private final Topic topic;
    private final ListenerHold hold;

    /** Guarded by this. */
    private @Nullable CompletableFuture<Void> ended;

    TopicSubscription(Session session, Topic topic, ListenerHold hold) {
        this.session = session;
        this.topic = topic;
        this.hold = hold;
    }

    @Override
    public String topic() {
        return topic.name;
    }

    @Override
    public synchronized CompletableFuture<Void> unsubscribe() {
        if (ended == null) {
            // At once and on this thread: no call to the listener begins after this returns.
            ended = hold.release() ? session.leave(topic, hold) : CompletableFuture.completedFuture(null);
        }
        return ended;
    }

    @Override
    public void close() {
        CompletableFuture<Void> unused = unsubscribe();
    }
}
