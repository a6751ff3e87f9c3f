package hermod.bench.priority;

import hermod.bench.load.Stamp;
import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Publishes to the topics of one or more lanes over one connection, many events in a write where many are due, and takes the answers.
 *
 * <p>A thread of its own reads the answers until it is closed. The publishing methods block, on one thread at a time; {@link #close} ends them.
 */
final class Publisher implements AutoCloseable {
    private static final int WRITE_BYTES = 32 * 1024;
    private static final int READ_BYTES = 64 * 1024;
    private static final long SPIN_NS = TimeUnit.MICROSECONDS.toNanos(60);
    private static final long WINDOW_POLL_NS = TimeUnit.MICROSECONDS.toNanos(20);

    /** A load that need not keep its debt forgets what it is further behind. */
    private static final double FORGIVEN_AFTER_SECONDS = 0.02;

    private final Link link;
    private final int runId;
    private final int payloadBytes;
    private final ByteBuf out;
    private final int[] number = new int[Priority.COUNT];
    private final AtomicLong answered = new AtomicLong();
    private final Thread answers;
    private final Stamping stamping = new Stamping();
    private long sentCount;
    private volatile Ledger ledger;
    private volatile @Nullable String end;

    /**
     * @param link open; closed with this object.
     * @param payloadBytes of each event, at least a stamp's.
     */
    Publisher(Link link, int runId, int payloadBytes, Ledger ledger) {
        this.link = link;
        this.runId = runId;
        this.payloadBytes = payloadBytes;
        this.ledger = ledger;
        out = Unpooled.directBuffer(WRITE_BYTES + 2 * payloadBytes);
        answers = new Thread(this::readAnswers, "bench-answers");
        answers.setDaemon(true);
        answers.start();
    }

    /** From here on events are numbered from 0 and entered there. */
    void enterInto(Ledger next) {
        ledger = next;
        java.util.Arrays.fill(number, 0);
    }

    /** Why the connection ended by itself; null while it has not. */
    @Nullable
    String end() {
        return end;
    }

    /**
     * Publishes at fixed rates from intended send times.
     *
     * @param perSecond by lane; 0 for none.
     * @param fromNs moment (nanoTime) of the first event of each lane.
     * @param tickNs how long events of a fast lane may be gathered into one write; 0 waits for each one's moment to the microsecond.
     * @param keepsDebt whether events that could not be sent in time are sent later, with the moment they were meant for; otherwise those are never made.
     */
    void paced(double[] perSecond, long fromNs, long toNs, long tickNs, boolean keepsDebt) {
        long[] next = new long[Priority.COUNT];
        try {
            for (long nowNs = System.nanoTime(); nowNs - toNs < 0; nowNs = System.nanoTime()) {
                for (int lane = Priority.COUNT - 1; lane >= 0; lane--) {
                    if (perSecond[lane] > 0) {
                        publishDue(lane, perSecond[lane], fromNs, nowNs, next, keepsDebt);
                    }
                }
                await(Math.min(nextNs(perSecond, fromNs, next), toNs), tickNs);
            }
        } catch (IOException ended) {
            ended(ended);
        }
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            long due = (long) ((toNs - fromNs) / 1e9 * perSecond[lane]);
            ledger.unsent(lane, keepsDebt ? Math.max(0, due - next[lane]) : 0);
        }
    }

    private void publishDue(int lane, double perSecond, long fromNs, long nowNs, long[] next, boolean keepsDebt)
            throws IOException {
        long due = (long) ((nowNs - fromNs) / 1e9 * perSecond) + 1 - next[lane];
        if (nowNs - fromNs < 0 || due <= 0) {
            return;
        }
        long forgiven = (long) (due - 1 - perSecond * FORGIVEN_AFTER_SECONDS);
        if (!keepsDebt && forgiven > 0) {
            next[lane] += forgiven;
            due -= forgiven;
        }
        int count = (int) Math.min(due, Math.max(1, WRITE_BYTES / payloadBytes));
        awaitWindow(count);
        stamping.startNs = fromNs;
        stamping.perSecond = perSecond;
        stamping.index = next[lane];
        next[lane] += count;
        write(lane, count);
    }

    private static long nextNs(double[] perSecond, long fromNs, long[] next) {
        long least = Long.MAX_VALUE;
        for (int lane = 0; lane < perSecond.length; lane++) {
            if (perSecond[lane] > 0) {
                least = Math.min(least, fromNs + (long) (next[lane] * 1e9 / perSecond[lane]));
            }
        }
        return least;
    }

    private static void await(long untilNs, long tickNs) {
        long leftNs = untilNs - System.nanoTime();
        if (tickNs > 0) {
            if (leftNs > 0) {
                LockSupport.parkNanos(Math.max(leftNs, tickNs));
            }
            return;
        }
        while (leftNs > 0) {
            if (leftNs > SPIN_NS) {
                LockSupport.parkNanos(leftNs - SPIN_NS);
            } else {
                Thread.onSpinWait();
            }
            leftNs = untilNs - System.nanoTime();
        }
    }

    /**
     * Publishes as fast as it goes, with at most so many events of these lanes that have neither come nor been told as left out.
     *
     * @param weights events of each lane in turn.
     */
    void windowed(int[] weights, long toNs, long undeliveredMax) {
        try {
            while (System.nanoTime() - toNs < 0) {
                for (int lane = 0; lane < Priority.COUNT; lane++) {
                    if (weights[lane] > 0) {
                        awaitDelivery(weights, weights[lane], undeliveredMax, toNs);
                        awaitWindow(weights[lane]);
                        stamping.startNs = System.nanoTime();
                        stamping.index = 0;
                        stamping.perSecond = Double.POSITIVE_INFINITY;
                        write(lane, weights[lane]);
                    }
                }
            }
        } catch (IOException ended) {
            ended(ended);
        }
    }

    private void awaitDelivery(int[] weights, int count, long undeliveredMax, long toNs) {
        while (undelivered(weights) + count > undeliveredMax && System.nanoTime() - toNs < 0) {
            LockSupport.parkNanos(WINDOW_POLL_NS);
        }
    }

    private long undelivered(int[] weights) {
        long sum = 0;
        Ledger now = ledger;
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            if (weights[lane] > 0) {
                sum += now.sent(lane) - now.delivered(lane) - now.shed(lane) - now.refused(lane);
            }
        }
        return sum;
    }

    private void awaitWindow(int count) throws IOException {
        while (link.isAnswered() && sentCount + count - answered.get() > link.publishWindowEvents()) {
            if (link.isClosed()) {
                throw new IOException("the broker ended a publisher's connection");
            }
            LockSupport.parkNanos(WINDOW_POLL_NS);
        }
    }

    private void write(int lane, int count) throws IOException {
        Ledger now = ledger;
        out.clear();
        stamping.phase = now.phase();
        link.encode(out, lane, count, payloadBytes, stamping);
        now.sent(lane, count);
        sentCount += count;
        if (!link.isAnswered()) {
            now.accepted(lane, count);
        }
        link.write(out);
    }

    private void readAnswers() {
        Answers entering = new Answers();
        try {
            while (true) {
                if (link.read(READ_BYTES, entering) < 0) {
                    ended(new IOException("the broker ended a publisher's connection"));
                    return;
                }
            }
        } catch (IOException broken) {
            ended(broken);
        }
    }

    private void ended(IOException why) {
        if (!link.isClosed() && end == null) {
            end = String.valueOf(why.getMessage());
        }
        link.close();
    }

    @Override
    public void close() {
        link.close();
        try {
            answers.join();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Writes payloads: the stamp, and zeros. */
    private final class Stamping implements Link.Payloads {
        private long startNs;
        private double perSecond;
        private long index;
        private int phase;

        @Override
        public void writeNext(int lane, ByteBuf to) {
            to.writeIntLE(runId);
            to.writeIntLE(phase);
            to.writeIntLE(number[lane]);
            to.writeIntLE(0);
            to.writeLongLE(startNs + (long) (index * 1e9 / perSecond));
            to.writeZero(payloadBytes - Stamp.BYTES);
            number[lane]++;
            index++;
        }
    }

    private final class Answers implements LinkEvents {
        @Override
        public void accepted(int lane, long count) {
            answered.addAndGet(count);
            ledger.accepted(lane, count);
        }

        @Override
        public void refused(int lane, int code) {
            answered.incrementAndGet();
            ledger.refused(lane, code);
        }

        @Override
        public void clamped() {
            ledger.clamped();
        }

        @Override
        public void closing(String why) {
            end = why;
        }
    }
}
