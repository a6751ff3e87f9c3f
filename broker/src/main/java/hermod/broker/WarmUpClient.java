package hermod.broker;

import com.google.protobuf.MessageLite;
import hermod.protocol.ProtocolVersion;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;

/**
 * One connection of the {@link WarmUp}: as little code as will do, because what it costs is taken from the broker that is being warmed up. Waits for as long as the broker does not answer; closing it from another thread ends the
 * wait. One thread otherwise.
 */
final class WarmUpClient implements AutoCloseable {
    private static final int BUFFER_BYTES = 256 * 1024;

    private final SocketChannel socket;
    private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private WarmUpClient(SocketChannel socket) {
        this.socket = socket;
    }

    /** A connection that the broker has welcomed. */
    static WarmUpClient connect(InetSocketAddress broker, String token, String device) throws IOException {
        SocketChannel socket = SocketChannel.open(broker);
        try {
            socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
            WarmUpClient client = new WarmUpClient(socket);
            client.ask(
                    FrameType.HELLO,
                    Hello.newBuilder()
                            .setMinVersion(ProtocolVersion.LOWEST)
                            .setMaxVersion(ProtocolVersion.HIGHEST)
                            .setToken(token)
                            .setDeviceId(device)
                            .setProducerEpoch(1)
                            .build(),
                    FrameType.WELCOME);
            return client;
        } catch (IOException failed) {
            socket.close();
            throw failed;
        }
    }

    /** @return the topic's handle. */
    int open(String topic) throws IOException {
        byte[] body = ask(FrameType.OPEN, Open.newBuilder().addTopics(topic).build(), FrameType.OPENED);
        return Opened.parseFrom(body).getResults(0).getHandle();
    }

    void subscribe(String topic) throws IOException {
        byte[] body =
                ask(FrameType.SUBSCRIBE, Subscribe.newBuilder().addTopics(topic).build(), FrameType.SUBSCRIBED);
        if (!Subscribed.parseFrom(body).getResults(0).getGranted()) {
            throw new IOException("a subscription was refused");
        }
    }

    private byte[] ask(FrameType type, MessageLite question, FrameType answer) throws IOException {
        ByteBuf frame = ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, 1, question);
        try {
            write(frame.nioBuffer());
        } finally {
            frame.release();
        }
        ByteBuf answered = readFrame();
        if (FrameHeader.type(answered, 0) != answer.code()) {
            throw new IOException("expected " + answer + ", got type " + FrameHeader.type(answered, 0));
        }
        byte[] body = new byte[FrameHeader.bodyBytes(answered, 0)];
        answered.getBytes(FrameHeader.bodyAt(answered, 0), body);
        return body;
    }

    void write(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            socket.write(bytes);
        }
    }

    ByteBuf readFrame() throws IOException {
        in.clear();
        fill(FrameHeader.LENGTH_FIELD_BYTES);
        fill(in.getInt(0) + FrameHeader.LENGTH_FIELD_BYTES);
        in.flip();
        byte[] bytes = new byte[in.remaining()];
        in.get(bytes);
        return Unpooled.wrappedBuffer(bytes);
    }

    private void fill(int upTo) throws IOException {
        in.limit(upTo);
        while (in.hasRemaining()) {
            readSome();
        }
    }

    /** Reads so many bytes and forgets them. */
    void skip(long bytes) throws IOException {
        long left = bytes;
        while (left > 0) {
            in.clear().limit((int) Math.min(left, in.capacity()));
            left -= readSome();
        }
    }

    /** Reads and forgets whatever comes, until the connection ends. */
    void skipAll() throws IOException {
        try {
            while (true) {
                in.clear();
                readSome();
            }
        } catch (EOFException end) {
            // The broker has closed it.
        }
    }

    private int readSome() throws IOException {
        int read = socket.read(in);
        if (read < 0) {
            throw new EOFException("the broker closed the connection");
        }
        return read;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
