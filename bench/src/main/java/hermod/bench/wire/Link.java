package hermod.bench.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One connection to a broker over a blocking socket, in that broker's protocol.
 *
 * <p>One thread reads; one thread writes events, and each write goes out whole. {@link #close} is for any thread and ends both. The buffer of what is
 * read grows to the largest message and holds no more than one read beyond it.
 */
public abstract class Link implements AutoCloseable {
    private static final int READ_BYTES = 256 * 1024;
    private static final int HANDSHAKE_SECONDS = 10;
    private static final long HANDLED_WITHIN_MS = 100;

    /** How many bytes of a stamp and zeros an event has is decided by who writes it. */
    public interface Payloads {
        /** Writes the payload of the next event of a lane at the writer index. */
        void writeNext(int lane, ByteBuf out);
    }

    private final SocketChannel channel;
    private final ByteBuf in = Unpooled.directBuffer(READ_BYTES);
    private final Object writing = new Object();
    private final ReentrantLock handling = new ReentrantLock();
    private volatile boolean isClosed;

    /** @param receiveBufferBytes of the kernel; 0 leaves it alone. */
    protected Link(InetSocketAddress address, int receiveBufferBytes) throws IOException {
        channel = SocketChannel.open();
        try {
            if (receiveBufferBytes > 0) {
                channel.setOption(StandardSocketOptions.SO_RCVBUF, receiveBufferBytes);
            }
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            channel.connect(address);
        } catch (IOException refused) {
            channel.close();
            throw refused;
        }
    }

    /**
     * Makes the connection ready: whatever the protocol wants said, and the subscriptions.
     *
     * @throws IOException with a sentence if the broker refuses, or says nothing for ten seconds.
     */
    public final void open() throws IOException {
        CompletableFuture<Void> opened = new CompletableFuture<>();
        var unused = opened.orTimeout(HANDSHAKE_SECONDS, TimeUnit.SECONDS).whenComplete((done, late) -> {
            if (late != null) {
                close();
            }
        });
        StringBuilder why = new StringBuilder();
        LinkEvents words = new LinkEvents() {
            @Override
            public void closing(String reason) {
                why.append(reason);
            }
        };
        greet();
        while (!isReady()) {
            if (read(READ_BYTES, words) < 0) {
                throw new IOException(why.isEmpty() ? "the broker did not finish the handshake" : why.toString());
            }
        }
        opened.complete(null);
    }

    /** The link, after {@link #open}. */
    public static Link opened(Link link) throws IOException {
        try {
            link.open();
            return link;
        } catch (IOException refused) {
            link.close();
            throw refused;
        }
    }

    protected abstract void greet() throws IOException;

    /** Whether all that {@link #greet} asked for has been answered. */
    public abstract boolean isReady();

    /** Writes publishes of a lane's topic at the writer index. */
    public abstract void encode(ByteBuf out, int lane, int count, int payloadBytes, Payloads payloads);

    /** Whether every publish gets an answer; without answers what was written counts as accepted. */
    public abstract boolean isAnswered();

    /** Events that may be published and not answered; at least 1. */
    public long publishWindowEvents() {
        return Long.MAX_VALUE;
    }

    /** Takes the whole messages there are off the buffer. */
    protected abstract void parse(ByteBuf buffer, LinkEvents events) throws IOException;

    /** For what a protocol's client owes for what it has read, credit or a sign of life. */
    protected void afterRead() throws IOException {}

    /**
     * Reads once, waiting if nothing is there.
     *
     * @return bytes read; −1 at the end of the stream, whoever ended it.
     * @throws IOException for what is no message of the protocol.
     */
    public final int read(int atMost, LinkEvents events) throws IOException {
        if (in.isReadable()) {
            in.discardReadBytes();
        } else {
            in.clear();
        }
        int count;
        try {
            count = in.writeBytes(channel, Math.min(atMost, READ_BYTES));
        } catch (IOException ended) {
            return -1;
        }
        if (count > 0) {
            handling.lock();
            try {
                parse(in, events);
                afterRead();
            } finally {
                handling.unlock();
            }
        }
        return count;
    }

    /** From here on {@link #read} returns 0 where nothing is there, and the selector tells when there is. {@link #write} still takes all, so a full socket makes it busy. */
    public final void register(Selector selector, Object attachment) throws IOException {
        channel.configureBlocking(false);
        var unused = channel.register(selector, SelectionKey.OP_READ, attachment);
    }

    /** Writes all of a buffer, waiting for the socket; what another thread writes comes before it or behind it. */
    public final void write(ByteBuf out) throws IOException {
        synchronized (writing) {
            while (out.isReadable()) {
                out.readBytes(channel, out.readableBytes());
            }
        }
    }

    public final boolean isClosed() {
        return isClosed;
    }

    /** What was just read is handled to the end first, so that its acknowledgement still goes out; a handler that takes long is not waited for. */
    @Override
    public final void close() {
        isClosed = true;
        boolean isMine = false;
        try {
            isMine = handling.tryLock(HANDLED_WITHIN_MS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        try {
            channel.close();
        } catch (IOException alreadyGone) {
            // Nobody waits for what it would have said.
        } finally {
            if (isMine) {
                handling.unlock();
            }
        }
    }
}
