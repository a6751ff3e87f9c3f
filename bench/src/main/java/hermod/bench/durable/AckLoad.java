package hermod.bench.durable;

import hermod.bench.load.Stamp;
import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import hermod.protocol.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/**
 * Publishes with a fixed number of unanswered events on each connection: an answer makes room for the next. Latency is from the write to the return of the read that has the answer. One thread, whatever the number of connections.
 */
final class AckLoad {
    private static final int READ_BYTES = 64 * 1024;

    /** How long the last answers may take before they count as never given. */
    private static final long PATIENCE_MS = 15_000;

    private static final int STAMP_INTS_BEFORE_TIME = 3;

    /**
     * What became of it.
     *
     * @param ns latencies of the answers that came in the measured time; refusals are not in it.
     * @param seconds measured.
     * @param published, {@code acknowledged}, {@code refused} with the warm-up.
     * @param refusals by the name of their code.
     * @param end why the run ended early; null if it did not.
     */
    record Outcome(
            Histogram ns,
            double seconds,
            long published,
            long acknowledged,
            long refused,
            Map<String, Long> refusals,
            @Nullable String end) {
        long unaccounted() {
            return published - acknowledged - refused;
        }

        Figures figures() {
            return Figures.of(ns, seconds);
        }
    }

    private final List<Flow> flows = new ArrayList<>();
    private final int runId;
    private final int payloadBytes;
    private final Histogram ns = new Histogram(TimeUnit.MINUTES.toNanos(2), 3);
    private final Map<String, Long> refusals = new TreeMap<>();
    private final long fromNs;
    private final long toNs;
    private long published;
    private long acknowledged;
    private long refused;
    private @Nullable String end;

    private AckLoad(int runId, int payloadBytes, long fromNs, long toNs) {
        this.runId = runId;
        this.payloadBytes = payloadBytes;
        this.fromNs = fromNs;
        this.toNs = toNs;
    }

    /**
     * Runs it; the links are open and stay so.
     *
     * @param lane that the links publish in.
     * @param window unanswered events on each link.
     * @param payloadBytes at least a stamp's.
     */
    static Outcome run(
            List<Link> links,
            int lane,
            int runId,
            int window,
            int payloadBytes,
            double warmUpSeconds,
            double measuredSeconds)
            throws IOException {
        long startNs = System.nanoTime();
        long fromNs = startNs + (long) (warmUpSeconds * 1e9);
        long toNs = fromNs + (long) (measuredSeconds * 1e9);
        AckLoad load = new AckLoad(runId, payloadBytes, fromNs, toNs);
        for (Link link : links) {
            load.flows.add(load.new Flow(link, lane, window));
        }
        long patienceMs = TimeUnit.NANOSECONDS.toMillis(toNs - startNs) + PATIENCE_MS;
        CompletableFuture<Void> done = new CompletableFuture<>();
        // A blocking read has no deadline of its own.
        var unused = done.orTimeout(patienceMs, TimeUnit.MILLISECONDS).whenComplete((all, late) -> {
            if (late != null) {
                links.forEach(Link::close);
            }
        });
        try {
            if (links.size() == 1) {
                load.runOne();
            } else {
                load.runMany();
            }
        } finally {
            done.complete(null);
            load.flows.forEach(flow -> flow.out.release());
        }
        return new Outcome(
                load.ns, measuredSeconds, load.published, load.acknowledged, load.refused, load.refusals, load.end);
    }

    private void runOne() throws IOException {
        Flow flow = flows.get(0);
        flow.publish(flow.window);
        while (flow.unanswered() > 0) {
            if (flow.read() < 0) {
                end = flow.why();
                return;
            }
            flow.goOn();
        }
    }

    private void runMany() throws IOException {
        try (Selector selector = Selector.open()) {
            for (Flow flow : flows) {
                flow.link.register(selector, flow);
            }
            for (Flow flow : flows) {
                flow.publish(flow.window);
            }
            int unfinished = flows.size();
            while (unfinished > 0) {
                selector.select(PATIENCE_MS);
                if (selector.selectedKeys().isEmpty()) {
                    end = "no answer for " + PATIENCE_MS / 1_000 + " s";
                    return;
                }
                for (SelectionKey key : selector.selectedKeys()) {
                    Flow flow = (Flow) key.attachment();
                    if (flow.read() < 0) {
                        end = flow.why();
                        return;
                    }
                    flow.goOn();
                    if (flow.unanswered() == 0 && !flow.isDone) {
                        flow.isDone = true;
                        unfinished--;
                    }
                }
                selector.selectedKeys().clear();
            }
        }
    }

    /** One connection. */
    private final class Flow implements LinkEvents, Link.Payloads {
        private final Link link;
        private final int lane;
        private final int window;
        private final long[] sentNs;
        private final ByteBuf out;
        private final StringBuilder words = new StringBuilder();
        private long first;
        private long next;
        private long readNs;
        private int answered;
        private boolean isDone;

        Flow(Link link, int lane, int window) {
            this.link = link;
            this.lane = lane;
            this.window = (int) Math.min(window, link.publishWindowEvents());
            sentNs = new long[this.window];
            out = Unpooled.directBuffer(this.window * (payloadBytes + 128));
        }

        int unanswered() {
            return (int) (next - first);
        }

        String why() {
            return words.isEmpty() ? "the broker ended the connection, or gave no answer in time" : words.toString();
        }

        void publish(int count) throws IOException {
            out.clear();
            for (int i = 0; i < count; i++) {
                link.encode(out, lane, 1, payloadBytes, this); // each a frame of its own, as with the other brokers
            }
            long nowNs = System.nanoTime();
            for (int i = 0; i < count; i++) {
                sentNs[(int) (next % window)] = nowNs;
                next++;
            }
            published += count;
            link.write(out);
        }

        int read() throws IOException {
            readNs = 0;
            return link.read(READ_BYTES, this);
        }

        /** Publishes as many as were answered, until the time is over. */
        void goOn() throws IOException {
            int count = answered;
            answered = 0;
            if (count > 0 && System.nanoTime() - toNs < 0) {
                publish(count);
            }
        }

        @Override
        public void writeNext(int ofLane, ByteBuf to) {
            to.writeIntLE(runId);
            to.writeZero(STAMP_INTS_BEFORE_TIME * Integer.BYTES);
            to.writeLongLE(System.nanoTime());
            to.writeZero(payloadBytes - Stamp.BYTES);
        }

        @Override
        public void accepted(int ofLane, long count) {
            if (readNs == 0) {
                readNs = System.nanoTime();
            }
            acknowledged += count;
            answered += (int) count;
            boolean isMeasured = readNs - fromNs >= 0 && readNs - toNs < 0;
            for (long i = 0; i < count; i++) {
                if (isMeasured) {
                    ns.recordValue(Math.min(ns.getHighestTrackableValue(), readNs - sentNs[(int) (first % window)]));
                }
                first++;
            }
        }

        @Override
        public void refused(int ofLane, int code) {
            refused++;
            answered++;
            first++;
            refusals.merge(code == 0 ? "ERROR" : ErrorCode.nameOf(code), 1L, Long::sum);
        }

        @Override
        public void closing(String reason) {
            words.append(words.isEmpty() ? "" : "; ").append(reason);
        }
    }
}
