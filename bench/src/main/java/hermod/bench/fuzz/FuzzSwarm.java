package hermod.bench.fuzz;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A few raw sockets that send hostile frames to a broker on this machine and connect again whenever it closes one.
 *
 * <pre>
 *          ┌── one in four: noise at once ─────────────────────────┐
 *   connect┤                                                       ├─► closed by the broker, or after some frames by us ─► connect
 *          └── others: a good HELLO, wait for WELCOME, hostile frames ┘
 * </pre>
 *
 * <p>One thread runs {@link #run}; {@link #framesSent} is for any thread. Bounded in frames, in time and in bytes per socket.
 */
public final class FuzzSwarm implements AutoCloseable {
    private static final int BATCH_FRAMES_MAX = 16;
    private static final int FRAMES_PER_CONNECTION_MAX = 2_000;
    private static final int READ_BYTES = 64 * 1024;
    private static final int FRAME_LIMIT_BYTES = 16 * 1024 * 1024;
    private static final int FAILED_CONNECTS_IN_A_ROW_MAX = 2_000;
    private static final long STALLED_NS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final int SELECT_MS = 1;

    private final InetSocketAddress broker;
    private final String token;
    private final FrameFuzzer fuzzer;
    private final SplittableRandom random;
    private final Selector selector;
    private final List<Socket> sockets = new ArrayList<>();
    private final ByteBuffer readBuffer = ByteBuffer.allocateDirect(READ_BYTES);
    private final Map<String, Long> closes = new TreeMap<>();
    private final Map<String, Long> errors = new TreeMap<>();
    private final Map<String, Long> publishes = new TreeMap<>();
    private final PublishedFrame published = new PublishedFrame();
    private volatile long framesSent;
    private long bytesSent;
    private long connections;
    private int failedConnectsInARow;

    /**
     * @param broker must be on this machine.
     * @param token for the sessions that say HELLO; empty for none.
     * @throws IllegalArgumentException for another machine's address.
     */
    public FuzzSwarm(InetSocketAddress broker, String token, int socketCount, FrameFuzzer fuzzer, long seed)
            throws IOException {
        if (broker.isUnresolved() || !broker.getAddress().isLoopbackAddress()) {
            throw new IllegalArgumentException("hostile frames go to a loopback address only, not to " + broker);
        }
        this.broker = broker;
        this.token = token;
        this.fuzzer = fuzzer;
        random = new SplittableRandom(seed);
        selector = Selector.open();
        for (int i = 0; i < socketCount; i++) {
            sockets.add(new Socket(i));
        }
    }

    /**
     * Sends frames until enough are sent, time is up, or the broker takes no connection any more.
     *
     * @param framesPerSecond 0 for as many as it can.
     * @return false if the broker took no connection any more.
     */
    public boolean run(long frameCount, long framesPerSecond, long deadlineNs) throws IOException {
        long startNs = System.nanoTime();
        while (framesSent < frameCount
                && System.nanoTime() - deadlineNs < 0
                && !Thread.currentThread().isInterrupted()) {
            long allowed = framesPerSecond == 0
                    ? frameCount
                    : Math.min(frameCount, (long) ((System.nanoTime() - startNs) / 1e9 * framesPerSecond) + 1);
            for (Socket socket : sockets) {
                if (framesSent < allowed) {
                    socket.turn();
                }
            }
            if (failedConnectsInARow > FAILED_CONNECTS_IN_A_ROW_MAX) {
                return false;
            }
            selector.select(this::onReady, SELECT_MS);
        }
        return true;
    }

    public long framesSent() {
        return framesSent;
    }

    public long bytesSent() {
        return bytesSent;
    }

    public long connections() {
        return connections;
    }

    /** Connections that ended, by the name of the CLOSE code; {@code none} where the socket ended without a CLOSE. */
    public Map<String, Long> closes() {
        return new TreeMap<>(closes);
    }

    /** ERROR frames, by the name of their code. */
    public Map<String, Long> errors() {
        return new TreeMap<>(errors);
    }

    /** What the broker answered to hostile publishes: accepted, duplicate, clamped, or the name of the refusal. */
    public Map<String, Long> publishes() {
        return new TreeMap<>(publishes);
    }

    @Override
    public void close() throws IOException {
        for (Socket socket : sockets) {
            socket.end();
        }
        selector.close();
    }

    private void onReady(SelectionKey key) {
        ((Socket) key.attachment()).onReady(key);
    }

    /** One place in the swarm: a connection, and the next one when that ends. */
    private final class Socket {
        private final int index;
        private @Nullable SocketChannel channel;
        private @Nullable FrameCutter cutter;
        private ByteBuf out = Unpooled.EMPTY_BUFFER;
        private int framesInOut;
        private int framesOnConnection;
        private int frameLimit;
        private boolean isConnected;
        private boolean isSession;
        private boolean isClosing;
        private int handle;
        private long progressNs;

        Socket(int index) {
            this.index = index;
        }

        /** Connects, or makes the next batch and writes what the socket takes. */
        void turn() {
            SocketChannel open = channel;
            if (open == null) {
                connect();
                return;
            }
            if (!isConnected) {
                return;
            }
            if (!out.isReadable() && !isWaitingForWelcome()) {
                if (framesOnConnection >= frameLimit) {
                    end();
                    return;
                }
                fill();
            }
            write(open);
            if (System.nanoTime() - progressNs > STALLED_NS) {
                count(closes, "stalled, left by us");
                end();
            }
        }

        private boolean isWaitingForWelcome() {
            return isSession && handle == 0;
        }

        private void connect() {
            try {
                SocketChannel opened = SocketChannel.open();
                channel = opened;
                opened.configureBlocking(false);
                opened.setOption(StandardSocketOptions.TCP_NODELAY, true);
                opened.setOption(StandardSocketOptions.SO_LINGER, 0); // no port stays behind in TIME_WAIT
                cutter = new FrameCutter(UnpooledByteBufAllocator.DEFAULT, FRAME_LIMIT_BYTES);
                isConnected = opened.connect(broker);
                opened.register(selector, isConnected ? SelectionKey.OP_READ : SelectionKey.OP_CONNECT, this);
                begin();
            } catch (IOException refused) {
                failedConnectsInARow++;
                end();
            }
        }

        private void begin() {
            framesOnConnection = 0;
            handle = 0;
            isClosing = false;
            isSession = random.nextInt(4) != 0;
            frameLimit = 1 + random.nextInt(isSession ? FRAMES_PER_CONNECTION_MAX : 8);
            out = Unpooled.buffer();
            framesInOut = 0;
            progressNs = System.nanoTime();
            connections++;
            if (isSession) {
                ByteBuf hello = fuzzer.hello(token, "fuzz-" + index);
                out.writeBytes(hello);
                hello.release();
            }
        }

        private void fill() {
            out.clear();
            framesInOut = 1 + random.nextInt(BATCH_FRAMES_MAX);
            for (int i = 0; i < framesInOut; i++) {
                if (isSession) {
                    fuzzer.writeNext(out, handle);
                } else {
                    fuzzer.writeBeforeHello(out);
                }
            }
        }

        private void write(SocketChannel open) {
            if (!out.isReadable()) {
                return;
            }
            try {
                int written = out.readBytes(open, out.readableBytes());
                bytesSent += written;
                if (written > 0) {
                    progressNs = System.nanoTime();
                }
                if (!out.isReadable()) {
                    framesOnConnection += framesInOut;
                    framesSent += framesInOut;
                    framesInOut = 0;
                }
            } catch (IOException reset) {
                framesSent += framesInOut; // the broker had enough before it had all of them
                readRest(open);
            }
        }

        void onReady(SelectionKey key) {
            SocketChannel open = channel;
            if (open == null || !key.isValid()) {
                return;
            }
            try {
                if (key.isConnectable()) {
                    isConnected = open.finishConnect();
                    key.interestOps(SelectionKey.OP_READ);
                    failedConnectsInARow = 0;
                    progressNs = System.nanoTime();
                }
                if (key.isValid() && key.isReadable()) {
                    read(open);
                }
            } catch (IOException reset) {
                if (isConnected) {
                    ended();
                } else {
                    failedConnectsInARow++;
                    end();
                }
            }
        }

        private void readRest(SocketChannel open) {
            try {
                read(open);
            } catch (IOException gone) {
                ended();
                return;
            }
            if (channel != null) {
                ended();
            }
        }

        private void read(SocketChannel open) throws IOException {
            readBuffer.clear();
            int count = open.read(readBuffer);
            if (count < 0) {
                ended();
                return;
            }
            failedConnectsInARow = 0;
            progressNs = System.nanoTime();
            readBuffer.flip();
            FrameCutter frames = cutter;
            if (frames == null) {
                return;
            }
            try {
                frames.cut(Unpooled.wrappedBuffer(readBuffer), this::onFrame);
            } catch (ProtocolException broken) {
                count(closes, "the broker broke the protocol: " + broken.getMessage());
                end();
            }
        }

        private boolean onFrame(ByteBuf in, int at, int frameBytes) throws ProtocolException {
            int type = FrameHeader.type(in, at);
            if (type == FrameType.WELCOME.code()) {
                Welcome welcome = ControlCodec.decode(Welcome.parser(), in, at);
                handle = welcome.getSubscriptionsCount() > 0
                        ? welcome.getSubscriptions(0).getHandle()
                        : 0;
                handle = handle == 0 ? -1 : handle;
            } else if (type == FrameType.CLOSE.code()) {
                isClosing = true;
                count(
                        closes,
                        CloseCode.nameOf(
                                ControlCodec.decode(Close.parser(), in, at).getCode()));
            } else if (type == FrameType.ERROR.code()) {
                hermod.protocol.control.wire.Error error =
                        ControlCodec.decode(hermod.protocol.control.wire.Error.parser(), in, at);
                count(errors, ErrorCode.nameOf(error.getCode()));
            } else if (type == FrameType.PUBLISHED.code()) {
                countOutcomes(published.wrap(in, at));
            }
            return true;
        }

        private void countOutcomes(PublishedFrame outcomes) {
            for (int i = 0; i < outcomes.rangeCount(); i++) {
                publishes.merge("accepted", (long) outcomes.rangeLength(i), Long::sum);
            }
            for (int i = 0; i < outcomes.exceptionCount(); i++) {
                switch (outcomes.exceptionKind(i)) {
                    case PublishedFrame.KIND_REFUSED -> count(publishes, ErrorCode.nameOf(outcomes.exceptionCode(i)));
                    case PublishedFrame.KIND_DUPLICATE -> count(publishes, "duplicate");
                    default -> count(publishes, "clamped");
                }
            }
        }

        /** The broker ended the connection. */
        private void ended() {
            if (!isClosing) {
                count(closes, "none");
            }
            end();
        }

        void end() {
            SocketChannel open = channel;
            channel = null;
            isConnected = false;
            if (cutter != null) {
                cutter.close();
                cutter = null;
            }
            if (open != null) {
                try {
                    open.close();
                } catch (IOException alreadyGone) {
                    return;
                }
            }
        }
    }

    private static void count(Map<String, Long> counts, String what) {
        counts.merge(what, 1L, Long::sum);
    }
}
