package hermod.broker.schedule;

import hermod.broker.session.CommandRouter;
import hermod.broker.session.Session;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Cancel;
import hermod.protocol.control.wire.Schedule;
import hermod.protocol.control.wire.Schedules;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The requests about events for later: checked on the session's shard, done by the {@link Scheduler}. */
public final class ScheduleCommands {
    private static final int FLAGS = 0x03 | FrameHeader.FLAG_PRIORITY_GIVEN | FrameHeader.FLAG_EXCLUDE_DEVICE;
    private static final int EVENT_ID_FIELD_BYTES = EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES;

    private final Scheduler scheduler;
    private final ScheduleConfig config;

    public ScheduleCommands(Scheduler scheduler, ScheduleConfig config) {
        this.scheduler = scheduler;
        this.config = config;
    }

    /** Registers them. */
    public CommandRouter registerAll(CommandRouter router) {
        return router.register(FrameType.SCHEDULE, this::schedule)
                .register(FrameType.CANCEL, this::cancel)
                .register(FrameType.SCHEDULES, this::list);
    }

    /** Registers refusals, for a broker without a scheduler. */
    public static CommandRouter registerNone(CommandRouter router) {
        return router.register(FrameType.SCHEDULE, (session, requestId, in, at) -> isRefused(session, requestId))
                .register(FrameType.CANCEL, (session, requestId, in, at) -> isRefused(session, requestId))
                .register(FrameType.SCHEDULES, (session, requestId, in, at) -> isRefused(session, requestId));
    }

    private static boolean isRefused(Session session, int requestId) {
        if (session.has(Feature.SCHEDULE)) {
            return false;
        }
        session.error(requestId, ErrorCode.UNSUPPORTED, "SCHEDULE was not agreed in HELLO and WELCOME");
        return true;
    }

    /** A refusal that is not the scheduler's. */
    private record Fault(ErrorCode code, String sentence) {}

    private void schedule(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        Schedule asked = ControlCodec.decode(Schedule.parser(), in, at);
        TopicResult topic = session.refusalOf(asked.getTopic(), false);
        if (topic != null) {
            session.error(requestId, codeOf(topic.getCode()), topic.getMessage());
            return;
        }
        Channel channel = channelOf(session, asked.getTopic());
        Fault fault = faultOf(asked, channel, session.ground().payloadLimitBytes());
        if (fault != null) {
            session.error(requestId, fault.code, fault.sentence);
            return;
        }
        Session.Authorship who = session.authorship();
        int retryAfterMs =
                session.publishRetryAfterMs(channel, priorityOf(asked, channel, who), FrameHeader.frameBytes(in, at));
        if (retryAfterMs > 0) {
            session.error(requestId, ErrorCode.RATE_LIMITED, "a SCHEDULE counts as a publish does", retryAfterMs);
            return;
        }
        ScheduledEvent event = new ScheduledEvent(
                asked.getTopic(),
                new ScheduledEvent.Author(
                        session.author(), who.device(), who.percentile(), who.raisedTo(), who.mayPublishUrgent()),
                0,
                asked.getDeliverAtUs(),
                asked.getRecurrence().getRule(),
                asked.getRecurrence().getZone(),
                asked.getRecurrence().getUntilUs(),
                asked.getFlags() & FLAGS,
                asked.getEntry().toByteArray());
        scheduler.schedule(
                DueKey.eventKey(who.org(), who.user(), asked.getId().toByteArray()),
                event,
                answer(session, FrameType.SCHEDULED, requestId));
    }

    private static Channel channelOf(Session session, String topic) {
        Channel channel = session.ground().channels().of(TopicName.of(topic).channel());
        if (channel == null) {
            throw new IllegalStateException("a topic that was found good has no channel: " + topic);
        }
        return channel;
    }

    private static ErrorCode codeOf(int code) {
        ErrorCode known = ErrorCode.ofCode(code);
        return known == null ? ErrorCode.BAD_REQUEST : known;
    }

    /** For its rate only; the topic's home clamps it when it is due. */
    private static Priority priorityOf(Schedule asked, Channel channel, Session.Authorship who) {
        boolean isGiven = (asked.getFlags() & FrameHeader.FLAG_PRIORITY_GIVEN) != 0;
        Priority wanted =
                isGiven ? Priority.ofCode(asked.getFlags()) : channel.policy().lane();
        boolean isUrgent =
                wanted == Priority.URGENT && channel.policy().ceiling() == Priority.URGENT && who.mayPublishUrgent();
        return isUrgent ? Priority.URGENT : Priority.NORMAL;
    }

