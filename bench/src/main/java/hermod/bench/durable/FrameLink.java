package hermod.bench.durable;

import com.google.protobuf.MessageLite;
import hermod.bench.wire.Link;
import hermod.bench.wire.LinkEvents;
import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.net.InetSocketAddress;

/** A connection to Hermod that says HELLO, cuts what comes into frames, and leaves the rest to the class that extends it. */
abstract class FrameLink extends Link {
    private static final int FRAME_BYTES_MAX = 16 * 1024 * 1024;

    private final String token;
    private final String device;
    private final long features;

    /** @param features bits of what is offered in HELLO. */
    FrameLink(InetSocketAddress address, String token, String device, long features) throws IOException {
        super(address, 0);
        this.token = token;
        this.device = device;
        this.features = features;
    }

    /** A frame has come, but no CLOSE. */
    abstract void onFrame(ByteBuf in, int at, int type, LinkEvents events) throws ProtocolException, IOException;

    final void send(FrameType type, int requestId, MessageLite message) throws IOException {
        ByteBuf frame = ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message);
        try {
            write(frame);
        } finally {
            frame.release();
        }
    }

    @Override
    protected final void greet() throws IOException {
        send(
                FrameType.HELLO,
                1,
                Hello.newBuilder()
                        .setMinVersion(1)
                        .setMaxVersion(1)
                        .setFeatures(features)
                        .setToken(token)
                        .setDeviceId(device)
                        .setPlatform(Platform.PLATFORM_CLI)
                        .setClientVersion("bench")
                        .build());
    }

    @Override
    public final boolean isAnswered() {
        return true;
    }

    @Override
    protected final void parse(ByteBuf buffer, LinkEvents events) throws IOException {
        try {
            while (buffer.readableBytes() >= FrameHeader.LENGTH) {
                int at = buffer.readerIndex();
                int frameBytes = FrameHeader.frameBytes(buffer, at);
                if (frameBytes < FrameHeader.LENGTH || frameBytes > FRAME_BYTES_MAX) {
                    throw new IOException("the broker sent a frame of " + frameBytes + " bytes");
                }
                if (buffer.readableBytes() < frameBytes) {
                    return;
                }
                int type = FrameHeader.type(buffer, at);
                if (type == FrameType.CLOSE.code()) {
                    Close close = ControlCodec.decode(Close.parser(), buffer, at);
                    events.closing(CloseCode.nameOf(close.getCode()) + ": " + close.getMessage());
                } else {
                    onFrame(buffer, at, type, events);
                }
                buffer.skipBytes(frameBytes);
            }
        } catch (ProtocolException broken) {
            throw new IOException("the broker broke the protocol: " + broken.getMessage(), broken);
        }
    }
}
