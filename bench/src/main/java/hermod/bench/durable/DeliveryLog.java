package hermod.bench.durable;

import hermod.bench.load.Stamp;
import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.Arrays;
import org.HdrHistogram.Histogram;

/** A subscriber that notes of each event of a {@link TopicsPublisher} when it was written and how long it took. Has a thread of its own until it is closed; the methods are for any thread. */
final class DeliveryLog implements AutoCloseable {
    private static final int READ_BYTES = 64 * 1024;
    private static final int TIME_AT = Stamp.BYTES - Long.BYTES;
    private static final int FIRST_COUNT = 4096;

    private final Link link;
    private final Thread thread;
    private long[] sentNs = new long[FIRST_COUNT]; // guarded by this, as the next two
    private long[] latencyNs = new long[FIRST_COUNT];
    private int count;

    /** @param link open and subscribed; closed with this object. */
    DeliveryLog(Link link) {
        this.link = link;
        thread = new Thread(this::readAll, "bench-subscriber");
        thread.setDaemon(true);
        thread.start();
    }

    synchronized int count() {
        return count;
    }

    /** The latencies of what was written in a time, in ns. */
    synchronized Histogram between(long fromNs, long toNs) {
        Histogram ns = new Histogram(3);
        for (int i = 0; i < count; i++) {
            if (sentNs[i] - fromNs >= 0 && sentNs[i] - toNs < 0) {
                ns.recordValue(latencyNs[i]);
            }
        }
        return ns;
    }

    private synchronized void add(long sent, long latency) {
        if (count == sentNs.length) {
            sentNs = Arrays.copyOf(sentNs, 2 * count);
            latencyNs = Arrays.copyOf(latencyNs, 2 * count);
        }
        sentNs[count] = sent;
        latencyNs[count] = latency;
        count++;
    }

    private void readAll() {
        LinkEvents events = new LinkEvents() {
            @Override
            public void event(int lane, int wireBytes, ByteBuf in, int payloadAt, int payloadBytes) {
                long nowNs = System.nanoTime();
                long sent = in.getLongLE(payloadAt + TIME_AT);
                add(sent, Math.max(0, nowNs - sent));
            }
        };
        try {
            while (link.read(READ_BYTES, events) >= 0) {
                // until the link is closed
            }
        } catch (IOException broken) {
            // What does not come any more is missed at the end.
        }
    }

    @Override
    public void close() {
        link.close();
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
