package hermod.bench.priority;

import java.util.function.LongSupplier;

/** Bytes that may be read: so many a second, of which a short pause saves up at most a burst. One thread. */
final class TokenBucket {
    private static final double NS_PER_SECOND = 1e9;

    private final double bytesPerNs;
    private final int burstBytes;
    private final LongSupplier clock;
    private double tokens;
    private long filledNs;

    /**
     * @param bytesPerSecond 0 for no limit.
     * @param clock in ns.
     */
    TokenBucket(double bytesPerSecond, int burstBytes, LongSupplier clock) {
        bytesPerNs = bytesPerSecond / NS_PER_SECOND;
        this.burstBytes = burstBytes;
        this.clock = clock;
        tokens = burstBytes;
        filledNs = clock.getAsLong();
    }

    /** How many bytes may be read now; 0 or less for none. */
    int available() {
        if (bytesPerNs == 0) {
            return Integer.MAX_VALUE;
        }
        long nowNs = clock.getAsLong();
        tokens = Math.min(burstBytes, tokens + (nowNs - filledNs) * bytesPerNs);
        filledNs = nowNs;
        return (int) tokens;
    }

    /** Takes bytes away, into debt where there are not so many. */
    void take(int bytes) {
        tokens -= bytes;
    }

    /** How long until so many bytes may be read, in ns; 0 or less for now. */
    long nsUntil(int bytes) {
        int now = available();
        return now >= bytes ? 0 : (long) Math.ceil((bytes - tokens) / bytesPerNs);
    }
}
