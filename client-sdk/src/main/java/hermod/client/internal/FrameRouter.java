package hermod.client.internal;

import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What becomes of each frame from the broker. Loop thread only. */
final class FrameRouter {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");

    private final Session session;
    private final Topics topics;
    private final Publications publications;
    private final DeliveryBudget budget;
    private long reportsRefused;

    FrameRouter(Session session, Topics topics, Publications publications, DeliveryBudget budget) {
        this.session = session;
        this.topics = topics;
        this.publications = publications;
        this.budget = budget;
    }

    long reportsRefused() {
        return reportsRefused;
    }

    /**
     * @param in borrowed, with a whole frame at {@code at}.
     * @throws ProtocolException where the broker broke the protocol, so that the connection can't go on.
     */
    void onFrame(Connection connection, ByteBuf in, int at) throws ProtocolException {
        if (FrameLog.isOn()) {
            FrameLog.frame("←", in, at);
        }
        if (FrameCheck.hasCriticalExtension(in, at, false)) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "an extension that this client does not have is critical");
        }
        FrameType type = FrameType.ofCode(FrameHeader.type(in, at));
        if (type == null || type.way() == FrameType.Way.TO_BROKER) {
            onUnknown(in, at);
            return;
        }
        int requestId = FrameHeader.requestId(in, at);
        switch (type) {
            case EVENT -> onEvent(connection, in, at);
            case PUBLISHED -> publications.onPublished(in, at, System.nanoTime());
            case PING -> onPing(connection, requestId, in, at);
            case PONG -> onPong(connection, in, at);
            case WELCOME -> session.onWelcome(connection, ControlCodec.decode(Welcome.parser(), in, at));
            case CLOSE -> connection.end(Ending.of(ControlCodec.decode(Close.parser(), in, at)));
            case ERROR ->
                onError(
                        connection,
                        requestId,
                        ControlCodec.decode(hermod.protocol.control.wire.Error.parser(), in, at));
            case SUBSCRIBED, OPENED, REFRESHED -> connection.requests().onAnswer(type, requestId, in, at);
            case SERVICE -> session.onService(connection, ControlCodec.decode(Service.parser(), in, at));
            case UNSUBSCRIBED -> onUnsubscribed(connection, requestId, in, at);
            default -> LOG.debug("frame of a feature that was not agreed is skipped: type={}", type);
        }
    }

    private void onUnsubscribed(Connection connection, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (Requests.isControlId(requestId)) {
            connection.requests().onAnswer(FrameType.UNSUBSCRIBED, requestId, in, at);
        } else {
            topics.onTakenAway(
                    ControlCodec.decode(Unsubscribed.parser(), in, at).getHandlesList());
        }
    }

    private static void onUnknown(ByteBuf in, int at) throws ProtocolException {
        if ((FrameHeader.flags(in, at) & FrameHeader.FLAG_IGNORE_IF_UNKNOWN) == 0) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "frame of an unknown type: type=" + FrameHeader.type(in, at));
        }
    }

    private void onEvent(Connection connection, ByteBuf in, int at) throws ProtocolException {
        EventFrame.check(in, at);
        Topic topic = topics.ofHandle(FrameHeader.handle(in, at));
        if (topic == null || !topic.isSubscribed) {
            // On its way while we were leaving the topic.
            return;
        }
        if (!topic.onEvent(EventFrame.offset(in, at))) {
            topic.meter.onSuppressed();
            return;
        }
        long receivedAtUs = connection.readAtUs() + session.clockOffsetUs();
        if (EventFrame.expiresAtUs(in, at) <= receivedAtUs) {
            topic.meter.onExpired();
            return;
        }
        checkFields(in, EventFrame.entryAt(in, at));
        ReceivedEvent event = ReceivedEvent.of(topic.name, topic.epoch, connection.number(), receivedAtUs, in, at);
        if (budget.add(event.bytes())) {
            connection.pauseReading();
            budget.recheck();
        }
        topic.mailbox.offer(event);
    }

    private static void checkFields(ByteBuf in, int entryAt) throws ProtocolException {
        int fieldsBytes = Entry.fieldsBytes(in, entryAt);
        String fault =
                fieldsBytes == 0 ? null : EventFields.structureFaultOf(in, entryAt + Entry.FIELDS_AT, fieldsBytes);
        if (fault != null) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "event with broken fields: " + fault);
        }
    }

    private void onPing(Connection connection, int requestId, ByteBuf in, int at) throws ProtocolException {
        FrameCheck.bodyIs(ClockFrames.PING_BODY_BYTES, in, at);
        ByteBuf out = connection.buffer(FrameHeader.LENGTH + ClockFrames.PONG_BODY_BYTES);
        long sentUs = ClockFrames.pingSentUs(in, at);
        ClockFrames.writePong(out, requestId, sentUs, connection.readAtUs(), session.wallClockUs());
        connection.write(out);
        connection.flush();
    }

    private void onPong(Connection connection, ByteBuf in, int at) throws ProtocolException {
        FrameCheck.bodyIs(ClockFrames.PONG_BODY_BYTES, in, at);
        if (connection.isOpen()) {
            connection.heartbeat().onPong(ClockFrames.pingSentUs(in, at));
            session.onClockSample(
                    ClockFrames.pingSentUs(in, at),
                    ClockFrames.receivedUs(in, at),
                    ClockFrames.sentUs(in, at),
                    connection.readAtUs());
        }
    }

    private void onError(Connection connection, int requestId, hermod.protocol.control.wire.Error error) {
        HermodException why = new HermodException(
                error.getCode(), error.getMessage(), Integer.toUnsignedLong(error.getRetryAfterMs()), null);
        if (!Requests.isControlId(requestId)) {
            publications.onError(requestId, why);
        } else if (!connection.requests().onError(requestId, why)) {
            reportsRefused += why.is(ErrorCode.BAD_REPORT) ? 1 : 0;
            LOG.debug(
                    "the broker refused a frame: requestId={}, why={}",
                    Integer.toUnsignedString(requestId),
                    why.getMessage());
        }
    }
}
