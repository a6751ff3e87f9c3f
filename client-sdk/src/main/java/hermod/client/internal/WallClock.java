package hermod.client.internal;

import java.time.Instant;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Microseconds since 1970 from the monotonic clock, tied to the system's wall clock once: cheap, and never steps when the wall clock is set. Any thread.
 */
public final class WallClock {
    /** Shared, so that all clients of a process see one clock. */
    public static final LongSupplier SYSTEM = new WallClock()::nowUs;

    private final long startUs;
    private final long startNs;

    private WallClock() {
        Instant now = Instant.now();
        startNs = System.nanoTime();
        startUs = TimeUnit.SECONDS.toMicros(now.getEpochSecond()) + TimeUnit.NANOSECONDS.toMicros(now.getNano());
    }

    private long nowUs() {
        return startUs + (System.nanoTime() - startNs) / 1_000;
    }
}
