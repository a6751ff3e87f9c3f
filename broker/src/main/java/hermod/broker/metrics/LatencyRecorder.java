package hermod.broker.metrics;

import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * The latencies of one stage of one channel on one shard: written by the shard's thread, collected by a reader.
 *
 * <p>The pair of histograms of HdrHistogram's own recorders, but the phases between writer and reader are kept by {@link ShardMetrics} for all its recorders at once: a recorder of its own pays two locked instructions for every value,
 * which is more than the value's place in the histogram costs.
 */
final class LatencyRecorder {
    private final int digits;
    private final Histogram total;
    private volatile Histogram active;
    private @Nullable Histogram spare;

    LatencyRecorder(int digits) {
        this.digits = digits;
        this.active = histogram();
        this.total = histogram();
    }

    private Histogram histogram() {
        return new Histogram(ShardMetrics.HIGHEST_US, digits);
    }

    /** The writer, inside a phase. */
    void record(long us, long count) {
        active.recordValueWithCount(us, count);
    }

    /** The reader, before it ends the phase: what comes from now on goes to the other histogram. */
    void swap() {
        Histogram next = spare == null ? histogram() : spare;
        spare = active;
        active = next;
    }

    /** The reader, after the phase's end: adds what was recorded before {@link #swap}. */
    void collect() {
        Histogram before = spare;
        if (before != null) {
            total.add(before);
            before.reset();
        }
    }

    /** All that was collected since the start; the reader's. */
    Histogram total() {
        return total;
    }
}
