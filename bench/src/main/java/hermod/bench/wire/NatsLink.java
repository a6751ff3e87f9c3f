package hermod.bench.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** A connection in the text protocol of NATS: subjects are topic names, and a subscription's id is its lane. */
public final class NatsLink extends Link {
    private static final int LINE_BYTES_MAX = 64 * 1024;
    private static final byte[] PONG = "PONG\r\n".getBytes(StandardCharsets.US_ASCII);

    private final Topics topics;
    private final boolean isSubscriber;
    private boolean isReady;

    public NatsLink(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
            throws IOException {
        super(address, receiveBufferBytes);
        this.topics = topics;
        this.isSubscriber = isSubscriber;
    }

    @Override
    protected void greet() throws IOException {
        StringBuilder words = new StringBuilder("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        if (isSubscriber) {
            for (int lane : topics.lanes()) {
                words.append("SUB ")
                        .append(topics.of(lane))
                        .append(' ')
                        .append(lane)
                        .append("\r\n");
            }
        }
        write(Unpooled.copiedBuffer(words.append("PING\r\n"), StandardCharsets.US_ASCII));
    }

    @Override
    public boolean isReady() {
        return isReady;
    }

    @Override
    public boolean isAnswered() {
        return false;
    }

    @Override
    public void encode(ByteBuf out, int lane, int count, int payloadBytes, Payloads payloads) {
        String head = "PUB " + topics.of(lane) + " " + payloadBytes + "\r\n";
        for (int i = 0; i < count; i++) {
            out.writeCharSequence(head, StandardCharsets.US_ASCII);
            payloads.writeNext(lane, out);
            out.writeByte('\r').writeByte('\n');
        }
    }

    @Override
    protected void parse(ByteBuf buffer, LinkEvents events) throws IOException {
        while (true) {
            int at = buffer.readerIndex();
            int lineBytes = buffer.bytesBefore((byte) '\n');
            if (lineBytes < 0) {
                if (buffer.readableBytes() > LINE_BYTES_MAX) {
                    throw new IOException("NATS sent a line of more than " + LINE_BYTES_MAX + " bytes");
                }
                return;
            }
            int next = at + lineBytes + 1;
            switch (buffer.getByte(at)) {
                case 'M' -> { // MSG subject sid length, and the payload on a line of its own
                    int lengthAt = lastWordAt(buffer, at, next - 2);
                    int payloadBytes = number(buffer, lengthAt, next - 2);
                    if (buffer.writerIndex() < next + payloadBytes + 2) {
                        return;
                    }
                    int lane = buffer.getByte(lengthAt - 2) - '0';
                    events.event(lane, next + payloadBytes + 2 - at, buffer, next, payloadBytes);
                    next += payloadBytes + 2;
                }
                case 'P' -> {
                    if (buffer.getByte(at + 1) == 'I') {
                        write(Unpooled.wrappedBuffer(PONG));
                    } else {
                        isReady = true;
                    }
                }
                case '-' -> events.closing(buffer.toString(at, lineBytes - 1, StandardCharsets.US_ASCII));
                default -> {} // INFO, +OK
            }
            buffer.readerIndex(next);
        }
    }

    private static int lastWordAt(ByteBuf in, int from, int to) {
        int at = to;
        while (at > from && in.getByte(at - 1) != ' ') {
            at--;
        }
        return at;
    }

    private static int number(ByteBuf in, int from, int to) {
        int value = 0;
        for (int at = from; at < to; at++) {
            value = value * 10 + in.getByte(at) - '0';
        }
        return value;
    }
}
