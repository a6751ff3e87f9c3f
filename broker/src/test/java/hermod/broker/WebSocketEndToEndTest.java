package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("CN-10")
@ExtendWith(LeakCheck.class)
class WebSocketEndToEndTest {
    /** Collects whole frames out of whatever messages come. */
    private static final class Frames implements WebSocket.Listener {
        private final ByteBuf bytes = Unpooled.buffer();
        private final LinkedBlockingQueue<ByteBuf> frames = new LinkedBlockingQueue<>();
        private final CompletableFuture<Integer> closed = new CompletableFuture<>();

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
            bytes.writeBytes(data);
            while (bytes.readableBytes() >= 4
                    && bytes.readableBytes() >= FrameHeader.frameBytes(bytes, bytes.readerIndex())) {
                byte[] frame = new byte[FrameHeader.frameBytes(bytes, bytes.readerIndex())];
                bytes.readBytes(frame);
                frames.add(Unpooled.wrappedBuffer(frame));
            }
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket socket, int status, String reason) {
            closed.complete(status);
            return null;
        }

        ByteBuf next(FrameType type) throws InterruptedException {
            ByteBuf frame = frames.poll(60, TimeUnit.SECONDS);
            assertThat(frame).as(type.name()).isNotNull();
            assertThat(FrameHeader.type(frame, 0)).isEqualTo(type.code());
            return frame;
        }
    }

    @Test
    void theSameFramesTravelInBinaryMessagesHoweverTheyAreCut() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            Frames frames = new Frames();
            WebSocket socket = connect(broker, frames, null);
            ByteBuf hello = ControlCodec.encode(
                    UnpooledByteBufAllocator.DEFAULT,
                    FrameType.HELLO,
                    0,
                    RawClient.hello(broker.token("alice", BrokerUnderTest.ORDINARY))
                            .build());
            ByteBuf subscribe = ControlCodec.encode(
                    UnpooledByteBufAllocator.DEFAULT,
                    FrameType.SUBSCRIBE,
                    1,
                    Subscribe.newBuilder().addTopics("chat:room").build());
            ByteBuf sent = Unpooled.wrappedBuffer(bytesOf(hello), bytesOf(subscribe));
            socket.sendBinary(sent.nioBuffer(0, 7), true).join();
            socket.sendBinary(sent.nioBuffer(7, 20), false).join();
            socket.sendBinary(sent.nioBuffer(27, sent.readableBytes() - 27), true)
                    .join();
            frames.next(FrameType.WELCOME);
            int handle = Subscribed.parseFrom(RawClient.body(frames.next(FrameType.SUBSCRIBED)))
                    .getResults(0)
                    .getHandle();
            RawClient publisher = broker.client("bob");
            publisher.publish(publisher.open("chat:room").getHandle(), 1, "over tcp");
            RawClient.Event event = new RawClient.Event(frames.next(FrameType.EVENT));
            assertThat(event.text()).isEqualTo("over tcp");
            assertThat(event.handle()).isEqualTo(handle);
            socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
        }
    }

    @Test
    @Tag("SE-4")
    void aPageOfAnotherOriginIsRefused() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            for (String origin :
                    new String[] {"https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1.evil.example"
                    }) {
                assertThatThrownBy(() -> connect(broker, new Frames(), origin))
                        .as(origin)
                        .hasStackTraceContaining("403");
            }
            String own =
                    "http://127.0.0.1:" + broker.broker().webSocketAddress().getPort();
            connect(broker, new Frames(), own).abort();
        }
    }

    @Test
    void textIsRefused() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            Frames frames = new Frames();
            connect(broker, frames, null).sendText("hello", true).join();
            assertThat(frames.closed.get(60, TimeUnit.SECONDS)).isEqualTo(1003);
        }
    }

    private static byte[] bytesOf(ByteBuf frame) {
        byte[] bytes = new byte[frame.readableBytes()];
        frame.readBytes(bytes);
        frame.release();
        return bytes;
    }

    private static WebSocket connect(
            BrokerUnderTest broker, Frames frames, @org.jspecify.annotations.Nullable String origin) throws Exception {
        WebSocket.Builder builder = HttpClient.newHttpClient().newWebSocketBuilder();
        if (origin != null) {
            builder.header("Origin", origin);
        }
        return builder.buildAsync(
                        URI.create("ws://127.0.0.1:"
                                + broker.broker().webSocketAddress().getPort() + "/"),
                        frames)
                .get(60, TimeUnit.SECONDS);
    }
}
