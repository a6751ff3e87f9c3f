package hermod.bench.wire;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** A connection in RESP, the protocol of Redis, for its PUBLISH and SUBSCRIBE: channels are topic names. */
public final class RedisLink extends Link {
    private static final int INCOMPLETE = -1;
    private static final int MESSAGE_PARTS = 3;

    private final Topics topics;
    private final boolean isSubscriber;
    private final ByteBuf[] names;
    private final int[] partAt = new int[MESSAGE_PARTS];
    private final int[] partBytes = new int[MESSAGE_PARTS];
    private int subscribedCount;
    private boolean isReady;

    public RedisLink(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
            throws IOException {
        super(address, receiveBufferBytes);
        this.topics = topics;
        this.isSubscriber = isSubscriber;
        names = new ByteBuf[hermod.protocol.Priority.COUNT];
        for (int lane : topics.lanes()) {
            names[lane] = Unpooled.copiedBuffer(topics.of(lane), StandardCharsets.US_ASCII);
        }
    }

    @Override
    protected void greet() throws IOException {
        StringBuilder words = new StringBuilder();
        if (isSubscriber) {
            words.append('*').append(1 + topics.names().size()).append("\r\n$9\r\nSUBSCRIBE\r\n");
            for (String name : topics.names()) {
                words.append('$')
                        .append(name.length())
                        .append("\r\n")
                        .append(name)
                        .append("\r\n");
            }
        } else {
            words.append("PING\r\n");
        }
        write(Unpooled.copiedBuffer(words, StandardCharsets.US_ASCII));
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
        String name = topics.of(lane);
        String head = "*3\r\n$7\r\nPUBLISH\r\n$" + name.length() + "\r\n" + name + "\r\n$" + payloadBytes + "\r\n";
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
            int lineEnd = lineEnd(buffer, at);
            if (lineEnd == INCOMPLETE) {
                return;
            }
            int next = lineEnd;
            switch (buffer.getByte(at)) {
                case '*' -> {
                    next = array(buffer, lineEnd, number(buffer, at + 1, lineEnd - 2));
                    if (next == INCOMPLETE) {
                        return;
                    }
                    onArray(buffer, next - at, events);
                }
                case '+' -> isReady = true;
                case '-' -> events.closing(buffer.toString(at, lineEnd - 2 - at, StandardCharsets.US_ASCII));
                default -> {} // the count of receivers that answers PUBLISH
            }
            buffer.readerIndex(next);
        }
    }

    /** Finds the parts of an array; returns the index behind it. */
    private int array(ByteBuf in, int from, int parts) throws IOException {
        if (parts != MESSAGE_PARTS) {
            throw new IOException("Redis sent an array of " + parts + " parts");
        }
        int next = from;
        for (int i = 0; i < parts; i++) {
            int lineEnd = lineEnd(in, next);
            if (lineEnd == INCOMPLETE) {
                return INCOMPLETE;
            }
            if (in.getByte(next) == ':') {
                partBytes[i] = 0;
                next = lineEnd;
                continue;
            }
            partAt[i] = lineEnd;
            partBytes[i] = number(in, next + 1, lineEnd - 2);
            next = lineEnd + partBytes[i] + 2;
            if (next > in.writerIndex()) {
                return INCOMPLETE;
            }
        }
        return next;
    }

    /** {@code message channel payload}, or {@code subscribe channel count}. */
    private void onArray(ByteBuf in, int wireBytes, LinkEvents events) {
        if (in.getByte(partAt[0]) != 'm') {
            subscribedCount++;
            isReady = subscribedCount == topics.names().size();
            return;
        }
        for (int lane : topics.lanes()) {
            ByteBuf name = names[lane];
            if (name.writerIndex() == partBytes[1] && ByteBufUtil.equals(name, 0, in, partAt[1], partBytes[1])) {
                events.event(lane, wireBytes, in, partAt[2], partBytes[2]);
                return;
            }
        }
    }

    private static int lineEnd(ByteBuf in, int at) {
        int found = in.indexOf(at, in.writerIndex(), (byte) '\n');
        return found < 0 ? INCOMPLETE : found + 1;
    }

    private static int number(ByteBuf in, int from, int to) {
        int value = 0;
        for (int at = from; at < to; at++) {
            value = value * 10 + in.getByte(at) - '0';
        }
        return value;
    }
}
