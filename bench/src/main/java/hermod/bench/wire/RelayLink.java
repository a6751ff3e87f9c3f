package hermod.bench.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;

/** A connection to the C relay of {@code bench/interop} that hears what it says itself: the way there and back counts as the answer. */
public final class RelayLink extends Link {
    private static final int HEAD_BYTES = 8;
    private static final int AFTER_LENGTH_BYTES = 4;
    private static final int PUBLISH = 1;
    private static final int SUBSCRIBE = 2;
    private static final int SUBSCRIBED = 3;

    private final int channel;
    private boolean isReady;

    /** @param channel apart from those of other connections; below 65,536. */
    public RelayLink(InetSocketAddress address, int channel) throws IOException {
        super(address, 0);
        this.channel = channel;
    }

    @Override
    protected void greet() throws IOException {
        ByteBuf out = Unpooled.directBuffer(HEAD_BYTES);
        writeHead(out, SUBSCRIBE, 0);
        write(out);
    }

    @Override
    public boolean isReady() {
        return isReady;
    }

    @Override
    public boolean isAnswered() {
        return true;
    }

    @Override
    public void encode(ByteBuf out, int lane, int count, int payloadBytes, Payloads payloads) {
        for (int i = 0; i < count; i++) {
            writeHead(out, PUBLISH, payloadBytes);
            payloads.writeNext(lane, out);
        }
    }

    private void writeHead(ByteBuf out, int type, int payloadBytes) {
        out.writeIntLE(AFTER_LENGTH_BYTES + payloadBytes);
        out.writeByte(type).writeByte(0).writeShortLE(channel);
    }

    @Override
    protected void parse(ByteBuf buffer, LinkEvents events) {
        while (buffer.readableBytes() >= HEAD_BYTES) {
            int at = buffer.readerIndex();
            int frameBytes = Integer.BYTES + buffer.getIntLE(at);
            if (buffer.readableBytes() < frameBytes) {
                return;
            }
            if (buffer.getByte(at + Integer.BYTES) == SUBSCRIBED) {
                isReady = true;
            } else {
                events.accepted(0, 1);
            }
            buffer.skipBytes(frameBytes);
        }
    }
}
