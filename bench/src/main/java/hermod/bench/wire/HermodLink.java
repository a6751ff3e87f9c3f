package hermod.bench.wire;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A connection in Hermod's protocol with the features CREDIT, GAP and ACK where the broker has them: it grants a window, and again what it has read of LOW to
 * HIGH, so that never more than the window is on its way; and it acknowledges what it has read of the topics that want it, once a read and topic. What the
 * broker sends again is not handed on again.
 */
public final class HermodLink extends Link {
    private static final int OPEN_ID = 2;
    private static final int PUBLISH_WINDOW_EVENTS = 65_536;
    private static final int FRAME_BYTES_MAX = 16 * 1024 * 1024;
    private static final long SUBSCRIBER_FEATURES = Feature.CREDIT.bit() | Feature.GAP.bit() | Feature.ACK.bit();
    private static final long PING_EVERY_NS = TimeUnit.SECONDS.toNanos(5);

    private final Topics topics;
    private final boolean isSubscriber;
    private final String token;
    private final String device;
    private final int creditWindowBytes;
    private final int[] handles = new int[Priority.COUNT];
    private final boolean[] isAcknowledged = new boolean[Priority.COUNT];
    private final long[] readOffsets = new long[Priority.COUNT];
    private final boolean[] owesAck = new boolean[Priority.COUNT];
    private final PublishedFrame published = new PublishedFrame();
    private final ByteBuf small = Unpooled.directBuffer(128);
    private final String what;
    private long features;
    private long publishWindowEvents = PUBLISH_WINDOW_EVENTS;
    private long readSinceGrant;
    private long pingedNs;
    private int nextRequestId;
    private boolean isReady;
    private boolean owesAnyAck;

    /**
     * @param creditWindowBytes of events that may be on their way; for a subscriber.
     * @param device told in HELLO; the operators' list of connections has it too.
     */
    public HermodLink(
            InetSocketAddress address,
            int receiveBufferBytes,
            Topics topics,
            boolean isSubscriber,
            String token,
            String device,
            int creditWindowBytes)
            throws IOException {
        super(address, receiveBufferBytes);
        this.topics = topics;
        this.isSubscriber = isSubscriber;
        this.token = token;
        this.device = device;
        this.creditWindowBytes = creditWindowBytes;
        what = isSubscriber ? "SUBSCRIBE" : "OPEN";
        pingedNs = System.nanoTime();
    }

    /** Whether the broker agreed to be paced by credit. */
    public boolean hasCredit() {
        return Feature.CREDIT.isIn(features);
    }

