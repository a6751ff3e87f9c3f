package hermod.bench.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/**
 * A connection in the text protocol of NATS that publishes into a JetStream stream of one replica in a file, and awaits the acknowledgement of each event
 * on an inbox of its own.
 */
public final class JetStreamLink extends Link {
    private static final int LINE_BYTES_MAX = 64 * 1024;
    private static final byte[] PONG = "PONG\r\n".getBytes(StandardCharsets.US_ASCII);

    private final String stream;
    private final String inbox;
    private boolean isReady;

    /**
     * @param stream made if it is not there; its subject is its name.
     * @param id apart from those of the other connections.
     */
    public JetStreamLink(InetSocketAddress address, String stream, int id) throws IOException {
        super(address, 0);
        this.stream = stream;
        inbox = "inbox." + stream + "." + id;
    }

    @Override
    protected void greet() throws IOException {
        String config = "{\"name\":\"" + stream + "\",\"subjects\":[\"" + stream
                + "\"],\"storage\":\"file\",\"retention\":\"limits\",\"discard\":\"old\",\"max_bytes\":1000000000,\"num_replicas\":1}";
        String words =
                "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB " + inbox + " 0\r\nPUB $JS.API.STREAM.CREATE."
                        + stream + " " + inbox + " " + config.length() + "\r\n" + config + "\r\n";
        write(Unpooled.copiedBuffer(words, StandardCharsets.US_ASCII));
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
        String head = "PUB " + stream + " " + inbox + " " + payloadBytes + "\r\n";
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
                case 'M' -> { // MSG inbox sid length, and the answer on a line of its own
                    int answerBytes = lastNumber(buffer, at, next - 2);
                    if (buffer.writerIndex() < next + answerBytes + 2) {
                        return;
                    }
                    onAnswer(buffer.toString(next, answerBytes, StandardCharsets.US_ASCII), events);
                    next += answerBytes + 2;
                }
                case 'P' -> {
                    if (buffer.getByte(at + 1) == 'I') {
                        write(Unpooled.wrappedBuffer(PONG));
                    }
                }
                case '-' -> events.closing(buffer.toString(at, lineBytes - 1, StandardCharsets.US_ASCII));
                default -> {} // INFO, +OK
            }
            buffer.readerIndex(next);
        }
    }

    private void onAnswer(String answer, LinkEvents events) throws IOException {
        boolean isError = answer.contains("\"error\":");
        if (!isReady) {
            if (isError) {
                throw new IOException("JetStream made no stream: " + answer);
            }
            isReady = true;
        } else if (isError) {
            events.refused(0, 0);
        } else {
            events.accepted(0, 1);
        }
    }

    private static int lastNumber(ByteBuf in, int from, int to) {
        int value = 0;
        int scale = 1;
        for (int at = to - 1; at > from && in.getByte(at) != ' '; at--) {
            value += (in.getByte(at) - '0') * scale;
            scale *= 10;
        }
        return value;
    }
}
