package hermod.bench.load;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * How many deliveries a closed-loop load may be ahead of its subscribers, so that a correct broker loses nothing and the queue stays bounded.
 *
 * <p>{@link #release} is for any thread and wakes nobody; the one publishing thread looks again every few microseconds.
 */
public final class Window {
    private static final long LOOK_AGAIN_NS = TimeUnit.MICROSECONDS.toNanos(20);

    private final long limitCount;
    private final AtomicLong releasedCount = new AtomicLong();
    private long takenCount;

    /** @param limitCount deliveries outstanding at most. */
    public Window(long limitCount) {
        this.limitCount = limitCount;
    }

    /**
     * Waits until {@code count} more fit.
     *
     * @return false if they did not fit until the deadline.
     */
    public boolean take(long count, long deadlineNs) {
        while (takenCount + count - releasedCount.get() > limitCount) {
            if (System.nanoTime() - deadlineNs > 0) {
                return false;
            }
            LockSupport.parkNanos(LOOK_AGAIN_NS);
        }
        takenCount += count;
        return true;
    }

    public void release(long count) {
        releasedCount.addAndGet(count);
    }
}
