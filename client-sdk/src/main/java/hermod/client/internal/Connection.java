package hermod.client.internal;

import com.google.protobuf.MessageLite;
import hermod.client.BrokerLimits;
import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Limits;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One socket from connect to its end: bytes to frames and back, requests and their answers, signs of life.
 *
 * <p>Tells its session of frames at once and of its end in a turn of its own, so that nobody finds the connection gone in the middle of using it. Loop thread
 * only.
 */
final class Connection extends ChannelInboundHandlerAdapter {
    /** Of whatever a broker may send. */
    static final int FRAME_BYTES_MAX = ProtocolLimits.PAYLOAD_BYTES_CEILING + ProtocolLimits.FRAME_OVERHEAD_BYTES;

    private static final int TOPICS_DEFAULT = 1_000;
    private static final long GOODBYE_MS_MAX = 1_000;

    private final Session session;
    private final int number;
    private final Requests requests;
    private @Nullable ChannelHandlerContext context;
    private @Nullable FrameCutter cutter;
    private @Nullable Heartbeat heartbeat;
    private BrokerLimits limits = limitsOf(Limits.getDefaultInstance());
    private long features;
    private boolean isWelcomed;
    private boolean isEnded;
    private long deadlineNs;
    private long readAtUs;
    private long welcomedAtNs;

    /**
     * @param number counts the client's connections.
     * @param deadlineNs by when WELCOME must have come.
     */
    Connection(Session session, int number, long requestTimeoutNs, long deadlineNs) {
        this.session = session;
        this.number = number;
        this.deadlineNs = deadlineNs;
        requests = new Requests(requestTimeoutNs);
    }

    int number() {
        return number;
    }

    /** When the bytes that are being handled were read, on the client's clock. */
    long readAtUs() {
        return readAtUs;
    }

    /** Defaults until WELCOME. */
    BrokerLimits limits() {
        return limits;
    }

    /** Whether both ends have it; nothing before WELCOME. */
    boolean has(Feature feature) {
        return feature.isIn(features);
    }

    boolean isOpen() {
        return isWelcomed && !isEnded;
    }

    long welcomedAtNs() {
        return welcomedAtNs;
    }

    Requests requests() {
        return requests;
    }

    /** Of a welcomed connection. */
    Heartbeat heartbeat() {
        return Objects.requireNonNull(heartbeat, "the connection is welcomed");
    }

    // ---- from the socket

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
        context = ctx;
        cutter = new FrameCutter(ctx.alloc(), ProtocolLimits.CONTROL_FRAME_TO_CLIENT_BYTES);
        if (isEnded) {
            ctx.close();
        } else {
            session.onActive(this);
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
        ByteBuf in = (ByteBuf) message;
        try {
            FrameCutter frames = cutter;
            if (frames == null || isEnded) {
                return;
            }
            readAtUs = session.wallClockUs();
            if (heartbeat != null) {
                heartbeat.onReceived(System.nanoTime());
            }
            frames.cut(in, this::onFrame);
        } catch (ProtocolException defect) {
            refuse(defect);
        } finally {
            in.release();
        }
    }

    private boolean onFrame(ByteBuf in, int at, int frameBytes) throws ProtocolException {
        session.onFrame(this, in, at);
        return !isEnded;
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
        session.onReadComplete();
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
        session.onReadComplete();
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
        if (cutter != null) {
            cutter.close();
            cutter = null;
        }
        end(Ending.lost("the broker closed the socket"));
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
        end(Ending.lost("the connection failed", cause));
    }

    // ---- to the socket

    void onWelcome(Welcome welcome, long pingIntervalNs, long silenceTimeoutNs, long nowNs) {
        isWelcomed = true;
        welcomedAtNs = nowNs;
        features = welcome.getFeatures();
        limits = limitsOf(welcome.getLimits());
        heartbeat = new Heartbeat(pingIntervalNs, silenceTimeoutNs, nowNs);
        if (cutter != null) {
            cutter.frameLimitBytes(Math.max(limits.frameBytes(), ProtocolLimits.CONTROL_FRAME_TO_CLIENT_BYTES));
        }
    }