    private @Nullable Fault faultOf(Schedule asked, Channel channel, int payloadLimitBytes) {
        if (!channel.policy().durability().isOnDisk()) {
            return bad("the channel " + channel.name()
                    + " is not durable, and only events of durable channels can be scheduled");
        }
        byte[] id = asked.getId().toByteArray();
        if (id.length != DueKey.ID_BYTES || isZero(id)) {
            return bad("id is a ULID of 16 bytes and not all 0: bytes=" + id.length);
        }
        boolean isRecurring =
                asked.hasRecurrence() && !asked.getRecurrence().getRule().isEmpty();
        if (isRecurring == (asked.getDeliverAtUs() != 0)) {
            return bad("exactly one of deliver_at_us and recurrence must be there");
        }
        if (asked.getRecurrence().getRule().getBytes(StandardCharsets.UTF_8).length > Rule.TEXT_BYTES_MAX
                || asked.getRecurrence().getZone().length() > Rule.TEXT_BYTES_MAX) {
            return bad("a rule and a zone have at most " + Rule.TEXT_BYTES_MAX + " bytes");
        }
        if (asked.getRecurrence().getUntilUs() < 0 || asked.getDeliverAtUs() < 0) {
            return bad("times are microseconds since 1970");
        }
        return entryFaultOf(asked, payloadLimitBytes);
    }

    private @Nullable Fault entryFaultOf(Schedule asked, int payloadLimitBytes) {
        ByteBuf entry = Unpooled.wrappedBuffer(asked.getEntry().asReadOnlyByteBuffer());
        int bytes = entry.readableBytes();
        if (bytes < Entry.FIXED_BYTES || Entry.fieldsBytes(entry, 0) > bytes - Entry.FIXED_BYTES) {
            return new Fault(ErrorCode.BAD_EVENT, "the entry does not add up: bytes=" + bytes);
        }
        int fieldsBytes = Entry.fieldsBytes(entry, 0);
        int limitBytes = Math.min(config.entryLimitBytes(), payloadLimitBytes);
        if (bytes > config.entryLimitBytes() || bytes - Entry.FIXED_BYTES - fieldsBytes > payloadLimitBytes) {
            return new Fault(
                    ErrorCode.PAYLOAD_TOO_LARGE,
                    "the entry of a scheduled event has at most " + limitBytes
                            + " bytes (schedule.entry-limit-bytes): bytes=" + bytes);
        }
        String fault = EventFields.publishedFaultOf(entry, Entry.FIELDS_AT, fieldsBytes, Entry.type(entry, 0));
        if (fault == null && EventFields.find(entry, Entry.FIELDS_AT, fieldsBytes, EventFields.TAG_EVENT_ID) >= 0) {
            fault = "the eventId of a scheduled event comes from its id";
        }
        if (fault == null && fieldsBytes + EVENT_ID_FIELD_BYTES > ProtocolLimits.FIELDS_BYTES) {
            fault = "fields too long with the eventId: limit=" + ProtocolLimits.FIELDS_BYTES;
        }
        return fault == null ? null : new Fault(ErrorCode.BAD_EVENT, fault);
    }

    private static Fault bad(String sentence) {
        return new Fault(ErrorCode.BAD_REQUEST, sentence);
    }

    private static boolean isZero(byte[] id) {
        for (byte each : id) {
            if (each != 0) {
                return false;
            }
        }
        return true;
    }

    private void cancel(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        byte[] id = ControlCodec.decode(Cancel.parser(), in, at).getId().toByteArray();
        if (id.length != DueKey.ID_BYTES) {
            session.error(requestId, ErrorCode.BAD_REQUEST, "id has 16 bytes: bytes=" + id.length);
        } else if (mayAsk(session, requestId)) {
            Session.Authorship who = session.authorship();
            scheduler.cancel(
                    DueKey.eventKey(who.org(), who.user(), id), answer(session, FrameType.CANCELLED, requestId));
        }
    }

    private void list(Session session, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (isRefused(session, requestId)) {
            return;
        }
        Schedules asked = ControlCodec.decode(Schedules.parser(), in, at);
        byte[] after = asked.getAfter().toByteArray();
        if (after.length != 0 && after.length != DueKey.ID_BYTES) {
            session.error(requestId, ErrorCode.BAD_REQUEST, "after has 16 bytes or none: bytes=" + after.length);
        } else if (mayAsk(session, requestId)) {
            Session.Authorship who = session.authorship();
            scheduler.list(
                    who.org(),
                    who.user(),
                    after,
                    asked.getLimit(),
                    answer(session, FrameType.SCHEDULE_LIST, requestId));
        }
    }

    private static boolean mayAsk(Session session, int requestId) {
        int retryAfterMs = session.askRetryAfterMs(1);
        if (retryAfterMs > 0) {
            session.error(
                    requestId,
                    ErrorCode.RATE_LIMITED,
                    "scheduled events are asked about faster than they may be",
                    retryAfterMs);
        }
        return retryAfterMs == 0;
    }

    /** Takes an answer back to the session's shard. */
    private static Consumer<Reply> answer(Session session, FrameType type, int requestId) {
        return reply -> {
            try {
                session.dispatch().shard().execute(() -> answerNow(session, type, requestId, reply));
            } catch (RejectedExecutionException stopping) {
                // The shard is gone, and all its sessions with it.
            }
        };
    }

    private static void answerNow(Session session, FrameType type, int requestId, Reply reply) {
        if (session.isClosed()) {
            return;
        }
        if (reply.refusal() != null) {
            session.error(requestId, reply.refusal(), reply.sentence());
        } else if (reply.message() != null) {
            session.answer(ControlCodec.encode(session.ground().allocator(), type, requestId, reply.message()));
        }
    }
}
