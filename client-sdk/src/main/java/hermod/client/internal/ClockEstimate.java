package hermod.client.internal;

/**
 * How far the broker's clock is from ours: of the last 16 measurements the one with the smallest round trip, whose error is at most half of it.
 *
 * <p>Loop thread only. The rule is that of NTP's clock filter (RFC 5905, section 10).
 */
final class ClockEstimate {
    private static final int SAMPLE_COUNT = 16;

    private final long[] roundTripUs = new long[SAMPLE_COUNT];
    private final long[] offsetUs = new long[SAMPLE_COUNT];
    private int count;
    private int best;

    /** Forgets all: another broker has another clock. */
    void reset() {
        count = 0;
        best = 0;
    }

    boolean isKnown() {
        return count > 0;
    }

    /**
     * One exchange of PING and PONG.
     *
     * @param t0 when the PING was sent, and {@code t3} when the PONG came, on our clock; {@code t1} and {@code t2} the same on the broker's.
     * @return the round trip in microseconds, or −1 for an exchange that can't be: it was not taken.
     */
    long add(long t0, long t1, long t2, long t3) {
        long tripUs = (t3 - t0) - (t2 - t1);
        if (t3 < t0 || t2 < t1 || tripUs < 0) {
            return -1;
        }
        int at = count % SAMPLE_COUNT;
        roundTripUs[at] = tripUs;
        offsetUs[at] = ((t1 - t0) + (t2 - t3)) / 2;
        count = count == Integer.MAX_VALUE ? SAMPLE_COUNT : count + 1;
        best = indexOfSmallest();
        return tripUs;
    }

    /** The broker's clock minus ours, in microseconds; 0 while not known. */
    long offsetUs() {
        return isKnown() ? offsetUs[best] : 0;
    }

    /** Bound of the offset's error in microseconds; {@code Long.MAX_VALUE} while not known. */
    long errorUs() {
        return isKnown() ? (roundTripUs[best] + 1) / 2 : Long.MAX_VALUE;
    }

    private int indexOfSmallest() {
        int smallest = 0;
        for (int i = 1; i < Math.min(count, SAMPLE_COUNT); i++) {
            if (roundTripUs[i] < roundTripUs[smallest]) {
                smallest = i;
            }
        }
        return smallest;
    }
}
