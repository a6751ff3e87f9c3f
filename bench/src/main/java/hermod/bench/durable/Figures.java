package hermod.bench.durable;

import org.HdrHistogram.Histogram;

/**
 * What one measurement of one round gave.
 *
 * @param p50Us and {@code p99Us}: microseconds.
 * @param perSecond completed.
 */
record Figures(double p50Us, double p99Us, double perSecond) {
    /** @param ns latencies in ns. */
    static Figures of(Histogram ns, double seconds) {
        return new Figures(
                ns.getValueAtPercentile(50) / 1e3, ns.getValueAtPercentile(99) / 1e3, ns.getTotalCount() / seconds);
    }
}
