package hermod.client.internal;

import hermod.client.Gap;
import hermod.client.GapReason;
import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What becomes of each frame from the broker. Loop thread only. */
final class FrameRouter {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");

    private final Session session;
    private final Topics topics;
    private final Publications publications;
    private final DeliveryBudget budget;
    private final Credit credit;
    private final Consumers consumers;
    /** What the BATCH in hand holds; grows to the largest that came, at most 1 MiB. */
    private final ByteBuf batch = Unpooled.buffer(0);

    private long reportsRefused;

    FrameRouter(
            Session session,
            Topics topics,
            Publications publications,
            DeliveryBudget budget,
            Credit credit,
            Consumers consumers) {
        this.session = session;
        this.topics = topics;
        this.publications = publications;
        this.budget = budget;
        this.credit = credit;
        this.consumers = consumers;
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
            case BATCH -> onBatch(connection, in, at);
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
            case SUBSCRIBED, OPENED, REFRESHED, RESUMED -> connection.requests().onAnswer(type, requestId, in, at);
            case HISTORY_PAGE -> onHistoryPage(connection, requestId, in, at);
            case SCHEDULED, CANCELLED, SCHEDULE_LIST -> connection.requests().onAnswer(type, requestId, in, at);
            case REPLACED -> onReplaced(connection, requestId, in, at);
            case SERVICE -> session.onService(connection, ControlCodec.decode(Service.parser(), in, at));
            case UNSUBSCRIBED -> onUnsubscribed(connection, requestId, in, at);
            case JOINED, FETCHED, SETTLED, LEFT -> consumers.onFrame(connection, type, in, at);
            case GAP, GAP_CLOSED, PROGRESS -> onWordOfOffsets(connection, type, in, at);
            default -> throw new ProtocolException(CloseCode.BAD_FRAME, "frame was not agreed: type=" + type);
        }
    }

    private static void onHistoryPage(Connection connection, int requestId, ByteBuf in, int at)
            throws ProtocolException {
        if (!connection.has(Feature.HISTORY)) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "frame was not agreed: type=HISTORY_PAGE");
        }
        HistoryPageFrame.check(in, at);
        int end = at + FrameHeader.frameBytes(in, at);
        for (int next = HistoryPageFrame.eventsAt(in, at); next < end; next += FrameHeader.frameBytes(in, next)) {
            checkFields(in, EventFrame.entryAt(in, next));
        }
        connection.requests().onAnswer(FrameType.HISTORY_PAGE, requestId, in, at);
    }

    private void onReplaced(Connection connection, int requestId, ByteBuf in, int at) throws ProtocolException {
        if (!connection.has(Feature.FILTER)) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "frame was not agreed: type=REPLACED");
        }
        if (Requests.isControlId(requestId)) {
            connection.requests().onAnswer(FrameType.REPLACED, requestId, in, at);
        } else {
            topics.onUnaskedReplaced(ControlCodec.decode(Replaced.parser(), in, at));
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
        int creditBytes = 0;
        if (connection.has(Feature.CREDIT) && FrameHeader.priority(in, at) != Priority.URGENT) {
            creditBytes = FrameHeader.frameBytes(in, at);
            // Before anything is dropped: the broker has counted it.
            credit.onFrame(creditBytes);
        }
        receive(connection, in, at, creditBytes);
    }

    private void onBatch(Connection connection, ByteBuf in, int at) throws ProtocolException {
        if (!connection.has(Feature.LZ4)) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "frame was not agreed: type=" + FrameType.BATCH);
        }
        BatchFrame.check(in, at);
        boolean isUnderCredit = connection.has(Feature.CREDIT);
        int batchBytes = FrameHeader.frameBytes(in, at);
        if (isUnderCredit) {
            credit.onFrame(batchBytes);
        }
        BatchFrame.unpack(in, at, batch);
        long unpackedBytes = batch.writerIndex();
        int next = 0;
        while (next < unpackedBytes) {
            int frameBytes = FrameHeader.frameBytes(batch, next);
            // Its share of what came by the socket, for that is what the broker has counted.
            int creditBytes = isUnderCredit ? (int) Math.max(1, (long) batchBytes * frameBytes / unpackedBytes) : 0;
            receive(connection, batch, next, creditBytes);
            next += frameBytes;
        }
    }

    private void receive(Connection connection, ByteBuf in, int at, int creditBytes) throws ProtocolException {
        Topic topic = topics.ofHandle(FrameHeader.handle(in, at));
        if (topic == null || !topic.isSubscribed) {
            // On its way while we were leaving the topic.
            return;
        }
        long offset = EventFrame.offset(in, at);
        boolean isNew = topic.onEvent(offset);
        HandledOffsets handled = topic.handled;
        if (!isNew && handled == null && !topic.isStateLoading()) {
            topic.meter.onSuppressed();
            return;
        }
        long receivedAtUs = connection.readAtUs() + session.clockOffsetUs();
        if (EventFrame.expiresAtUs(in, at) <= receivedAtUs) {
            topic.meter.onExpired();
            if (handled != null) {
                handled.pass(offset);
            }
            return;
        }
        if (handled != null) {
            isNew = handled.onReceived(offset);
            if (!isNew) {
                topic.meter.onSuppressed();
                return;
            }
        }
        checkFields(in, EventFrame.entryAt(in, at));
        ReceivedEvent event =
                ReceivedEvent.of(topic.name, topic.epoch, connection.number(), creditBytes, receivedAtUs, in, at);
        StateTable state = topic.state;
        if (state != null) {
            Topics.tellGone(topic, state.onEvent(event));
        }
        if (isNew) {
            deliver(connection, topic, event);
        }
    }

    private void deliver(Connection connection, Topic topic, Letter letter) {
        if (budget.add(letter)) {
            connection.pauseReading();
            budget.recheck();
        }
        topic.mailbox.offer(letter);
    }

    /** GAP, GAP_CLOSED or PROGRESS. */
    private void onWordOfOffsets(Connection connection, FrameType type, ByteBuf in, int at) throws ProtocolException {
        boolean isGap = type == FrameType.GAP;
        boolean isProgress = type == FrameType.PROGRESS;
        if (!isProgress && !connection.has(Feature.GAP)) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "frame was not agreed: type=" + type);
        }
        int bodyBytes = isGap ? FlowFrames.GAP_BODY_BYTES : FlowFrames.GAP_CLOSED_BODY_BYTES;
        FrameCheck.bodyIs(isProgress ? FlowFrames.ONE_NUMBER_BODY_BYTES : bodyBytes, in, at);
        Topic topic = topics.ofHandle(FrameHeader.handle(in, at));
        if (topic == null || !topic.isSubscribed) {
            return;
        }
        long first = FlowFrames.first(in, at);
        if (isProgress) {
            topic.onProgress(first);
            if (topic.state != null) {
                Topics.tellGone(topic, topic.state.onProgress(first));
            }
            return;
        }
        long last = FlowFrames.last(in, at);
        if (first < 1 || last < first) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "gap of no range: from=" + first + ", to=" + last);
        }
        if (isGap) {
            boolean isFillComing = FlowFrames.isFillComing(in, at);
            topic.onGap(first, last, isFillComing);
            if (topic.state != null && !isFillComing && !topic.isStateLoading()) {
                topic.state.onLost();
            }
            GapReason reason = GapReason.ofCode(FlowFrames.gapReason(in, at));
            Gap gap = new Gap(topic.name, topic.epoch, first, last, reason, isFillComing);
            topic.meter.onGap(gap.missedAtMost());
            deliver(connection, topic, topic.mailbox.word(listener -> listener.onGap(gap)));
        } else {
            topic.onProgress(last);
            topic.meter.onGapClosed();
            deliver(connection, topic, topic.mailbox.word(listener -> listener.onGapClosed(topic.name, first, last)));
        }
    }

    /** Of an EVENT's entry. */
    static void checkFields(ByteBuf in, int entryAt) throws ProtocolException {
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
