package hermod.bench.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The three protocols against a server that sends what the test says, in pieces of any size. */
@Timeout(120)
class LinkTest {
    private final Topics topics = new Topics(1, Priority.LOW, Priority.URGENT);
    private final List<String> seen = new ArrayList<>();
    private final LinkEvents events = new LinkEvents() {
        @Override
        public void event(int lane, int wireBytes, ByteBuf in, int payloadAt, int payloadBytes) {
            seen.add(lane + " " + in.toString(payloadAt, payloadBytes, StandardCharsets.US_ASCII));
        }

        @Override
        public void shed(int lane, long count) {
            seen.add(lane + " shed " + count);
        }

        @Override
        public void closing(String why) {
            seen.add(why);
        }
    };
    private ServerSocket server;

    @BeforeEach
    void listen() throws IOException {
        server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    private InetSocketAddress address() {
        return (InetSocketAddress) server.getLocalSocketAddress();
    }

    private void readAll(Link link, byte[] bytes, int pieceBytes) throws IOException {
        try (Socket peer = server.accept()) {
            peer.setTcpNoDelay(true);
            OutputStream to = peer.getOutputStream();
            for (int at = 0; at < bytes.length; at += pieceBytes) {
                int count = Math.min(pieceBytes, bytes.length - at);
                to.write(bytes, at, count);
                for (int read = 0; read < count; ) {
                    read += link.read(count - read, events);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 64, 10_000})
    void natsMessagesComeWholeHoweverTheyAreCut(int pieceBytes) throws IOException {
        try (Link link = new NatsLink(address(), 0, topics, true)) {
            readAll(
                    link,
                    ("INFO {}\r\nPONG\r\nMSG " + topics.of(3) + " 3 5\r\na\r\nbc\r\nMSG " + topics.of(0)
                                    + " 0 0\r\n\r\n-ERR 'Slow Consumer'\r\nMSG " + topics.of(0) + " 0 2\r\nxy\r\n")
                            .getBytes(StandardCharsets.US_ASCII),
                    pieceBytes);

            assertThat(link.isReady()).isTrue();
            assertThat(seen).containsExactly("3 a\r\nbc", "0 ", "-ERR 'Slow Consumer'", "0 xy");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 64, 10_000})
    void redisMessagesComeWholeHoweverTheyAreCut(int pieceBytes) throws IOException {
        String low = topics.of(0);
        String urgent = topics.of(3);
        try (Link link = new RedisLink(address(), 0, topics, true)) {
            readAll(
                    link,
                    ("*3\r\n$9\r\nsubscribe\r\n" + bulk(low) + ":1\r\n*3\r\n$9\r\nsubscribe\r\n" + bulk(urgent)
                                    + ":2\r\n*3\r\n$7\r\nmessage\r\n" + bulk(urgent) + bulk("a\r\nb")
                                    + "*3\r\n$7\r\nmessage\r\n" + bulk(low) + bulk("") + ":5\r\n-ERR no\r\n")
                            .getBytes(StandardCharsets.US_ASCII),
                    pieceBytes);

            assertThat(link.isReady()).isTrue();
            assertThat(seen).containsExactly("3 a\r\nb", "0 ", "-ERR no");
        }
    }

    private static String bulk(String text) {
        return "$" + text.length() + "\r\n" + text + "\r\n";
    }

    private static byte[] bytes(ByteBuf frame) {
        byte[] bytes = new byte[frame.readableBytes()];
        frame.readBytes(bytes);
        frame.release();
        return bytes;
    }

    private static void event(ByteBuf out, int lane, int handle, long offset, char payload) {
        FrameHeader.write(out, FrameType.EVENT, lane, handle, 0, EventFrame.FIXED_BYTES - FrameHeader.LENGTH + 1);
        out.writeLongLE(offset);
        Entry.writeFixed(out, 1, 0, 0, 0);
        out.writeByte(payload);
    }

    /** What the link sends at once after what it read: {@code handle:offset} of each frame, all of them ACK. */
    private static List<String> acknowledgements(Socket peer, int count) throws IOException {
        ByteBuf in = Unpooled.wrappedBuffer(
                peer.getInputStream().readNBytes(count * (FrameHeader.LENGTH + FlowFrames.ONE_NUMBER_BODY_BYTES)));
        List<String> acknowledged = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int at = in.readerIndex();
            assertThat(FrameHeader.type(in, at)).isEqualTo(FrameType.ACK.code());
            acknowledged.add(FrameHeader.handle(in, at) + ":" + FlowFrames.first(in, at));
            in.skipBytes(FrameHeader.frameBytes(in, at));
        }
        return acknowledged;
    }

    @Test
    void aHermodLinkAcknowledgesOnceAReadWhatTheBrokerWantsAcknowledged() throws IOException {
        TopicResult plain = TopicResult.newBuilder()
                .setTopic(topics.of(0))
                .setGranted(true)
                .setHandle(7)
                .build();
        TopicResult wanted = TopicResult.newBuilder()
                .setTopic(topics.of(3))
                .setGranted(true)
                .setHandle(9)
                .setAcknowledged(true)
                .build();
        Welcome welcome = Welcome.newBuilder()
                .setFeatures(Feature.ACK.bit())
                .addSubscriptions(plain)
                .addSubscriptions(wanted)
                .build();
        ByteBuf first = Unpooled.buffer();
        event(first, 3, 9, 4, 'a');
        event(first, 0, 7, 1, 'b');
        event(first, 3, 9, 6, 'c');
        ByteBuf again = Unpooled.buffer();
        event(again, 3, 9, 4, 'a');
        ByteBuf more = Unpooled.buffer();
        event(more, 3, 9, 6, 'c');
        event(more, 3, 9, 7, 'd');
        try (Link link = new HermodLink(address(), 0, topics, true, "", "d", 1_000);
                Socket peer = server.accept()) {
            peer.setSoTimeout(10_000);
            for (byte[] burst : List.of(
                    bytes(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, FrameType.WELCOME, 1, welcome)),
                    bytes(first),
                    bytes(again),
                    bytes(more))) {
                peer.getOutputStream().write(burst);
                for (int read = 0; read < burst.length; ) {
                    read += link.read(burst.length - read, events);
                }
            }

            assertThat(seen).containsExactly("3 a", "0 b", "3 c", "3 d");
            assertThat(acknowledgements(peer, 3)).containsExactly("9:6", "9:6", "9:7");
        }
    }

    @Test
    void aFrameForAHandleThatWasNeverGivenEndsAHermodLink() throws IOException {
        ByteBuf gap = Unpooled.buffer();
        FlowFrames.writeGap(gap, 4711, 1, 2, 1);
        byte[] bytes = new byte[gap.readableBytes()];
        gap.readBytes(bytes);
        try (Link link = new HermodLink(address(), 0, topics, true, "", "d", 1_000)) {
            assertThatThrownBy(() -> readAll(link, bytes, bytes.length))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("handle 4711");
        }
    }

    @Test
    void aLengthBelowTheHeadersEndsAHermodLink() throws IOException {
        ByteBuf broken = Unpooled.buffer();
        FrameHeader.write(broken, FrameType.EVENT, 0, 1, 0, 0);
        broken.setIntLE(0, 3);
        byte[] bytes = new byte[broken.readableBytes()];
        broken.readBytes(bytes);
        try (Link link = new HermodLink(address(), 0, topics, true, "", "d", 1_000)) {
            assertThatThrownBy(() -> readAll(link, bytes, bytes.length)).hasMessageContaining("frame of 7 bytes");
        }
    }

    @Test
    void theEndOfTheStreamIsMinusOne() throws IOException {
        try (Link link = new NatsLink(address(), 0, topics, true)) {
            server.accept().close();

            assertThat(link.read(100, events)).isEqualTo(-1);
        }
    }
}
