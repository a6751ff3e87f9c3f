package hermod.client.internal;

import hermod.client.ConnectionQuality;

/** The smoothed round trip (RFC 6298, section 2: an eighth of each new one) and the quality read from it. Loop thread only. */
final class RoundTrips {
    private static final long EXCELLENT_BELOW_US = 100_000;
    private static final long GOOD_BELOW_US = 300_000;
    private static final long FAIR_BELOW_US = 600_000;
    private static final int SMOOTHING_SHIFT = 3;

    private long smoothedUs = -1;

    void reset() {
        smoothedUs = -1;
    }

    void add(long roundTripUs) {
        smoothedUs = smoothedUs < 0 ? roundTripUs : smoothedUs + ((roundTripUs - smoothedUs) >> SMOOTHING_SHIFT);
    }

    /** In microseconds; −1 before the first one. */
    long smoothedUs() {
        return smoothedUs;
    }

    /** @param missedHeartbeats each lowers the quality by one step, down to POOR. */
    ConnectionQuality quality(int missedHeartbeats) {
        if (smoothedUs < 0) {
            return ConnectionQuality.UNKNOWN;
        }
        ConnectionQuality quality = ofRoundTrip(smoothedUs);
        for (int i = 0; i < missedHeartbeats && quality != ConnectionQuality.POOR; i++) {
            quality = oneWorse(quality);
        }
        return quality;
    }

    private static ConnectionQuality oneWorse(ConnectionQuality quality) {
        return switch (quality) {
            case EXCELLENT -> ConnectionQuality.GOOD;
            case GOOD -> ConnectionQuality.FAIR;
            case FAIR, POOR -> ConnectionQuality.POOR;
            case UNKNOWN -> ConnectionQuality.UNKNOWN;
        };
    }

    private static ConnectionQuality ofRoundTrip(long us) {
        if (us < EXCELLENT_BELOW_US) {
            return ConnectionQuality.EXCELLENT;
        }
        if (us < GOOD_BELOW_US) {
            return ConnectionQuality.GOOD;
        }
        return us < FAIR_BELOW_US ? ConnectionQuality.FAIR : ConnectionQuality.POOR;
    }
}
