package hermod.broker.engine.memory;

import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Answers on one thread, in the order asked. Nothing is bounded but what waits to be appended: it is for a second of warming up, and for tests. */
public final class MemoryEngine implements Engine {
    private static final int CLOSE_TIMEOUT_S = 10;

    private final @Nullable ExecutorService thread;
    private final MemoryEventLog events;
    private final MemoryKeyedState state;

    /** With a thread of its own. */
    public MemoryEngine() {
        this(Executors.newSingleThreadExecutor(task -> {
            Thread made = new Thread(task, "hermod-engine-memory");
            made.setDaemon(true);
            return made;
        }));
    }

    private MemoryEngine(ExecutorService thread) {
        this.thread = thread;
        events = new MemoryEventLog(thread);
        state = new MemoryKeyedState(thread);
    }

    private MemoryEngine(Executor caller) {
        thread = null;
        events = new MemoryEventLog(caller);
        state = new MemoryKeyedState(caller);
    }

    /** One that answers within the call, for a test that has but one thread. */
    public static MemoryEngine inline() {
        Executor caller = Runnable::run;
        return new MemoryEngine(caller);
    }

    /** Removes what a topic has below an offset, as retention would: there is none here. */
    public void removeBelow(String org, String topic, long offset, Runnable onDone) {
        events.removeBelow(org, topic, offset, onDone);
    }

    @Override
    public EventLog events() {
        return events;
    }

    @Override
    public ChannelLog channels() {
        return events.channels();
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
    public boolean isDurable() {
        return false;
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
        ExecutorService own = thread;
        if (own == null) {
            return;
        }
        own.shutdown();
        try {
            if (!own.awaitTermination(CLOSE_TIMEOUT_S, TimeUnit.SECONDS)) {
                own.shutdownNow();
            }
        } catch (InterruptedException interrupted) {
            own.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
