package hermod.broker.schedule;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What the {@link Scheduler}'s thread is to do next: requests, answers of the engine, outcomes. Any thread adds, the scheduler's takes; how many requests may wait is the scheduler's to say. */
final class Tasks {
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final Thread thread;

    /** @param thread that takes them, and is woken for each. */
    Tasks(Thread thread) {
        this.thread = thread;
    }

    void post(Runnable task) {
        tasks.add(task);
        LockSupport.unpark(thread);
    }

    /** @return null where there is none. */
    @Nullable
    Runnable poll() {
        return tasks.poll();
    }

    boolean isEmpty() {
        return tasks.isEmpty();
    }

    /** An engine's answer, on this thread. */
    <T extends @Nullable Object> Answer<T> back(Consumer<T> onDone, Consumer<EngineFault> onFault) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                post(() -> onDone.accept(result));
            }

            @Override
            public void onFault(EngineFault fault) {
                post(() -> onFault.accept(fault));
            }
        };
    }
}
