package hermod.broker;

import com.google.protobuf.MessageLite;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A client on a plain socket that says just what a test tells it to, and nothing by itself. One thread. */
public final class RawClient implements AutoCloseable {
    private static final int READ_TIMEOUT_MS = 30_000;

    private final Socket socket;
    private final DataInputStream in;
    private @Nullable ByteBuf collected;

    public RawClient(InetSocketAddress broker) throws IOException {
        socket = new Socket(broker.getAddress(), broker.getPort());
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(READ_TIMEOUT_MS);
        in = new DataInputStream(socket.getInputStream());
    }

    /** A HELLO that a broker takes, to be changed by the test. */
    public static Hello.Builder hello(String token) {
        return Hello.newBuilder()
                .setMinVersion(1)
                .setMaxVersion(1)
                .setToken(token)
                .setDeviceId("device-1")
                .setPlatform(Platform.PLATFORM_CLI)
                .setProducerEpoch(7);
    }

    public Welcome connect(Hello.Builder hello) throws IOException {
        send(FrameType.HELLO, 0, hello.build());
        return Welcome.parseFrom(body(read(FrameType.WELCOME)));
    }

    /** Grants bytes of LOW to HIGH. */
    public void grant(long bytes) throws IOException {
        ByteBuf out = Unpooled.buffer();
        FlowFrames.writeOneNumber(out, FrameType.CREDIT, 0, bytes);
        send(out);
    }

    public void send(byte[] bytes) throws IOException {
        if (collected != null) {
            collected.writeBytes(bytes);
        } else {
            socket.getOutputStream().write(bytes);
        }
    }

    /** What is sent within goes with one write: no pause of the test, however long, gets in between. */
    public void inOneWrite(Sending sending) throws IOException {
        ByteBuf all = Unpooled.buffer();
        collected = all;
        try {
            sending.run();
        } finally {
            collected = null;
        }
        send(all);
    }

    /** Some sending. */
    public interface Sending {
        void run() throws IOException;
    }

    /** @param frame given. */
    public void send(ByteBuf frame) throws IOException {
        byte[] bytes = new byte[frame.readableBytes()];
        frame.readBytes(bytes);
        frame.release();
        send(bytes);
    }

