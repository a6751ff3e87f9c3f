package hermod.broker.admission;

import java.util.concurrent.atomic.AtomicLong;

/**
 * How fast one user may publish to one channel, over all of the user's connections, whatever shards they are on: a token bucket in one number. Any thread, without a lock; asking allocates nothing.
 *
 * <p>The number is the time up to which the bucket is spoken for: each event moves it on by one interval, and none may move it further ahead of now than the burst.
 */
public final class EventRate {
    private static final long NANOS_PER_MINUTE = 60_000_000_000L;
    private static final long NANOS_PER_MS = 1_000_000L;

    /** A rate of at most this keeps an interval of many nanoseconds. */
    public static final int PER_MINUTE_MAX = 60_000_000;

    final RateLimits.Key key;
    private final long intervalNs;
    private final long burstNs;
    private final AtomicLong spokenForUntilNs;

    /** Connections that have it; guarded by {@link RateLimits}, like the next. */
    int holderCount;

    boolean isQueued;

    EventRate(RateLimits.Key key, int perMinute, int burst, long nowNs) {
        this.key = key;
        intervalNs = NANOS_PER_MINUTE / perMinute;
        burstNs = intervalNs * burst;
        spokenForUntilNs = new AtomicLong(nowNs);
    }

    /**
     * Takes one event.
     *
     * @param nowNs any shard's clock.
     * @return 0 if taken, otherwise how long to wait before asking again, in ms, at least 1.
     */
    public int retryAfterMs(long nowNs) {
        while (true) {
            long until = spokenForUntilNs.get();
            long next = Math.max(until - nowNs, 0) + intervalNs;
            if (next > burstNs) {
                return (int) Math.min(Integer.MAX_VALUE, (next - burstNs + NANOS_PER_MS - 1) / NANOS_PER_MS);
            }
            if (spokenForUntilNs.compareAndSet(until, nowNs + next)) {
                return 0;
            }
        }
    }

    /** Whether it is as good as new. */
    boolean isFull(long nowNs) {
        return spokenForUntilNs.get() - nowNs <= 0;
    }
}
