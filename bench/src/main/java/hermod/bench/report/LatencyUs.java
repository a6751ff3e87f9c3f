package hermod.bench.report;

import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import org.HdrHistogram.Histogram;

/** Percentiles of a run in microseconds, to a tenth. */
@JsonPropertyOrder({"p50", "p90", "p99", "p999", "max"})
public record LatencyUs(double p50, double p90, double p99, double p999, double max) {
    /** @param ns latencies in ns. */
    public static LatencyUs of(Histogram ns) {
        return new LatencyUs(
                us(ns.getValueAtPercentile(50)),
                us(ns.getValueAtPercentile(90)),
                us(ns.getValueAtPercentile(99)),
                us(ns.getValueAtPercentile(99.9)),
                us(ns.getMaxValue()));
    }

    /** A number of ns in microseconds, rounded to a tenth. */
    public static double us(long ns) {
        return Math.round(ns / 100.0) / 10.0;
    }
}
