package hermod.broker.shard;

/**
 * The time as a shard sees it: read once at the start of a turn and after each read batch, so that no event costs a clock call.
 *
 * <p>Wall-clock time advances with the monotonic clock between {@link #anchor} calls, so a step of the system clock is followed within a
 * second and never inside a turn. {@link #update} and {@link #anchor} belong to the shard's thread. Only a test has a reason to extend it.
 */
public class ShardClock {
    private static final long NS_PER_US = 1_000;

    /** Two readings further apart than this are taken again: this thread was not running in between, and its clock would be behind by as much. */
    private static final long ANCHOR_NS_MAX = 20_000;

    private static final int ANCHOR_TRIES = 3;

    private long anchorUs;
    private long anchorNs;
    private long nowNs;
    private long nowUs;

    public ShardClock() {
        anchorUs = wallUs();
        anchorNs = monotonicNs();
        nowNs = anchorNs;
        nowUs = anchorUs;
    }

    /** The monotonic clock that is read here. */
    protected long readNs() {
        return System.nanoTime();
    }

    /** The wall clock that is read here, in microseconds since 1970. */
    protected long readWallUs() {
        return wallUs();
    }

    /** Reads the system's wall clock again. */
    public final void anchor() {
        long beforeNs = readNs();
        for (int i = 0; i < ANCHOR_TRIES; i++) {
            anchorUs = readWallUs();
            anchorNs = readNs();
            if (anchorNs - beforeNs <= ANCHOR_NS_MAX) {
                break;
            }
            beforeNs = anchorNs;
        }
        nowNs = anchorNs;
        nowUs = anchorUs;
    }

    /** Reads the monotonic clock; the other methods return this reading until the next one. */
    public final void update() {
        nowNs = readNs();
        nowUs = anchorUs + (nowNs - anchorNs) / NS_PER_US;
    }

    /** Monotonic nanoseconds of the last reading. */
    public final long nowNs() {
        return nowNs;
    }

    /** Microseconds since 1970 of the last reading. */
    public final long nowUs() {
        return nowUs;
    }

    /** The monotonic clock itself; any thread. For what an event is not concerned with. */
    public static long monotonicNs() {
        return System.nanoTime();
    }

    /** The system's wall clock in microseconds since 1970; any thread. */
    public static long wallUs() {
        java.time.Instant now = java.time.Instant.now();
        return now.getEpochSecond() * 1_000_000L + now.getNano() / NS_PER_US;
    }
}
