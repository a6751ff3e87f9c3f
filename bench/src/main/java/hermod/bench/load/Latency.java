package hermod.bench.load;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogWriter;
import org.HdrHistogram.Recorder;
import org.jspecify.annotations.Nullable;

/**
 * Latencies of one run in ns, from the intended send time to the handler, at three significant digits up to ten minutes; longer ones count as ten
 * minutes.
 *
 * <p>Any thread: {@link #record} never waits; the others hold the object's lock, because progress and scenario both take intervals.
 */
public final class Latency implements AutoCloseable {
    private static final long LIMIT_NS = TimeUnit.MINUTES.toNanos(10);
    private static final int DIGITS = 3;

    private final Recorder recorder = new Recorder(LIMIT_NS, DIGITS);
    private final Histogram total = new Histogram(LIMIT_NS, DIGITS);
    private final @Nullable PrintStream log;
    private final @Nullable HistogramLogWriter logWriter;
    private @Nullable Histogram interval;

    /** @param logFile where the intervals are written as an HdrHistogram log; null for nowhere. */
    public Latency(@Nullable Path logFile) {
        if (logFile == null) {
            log = null;
            logWriter = null;
            return;
        }
        try {
            log = new PrintStream(Files.newOutputStream(logFile), true, StandardCharsets.UTF_8);
        } catch (IOException unwritable) {
            throw new BenchFailure(
                    BenchFailure.Kind.USAGE, "histogram log cannot be written: " + unwritable.getMessage());
        }
        logWriter = new HistogramLogWriter(log);
        logWriter.outputComment("[Latencies in ns, from the intended send time to the subscriber's handler]");
        logWriter.outputLogFormatVersion();
        logWriter.outputStartTime(System.currentTimeMillis());
        logWriter.outputLegend();
    }

    public void record(long latencyNs) {
        recorder.recordValue(Math.min(LIMIT_NS, Math.max(0, latencyNs)));
    }

    /** Ends an interval, adds it to the total and to the log. */
    public synchronized Histogram takeInterval() {
        Histogram taken = recorder.getIntervalHistogram(interval);
        interval = taken;
        total.add(taken);
        if (logWriter != null && taken.getTotalCount() > 0) {
            logWriter.outputIntervalHistogram(taken);
        }
        return taken.copy();
    }

    /** Forgets everything so far: the warm-up. */
    public synchronized void reset() {
        interval = recorder.getIntervalHistogram(interval);
        total.reset();
    }

    /** All up to now. */
    public synchronized Histogram total() {
        takeInterval();
        return total.copy();
    }

    @Override
    public synchronized void close() {
        if (log != null) {
            log.close();
        }
    }
}
