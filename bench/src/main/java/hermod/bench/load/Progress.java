package hermod.bench.load;

import java.io.PrintStream;
import java.util.Locale;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.Histogram;

/**
 * Counts a run and prints one line a second while it goes. The counters are for any thread; the lines come from a daemon thread, which also takes the
 * latency's intervals between {@link #start} and {@link #close}.
 */
public final class Progress implements AutoCloseable {
    private static final long EVERY_MS = 1_000;

    private final LongAdder published = new LongAdder();
    private final LongAdder answered = new LongAdder();
    private final LongAdder delivered = new LongAdder();
    private final PrintStream out;
    private final Latency latency;
    private final Thread thread;
    private long publishedBefore;
    private long deliveredBefore;

    public Progress(PrintStream out, Latency latency) {
        this.out = out;
        this.latency = latency;
        thread = new Thread(this::printUntilClosed, "bench-progress");
        thread.setDaemon(true);
    }

    public Progress start() {
        thread.start();
        return this;
    }

    public void published() {
        published.increment();
    }

    /** A publish got its outcome, good or bad. */
    public void answered() {
        answered.increment();
    }

    public void delivered() {
        delivered.increment();
    }

    public long publishedCount() {
        return published.sum();
    }

    public long answeredCount() {
        return answered.sum();
    }

    public long deliveredCount() {
        return delivered.sum();
    }

    private void printUntilClosed() {
        for (int second = 1; sleepASecond(); second++) {
            Histogram interval = latency.takeInterval();
            long publishedNow = published.sum();
            long deliveredNow = delivered.sum();
            out.println(String.format(
                    Locale.ROOT,
                    "%4d s  published %,d (+%,d)  delivered %,d (+%,d)  p50 %.0f us  p99 %.0f us",
                    second,
                    publishedNow,
                    publishedNow - publishedBefore,
                    deliveredNow,
                    deliveredNow - deliveredBefore,
                    interval.getValueAtPercentile(50) / 1e3,
                    interval.getValueAtPercentile(99) / 1e3));
            publishedBefore = publishedNow;
            deliveredBefore = deliveredNow;
        }
    }

    private static boolean sleepASecond() {
        try {
            Thread.sleep(EVERY_MS);
            return true;
        } catch (InterruptedException closed) {
            return false;
        }
    }

    /** Stops the lines; the counters stay. */
    @Override
    public void close() {
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
