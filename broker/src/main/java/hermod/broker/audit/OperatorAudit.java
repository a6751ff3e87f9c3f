package hermod.broker.audit;

import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.ShardClock;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The operators' chain: an {@link AuditTrail} with an appender and a small thread of its own. Its methods may be called by any thread but a shard's. */
public final class OperatorAudit implements AuditLog, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OperatorAudit.class);

    /** How long who did something waits for its record to be on disk. */
    private static final int STORED_TIMEOUT_MS = 2_000;

    private static final int CLOSE_TIMEOUT_MS = 2_000;
    private static final int TICK_MS = 100;

    /** Somebody who waits for a record. */
    private record Waiting(long sequence, CompletableFuture<Boolean> isStored) {}

    private final EngineAudit source;
    private final EventLog.Appender appender;
    private final AuditTrail trail;

    /** Oldest first; the thread's. At most one for each thread that waits, so it needs no bound. */
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();

    private final ScheduledThreadPoolExecutor thread = new ScheduledThreadPoolExecutor(1, task -> {
        Thread made = new Thread(task, "hermod-audit");
        made.setDaemon(true);
        return made;
    });

    private OperatorAudit(Engine engine, AuditConfig config, AuditStream.Head head, ShardMetrics metrics) {
        source = new EngineAudit(engine);
        appender = engine.events().appender(new EventLog.Completion() {
            @Override
            public void onStored(boolean isUrgent, long ticket) {
                if (isUrgent) {
                    execute(() -> stored(ticket));
                }
            }

            @Override
            public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
                if (isUrgent) {
                    execute(() -> failed(ticket, fault));
                }
            }
        });
        trail = new AuditTrail(config, head, appender, metrics);
        execute(() -> {
            trail.tellDamage(head, ShardClock.wallUs());
            appender.flush();
        });
        var unused = thread.scheduleWithFixedDelay(
                guarded(() -> trail.tick(ShardClock.monotonicNs())), TICK_MS, TICK_MS, TimeUnit.MILLISECONDS);
    }

    /**
     * Opens the operators' chain; waits for the engine.
     *
     * @param metrics for its thread alone.
     * @throws IOException with a sentence if the engine can't.
     */
    public static OperatorAudit open(Engine engine, AuditConfig config, ShardMetrics metrics) throws IOException {
        return new OperatorAudit(engine, config, AuditStream.open(engine, AuditStream.OPERATORS), metrics);
    }

    @Override
    public boolean record(Actor actor, String who, String action, String subject, String outcome, String... details) {
        long nowUs = ShardClock.wallUs();
        CompletableFuture<Boolean> isStored = new CompletableFuture<>();
        try {
            thread.execute(guarded(() -> {
                long sequence = trail.record(nowUs, actor, who, "", action, subject, outcome, details);
                appender.flush();
                if (sequence == 0 || trail.isFailing()) {
                    isStored.complete(false);
                } else {
                    waiting.add(new Waiting(sequence, isStored));
                }
            }));
            return isStored.get(STORED_TIMEOUT_MS, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException closed) {
            LOG.error("an operator's action is not in the audit log, which is closed: action={}", action);
            return false;
        } catch (ExecutionException | TimeoutException slow) {
            LOG.warn("an operator's action is not on disk in the audit log yet: action={}", action);
            return false;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void recordLater(
            Actor actor, String who, String org, String action, String subject, String outcome, String... details) {
        long nowUs = ShardClock.wallUs();
        execute(() -> {
            trail.record(nowUs, actor, who, org, action, subject, outcome, details);
            appender.flush();
        });
    }

    @Override
    public AuditSource source() {
        return source;
    }

    /** The executor would swallow a defect. */
    private static Runnable guarded(Runnable task) {
        return () -> {
            try {
                task.run();
            } catch (RuntimeException defect) {
                LOG.error("defect in the audit log", defect);
            }
        };
    }

    private void execute(Runnable task) {
        try {
            thread.execute(guarded(task));
        } catch (RejectedExecutionException closed) {
            // Nobody waits any more.
        }
    }

    private void stored(long ticket) {
        trail.onStored(ticket);
        while (!waiting.isEmpty() && waiting.getFirst().sequence() <= trail.storedSequence()) {
            waiting.removeFirst().isStored().complete(true);
        }
    }

    private void failed(long ticket, EngineFault fault) {
        trail.onFailed(ticket, fault);
        if (trail.isFailing()) {
            waiting.forEach(each -> each.isStored().complete(false));
            waiting.clear();
        }
    }

    /** Waits a moment for what is under way; to be called before the engine is closed. */
    @Override
    public void close() {
        thread.shutdown();
        try {
            if (!thread.awaitTermination(CLOSE_TIMEOUT_MS, TimeUnit.MILLISECONDS)) {
                thread.shutdownNow();
            }
        } catch (InterruptedException interrupted) {
            thread.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
