package hermod.broker.engine;

import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** One appender, and what it was told. */
public final class Writer implements EventLog.Completion {
    private static final int TIMEOUT_S = 60;

    /** What was told: {@code fault} null for stored. */
    public record Told(
            boolean isUrgent,
            long ticket,
            @org.jspecify.annotations.Nullable EngineFault fault) {}

    private final List<Told> told = new ArrayList<>();
    private final long[] completed = new long[2];
    private final EventLog.Appender appender;
    private volatile Runnable onNext = () -> {};

    public Writer(EventLog log) {
        appender = log.appender(this);
    }

    public EventLog.Appender appender() {
        return appender;
    }

    /** Appends, and goes on when it is stored: again where the engine, whose store is behind, refuses for now. */
    public void store(long stream, Entry... entries) {
        long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_S);
        EngineFault fault = outcome(false, append(false, stream, entries));
        while (fault == EngineFault.BUSY && System.nanoTime() - deadlineNs < 0) {
            fault = outcome(false, append(false, stream, entries));
        }
        if (fault != null) {
            throw new AssertionError("not stored: " + fault);
        }
    }

    public long append(boolean isUrgent, long stream, Entry... entries) {
        ByteBuf buffer = Entry.buffer(entries);
        long ticket = appender.append(isUrgent, stream, buffer);
        // borrowed means that it is ours again
        buffer.setZero(0, buffer.capacity());
        buffer.release();
        appender.flush();
        return ticket;
    }

    /** Waits for a ticket; fails where it is not stored. */
    public synchronized void await(boolean isUrgent, long ticket) {
        EngineFault fault = outcome(isUrgent, ticket);
        if (fault != null) {
            throw new AssertionError("not stored: " + fault);
        }
    }

    public synchronized @org.jspecify.annotations.Nullable EngineFault outcome(boolean isUrgent, long ticket) {
        long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_S);
        while (completed[isUrgent ? 1 : 0] < ticket) {
            long leftMs = TimeUnit.NANOSECONDS.toMillis(deadlineNs - System.nanoTime());
            if (leftMs <= 0) {
                throw new AssertionError("ticket " + ticket + " is not completed: " + told);
            }
            try {
                wait(leftMs);
            } catch (InterruptedException interrupted) {
                throw new AssertionError(interrupted);
            }
        }
        return told.stream()
                .filter(each -> each.isUrgent() == isUrgent && each.ticket() >= ticket)
                .findFirst()
                .orElseThrow()
                .fault();
    }

    /** Runs something on the engine's thread within the next completion. */
    public void onNext(Runnable task) {
        onNext = task;
    }

    public synchronized boolean isCompleted(boolean isUrgent, long ticket) {
        return completed[isUrgent ? 1 : 0] >= ticket;
    }

    public synchronized List<Told> told() {
        return List.copyOf(told);
    }

    @Override
    public void onStored(boolean isUrgent, long ticket) {
        on(new Told(isUrgent, ticket, null));
    }

    @Override
    public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
        on(new Told(isUrgent, ticket, fault));
    }

    private void on(Told next) {
        Runnable task = onNext;
        onNext = () -> {};
        task.run();
        synchronized (this) {
            told.add(next);
            int lane = next.isUrgent() ? 1 : 0;
            completed[lane] = Math.max(completed[lane], next.ticket());
            notifyAll();
        }
    }
}
