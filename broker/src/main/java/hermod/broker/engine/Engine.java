package hermod.broker.engine;

import org.jspecify.annotations.Nullable;

/** A broker's durable part. One for each broker; made and closed by one thread, asked by any. */
public interface Engine extends AutoCloseable {
    EventLog events();

    ChannelLog channels();

    KeyedState state();

    EventBus bus();

    /** Whether what it has stored outlives the process. */
    boolean isDurable();

    /** What durable publishes are refused with now; null while all is well. Any thread, never waits, and costs next to nothing. */
    @Nullable
    EngineFault fault();

    /** How it is; any thread, never waits. */
    EngineStatus status();

    /** Has retention tell from now on what it removes; one that has none never does. To be called once, before anything is asked. */
    default void onRemoved(Retention.Listener listener) {}

    /** Finishes what was appended, syncs, and gives everything back. What is asked from here on fails with {@link EngineFault#CLOSED}. */
    @Override
    void close();
}
