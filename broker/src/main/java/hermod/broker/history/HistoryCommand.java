package hermod.broker.history;

import hermod.broker.engine.EventLog;
import hermod.broker.session.CommandHandler;
import hermod.broker.session.CommandRouter;
import hermod.broker.session.Inquiry;
import hermod.broker.session.Session;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.History;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/** HISTORY: checks what is asked for and has it read. Stateless. */
public final class HistoryCommand implements CommandHandler {
    private final EventLog log;
    private final HistoryConfig config;

    /** @param log borrowed, open as long as the broker serves. */
    public HistoryCommand(EventLog log, HistoryConfig config) {
        this.log = log;
        this.config = config;
    }

    public CommandRouter registerOn(CommandRouter router) {
        return router.register(FrameType.HISTORY, this);
    }

    @Override
    public void handle(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (!session.has(Feature.HISTORY)) {
            session.error(requestId, ErrorCode.UNSUPPORTED, "HISTORY was not agreed in HELLO and WELCOME");
            return;
        }
        History asked = ControlCodec.decode(History.parser(), in, at);
        String fault = faultOf(asked);
        if (fault != null) {
            session.error(requestId, ErrorCode.BAD_REQUEST, fault);
            return;
        }
        Inquiry inquiry = session.inquire(
                requestId,
                asked.getTopic(),
                asked.hasFilter() ? asked.getFilter() : null,
                config.pagesUnderWayLimitCount(),
                config.pagesPerSecond());
        if (inquiry == null) {
            return;
        }
        if (inquiry.channel().policy().durability().isOnDisk()) {
            new PageReader(log, config, inquiry, asked).start();
        } else {
            inquiry.refuse(
                    ErrorCode.BAD_REQUEST,
                    "the channel '" + inquiry.channel().name() + "' keeps nothing on disk, so it has no history",
                    0);
        }
    }

    private static @Nullable String faultOf(History asked) {
        return switch (asked.getStart()) {
            case START_OFFSET, START_TIME, START_NEWEST ->
                asked.getOffset() < 0
                        ? "offset is above 2^63 - 1"
                        : Integer.compareUnsigned(asked.getLimit(), ProtocolLimits.HISTORY_PAGE_EVENTS) > 0
                                ? "limit is " + Integer.toUnsignedString(asked.getLimit()) + "; a page has at most "
                                        + ProtocolLimits.HISTORY_PAGE_EVENTS + " events"
                                : null;
            default -> "start must say where the page begins: an offset, a time or the newest event";
        };
    }
}
