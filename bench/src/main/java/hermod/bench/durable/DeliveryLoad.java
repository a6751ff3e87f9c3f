package hermod.bench.durable;

import hermod.bench.load.Stamp;
import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * One event at a time from one connection to another: how long until its publisher has the answer, and how long until the subscriber has the event. The next is published when both have come.
 *
 * <p>The subscriber has a thread of its own; the publisher is the caller's.
 */
final class DeliveryLoad {
    private static final int READ_BYTES = 64 * 1024;
    private static final long PATIENCE_MS = 15_000;
    private static final int STAMP_INTS_BEFORE_TIME = 3;
    private static final int TIME_AT = 16;

    /**
     * What became of it.
     *
     * @param answer and {@code delivery}: latencies in ns, from the write.
     * @param published, {@code acknowledged}, {@code refused}, {@code delivered} with the warm-up.
     * @param end why the run ended early; null if it did not.
     */
    record Outcome(
            Histogram answer,
            Histogram delivery,
            double seconds,
            long published,
            long acknowledged,
            long refused,
            long delivered,
            @Nullable String end) {
        long unaccounted() {
            return published - acknowledged - refused;
        }
    }

    private final Histogram answer = new Histogram(TimeUnit.MINUTES.toNanos(2), 3);
    private final Histogram delivery = new Histogram(TimeUnit.MINUTES.toNanos(2), 3);
    private final Semaphore arrived = new Semaphore(0);
    private final Link subscriber;
    private final int runId;
    private final long fromNs;
    private final long toNs;
    private long published;
    private long acknowledged;
    private long refused;
    private volatile long delivered;
    private @Nullable String end;

    private DeliveryLoad(Link subscriber, int runId, long fromNs, long toNs) {
        this.subscriber = subscriber;
        this.runId = runId;
        this.fromNs = fromNs;
        this.toNs = toNs;
    }

    /** Runs it; both links are open, and are closed here. */
    static Outcome run(
            Link publisher,
            Link subscriber,
            int lane,
            int runId,
            int payloadBytes,
            double warmUpSeconds,
            double measuredSeconds)
            throws InterruptedException, IOException {
        long fromNs = System.nanoTime() + (long) (warmUpSeconds * 1e9);
        long toNs = fromNs + (long) (measuredSeconds * 1e9);
        DeliveryLoad load = new DeliveryLoad(subscriber, runId, fromNs, toNs);
        Thread reading = new Thread(load::readAll, "bench-subscriber");
        reading.setDaemon(true);
        reading.start();
        CompletableFuture<Void> done = new CompletableFuture<>();
        var unused = done.orTimeout(
                        (long) ((warmUpSeconds + measuredSeconds) * 1_000) + PATIENCE_MS, TimeUnit.MILLISECONDS)
                .whenComplete((all, late) -> {
                    if (late != null) {
                        publisher.close();
                    }
                });
        try (publisher) {
            load.publish(publisher, lane, payloadBytes);
        } finally {
            done.complete(null);
            subscriber.close();
            reading.join();
        }
        return new Outcome(
                load.answer,
                load.delivery,
                measuredSeconds,
                load.published,
                load.acknowledged,
                load.refused,
                load.delivered,
                load.end);
    }

    private void publish(Link link, int lane, int payloadBytes) throws IOException, InterruptedException {
        ByteBuf out = Unpooled.directBuffer(payloadBytes + 128);
        Answers answers = new Answers();
        Link.Payloads payloads = (ofLane, to) -> {
            to.writeIntLE(runId);
            to.writeZero(STAMP_INTS_BEFORE_TIME * Integer.BYTES);
            to.writeLongLE(System.nanoTime());
            to.writeZero(payloadBytes - Stamp.BYTES);
        };
        try {
            while (System.nanoTime() - toNs < 0) {
                out.clear();
                link.encode(out, lane, 1, payloadBytes, payloads);
                answers.sentNs = System.nanoTime();
                answers.isAwaited = true;
                published++;
                link.write(out);
                long acknowledgedBefore = acknowledged;
                while (answers.isAwaited) {
                    if (link.read(READ_BYTES, answers) < 0) {
                        end = answers.words.isEmpty() ? "the publisher got no answer" : answers.words.toString();
                        return;
                    }
                }
                if (acknowledged > acknowledgedBefore && !arrived.tryAcquire(PATIENCE_MS, TimeUnit.MILLISECONDS)) {
                    end = "an acknowledged event did not reach the subscriber in " + PATIENCE_MS / 1_000 + " s";
                    return;
                }
            }
        } finally {
            out.release();
        }
    }

    private void readAll() {
        LinkEvents events = new LinkEvents() {
            @Override
            @SuppressWarnings("NonAtomicVolatileUpdate") // one writer
            public void event(int lane, int wireBytes, ByteBuf in, int payloadAt, int payloadBytes) {
                if (payloadBytes < Stamp.BYTES || in.getIntLE(payloadAt) != runId) {
                    return;
                }
                long nowNs = System.nanoTime();
                if (nowNs - fromNs >= 0 && nowNs - toNs < 0) {
                    delivery.recordValue(nowNs - in.getLongLE(payloadAt + TIME_AT));
                }
                delivered++;
                arrived.release();
            }
        };
        try {
            while (subscriber.read(READ_BYTES, events) >= 0) {
                // until the link is closed
            }
        } catch (IOException broken) {
            // The publisher waits in vain for the event, and says so.
        }
    }

    /** The publisher's reading, on the caller's thread. */
    private final class Answers implements LinkEvents {
        private final StringBuilder words = new StringBuilder();
        private long sentNs;
        private boolean isAwaited;

        @Override
        public void accepted(int lane, long count) {
            long nowNs = System.nanoTime();
            acknowledged++;
            isAwaited = false;
            if (nowNs - fromNs >= 0 && nowNs - toNs < 0) {
                answer.recordValue(nowNs - sentNs);
            }
        }

        @Override
        public void refused(int lane, int code) {
            refused++;
            isAwaited = false;
        }

        @Override
        public void closing(String reason) {
            words.append(words.isEmpty() ? "" : "; ").append(reason);
        }
    }
}
