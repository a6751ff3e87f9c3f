package hermod.client;

import java.util.concurrent.CompletableFuture;

/** One listener's hold on a topic; the last one to go ends the subscription at the broker. Any thread. */
public interface Subscription extends AutoCloseable {
    String topic();

    /**
     * Detaches the listener: no call to it begins after this returns, unless it holds the topic by another subscription too.
     *
     * @return completes when the broker has ended the topic's subscription, or at once where other listeners keep it. Idempotent.
     */
    CompletableFuture<Void> unsubscribe();

    /** {@link #unsubscribe} without waiting for the broker. */
    @Override
    void close();
}
