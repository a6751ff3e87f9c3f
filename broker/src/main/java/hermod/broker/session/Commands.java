package hermod.broker.session;

import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Report;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The requests that every broker answers. */
public final class Commands {
    private Commands() {}

    /** Registers them, and a refusal for each frame type whose feature this version does not have. */
    public static CommandRouter registerAll(CommandRouter router) {
        router.register(FrameType.SUBSCRIBE, Commands::subscribe)
                .register(FrameType.OPEN, Commands::open)
                .register(FrameType.UNSUBSCRIBE, Commands::unsubscribe)
                .register(FrameType.REFRESH, Commands::refresh)
                .register(FrameType.REPORT, Commands::report)
                .register(FrameType.CLOSE, Commands::close);
        for (FrameType later : List.of(FrameType.RESUME, FrameType.CREDIT, FrameType.ACK)) {
            router.register(
                    later,
                    (session, requestId, in, at) -> session.error(
                            requestId,
                            ErrorCode.UNSUPPORTED,
                            later + " is part of the protocol, but this broker does not have it yet"));
        }
        return router;
    }

    private static void subscribe(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        List<String> names = ControlCodec.decode(Subscribe.parser(), in, at).getTopicsList();
        hold(session, FrameType.SUBSCRIBED, requestId, names);
    }

    private static void open(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        List<String> names = ControlCodec.decode(Open.parser(), in, at).getTopicsList();
        hold(session, FrameType.OPENED, requestId, names);
    }

    private static void hold(Session session, FrameType answer, int requestId, List<String> names) {
        if (names.size() > ProtocolLimits.TOPICS_PER_REQUEST) {
            session.error(
                    requestId,
                    ErrorCode.BAD_REQUEST,
                    "too many topics in one request: topics=" + names.size() + ", limit="
                            + ProtocolLimits.TOPICS_PER_REQUEST);
            return;
        }
        int retryAfterMs = session.askRetryAfterMs(names.size());
        if (retryAfterMs > 0) {
            session.error(
                    requestId, ErrorCode.RATE_LIMITED, "topics are asked for faster than they may be", retryAfterMs);
            return;
        }
        session.holdTopics(new TopicRequest(answer, requestId, names.size()), names);
    }

    private static void unsubscribe(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        session.letGo(
                requestId, ControlCodec.decode(Unsubscribe.parser(), in, at).getHandlesList());
    }

    private static void refresh(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        session.refresh(requestId, ControlCodec.decode(Refresh.parser(), in, at).getToken());
    }

    private static void report(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        Report report = ControlCodec.decode(Report.parser(), in, at);
        @Nullable
        String fault = session.reports()
                .take(
                        report,
                        session.deliveredCount(),
                        session.ground().channels(),
                        session.dispatch().metrics(),
                        session.dispatch().shard().clock().nowNs());
        if (fault != null) {
            session.error(requestId, ErrorCode.BAD_REPORT, fault);
        }
    }

    private static void close(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        ControlCodec.decode(Close.parser(), in, at);
        session.onGoodbye();
    }
}
