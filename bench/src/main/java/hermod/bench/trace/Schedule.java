package hermod.bench.trace;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * When the events of a trace go out, in ns after the start: at the trace's moments divided by a speed, or with each gap cut to a cap.
 *
 * @param atNs by event, never falling.
 * @param description what was done to the trace's time, for the result.
 */
@SuppressWarnings("ArrayRecordComponent") // a column of numbers that is never compared
public record Schedule(long[] atNs, String description) {
    private static final double DEFAULT_SECONDS = 60;

    /** Divides time by {@code speed}. Order, rooms and the shape of the bursts stay; every burst gets that much steeper. */
    public static Schedule atSpeed(List<TraceEvent> events, double speed) {
        long first = events.get(0).atMs();
        long[] atNs = new long[events.size()];
        for (int i = 0; i < atNs.length; i++) {
            atNs[i] = (long) ((events.get(i).atMs() - first) * 1e6 / speed);
        }
        return new Schedule(atNs, String.format(Locale.ROOT, "the trace's time divided by %.0f", speed));
    }

    /** Keeps every gap up to the cap and cuts longer ones to it. */
    public static Schedule withGapCap(List<TraceEvent> events, long gapCapMs) {
        long[] atNs = new long[events.size()];
        for (int i = 1; i < atNs.length; i++) {
            long gapMs =
                    Math.min(gapCapMs, events.get(i).atMs() - events.get(i - 1).atMs());
            atNs[i] = atNs[i - 1] + TimeUnit.MILLISECONDS.toNanos(gapMs);
        }
        return new Schedule(atNs, "the trace's gaps cut to at most " + gapCapMs + " ms");
    }

    /** What was asked for; with nothing asked, a speed at which 20,000 events take about a minute and others in proportion. */
    public static Schedule of(List<TraceEvent> events, @Nullable Double speed, @Nullable Long gapCapMs) {
        if (gapCapMs != null) {
            return withGapCap(events, gapCapMs);
        }
        return atSpeed(events, speed != null ? speed : defaultSpeed(events));
    }

    static double defaultSpeed(List<TraceEvent> events) {
        double spanMs =
                (double) events.get(events.size() - 1).atMs() - events.get(0).atMs();
        double wantedMs = 1000 * DEFAULT_SECONDS * events.size() / 20_000;
        return Math.max(1, Math.ceil(spanMs / wantedMs));
    }
}
