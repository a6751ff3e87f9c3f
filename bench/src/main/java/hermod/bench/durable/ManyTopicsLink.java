package hermod.bench.durable;

import hermod.bench.wire.LinkEvents;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A connection that holds any number of topics to publish to; a topic's index takes the place of the lane. Outcomes are told as of index 0. */
final class ManyTopicsLink extends FrameLink {
    /** Topics in one OPEN. */
    private static final int OPEN_COUNT = 500;

    private static final long PING_EVERY_NS = TimeUnit.SECONDS.toNanos(5);

    /** Told which publishes were accepted, by request id: the first publish of the link has 1, each further one more. On the reading thread. */
    interface Accepted {
        void accepted(int firstRequestId, int count);
    }

    private final List<String> topics;
    private final int[] handles;
    private final int[] epochs;
    private final long[] nextOffsets;
    private final PublishedFrame published = new PublishedFrame();
    private final ByteBuf ping = Unpooled.directBuffer(64);
    private long windowEvents = Long.MAX_VALUE;
    private long pingedNs = System.nanoTime();
    private Accepted accepted = (firstRequestId, count) -> {};
    private int openedCount;
    private int nextRequestId;

    ManyTopicsLink(InetSocketAddress address, String token, String device, List<String> topics) throws IOException {
        super(address, token, device, 0);
        this.topics = topics;
        handles = new int[topics.size()];
        epochs = new int[topics.size()];
        nextOffsets = new long[topics.size()];
    }

    /** Before the first publish. */
    void onAccepted(Accepted listener) {
        accepted = listener;
    }

    /** Where a topic stood when it was opened: one above the last offset it has given out. */
    long nextOffset(int index) {
        return nextOffsets[index];
    }

    int epoch(int index) {
        return epochs[index];
    }

    private void openNext() throws IOException {
        int end = Math.min(topics.size(), openedCount + OPEN_COUNT);
        if (end > openedCount) {
            Open open = Open.newBuilder()
                    .addAllTopics(topics.subList(openedCount, end))
                    .build();
            send(FrameType.OPEN, end, open);
        }
    }

    @Override
    public boolean isReady() {
        return openedCount == topics.size();
    }

    @Override
    public long publishWindowEvents() {
        return windowEvents;
    }

    @Override
    public void encode(ByteBuf out, int index, int count, int payloadBytes, Payloads payloads) {
        int bodyBytes = PublishFrame.SEQUENCE_BYTES + Entry.FIXED_BYTES + payloadBytes;
        for (int i = 0; i < count; i++) {
            FrameHeader.write(out, FrameType.PUBLISH, 0, handles[index], ++nextRequestId, bodyBytes);
            out.writeLongLE(0);
            Entry.writeFixed(out, 0, Entry.TTL_NONE, 0, 0);
            payloads.writeNext(index, out);
        }
    }

    @Override
    void onFrame(ByteBuf in, int at, int type, LinkEvents events) throws ProtocolException, IOException {
        if (type == FrameType.PUBLISHED.code()) {
            published.wrap(in, at);
            for (int i = 0; i < published.rangeCount(); i++) {
                accepted.accepted(published.rangeFirstRequestId(i), published.rangeLength(i));
                events.accepted(0, published.rangeLength(i));
            }
            for (int i = 0; i < published.exceptionCount(); i++) {
                if (published.exceptionKind(i) == PublishedFrame.KIND_REFUSED) {
                    events.refused(0, published.exceptionCode(i));
                }
            }
        } else if (type == FrameType.WELCOME.code()) {
            long told =
                    ControlCodec.decode(Welcome.parser(), in, at).getLimits().getPublishWindowEvents();
            windowEvents = told == 0 ? Long.MAX_VALUE : told;
            openNext();
        } else if (type == FrameType.OPENED.code()) {
            for (TopicResult result :
                    ControlCodec.decode(Opened.parser(), in, at).getResultsList()) {
                take(result);
            }
            openNext();
        }
    }

    private void take(TopicResult result) throws IOException {
        if (!result.getGranted()) {
            throw new IOException("OPEN " + result.getTopic() + " was refused: " + ErrorCode.nameOf(result.getCode())
                    + ", " + result.getMessage());
        }
        handles[openedCount] = result.getHandle();
        epochs[openedCount] = result.getEpoch();
        nextOffsets[openedCount] = result.getNextOffset();
        openedCount++;
    }

    @Override
    protected void afterRead() throws IOException {
        long nowNs = System.nanoTime();
        if (nowNs - pingedNs > PING_EVERY_NS) {
            pingedNs = nowNs;
            ping.clear();
            FrameHeader.write(ping, FrameType.PING, 0, 0, 0, Long.BYTES);
            ping.writeLongLE(TimeUnit.NANOSECONDS.toMicros(nowNs));
            write(ping);
        }
    }
}
