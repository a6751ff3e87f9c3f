package hermod.client;

/** How good the way to the broker is, from the smoothed round trip; each heartbeat that stays unanswered lowers it by one step. Best first. */
public enum ConnectionQuality {
    /** Round trip below 100 ms. */
    EXCELLENT,
    /** Below 300 ms. */
    GOOD,
    /** Below 600 ms. */
    FAIR,
    /** 600 ms or more. */
    POOR,
    /** Not measured yet, or not connected. */
    UNKNOWN
}
