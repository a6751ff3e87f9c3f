package hermod.broker.admin;

import com.google.protobuf.MessageLite;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicReference;

/** A broker of one connection whose every answer a test writes down; it speaks the bytes of the protocol. */
final class ScriptedBroker implements AutoCloseable {
    interface Script {
        void run(ScriptedBroker broker) throws Exception;
    }

    private final ServerSocket listener;
    private final Thread thread;
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private DataInputStream in;
    private Socket socket;

    ScriptedBroker(Script script) throws IOException {
        listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        listener.setSoTimeout(60_000);
        thread = new Thread(() -> {
            try (Socket accepted = listener.accept()) {
                accepted.setSoTimeout(60_000);
                socket = accepted;
                in = new DataInputStream(accepted.getInputStream());
                script.run(this);
            } catch (Throwable failed) {
                failure.set(failed);
            }
        });
        thread.start();
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** The next frame, which must have this type; PINGs are passed over. */
    ByteBuf expect(FrameType type) throws IOException {
        while (true) {
            byte[] head = in.readNBytes(4);
            if (head.length < 4) {
                throw new IOException("the client closed");
            }
            int rest = Unpooled.wrappedBuffer(head).readIntLE();
            ByteBuf frame = Unpooled.wrappedBuffer(head, in.readNBytes(rest));
            ByteBuf whole = Unpooled.copiedBuffer(frame);
            if (FrameHeader.type(whole, 0) == type.code()) {
                return whole;
            }
            if (FrameHeader.type(whole, 0) != FrameType.PING.code()) {
                throw new IOException("expected " + type + ", got type " + FrameHeader.type(whole, 0));
            }
        }
    }

    <M extends MessageLite> M expect(FrameType type, com.google.protobuf.Parser<M> parser) throws Exception {
        return ControlCodec.decode(parser, expect(type), 0);
    }

    void send(FrameType type, MessageLite message) throws IOException {
        send(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, 0, message));
    }

    /** @param frame given. */
    void send(ByteBuf frame) throws IOException {
        try {
            frame.readBytes(socket.getOutputStream(), frame.readableBytes());
        } finally {
            frame.release();
        }
    }

    void sendRaw(byte[] bytes) throws IOException {
        socket.getOutputStream().write(bytes);
    }

    /** @throws AssertionError if the script failed. */
    @Override
    public void close() throws Exception {
        thread.join(60_000);
        listener.close();
        if (failure.get() != null) {
            throw new AssertionError("the script failed", failure.get());
        }
    }
}
