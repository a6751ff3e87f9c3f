package hermod.bench.priority;

import hermod.bench.load.Stamp;
import hermod.bench.wire.LinkEvents;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.HdrHistogram.Histogram;

/**
 * What became of one phase's events, by lane. Events carry the phase in their stamp; others are passed over.
 *
 * <p>The counts are for any thread. {@link #event} is called on the subscriber's thread, and what it keeps (latencies, bytes of each tenth of a second)
 * may be read when that thread has nothing more of this phase to read.
 */
final class Ledger implements LinkEvents {
    /** Parts of a second in which bytes are counted; the share of a lane is that of any ten in a row. */
    private static final int PARTS_A_SECOND = 10;

    private static final long PART_NS = TimeUnit.SECONDS.toNanos(1) / PARTS_A_SECOND;
    private static final long LATENCY_NS_MAX = TimeUnit.MINUTES.toNanos(10);
    private static final int DIGITS = 3;

    private final int runId;
    private final int phase;
    private final long fromNs;
    private final long toNs;
    private final AtomicLongArray sent = new AtomicLongArray(Priority.COUNT);
    private final AtomicLongArray unsent = new AtomicLongArray(Priority.COUNT);
    private final AtomicLongArray accepted = new AtomicLongArray(Priority.COUNT);
    private final AtomicLongArray refused = new AtomicLongArray(Priority.COUNT);
    private final AtomicLongArray delivered = new AtomicLongArray(Priority.COUNT);
    private final AtomicLongArray shed = new AtomicLongArray(Priority.COUNT);
    private final AtomicLongArray disordered = new AtomicLongArray(Priority.COUNT);
    private final AtomicLong clamped = new AtomicLong();
    private final Map<String, Long> refusals = new TreeMap<>(); // guarded by itself
    private final Histogram[] latency = new Histogram[Priority.COUNT];
    private final int[] lastNumber = new int[Priority.COUNT];
    private final long[][] partBytes;
    private final long[] eventsInside = new long[Priority.COUNT];

    /**
     * @param phase the number in the stamps of its events.
     * @param fromNs events meant for this moment (nanoTime) or later, and before {@code toNs}, count for latency; bytes and rates are those read in this time.
     */
    Ledger(int runId, int phase, long fromNs, long toNs) {
        this.runId = runId;
        this.phase = phase;
        this.fromNs = fromNs;
        this.toNs = toNs;
        partBytes = new long[(int) ((toNs - fromNs) / PART_NS)][Priority.COUNT];
        for (int lane = 0; lane < latency.length; lane++) {
            latency[lane] = new Histogram(LATENCY_NS_MAX, DIGITS);
            lastNumber[lane] = -1;
        }
    }

    int phase() {
        return phase;
    }

    @Override
    public void event(int lane, int wireBytes, ByteBuf in, int payloadAt, int payloadBytes) {
        if (payloadBytes < Stamp.BYTES || in.getIntLE(payloadAt) != runId || in.getIntLE(payloadAt + 4) != phase) {
            return;
        }
        long nowNs = System.nanoTime();
        int number = in.getIntLE(payloadAt + 8);
        long intendedNs = in.getLongLE(payloadAt + 16);
        if (number <= lastNumber[lane]) {
            disordered.incrementAndGet(lane);
        } else {
            lastNumber[lane] = number;
        }
        if (intendedNs - fromNs >= 0 && intendedNs - toNs < 0) {
            latency[lane].recordValue(Math.min(LATENCY_NS_MAX, Math.max(0, nowNs - intendedNs)));
        }
        long part = Math.floorDiv(nowNs - fromNs, PART_NS);
        if (part >= 0 && part < partBytes.length) {
            partBytes[(int) part][lane] += wireBytes;
            eventsInside[lane]++;
        }
        delivered.incrementAndGet(lane);
    }

    @Override
    public void shed(int lane, long count) {
        shed.addAndGet(lane, count);
    }

