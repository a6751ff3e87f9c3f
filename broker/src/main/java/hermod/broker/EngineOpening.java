package hermod.broker;

import hermod.broker.engine.Engine;
import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** An engine that is being opened on a thread of its own, because its native library and its files take a while that other things can be done in. Used by one thread. */
final class EngineOpening implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EngineOpening.class);

    private final CompletableFuture<Engine> opened = new CompletableFuture<>();
    private boolean isTaken;

    private EngineOpening() {}

    /** @param open what opens it; an {@link IOException} of its has one sentence for people. */
    static EngineOpening begin(Callable<Engine> open) {
        EngineOpening opening = new EngineOpening();
        Thread thread = new Thread(
                () -> {
                    try {
                        opening.opened.complete(open.call());
                    } catch (Throwable failed) {
                        opening.opened.completeExceptionally(failed);
                    }
                },
                "hermod-engine-open");
        thread.setDaemon(true);
        thread.start();
        return opening;
    }

    /** Waits for the engine, which is the caller's from now on. @throws IOException what opening it threw. */
    Engine take() throws IOException {
        isTaken = true;
        try {
            return opened.get();
        } catch (ExecutionException failed) {
            Throwable cause = failed.getCause();
            if (cause instanceof IOException refused) {
                throw refused;
            }
            throw new IllegalStateException("the engine could not be opened", cause);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            giveBack();
            throw new IOException("the start was interrupted", interrupted);
        }
    }

    /** An engine that nobody has taken is closed, as soon as it is open. */
    @Override
    public void close() {
        if (!isTaken) {
            giveBack();
        }
    }

    private void giveBack() {
        opened.whenComplete((engine, failed) -> {
            if (failed == null) {
                engine.close();
            } else {
                LOG.debug("the engine that nobody waits for could not be opened: {}", failed.toString());
            }
        });
    }
}
