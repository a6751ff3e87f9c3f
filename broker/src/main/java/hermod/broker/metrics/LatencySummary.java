package hermod.broker.metrics;

/** A distribution of latencies in microseconds; all zero where {@code count} is 0. Immutable. */
public record LatencySummary(long p50, long p90, long p95, long p99, long p999, long max, double mean, long count) {

    /** Nothing was measured. */
    public static final LatencySummary EMPTY = new LatencySummary(0, 0, 0, 0, 0, 0, 0, 0);
}
