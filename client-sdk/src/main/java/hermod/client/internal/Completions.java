package hermod.client.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;

/** Completes the application's futures off the loop, many at a time. Loop thread only. */
final class Completions {
    private final Executor executor;
    private List<Runnable> batch = new ArrayList<>();

    Completions(Executor executor) {
        this.executor = executor;
    }

    <T> void complete(CompletableFuture<T> future, T value) {
        add(() -> future.complete(value));
    }

    void done(CompletableFuture<Void> future) {
        add(() -> future.complete(null));
    }

    void fail(CompletableFuture<?> future, Throwable why) {
        add(() -> future.completeExceptionally(why));
    }

    void add(Runnable completion) {
        batch.add(completion);
    }

    /** Hands over what was collected. */
    void flush() {
        if (batch.isEmpty()) {
            return;
        }
        List<Runnable> handed = batch;
        batch = new ArrayList<>();
        try {
            executor.execute(() -> handed.forEach(Runnable::run));
        } catch (RejectedExecutionException stopped) {
            // The runtime is closed; whoever waits is better served by this thread than not at all.
            handed.forEach(Runnable::run);
        }
    }
}
