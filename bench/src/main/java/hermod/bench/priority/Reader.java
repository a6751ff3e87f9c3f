package hermod.bench.priority;

import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The subscriber: reads one connection at a fixed number of bytes a second, and connects again where the broker ends it.
 *
 * <p>Has a thread of its own until it is closed; the methods are for the thread that made it.
 */
final class Reader implements AutoCloseable {
    /** What a pause of the reader, such as a late wake-up, may save up: about a millisecond at 50 MB/s. */
    private static final int BURST_BYTES = 64 * 1024;

    /** It waits until it may read so much; reading every few bytes would be more system calls than data. */
    private static final int PIECE_BYTES = 8 * 1024;

    private static final long RETRY_NS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final int REASONS_MAX = 5;

    /** Makes an open connection that is subscribed. */
    interface Connect {
        Link connect() throws IOException;
    }

    private final Connect connect;
    private final TokenBucket bucket;
    private final Thread thread;
    private final List<String> reasons = new ArrayList<>(); // guarded by itself
    private volatile Link link;
    private volatile Ledger ledger;
    private volatile int endedCount;
    private volatile boolean isClosed;

    /**
     * Connects and begins to read.
     *
     * @param bytesPerSecond 0 for as many as come.
     * @param ledger where the events of the first phase are entered.
     */
    Reader(Connect connect, double bytesPerSecond, Ledger ledger) throws IOException {
        this.connect = connect;
        this.ledger = ledger;
        bucket = new TokenBucket(bytesPerSecond, BURST_BYTES, System::nanoTime);
        link = connect.connect();
        thread = new Thread(this::run, "bench-reader");
        thread.setDaemon(true);
        thread.start();
    }

    /** From here on events are entered there. */
    void enterInto(Ledger next) {
        ledger = next;
    }

    /** How often the broker ended the connection. */
    int endedCount() {
        return endedCount;
    }

    /** The first reasons the broker gave. */
    List<String> reasons() {
        synchronized (reasons) {
            return List.copyOf(reasons);
        }
    }

    private void run() {
        LinkEvents events = new Entering();
        while (!isClosed) {
            String why = readToTheEnd(events);
            if (isClosed) {
                return;
            }
            ended(why);
            connectAgain();
        }
    }

    private String readToTheEnd(LinkEvents events) {
        Link open = link;
        try {
            while (true) {
                long waitNs = bucket.nsUntil(PIECE_BYTES);
                if (waitNs > 0) {
                    LockSupport.parkNanos(waitNs);
                    continue;
                }
                int count = open.read(bucket.available(), events);
                if (count < 0) {
                    return "the broker ended the connection";
                }
                bucket.take(count);
            }
        } catch (IOException broken) {
            return String.valueOf(broken.getMessage());
        } finally {
            open.close();
        }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one writer
    private void ended(String why) {
        endedCount++;
        synchronized (reasons) {
            if (reasons.size() < REASONS_MAX) {
                reasons.add(why);
            }
        }
    }

    private void connectAgain() {
        while (!isClosed) {
            try {
                link = connect.connect();
                if (isClosed) {
                    link.close();
                }
                return;
            } catch (IOException refused) {
                LockSupport.parkNanos(RETRY_NS);
            }
        }
    }

    @Override
    public void close() {
        isClosed = true;
        link.close();
        try {
            thread.join();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Hands on to the ledger of the phase, and keeps why the broker closes. */
    private final class Entering implements LinkEvents {
        @Override
        public void event(int lane, int wireBytes, ByteBuf in, int payloadAt, int payloadBytes) {
            ledger.event(lane, wireBytes, in, payloadAt, payloadBytes);
        }

        @Override
        public void shed(int lane, long count) {
            ledger.shed(lane, count);
        }

        @Override
        public void closing(String why) {
            synchronized (reasons) {
                if (reasons.size() < REASONS_MAX) {
                    reasons.add(why);
                }
            }
        }
    }
}
