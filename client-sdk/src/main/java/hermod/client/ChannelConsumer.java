package hermod.client;

import java.util.concurrent.CompletableFuture;

/** One's membership in a group of a channel. It outlives connections. Any thread. */
public interface ChannelConsumer extends AutoCloseable {
    String channel();

    /** The group's, or the observer's, name. */
    String group();

    ConsumerState state();

    /**
     * Leaves the group: asks for no more, handles and settles what is in hands for 5 s at most, and tells the broker. What is not settled by then goes to other members. Idempotent.
     *
     * @return completes when no more events come; never fails.
     */
    CompletableFuture<Void> leave();

    /** {@link #leave}, and waits for it for 10 s at most; in a handler or continuation it does not wait. */
    @Override
    void close();
}