    public void send(FrameType type, int requestId, MessageLite message) throws IOException {
        send(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message));
    }

    public TopicResult subscribe(String topic) throws IOException {
        send(FrameType.SUBSCRIBE, 1, Subscribe.newBuilder().addTopics(topic).build());
        return Subscribed.parseFrom(body(read(FrameType.SUBSCRIBED))).getResults(0);
    }

    public TopicResult open(String topic) throws IOException {
        send(FrameType.OPEN, 1, Open.newBuilder().addTopics(topic).build());
        return Opened.parseFrom(body(read(FrameType.OPENED))).getResults(0);
    }

    public void publish(int handle, int requestId, String text) throws IOException {
        publish(handle, requestId, 0, 0, 0, 0, text);
    }

    public void publish(int handle, int requestId, int flags, long sequence, long timestampUs, long ttl, String text)
            throws IOException {
        publish(
                handle,
                requestId,
                flags,
                sequence,
                timestampUs,
                ttl,
                0,
                new byte[0],
                text.getBytes(StandardCharsets.UTF_8));
    }

    public void publish(
            int handle,
            int requestId,
            int flags,
            long sequence,
            long timestampUs,
            long ttl,
            int type,
            byte[] fields,
            byte[] payload)
            throws IOException {
        ByteBuf out = Unpooled.buffer();
        PublishFrame.writeHead(
                out, flags, handle, requestId, sequence, timestampUs, ttl, type, fields.length, payload.length);
        send(out.writeBytes(fields).writeBytes(payload));
    }

    /** The next frame, whatever it is. */
    public ByteBuf read() throws IOException {
        byte[] length = new byte[4];
        in.readFully(length);
        int bytes = Unpooled.wrappedBuffer(length).getIntLE(0);
        byte[] rest = new byte[bytes];
        in.readFully(rest);
        return Unpooled.wrappedBuffer(length, rest);
    }

    /** The next frame, which must be of this type. */
    public ByteBuf read(FrameType type) throws IOException {
        ByteBuf frame = read();
        int found = FrameHeader.type(frame, 0);
        if (found != type.code()) {
            throw new IOException("expected " + type + ", got " + FrameType.ofCode(found) + ": " + describe(frame));
        }
        return frame;
    }

    public Event readEvent() throws IOException {
        return new Event(read(FrameType.EVENT));
    }

    /** Publishes to a topic it subscribes to and reads event and outcome, which may come in either order. */
    public String echo(int handle, String text) throws IOException {
        publish(handle, 1, text);
        String echoed = "";
        for (int i = 0; i < 2; i++) {
            ByteBuf frame = read();
            if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                echoed = new Event(frame).text();
            }
        }
        return echoed;
    }

    public PublishedFrame readPublished() throws Exception {
        return new PublishedFrame().wrap(read(FrameType.PUBLISHED), 0);
    }

    /** The code of the CLOSE that comes next, with the socket's end behind it; 0 for an end without a CLOSE. */
    public int readClose() throws IOException {
        int code = 0;
        try {
            while (true) {
                ByteBuf frame = read();
                if (FrameHeader.type(frame, 0) == FrameType.CLOSE.code()) {
                    code = hermod.protocol.control.wire.Close.parseFrom(body(frame))
                            .getCode();
                }
            }
        } catch (EOFException | java.net.SocketException end) {
            return code;
        }
    }

    public int readError() throws IOException {
        return hermod.protocol.control.wire.Error.parseFrom(body(read(FrameType.ERROR)))
                .getCode();
    }

    /** Whether nothing comes for a moment. */
    public boolean isQuiet(int forMs) throws IOException {
        socket.setSoTimeout(forMs);
        try {
            read();
            return false;
        } catch (java.net.SocketTimeoutException quiet) {
            return true;
        } finally {
            socket.setSoTimeout(READ_TIMEOUT_MS);
        }
    }

    public static byte[] body(ByteBuf frame) {
        byte[] body = new byte[FrameHeader.bodyBytes(frame, 0)];
        frame.getBytes(FrameHeader.bodyAt(frame, 0), body);
        return body;
    }

    private static String describe(ByteBuf frame) throws IOException {
        if (FrameHeader.type(frame, 0) == FrameType.CLOSE.code()) {
            return hermod.protocol.control.wire.Close.parseFrom(body(frame)).toString();
        }
        if (FrameHeader.type(frame, 0) == FrameType.ERROR.code()) {
            return hermod.protocol.control.wire.Error.parseFrom(body(frame)).toString();
        }
        return frame.readableBytes() + " bytes";
    }

    public Socket socket() {
        return socket;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    /** An EVENT, taken apart. */
    public record Event(ByteBuf frame) {
        public long offset() {
            return EventFrame.offset(frame, 0);
        }

        public int handle() {
            return FrameHeader.handle(frame, 0);
        }

        public long timestampUs() {
            return Entry.timestampUs(frame, EventFrame.ENTRY_AT);
        }

        public long ttlSeconds() {
            return Entry.ttlSeconds(frame, EventFrame.ENTRY_AT);
        }

        public int fieldsBytes() {
            return Entry.fieldsBytes(frame, EventFrame.ENTRY_AT);
        }

        public @Nullable String field(int tag) {
            return EventFields.text(frame, EventFrame.FIXED_BYTES, fieldsBytes(), tag);
        }

        public int field(int tag, byte[] into) {
            int at = EventFields.find(frame, EventFrame.FIXED_BYTES, fieldsBytes(), tag);
            if (at >= 0) {
                frame.getBytes(at, into);
            }
            return at;
        }

        public String text() {
            int at = EventFrame.FIXED_BYTES + fieldsBytes();
            return frame.toString(at, frame.readableBytes() - at, StandardCharsets.UTF_8);
        }
    }

    /** Reads events until the last of them came. */
    public static List<String> texts(RawClient client, int count) throws IOException {
        List<String> texts = new java.util.ArrayList<>();
        for (int i = 0; i < count; i++) {
            texts.add(client.readEvent().text());
        }
        return texts;
    }
}