    private static BrokerLimits limitsOf(Limits told) {
        int payloadBytes = told.getPayloadBytes() <= 0
                ? ProtocolLimits.PAYLOAD_BYTES_DEFAULT
                : Math.min(told.getPayloadBytes(), ProtocolLimits.PAYLOAD_BYTES_CEILING);
        int frameBytes = told.getFrameBytes() <= 0
                ? payloadBytes + ProtocolLimits.FRAME_OVERHEAD_BYTES
                : Math.min(told.getFrameBytes(), FRAME_BYTES_MAX);
        int topics = told.getTopicsPerConnection() <= 0 ? TOPICS_DEFAULT : told.getTopicsPerConnection();
        return new BrokerLimits(
                frameBytes,
                payloadBytes,
                topics,
                Math.max(0, told.getPublishWindowEvents()),
                Math.max(0, told.getPublishWindowBytes()),
                Math.max(0, told.getPublishesPerSecond()),
                Math.max(0, told.getPublishBytesPerSecond()));
    }

    /** A new buffer, given to the caller. */
    ByteBuf buffer(int bytes) {
        return context().alloc().directBuffer(bytes);
    }

    /** @param frames given; one whole frame or more. */
    void write(ByteBuf frames) {
        if (isEnded || context == null) {
            frames.release();
            return;
        }
        if (FrameLog.isOn()) {
            FrameLog.frames("→", frames);
        }
        context.write(frames, context.voidPromise());
    }

    void flush() {
        if (!isEnded && context != null) {
            context.flush();
        }
    }

    /** Writes a control message; the caller flushes. */
    void send(FrameType type, int requestId, MessageLite message) {
        write(ControlCodec.encode(context().alloc(), type, requestId, message));
    }

    /**
     * Writes a request whose answer is awaited; the caller flushes.
     *
     * @return its id.
     */
    int request(FrameType type, MessageLite message, FrameType answerType, long nowNs, Requests.Answer answer) {
        int id = requests.add(answerType, nowNs, answer);
        send(type, id, message);
        return id;
    }

    /** Lets the broker send so much more of LOW to HIGH; nothing for 0. The caller flushes. */
    void grant(long creditBytes) {
        if (creditBytes > 0) {
            ByteBuf out = buffer(FrameHeader.LENGTH + FlowFrames.ONE_NUMBER_BODY_BYTES);
            FlowFrames.writeCredit(out, requests.nextId(), creditBytes);
            write(out);
        }
    }

    /** Tells that all of a topic is handled up to and including an offset; the caller flushes. */
    void acknowledge(int handle, long offset) {
        ByteBuf out = buffer(FrameHeader.LENGTH + FlowFrames.ONE_NUMBER_BODY_BYTES);
        FlowFrames.writeOneNumber(out, FrameType.ACK, handle, offset);
        write(out);
    }

    void ping(long nowUs, long nowNs) {
        ByteBuf out = buffer(FrameHeader.LENGTH + ClockFrames.PING_BODY_BYTES);
        ClockFrames.writePing(out, requests.nextId(), nowUs);
        write(out);
        flush();
        heartbeat().onPing(nowNs);
    }

    boolean isWritable() {
        return !isEnded && context != null && context.channel().isWritable();
    }

    void pauseReading() {
        if (context != null) {
            context.channel().config().setAutoRead(false);
        }
    }

    void resumeReading() {
        if (context != null) {
            context.channel().config().setAutoRead(true);
        }
    }

    boolean isReading() {
        return context == null || context.channel().config().isAutoRead();
    }

    // ---- the end

    /** Whether WELCOME has not come in time. */
    boolean isHandshakeLate(long nowNs) {
        return !isWelcomed && nowNs - deadlineNs >= 0;
    }

    /** Says CLOSE and ends. */
    void goodbye(CloseCode code, String message, Ending ending) {
        if (!isEnded && context != null && context.channel().isActive()) {
            send(
                    FrameType.CLOSE,
                    0,
                    Close.newBuilder().setCode(code.code()).setMessage(message).build());
            isEnded = true;
            context.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
            // A broker that reads no more would keep the socket open for ever.
            context.executor().schedule(() -> context().close(), GOODBYE_MS_MAX, TimeUnit.MILLISECONDS);
            tell(ending);
            return;
        }
        end(ending);
    }

    private void refuse(ProtocolException defect) {
        // Local, not the broker's verdict: so it is tried again.
        HermodException why = new HermodException(
                HermodException.CONNECTION_LOST, "the broker broke the protocol: " + defect.getMessage(), 0, defect);
        goodbye(defect.code(), String.valueOf(defect.getMessage()), Ending.of(why));
    }

    /** Closes the socket at once. Idempotent: the first ending counts. */
    void end(Ending ending) {
        if (isEnded) {
            return;
        }
        isEnded = true;
        if (context != null) {
            context.close();
        }
        tell(ending);
    }

    private void tell(Ending ending) {
        requests.clear();
        session.onEndedSoon(this, ending);
    }

    private ChannelHandlerContext context() {
        return Objects.requireNonNull(context, "the socket is open");
    }
}
