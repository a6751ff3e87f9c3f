package hermod.broker.group;

import hermod.broker.session.CommandRouter;
import hermod.broker.session.Session;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** The requests about consumer groups: checked on the session's shard, done by {@link Groups}. */
public final class GroupCommands {
    private static final int WAIT_MS_MAX = 60_000;
    private static final int RANGES_MAX = 1_000;

    private final Groups groups;

    /** Unlike any before a restart, so that a client that missed one is not taken for another. */
    private final AtomicLong lastNumber = new AtomicLong(hermod.broker.shard.ShardClock.wallUs());

    public GroupCommands(Groups groups) {
        this.groups = groups;
    }

    /** Registers them. */
    public CommandRouter registerAll(CommandRouter router) {
        return router.register(FrameType.JOIN, this::join)
                .register(FrameType.FETCH, this::fetch)
                .register(FrameType.SETTLE, this::settle)
                .register(FrameType.LEAVE, this::leave);
    }

    /** Registers refusals, for a broker without groups. */
    public static CommandRouter registerNone(CommandRouter router) {
        for (FrameType type : List.of(FrameType.JOIN, FrameType.FETCH, FrameType.SETTLE, FrameType.LEAVE)) {
            router.register(type, (session, requestId, in, at) -> isRefused(session, requestId));
        }
        return router;
    }

    private static boolean isRefused(Session session, int requestId) {
        if (session.has(Feature.GROUP)) {
            return false;
        }
        session.error(requestId, ErrorCode.UNSUPPORTED, "GROUP was not agreed in HELLO and WELCOME");
        return true;
    }

    /** Whether one more request may wait; refuses it where not. */
    private boolean mayWait(Session session, int requestId) {
        if (groups.beginRequest()) {
            Memberships.of(session, groups).onRequest();
            return true;
        }
        session.error(
                requestId,
                ErrorCode.BACK_PRESSURED,
                "too many requests about groups wait: limit=" + groups.config().waitingLimitCount()
                        + " (groups.waiting-limit-count)");
        return false;
    }

    private void join(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        Join asked = ControlCodec.decode(Join.parser(), in, at);
        Mode mode = modeOf(asked);
        Channel channel = session.ground().channels().of(asked.getChannel());
        if (channel == null) {
            session.error(
                    requestId,
                    ErrorCode.UNKNOWN_CHANNEL,
                    "unknown channel; this broker has: "
                            + session.ground().channels().names());
        } else if (!session.mayJoin(channel.name())) {
            session.error(
                    requestId,
                    ErrorCode.FORBIDDEN,
                    "the token gives no right to groups of the channel '" + channel.name() + "'");
        } else if (session.isOff(channel)) {
            session.error(requestId, ErrorCode.NOT_ENABLED, "the channel '" + channel.name() + "' is switched off");
        } else if (!channel.policy().durability().isOnDisk()) {
            session.error(
                    requestId,
                    ErrorCode.BAD_REQUEST,
                    "the channel '" + channel.name() + "' keeps nothing on disk, so it has no groups");
        } else if (!GroupKey.isName(asked.getGroup())) {
            session.error(
                    requestId,
                    ErrorCode.BAD_REQUEST,
                    "a group's name has 1 to " + ProtocolLimits.GROUP_NAME_BYTES + " of a-z, A-Z, 0-9, '.', '_', '-'");
        } else if (mode == null) {
            session.error(requestId, ErrorCode.BAD_REQUEST, "mode must be SHARED or OBSERVER");
        } else {
            join(session, requestId, asked, mode);
        }
    }

    private void join(Session session, int requestId, Join asked, Mode mode) {
        Memberships memberships = Memberships.of(session, groups);
        int limit = groups.config().perConnectionLimitCount();
        int retryAfterMs = session.askRetryAfterMs(1);
        if (retryAfterMs > 0) {
            session.error(requestId, ErrorCode.RATE_LIMITED, "groups are joined faster than they may be", retryAfterMs);
        } else if (memberships.count() >= limit) {
            session.error(
                    requestId,
                    ErrorCode.TOO_MANY_GROUPS,
                    "the connection has as many memberships as it may: limit=" + limit
                            + " (groups.per-connection-limit-count)");
        } else if (mayWait(session, requestId)) {
            Member member = new Member(
                    memberships,
                    lastNumber.incrementAndGet(),
                    new GroupKey(session.authorship().org(), asked.getChannel(), asked.getGroup()));
            memberships.add(member);
            groups.join(member, mode, asked.getStart() == Join.Start.START_FIRST, requestId);
        }
    }

    private static @Nullable Mode modeOf(Join asked) {
        return switch (asked.getMode()) {
            case MODE_SHARED -> Mode.SHARED;
            case MODE_OBSERVER -> Mode.OBSERVER;
            default -> null;
        };
    }

    /** The membership, or null where it is not this connection's, which is told. */
    private @Nullable Member memberOf(Session session, int requestId, long number) {
        Member member = Memberships.of(session, groups).find(number);
        if (member == null) {
            session.error(requestId, ErrorCode.NOT_A_MEMBER, ErrorCode.NOT_A_MEMBER.meaning());
        }
        return member;
    }

    private void fetch(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        Fetch asked = ControlCodec.decode(Fetch.parser(), in, at);
        Member member = memberOf(session, requestId, asked.getMember());
        if (member != null && mayWait(session, requestId)) {
            groups.fetch(
                    member,
                    bounded(asked.getLimit(), ProtocolLimits.FETCHED_EVENTS),
                    bounded(asked.getWaitMs(), WAIT_MS_MAX),
                    requestId);
        }
    }

    /** 0 or above the limit, as an unsigned number, for the limit. */
    private static int bounded(int asked, int limit) {
        return asked <= 0 || asked > limit ? limit : asked;
    }

    private void settle(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        Settle asked = ControlCodec.decode(Settle.parser(), in, at);
        Member member = memberOf(session, requestId, asked.getMember());
        if (member == null) {
            return;
        }
        String fault = faultOf(asked);
        if (fault != null) {
            session.error(requestId, ErrorCode.BAD_REQUEST, fault);
        } else if (mayWait(session, requestId)) {
            groups.settle(member, asked.getSettledList(), asked.getReleasedList(), requestId);
        }
    }

    private static @Nullable String faultOf(Settle asked) {
        if (asked.getSettledCount() + asked.getReleasedCount() > RANGES_MAX) {
            return "a SETTLE has at most " + RANGES_MAX + " ranges";
        }
        return hasBackwards(asked.getSettledList()) || hasBackwards(asked.getReleasedList())
                ? "a range must not end before it begins"
                : null;
    }

    private static boolean hasBackwards(List<PositionRange> ranges) {
        for (PositionRange range : ranges) {
            if (Long.compareUnsigned(range.getFrom(), range.getTo()) > 0) {
                return true;
            }
        }
        return false;
    }

    private void leave(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        Leave asked = ControlCodec.decode(Leave.parser(), in, at);
        Member member = memberOf(session, requestId, asked.getMember());
        if (member != null && mayWait(session, requestId)) {
            groups.leave(member, requestId);
        }
    }
}
