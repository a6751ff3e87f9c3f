package hermod.broker.admission;

/**
 * How fast one connection may publish: a token bucket for events and one for bytes, each holding one second's worth.
 *
 * <p>Owned by the session's shard; not thread-safe. Asking allocates nothing. What is asked for at once may be larger than a bucket (one event may be
 * larger than a second's bytes): then a full bucket lets it through and is in debt after, so the rate over time holds.
 */
public final class PublishRate {
    private static final long NANOS_PER_SECOND = 1_000_000_000L;
    private static final long NANOS_PER_MS = 1_000_000L;

    /** A rate of at most this keeps a bucket's level inside a long. */
    public static final long PER_SECOND_MAX = Integer.MAX_VALUE;

    private final long eventsPerSecond;
    private final long bytesPerSecond;

    /** Levels in billionths, so that a nanosecond of refill is exactly one rate. */
    private long eventLevel;

    private long byteLevel;
    private long lastNs;

    /**
     * @param eventsPerSecond at least 1.
     * @param bytesPerSecond in [1, {@link #PER_SECOND_MAX}].
     * @param nowNs the clock that later calls use; the buckets start full.
     */
    public PublishRate(int eventsPerSecond, long bytesPerSecond, long nowNs) {
        if (eventsPerSecond < 1 || bytesPerSecond < 1 || bytesPerSecond > PER_SECOND_MAX) {
            throw new IllegalArgumentException(
                    "rate out of range: eventsPerSecond=" + eventsPerSecond + ", bytesPerSecond=" + bytesPerSecond);
        }
        this.eventsPerSecond = eventsPerSecond;
        this.bytesPerSecond = bytesPerSecond;
        eventLevel = capacity(eventsPerSecond);
        byteLevel = capacity(bytesPerSecond);
        lastNs = nowNs;
    }

    /**
     * Takes events and bytes from both buckets, or nothing from either.
     *
     * @param events at least 0.
     * @param bytes at least 0.
     * @return 0 if taken, otherwise how long to wait before asking again, in ms, at least 1.
     */
    public int retryAfterMs(long nowNs, int events, int bytes) {
        refill(nowNs);
        long waitNs = Math.max(waitNs(eventLevel, events, eventsPerSecond), waitNs(byteLevel, bytes, bytesPerSecond));
        if (waitNs > 0) {
            return (int) Math.min(Integer.MAX_VALUE, (waitNs + NANOS_PER_MS - 1) / NANOS_PER_MS);
        }
        eventLevel -= events * NANOS_PER_SECOND;
        byteLevel -= bytes * NANOS_PER_SECOND;
        return 0;
    }

    private void refill(long nowNs) {
        long elapsedNs = nowNs - lastNs;
        if (elapsedNs <= 0) {
            return;
        }
        lastNs = nowNs;
        eventLevel = refilled(eventLevel, elapsedNs, eventsPerSecond);
        byteLevel = refilled(byteLevel, elapsedNs, bytesPerSecond);
    }

    /** Compares times before it multiplies, so that a long pause can't overflow. */
    private static long refilled(long level, long elapsedNs, long perSecond) {
        long missing = capacity(perSecond) - level;
        return elapsedNs >= missing / perSecond + 1
                ? capacity(perSecond)
                : Math.min(level + missing, level + elapsedNs * perSecond);
    }

    private static long waitNs(long level, long amount, long perSecond) {
        long needed = Math.min(amount, perSecond) * NANOS_PER_SECOND;
        return level >= needed ? 0 : (needed - level + perSecond - 1) / perSecond;
    }

    private static long capacity(long perSecond) {
        return perSecond * NANOS_PER_SECOND;
    }
}
