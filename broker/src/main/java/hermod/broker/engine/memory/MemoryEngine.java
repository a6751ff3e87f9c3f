package hermod.broker.engine.memory;

import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Answers on one thread, in the order asked. Nothing is bounded but what waits to be appended: it is for a second of warming up, and for tests. */
public final class MemoryEngine implements Engine {
    private static final int CLOSE_TIMEOUT_S = 10;

    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> {
        Thread made = new Thread(task, "hermod-engine-memory");
        made.setDaemon(true);
        return made;
    });
    private final MemoryEventLog events = new MemoryEventLog(thread);
    private final MemoryKeyedState state = new MemoryKeyedState(thread);

    @Override
    public EventLog events() {
        return events;
    }

    @Override
    public KeyedState state() {
        return state;
    }

    @Override
    public EventBus bus() {
        return EventBus.ALONE;
    }

    @Override
    public @Nullable EngineFault fault() {
        return null;
    }

    @Override
    public EngineStatus status() {
        return EngineStatus.fine();
    }

    @Override
    public void close() {
        thread.shutdown();
        try {
            if (!thread.awaitTermination(CLOSE_TIMEOUT_S, TimeUnit.SECONDS)) {
                thread.shutdownNow();
            }
        } catch (InterruptedException interrupted) {
            thread.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
