package hermod.bench.load;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The clock of an open loop: event i has its moment before the run begins, and a load that falls behind sends at once and keeps the moment, so the wait
 * is charged to the event (no coordinated omission). One thread.
 */
public final class OpenLoop {
    /** Shorter waits are spun: a parked thread wakes about this much late. */
    private static final long SPIN_NS = TimeUnit.MICROSECONDS.toNanos(60);

    private final long startNs;
    private final long startWallUs;

    /** Starts now. */
    public OpenLoop() {
        startNs = System.nanoTime();
        startWallUs = TimeUnit.MILLISECONDS.toMicros(System.currentTimeMillis());
    }

    /**
     * Waits for a moment; returns at once if it has passed.
     *
     * @param atNs ns after the start.
     * @return the moment in nanoTime, whenever it really is.
     */
    public long await(long atNs) {
        long intendedNs = startNs + atNs;
        long leftNs = intendedNs - System.nanoTime();
        while (leftNs > 0) {
            if (leftNs > SPIN_NS) {
                LockSupport.parkNanos(leftNs - SPIN_NS);
            } else {
                Thread.onSpinWait();
            }
            leftNs = intendedNs - System.nanoTime();
        }
        return intendedNs;
    }

    /** A moment in microseconds since 1970 on this machine's clock. */
    public long wallUs(long intendedNs) {
        return startWallUs + TimeUnit.NANOSECONDS.toMicros(intendedNs - startNs);
    }

    public double secondsSinceStart() {
        return (System.nanoTime() - startNs) / 1e9;
    }

    /** Moment of event {@code index} at a fixed rate, in ns after the start. */
    public static long atRate(long index, double perSecond) {
        return (long) (index * 1e9 / perSecond);
    }
}
