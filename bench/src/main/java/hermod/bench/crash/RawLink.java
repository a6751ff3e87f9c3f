package hermod.bench.crash;

import com.google.protobuf.MessageLite;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.concurrent.TimeUnit;

/** One connection in the broker's protocol on a plain socket. One thread reads, any may write. */
final class RawLink implements AutoCloseable {
    /** Takes the frames; on the reading thread. */
    interface Frames {
        /** @param in borrowed, with a whole frame at {@code at}. */
        void onFrame(ByteBuf in, int at) throws IOException, ProtocolException;
    }

    /** The broker sent what no broker may. */
    static final class BrokenProtocol extends IOException {
        private static final long serialVersionUID = 1L;

        BrokenProtocol(ProtocolException why) {
            super("the broker broke the protocol: " + why.getMessage(), why);
        }
    }

    /** Longest wait for bytes; so often a reader can look at other things. */
    static final int READ_WAIT_MS = 50;

    private static final int CONNECT_TIMEOUT_MS = 1_000;
    private static final int FRAME_BYTES_MAX = 2 * 1024 * 1024;
    private static final long PING_EVERY_NS = TimeUnit.SECONDS.toNanos(5);

    private final Socket socket = new Socket();
    private final InputStream in;
    private final byte[] chunk;
    private final ByteBuf received = Unpooled.buffer();
    private long pingedNs = System.nanoTime();

    /** @param readBytes at most so many are read at a time. */
    RawLink(int port, int readBytes) throws IOException {
        chunk = new byte[readBytes];
        try {
            socket.setTcpNoDelay(true);
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), CONNECT_TIMEOUT_MS);
            socket.setSoTimeout(READ_WAIT_MS);
            in = socket.getInputStream();
        } catch (IOException failed) {
            socket.close();
            throw failed;
        }
    }

    void send(FrameType type, int requestId, MessageLite message) throws IOException {
        send(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message));
    }

    /** @param frames given. */
    void send(ByteBuf frames) throws IOException {
        try {
            byte[] bytes = new byte[frames.readableBytes()];
            frames.readBytes(bytes);
            synchronized (socket) {
                socket.getOutputStream().write(bytes);
            }
        } finally {
            frames.release();
        }
    }

    /**
     * Waits a moment for bytes, and hands on the frames that are whole.
     *
     * @return whether anything came.
     * @throws IOException where the connection has ended, or the broker broke the protocol.
     */
    boolean read(Frames frames) throws IOException {
        keepAlive();
        int count;
        try {
            count = in.read(chunk);
        } catch (SocketTimeoutException nothing) {
            return false;
        }
        if (count < 0) {
            throw new IOException("the broker ended the connection");
        }
        received.writeBytes(chunk, 0, count);
        try {
            while (received.readableBytes() >= FrameHeader.LENGTH) {
                int at = received.readerIndex();
                int frameBytes = FrameHeader.frameBytes(received, at);
                if (frameBytes < FrameHeader.LENGTH || frameBytes > FRAME_BYTES_MAX) {
                    throw new IOException("the broker sent a frame of " + frameBytes + " bytes");
                }
                if (received.readableBytes() < frameBytes) {
                    break;
                }
                frames.onFrame(received, at);
                received.skipBytes(frameBytes);
            }
        } catch (ProtocolException broken) {
            throw new BrokenProtocol(broken);
        }
        received.discardSomeReadBytes();
        return true;
    }

    private void keepAlive() throws IOException {
        if (System.nanoTime() - pingedNs > PING_EVERY_NS) {
            pingedNs = System.nanoTime();
            ByteBuf ping = Unpooled.buffer();
            FrameHeader.write(ping, FrameType.PING, 0, 0, 0, Long.BYTES);
            send(ping.writeLongLE(TimeUnit.NANOSECONDS.toMicros(pingedNs)));
        }
    }

    /** Answers a PING. */
    void pong(ByteBuf ping, int at) throws IOException {
        long nowUs = TimeUnit.MILLISECONDS.toMicros(System.currentTimeMillis());
        ByteBuf pong = Unpooled.buffer();
        FrameHeader.write(pong, FrameType.PONG, 0, 0, FrameHeader.requestId(ping, at), 3 * Long.BYTES);
        send(pong.writeLongLE(ping.getLongLE(FrameHeader.bodyAt(ping, at)))
                .writeLongLE(nowUs)
                .writeLongLE(nowUs));
    }

    /** Any thread; a read that waits fails. */
    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException gone) {
            // What was to be closed is closed.
        }
    }
}
