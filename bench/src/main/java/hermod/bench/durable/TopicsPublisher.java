package hermod.bench.durable;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.load.Stamp;
import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import hermod.protocol.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Publishes to many topics in turn over one connection, each event with its number from 1 and the time of its writing: as fast as a window of unanswered events allows, or at a rate. A thread of its own takes the answers until it is closed; the publishing methods are one thread's. The counts are for any thread.
 */
final class TopicsPublisher implements AutoCloseable {
    private static final int READ_BYTES = 256 * 1024;
    private static final int BURST = 256;
    private static final long POLL_NS = TimeUnit.MICROSECONDS.toNanos(50);
    private static final long TICK_NS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(30);
    private static final int HEAD_BYTES = 64;

    private final ManyTopicsLink link;
    private final int topicCount;
    private final int payloadBytes;
    private final ByteBuf out;
    private final Thread answers;
    private final AtomicLong published = new AtomicLong();
    private final AtomicLong acknowledged = new AtomicLong();
    private final AtomicLong refused = new AtomicLong();
    private final AtomicIntegerArray publishedTo;
    private final Map<String, Long> refusals = new ConcurrentHashMap<>();
    private final Link.Payloads payloads;
    private volatile String end = "";
    private volatile boolean isStopped;
    private int nextTopic;
    private int number;

    /** @param link open; closed with this object. */
    TopicsPublisher(ManyTopicsLink link, int topicCount, int payloadBytes) {
        this.link = link;
        this.topicCount = topicCount;
        this.payloadBytes = payloadBytes;
        publishedTo = new AtomicIntegerArray(topicCount);
        out = Unpooled.directBuffer(BURST * (payloadBytes + HEAD_BYTES));
        payloads = (index, to) -> {
            to.writeIntLE(++number);
            to.writeZero(Stamp.BYTES - Long.BYTES - Integer.BYTES);
            to.writeLongLE(System.nanoTime());
            to.writeZero(payloadBytes - Stamp.BYTES);
        };
        answers = new Thread(this::readAnswers, "bench-answers");
        answers.setDaemon(true);
        answers.start();
    }

    long published() {
        return published.get();
    }

    long acknowledged() {
        return acknowledged.get();
    }

    long refused() {
        return refused.get();
    }

    /** By the name of their code. */
    Map<String, Long> refusals() {
        return Map.copyOf(refusals);
    }

    /** Why the connection ended; empty while it has not. */
    String end() {
        return end;
    }

    /** How many events a topic was sent. */
    int publishedTo(int index) {
        return publishedTo.get(index);
    }

    /**
     * Publishes until so many more events are acknowledged; what is refused is made up for.
     *
     * @throws BenchFailure if as many are refused, or nothing is answered for 30 s.
     */
    void fill(long events, int window) throws IOException {
        long wanted = acknowledged.get() + events;
        long refusedBefore = refused.get();
        long seen = -1;
        long seenNs = System.nanoTime();
        while (acknowledged.get() < wanted) {
            long answered = acknowledged.get() + refused.get();
            if (answered != seen) {
                seen = answered;
                seenNs = System.nanoTime();
            }
            if (!end.isEmpty() || System.nanoTime() - seenNs > PATIENCE_NS) {
                throw new BenchFailure(
                        Kind.FAILED, "the fill stopped: " + (end.isEmpty() ? "no answer for 30 s" : end));
            }
            if (refused.get() - refusedBefore > events) {
                throw new BenchFailure(Kind.FAILED, "the fill was refused too often: " + refusals);
            }
            long unanswered = published.get() - answered;
            int count = (int) Math.min(BURST, Math.min(window - unanswered, wanted - acknowledged.get() - unanswered));
            if (count > 0) {
                publish(count);
            } else {
                LockSupport.parkNanos(POLL_NS);
            }
        }
    }

    /** Publishes so many events a second, those due in a millisecond in one write, until a moment (nanoTime), {@link #stop} or the connection's end. */
    void paced(int perSecond, long toNs) throws IOException {
        long startNs = System.nanoTime();
        long count = 0;
        for (long nowNs = startNs; nowNs - toNs < 0 && end.isEmpty() && !isStopped; nowNs = System.nanoTime()) {
            long due = (nowNs - startNs) * perSecond / TimeUnit.SECONDS.toNanos(1);
            while (count < due) {
                int piece = (int) Math.min(BURST, due - count);
                publish(piece);
                count += piece;
            }
            LockSupport.parkNanos(TICK_NS);
        }
    }

    /** Ends {@link #paced}; any thread. */
    void stop() {
        isStopped = true;
    }

    /** Waits until all that was published is answered. @return whether it was, in 30 s. */
    boolean settle() {
        long deadlineNs = System.nanoTime() + PATIENCE_NS;
        while (published.get() > acknowledged.get() + refused.get()) {
            if (!end.isEmpty() || System.nanoTime() - deadlineNs > 0) {
                return false;
            }
            LockSupport.parkNanos(POLL_NS);
        }
        return true;
    }

    private void publish(int count) throws IOException {
        out.clear();
        for (int i = 0; i < count; i++) {
            link.encode(out, nextTopic, 1, payloadBytes, payloads);
            publishedTo.incrementAndGet(nextTopic);
            nextTopic = nextTopic + 1 == topicCount ? 0 : nextTopic + 1;
        }
        published.addAndGet(count);
        link.write(out);
    }

    private void readAnswers() {
        LinkEvents events = new LinkEvents() {
            @Override
            public void accepted(int lane, long count) {
                acknowledged.addAndGet(count);
            }

            @Override
            public void refused(int lane, int code) {
                refusals.merge(ErrorCode.nameOf(code), 1L, Long::sum);
                refused.incrementAndGet();
            }

            @Override
            public void closing(String reason) {
                end = reason;
            }
        };
        try {
            while (link.read(READ_BYTES, events) >= 0) {
                // until the connection ends
            }
            if (end.isEmpty()) {
                end = "the broker ended the connection";
            }
        } catch (IOException broken) {
            end = String.valueOf(broken.getMessage());
        }
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
}
