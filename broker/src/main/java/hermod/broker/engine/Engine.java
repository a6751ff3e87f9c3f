package hermod.broker.engine;

/** A broker's durable part. One for each broker; made and closed by one thread, asked by any. */
public interface Engine extends AutoCloseable {
    EventLog events();

    KeyedState state();

    EventBus bus();

    /** How it is; any thread, never waits. */
    EngineStatus status();

    /** Finishes what was appended, syncs, and gives everything back. What is asked from here on fails with {@link EngineFault#CLOSED}. */
    @Override
    void close();
}
