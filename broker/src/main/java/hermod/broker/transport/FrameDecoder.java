package hermod.broker.transport;

import hermod.broker.session.Session;
import hermod.broker.session.Sessions;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.frame.FrameCutter;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * Stage 1 of 7: cuts the bytes of one socket into frames and refuses an oversized or malformed one. On to {@code session.Session}.
 *
 * <p>Whatever comes, no exception leaves this handler: a peer's mistake closes the peer with its code, a defect of ours is counted, logged and closes this connection only. Until WELCOME the bytes behind HELLO are kept, at
 * most {@link #KEPT_BYTES_MAX}; the socket is not read meanwhile.
 */
@RunsOn(Owner.SHARD)
final class FrameDecoder extends ChannelInboundHandlerAdapter implements Session.Reader {
    private static final int KEPT_BYTES_MAX = 1024 * 1024;

    private final Sessions sessions;
    private final Admission admission;
    private final @Nullable CloseCode refusal;
    private final boolean isWebSocket;
    private @Nullable Session session;
    private @Nullable FrameCutter cutter;
    private @Nullable ByteBuf kept;
    private int frameLimitBytes = ProtocolLimits.HANDSHAKE_FRAME_BYTES;
    private boolean hasBeenWelcomed;

    /** @param refusal why the socket must go as soon as that can be said, or null. */
    FrameDecoder(Sessions sessions, Admission admission, @Nullable CloseCode refusal, boolean isWebSocket) {
        this.isWebSocket = isWebSocket;
        this.sessions = sessions;
        this.admission = admission;
        this.refusal = refusal;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        String address = context.channel().remoteAddress() instanceof InetSocketAddress peer
                ? peer.getAddress().getHostAddress()
                : "unknown";
        cutter = new FrameCutter(context.alloc(), ProtocolLimits.HANDSHAKE_FRAME_BYTES);
        Session opened = sessions.open(new SocketSink(context.channel()), address);
        opened.reader(this);
        session = opened;
        if (refusal != null) {
            opened.close(refusal, refusal.meaning());
        }
    }

    /** Whether the session got as far as WELCOME. */
    boolean hasBeenWelcomed() {
        return hasBeenWelcomed;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        ByteBuf in = (ByteBuf) message;
        Session open = session;
        try {
            if (open == null) {
                return;
            }
            open.onBytes(in.readableBytes());
            if (kept != null || open.isWaiting()) {
                keep(open, in);
            } else {
                cut(open, in);
            }
        } finally {
            in.release();
        }
    }

    private void cut(Session open, ByteBuf in) {
        FrameCutter cuts = cutter;
        if (cuts == null) {
            return;
        }
        sessions.metrics().beginBatch();
        try {
            cuts.cut(in, open);
            if (in.isReadable() && !open.isClosed()) {
                kept = in.alloc().buffer(in.readableBytes()).writeBytes(in);
            }
        } catch (ProtocolException bad) {
            open.onBadBytes(bad);
        } catch (RuntimeException | AssertionError defect) {
            sessions.onDefect(defect);
            open.close(CloseCode.INTERNAL, "the broker failed on this frame");
        } finally {
            sessions.metrics().endBatch();
        }
        open.onBytesEnd();
    }

    private void keep(Session open, ByteBuf in) {
        ByteBuf held = kept == null ? in.alloc().buffer(in.readableBytes()) : kept;
        kept = held;
        if (held.readableBytes() + in.readableBytes() > KEPT_BYTES_MAX) {
            open.close(CloseCode.BAD_FRAME, "too much sent before WELCOME: limitBytes=" + KEPT_BYTES_MAX);
            return;
        }
        held.writeBytes(in);
    }

    @Override
    public void frameLimitBytes(int bytes) {
        hasBeenWelcomed = true;
        admission.onWelcomed();
        frameLimitBytes = bytes;
        if (kept == null && cutter != null) {
            cutter.frameLimitBytes(bytes);
        }
    }

    @Override
    public boolean isWebSocket() {
        return isWebSocket;
    }

    @Override
    public void resume() {
        ByteBuf held = kept;
        Session open = session;
        if (held == null || open == null) {
            return;
        }
        kept = null;
        try {
            cut(open, held);
            if (cutter != null) {
                // Not before: what was sent ahead of WELCOME must fit the limit that held then.
                cutter.frameLimitBytes(frameLimitBytes);
            }
            open.onReadEnd();
        } finally {
            held.release();
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext context) {
        if (session != null) {
            session.onReadEnd();
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
        if (session != null && context.channel().isWritable()) {
            session.onWritable();
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        Session open = session;
        session = null;
        if (open != null) {
            open.onDisconnect();
        }
        if (cutter != null) {
            cutter.close();
            cutter = null;
        }
        if (kept != null) {
            kept.release();
            kept = null;
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        ReferenceCountUtil.release(event);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        // A peer that resets its connection is no defect.
        if (!(cause instanceof IOException)) {
            sessions.onDefect(cause);
        }
        context.close();
    }
}
