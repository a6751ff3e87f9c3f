package hermod.bench.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** A connection in RESP that appends to one stream with XADD: one field, an id of the server's making. */
public final class RedisStreamLink extends Link {
    private static final int LINE_BYTES_MAX = 64 * 1024;

    private final String stream;
    private boolean isReady;

    /** Removes what the stream had before. */
    public RedisStreamLink(InetSocketAddress address, String stream) throws IOException {
        super(address, 0);
        this.stream = stream;
    }

    @Override
    protected void greet() throws IOException {
        write(Unpooled.copiedBuffer("UNLINK " + stream + "\r\nPING\r\n", StandardCharsets.US_ASCII));
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
        String head = "*5\r\n$4\r\nXADD\r\n$" + stream.length() + "\r\n" + stream + "\r\n$1\r\n*\r\n$1\r\nd\r\n$"
                + payloadBytes + "\r\n";
        for (int i = 0; i < count; i++) {
            out.writeCharSequence(head, StandardCharsets.US_ASCII);
            payloads.writeNext(lane, out);
            out.writeByte('\r').writeByte('\n');
        }
    }

    @Override
    protected void parse(ByteBuf buffer, LinkEvents events) throws IOException {
        while (buffer.isReadable()) {
            int at = buffer.readerIndex();
            int lineBytes = buffer.bytesBefore((byte) '\n');
            if (lineBytes < 0) {
                if (buffer.readableBytes() > LINE_BYTES_MAX) {
                    throw new IOException("Redis sent a line of more than " + LINE_BYTES_MAX + " bytes");
                }
                return;
            }
            int next = at + lineBytes + 1;
            switch (buffer.getByte(at)) {
                case '$' -> { // the id, on a line of its own
                    int idBytes = number(buffer, at + 1, next - 2);
                    if (buffer.writerIndex() < next + idBytes + 2) {
                        return;
                    }
                    next += idBytes + 2;
                    events.accepted(0, 1);
                }
                case '+' -> isReady = true;
                case '-' -> {
                    events.closing(buffer.toString(at, lineBytes - 1, StandardCharsets.US_ASCII));
                    events.refused(0, 0);
                }
                default -> {} // how many streams were removed
            }
            buffer.readerIndex(next);
        }
    }

    private static int number(ByteBuf in, int from, int to) {
        int value = 0;
        for (int at = from; at < to; at++) {
            value = value * 10 + in.getByte(at) - '0';
        }
        return value;
    }
}
