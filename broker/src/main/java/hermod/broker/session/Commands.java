package hermod.broker.session;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Report;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The requests that every broker answers. */
public final class Commands {
    private Commands() {}

    /** Registers them. */
    public static CommandRouter registerAll(CommandRouter router) {
        router.register(FrameType.SUBSCRIBE, Commands::subscribe)
                .register(FrameType.OPEN, Commands::open)
                .register(FrameType.UNSUBSCRIBE, Commands::unsubscribe)
                .register(FrameType.REPLACE, Commands::replace)
                .register(FrameType.REFRESH, Commands::refresh)
                .register(FrameType.REPORT, Commands::report)
                .register(FrameType.CLOSE, Commands::close);
        return router.register(FrameType.RESUME, Commands::resume)
                .register(FrameType.CREDIT, Commands::credit)
                .register(FrameType.ACK, Commands::acknowledge);
    }

    private static void credit(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (!session.has(Feature.CREDIT)) {
            session.error(requestId, ErrorCode.UNSUPPORTED, "CREDIT was not agreed in HELLO and WELCOME");
            return;
        }
        FrameCheck.bodyIs(FlowFrames.ONE_NUMBER_BODY_BYTES, in, at);
        session.grant(FlowFrames.first(in, at));
    }

    private static void acknowledge(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (!session.has(Feature.ACK)) {
            session.error(requestId, ErrorCode.UNSUPPORTED, "ACK was not agreed in HELLO and WELCOME");
            return;
        }
        FrameCheck.bodyIs(FlowFrames.ONE_NUMBER_BODY_BYTES, in, at);
        session.held().acknowledge(FrameHeader.handle(in, at), FlowFrames.first(in, at));
    }

    private static void resume(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (!session.has(Feature.RESUME)) {
            session.error(requestId, ErrorCode.UNSUPPORTED, "RESUME was not agreed in HELLO and WELCOME");
            return;
        }
        Resume wanted = ControlCodec.decode(Resume.parser(), in, at);
        if (!isRefused(session, requestId, wanted.getCursorsCount())) {
            session.changes().inTurn(requestId, false, () -> session.requests().resume(requestId, wanted));
        }
    }

    private static void subscribe(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        Subscribe asked = ControlCodec.decode(Subscribe.parser(), in, at);
        List<Wish> wishes = Wish.of(asked.getTopicsList(), asked.getFilteredList());
        if (!isRefused(session, requestId, wishes.size())) {
            session.changes().inTurn(requestId, false, () -> hold(session, FrameType.SUBSCRIBED, requestId, wishes));
        }
    }

    private static void open(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        List<String> names = ControlCodec.decode(Open.parser(), in, at).getTopicsList();
        if (!isRefused(session, requestId, names.size())) {
            hold(session, FrameType.OPENED, requestId, Wish.of(names, List.of()));
        }
    }

    private static void hold(Session session, FrameType answer, int requestId, List<Wish> wishes) {
        session.requests().holdTopics(new TopicRequest(answer, requestId, wishes.size()), wishes);
    }

    /** Whether a request for topics is refused as a whole; its answer is written then. A name that is refused counts too: it costs its answer. */
    private static boolean isRefused(Session session, int requestId, int topics) {
        if (topics > ProtocolLimits.TOPICS_PER_REQUEST) {
            session.error(
                    requestId,
                    ErrorCode.BAD_REQUEST,
                    "too many topics in one request: topics=" + topics + ", limit="
                            + ProtocolLimits.TOPICS_PER_REQUEST);
            return true;
        }
        int retryAfterMs = session.requests().askRetryAfterMs(topics);
        if (retryAfterMs > 0) {
            session.error(
                    requestId, ErrorCode.RATE_LIMITED, "topics are asked for faster than they may be", retryAfterMs);
            return true;
        }
        return false;
    }

    private static void unsubscribe(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        List<Integer> handles =
                ControlCodec.decode(Unsubscribe.parser(), in, at).getHandlesList();
        session.changes().inTurn(requestId, false, () -> session.held().letGo(requestId, handles));
    }

    private static void replace(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        Replace asked = ControlCodec.decode(Replace.parser(), in, at);
        List<Wish> wishes = Wish.of(asked.getTopicsList(), asked.getFilteredList());
        if (!session.has(Feature.FILTER)) {
            session.error(requestId, ErrorCode.UNSUPPORTED, "REPLACE was not agreed: feature FILTER");
        } else if (!isRefused(session, requestId, wishes.size())) {
            String twice = Replacement.namedTwice(wishes);
            if (twice != null) {
                session.error(requestId, ErrorCode.BAD_REQUEST, "a topic is named twice: '" + twice + "'");
            } else {
                session.changes()
                        .inTurn(
                                requestId,
                                true,
                                () -> session.changes().replace(requestId, wishes, asked.getKeepOthers()));
            }
        }
    }

    private static void refresh(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        session.tokenRefresh()
                .refresh(
                        requestId, ControlCodec.decode(Refresh.parser(), in, at).getToken());
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
