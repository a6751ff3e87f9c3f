package hermod.broker.dispatch;

import hermod.protocol.Priority;

/** How fast a connection's user may publish to a channel; {@code session} implements it. Called on the connection's shard, for every event: it neither waits nor allocates. */
public interface Allowance {
    /**
     * Takes one event.
     *
     * @param priority what the event will travel with.
     * @return 0 if it may be published now, otherwise how long to wait, in ms.
     */
    int retryAfterMs(Priority priority);
}