    @Override
    protected void greet() throws IOException {
        Hello.Builder hello = Hello.newBuilder()
                .setMinVersion(1)
                .setMaxVersion(1)
                .setFeatures(isSubscriber ? SUBSCRIBER_FEATURES : 0)
                .setToken(token)
                .setDeviceId(device)
                .setPlatform(Platform.PLATFORM_CLI)
                .setClientVersion("bench");
        if (isSubscriber) {
            hello.addAllSubscriptions(topics.names());
        }
        writeFrame(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, FrameType.HELLO, 1, hello.build()));
        if (isSubscriber) {
            // A broker without the feature answers with one ERROR, which hurts nobody.
            grant(creditWindowBytes);
        } else {
            Open open = Open.newBuilder().addAllTopics(topics.names()).build();
            writeFrame(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, FrameType.OPEN, OPEN_ID, open));
        }
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
    public long publishWindowEvents() {
        return publishWindowEvents;
    }

    @Override
    public void encode(ByteBuf out, int lane, int count, int payloadBytes, Payloads payloads) {
        int entryBytes = Entry.FIXED_BYTES + payloadBytes;
        int bodyBytes = PublishFrame.SEQUENCE_BYTES + count * (PublishFrame.ENTRY_LENGTH_BYTES + entryBytes);
        FrameHeader.write(out, FrameType.PUBLISH, FrameHeader.FLAG_MANY, handles[lane], nextRequestId, bodyBytes);
        nextRequestId += count;
        out.writeLongLE(0);
        for (int i = 0; i < count; i++) {
            out.writeIntLE(entryBytes);
            Entry.writeFixed(out, 0, Entry.TTL_NONE, 0, 0);
            payloads.writeNext(lane, out);
        }
    }

    @Override
    protected void parse(ByteBuf buffer, LinkEvents events) throws IOException {
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
                onFrame(buffer, at, frameBytes, events);
                buffer.skipBytes(frameBytes);
            }
        } catch (ProtocolException broken) {
            throw new IOException("the broker broke the protocol: " + broken.getMessage(), broken);
        }
    }

    private void onFrame(ByteBuf in, int at, int frameBytes, LinkEvents events) throws ProtocolException, IOException {
        int type = FrameHeader.type(in, at);
        if (type == FrameType.EVENT.code()) {
            onEvent(in, at, frameBytes, events);
        } else if (type == FrameType.PUBLISHED.code()) {
            onPublished(published.wrap(in, at), events);
        } else if (type == FrameType.GAP.code()) {
            events.shed(laneOf(FrameHeader.handle(in, at)), FlowFrames.last(in, at) - FlowFrames.first(in, at) + 1);
        } else if (type == FrameType.GAP_CLOSED.code()) {
            events.shed(laneOf(FrameHeader.handle(in, at)), FlowFrames.first(in, at) - FlowFrames.last(in, at) - 1);
        } else if (type == FrameType.WELCOME.code()) {
            onWelcome(ControlCodec.decode(Welcome.parser(), in, at));
        } else if (type == FrameType.OPENED.code()) {
            take(ControlCodec.decode(Opened.parser(), in, at).getResultsList());
        } else if (type == FrameType.PING.code()) {
            pong(in, at);
        } else if (type == FrameType.CLOSE.code()) {
            Close close = ControlCodec.decode(Close.parser(), in, at);
            events.closing(CloseCode.nameOf(close.getCode()) + ": " + close.getMessage());
        }
    }

    private void onEvent(ByteBuf in, int at, int frameBytes, LinkEvents events) throws ProtocolException {
        EventFrame.check(in, at);
        int lane = FrameHeader.priority(in, at).code();
        if (lane != Priority.URGENT.code()) {
            readSinceGrant += frameBytes;
        }
        int topic = laneOf(FrameHeader.handle(in, at));
        if (isAcknowledged[topic]) {
            owesAck[topic] = true;
            owesAnyAck = true;
            long offset = EventFrame.offset(in, at);
            if (offset <= readOffsets[topic]) {
                return; // sent again, and so acknowledged again
            }
            readOffsets[topic] = offset;
        }
        int payloadAt = Entry.payloadAt(in, EventFrame.entryAt(in, at));
        events.event(lane, frameBytes, in, payloadAt, at + frameBytes - payloadAt);
    }

    private void onPublished(PublishedFrame outcomes, LinkEvents events) throws ProtocolException {
        for (int i = 0; i < outcomes.rangeCount(); i++) {
            events.accepted(laneOf(outcomes.rangeHandle(i)), outcomes.rangeLength(i));
        }
        for (int i = 0; i < outcomes.exceptionCount(); i++) {
            switch (outcomes.exceptionKind(i)) {
                case PublishedFrame.KIND_REFUSED ->
                    events.refused(laneOf(outcomes.exceptionHandle(i)), outcomes.exceptionCode(i));
                case PublishedFrame.KIND_CLAMPED -> events.clamped();
                default -> {} // no duplicates without sequences
            }
        }
    }

    private void onWelcome(Welcome welcome) throws IOException {
        features = welcome.getFeatures();
        long told = welcome.getLimits().getPublishWindowEvents();
        publishWindowEvents = told == 0 ? PUBLISH_WINDOW_EVENTS : Math.min(told, PUBLISH_WINDOW_EVENTS);
        if (isSubscriber) {
            take(welcome.getSubscriptionsList());
        }
    }

    private void take(List<TopicResult> results) throws IOException {
        for (TopicResult result : results) {
            if (!result.getGranted()) {
                throw new IOException(what + " " + result.getTopic() + " was refused: "
                        + ErrorCode.nameOf(result.getCode()) + ", " + result.getMessage());
            }
            int lane = topics.laneOf(result.getTopic());
            handles[lane] = result.getHandle();
            isAcknowledged[lane] = result.getAcknowledged();
        }
        isReady = true;
    }

    private int laneOf(int handle) throws ProtocolException {
        for (int lane = 0; lane < handles.length; lane++) {
            if (handles[lane] == handle) {
                return lane;
            }
        }
        throw new ProtocolException(
                CloseCode.BAD_FRAME, "handle " + handle + " is none of " + Arrays.toString(handles));
    }

    @Override
    protected void afterRead() throws IOException {
        if (owesAnyAck) {
            acknowledge();
        }
        if (hasCredit() && isSubscriber && readSinceGrant >= creditWindowBytes / 4) {
            grant(readSinceGrant);
            readSinceGrant = 0;
        }
        long nowNs = System.nanoTime();
        if (nowNs - pingedNs > PING_EVERY_NS) {
            pingedNs = nowNs;
            small.clear();
            FrameHeader.write(small, FrameType.PING, 0, 0, 0, Long.BYTES);
            small.writeLongLE(TimeUnit.NANOSECONDS.toMicros(nowNs));
            write(small);
        }
    }

    private void acknowledge() throws IOException {
        small.clear();
        for (int lane = 0; lane < owesAck.length; lane++) {
            if (owesAck[lane]) {
                owesAck[lane] = false;
                FlowFrames.writeOneNumber(small, FrameType.ACK, handles[lane], readOffsets[lane]);
            }
        }
        owesAnyAck = false;
        write(small);
    }

    private void grant(long bytes) throws IOException {
        small.clear();
        FlowFrames.writeOneNumber(small, FrameType.CREDIT, 0, bytes);
        write(small);
    }

    private void pong(ByteBuf in, int at) throws IOException {
        long nowUs = TimeUnit.MILLISECONDS.toMicros(System.currentTimeMillis());
        small.clear();
        FrameHeader.write(small, FrameType.PONG, 0, 0, FrameHeader.requestId(in, at), 3 * Long.BYTES);
        small.writeLongLE(in.getLongLE(FrameHeader.bodyAt(in, at)))
                .writeLongLE(nowUs)
                .writeLongLE(nowUs);
        write(small);
    }

    private void writeFrame(ByteBuf frame) throws IOException {
        try {
            write(frame);
        } finally {
            frame.release();
        }
    }
}