    @Override
    public void accepted(int lane, long count) {
        accepted.addAndGet(lane, count);
    }

    @Override
    public void refused(int lane, int code) {
        refused.incrementAndGet(lane);
        synchronized (refusals) {
            refusals.merge(ErrorCode.nameOf(code), 1L, Long::sum);
        }
    }

    @Override
    public void clamped() {
        clamped.incrementAndGet();
    }

    void sent(int lane, long count) {
        sent.addAndGet(lane, count);
    }

    /** Events whose moment came and that were not written before the phase ended. */
    void unsent(int lane, long count) {
        unsent.addAndGet(lane, count);
    }

    long sent(int lane) {
        return sent.get(lane);
    }

    long unsent(int lane) {
        return unsent.get(lane);
    }

    long accepted(int lane) {
        return accepted.get(lane);
    }

    long refused(int lane) {
        return refused.get(lane);
    }

    long delivered(int lane) {
        return delivered.get(lane);
    }

    long shed(int lane) {
        return shed.get(lane);
    }

    /** Events that came behind a later one of their topic, or again. */
    long disordered(int lane) {
        return disordered.get(lane);
    }

    long clampedCount() {
        return clamped.get();
    }

    /** Sent and neither accepted nor refused. */
    long unaccounted(int lane) {
        return sent(lane) - accepted(lane) - refused(lane);
    }

    /** Accepted, neither delivered nor told as left out. */
    long lost(int lane) {
        return Math.max(0, accepted(lane) - delivered(lane) + disordered(lane) - shed(lane));
    }

    /** Whether everything has its outcome and everything accepted has come or was told as left out. */
    boolean isSettled() {
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            if (unaccounted(lane) > 0 || lost(lane) > 0) {
                return false;
            }
        }
        return true;
    }

    /** Rises with everything that comes; when it rests, nothing comes any more. */
    long activity() {
        long sum = 0;
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            sum += accepted(lane) + refused(lane) + delivered(lane) + shed(lane);
        }
        return sum;
    }

    /** Refusals by the name of their code. */
    Map<String, Long> refusals() {
        synchronized (refusals) {
            return new TreeMap<>(refusals);
        }
    }

    /** In ns, of the events meant for the measured time. */
    Histogram latency(int lane) {
        return latency[lane];
    }

    double seconds() {
        return (toNs - fromNs) / 1e9;
    }

    /** Events read in a second of the measured time, all lanes. */
    double eventsPerSecond() {
        double sum = 0;
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            sum += deliveredPerSecond(lane);
        }
        return sum;
    }

    /** Events of a lane read in a second of the measured time. */
    double deliveredPerSecond(int lane) {
        return eventsInside[lane] / seconds();
    }

    /** Bytes read in a second of the measured time, all lanes. */
    double bytesPerSecond() {
        return bytes(0, partBytes.length, -1) / seconds();
    }

    /** A lane's share of all bytes read in the measured time, from 0 to 1. */
    double meanShare(int lane) {
        return shareOf(lane, 0, partBytes.length);
    }

    /** The smallest share of a lane in any second (ten tenths in a row) of the measured time; of all of it where that is shorter. */
    double leastShare(int lane) {
        double least = 1;
        int width = Math.min(PARTS_A_SECOND, partBytes.length);
        for (int from = 0; from + width <= partBytes.length; from++) {
            least = Math.min(least, shareOf(lane, from, from + width));
        }
        return least;
    }

    private double shareOf(int lane, int from, int to) {
        long all = bytes(from, to, -1);
        return all == 0 ? 0 : (double) bytes(from, to, lane) / all;
    }

    /** @param lane −1 for all. */
    private long bytes(int from, int to, int lane) {
        long sum = 0;
        for (int part = from; part < to; part++) {
            for (int one = 0; one < Priority.COUNT; one++) {
                sum += lane < 0 || lane == one ? partBytes[part][one] : 0;
            }
        }
        return sum;
    }
}
