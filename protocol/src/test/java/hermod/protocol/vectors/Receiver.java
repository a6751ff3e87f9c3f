package hermod.protocol.vectors;

import com.google.protobuf.Message;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/**
 * A receiver with no more state than whether WELCOME was sent: sections 2, 3, 6.1 and 13 put together from the main code alone.
 *
 * <p>It decodes everything of the frames it takes, so that a test sees each read.
 */
final class Receiver {
    /** The handle that is held, as the README says: of a topic without a state. */
    private static final int PLAIN_TOPIC = 7;

    static final int FRAME_LIMIT_BYTES = ProtocolLimits.PAYLOAD_BYTES_DEFAULT + ProtocolLimits.FRAME_OVERHEAD_BYTES;

    /** One event or one frame that is refused while the connection goes on. */
    record Refusal(long requestId, ErrorCode code) {}

    private final boolean isClient;
    private final FrameCutter cutter;
    private final List<Refusal> refusals = new ArrayList<>();
    private final List<JsonNode> taken = new ArrayList<>();
    private boolean isOpen;
    private boolean isAlone;
    private boolean isLz4Agreed;
    private boolean isHistoryAgreed;
    private boolean isGroupAgreed;

    Receiver(ByteBufAllocator allocator, boolean isClient, boolean isOpen) {
        this.isClient = isClient;
        this.isOpen = isOpen;
        cutter = new FrameCutter(allocator, isOpen ? FRAME_LIMIT_BYTES : ProtocolLimits.HANDSHAKE_FRAME_BYTES);
    }

    /** From now on each frame is read in a buffer of its own and of its size, so that a read outside of it throws. */
    Receiver readingEachFrameAlone() {
        isAlone = true;
        return this;
    }

    /** From now on LZ4 counts as agreed. */
    Receiver withLz4() {
        isLz4Agreed = true;
        return this;
    }

    /** From now on HISTORY counts as agreed. */
    Receiver withHistory() {
        isHistoryAgreed = true;
        return this;
    }

    /** From now on GROUP counts as agreed. */
    Receiver withGroups() {
        isGroupAgreed = true;
        return this;
    }

    void receive(ByteBuf in) throws ProtocolException {
        cutter.cut(in, (frames, at, frameBytes) -> {
            if (isAlone) {
                onFrame(Unpooled.wrappedBuffer(ByteBufUtil.getBytes(frames, at, frameBytes)), 0);
            } else {
                onFrame(frames, at);
            }
            return true;
        });
    }

    List<Refusal> refusals() {
        return refusals;
    }

    /** The fields of the frames that were taken. */
    List<JsonNode> taken() {
        return taken;
    }

    int partialBytes() {
        return cutter.partialBytes();
    }

    void close() {
        cutter.close();
    }

    private void onFrame(ByteBuf in, int at) throws ProtocolException {
        boolean isUnsupported = FrameCheck.hasCriticalExtension(in, at, false);
        FrameType type = FrameType.ofCode(FrameHeader.type(in, at));
        if (!isOpen && type != FrameType.HELLO) {
            throw new ProtocolException(CloseCode.HANDSHAKE_EXPECTED, "type=" + type);
        }
        if (isUnsupported) {
            refuse(in, at, ErrorCode.UNSUPPORTED);
            return;
        }
        if (type == FrameType.BATCH && !isLz4Agreed) {
            refuse(in, at, ErrorCode.UNKNOWN_FRAME);
            return;
        }
        if (type == FrameType.HISTORY_PAGE && !isHistoryAgreed) {
            refuse(in, at, ErrorCode.UNKNOWN_FRAME);
            return;
        }
        if (type == FrameType.FETCHED && !isGroupAgreed) {
            refuse(in, at, ErrorCode.UNKNOWN_FRAME);
            return;
        }
        if (type == null || type.way() == (isClient ? FrameType.Way.TO_BROKER : FrameType.Way.TO_CLIENT)) {
            if ((FrameHeader.flags(in, at) & FrameHeader.FLAG_IGNORE_IF_UNKNOWN) == 0) {
                refuse(in, at, ErrorCode.UNKNOWN_FRAME);
            }
            return;
        }
        if (type == FrameType.HELLO && isOpen) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "second HELLO");
        }
        isOpen = true;
        checkBody(type, in, at);
        if (refusals.isEmpty()) {
            taken.add(FrameJson.decode(in, at));
        }
    }

    private void checkBody(FrameType type, ByteBuf in, int at) throws ProtocolException {
        Message control = FrameJson.controlOf(type);
        if (control != null) {
            ControlCodec.decode(control.getParserForType(), in, at);
            return;
        }
        switch (type) {
            case PING -> FrameCheck.bodyIs(ClockFrames.PING_BODY_BYTES, in, at);
            case PONG -> FrameCheck.bodyIs(ClockFrames.PONG_BODY_BYTES, in, at);
            case PUBLISH -> checkPublish(in, at);
            case PUBLISHED -> new PublishedFrame().wrap(in, at);
            case EVENT -> checkEvent(in, at);
            case GAP -> FrameCheck.bodyIs(FlowFrames.GAP_BODY_BYTES, in, at);
            case GAP_CLOSED -> FrameCheck.bodyIs(FlowFrames.GAP_CLOSED_BODY_BYTES, in, at);
            case BATCH -> checkBatch(in, at);
            case HISTORY_PAGE -> checkHistoryPage(in, at);
            case FETCHED -> checkFetched(in, at);
            case PROGRESS, CREDIT, ACK -> FrameCheck.bodyIs(FlowFrames.ONE_NUMBER_BODY_BYTES, in, at);
            default -> throw new AssertionError("no check for " + type);
        }
    }

    private void checkPublish(ByteBuf in, int at) throws ProtocolException {
        int count = PublishFrame.countEntries(in, at);
        int next = FrameHeader.bodyAt(in, at) + PublishFrame.SEQUENCE_BYTES;
        for (int i = 0; i < count; i++) {
            int entryBytes = 0;
            if (PublishFrame.isMany(in, at)) {
                entryBytes = in.getIntLE(next);
                next += PublishFrame.ENTRY_LENGTH_BYTES;
            }
            String fault = EventFields.publishedFaultOf(
                    in, next + Entry.FIELDS_AT, Entry.fieldsBytes(in, next), Entry.type(in, next));
            boolean isKeyRefused = fault == null
                    && FrameHeader.handle(in, at) == PLAIN_TOPIC
                    && EventFields.find(in, next + Entry.FIELDS_AT, Entry.fieldsBytes(in, next), EventFields.TAG_KEY)
                            >= 0;
            if (fault != null || isKeyRefused) {
                refusals.add(
                        new Refusal(Integer.toUnsignedLong(FrameHeader.requestId(in, at) + i), ErrorCode.BAD_EVENT));
            }
            next += entryBytes;
        }
    }

    private static void checkBatch(ByteBuf in, int at) throws ProtocolException {
        BatchFrame.check(in, at);
        ByteBuf events = Unpooled.buffer(0);
        BatchFrame.unpack(in, at, events);
        for (int next = 0; next < events.writerIndex(); next += FrameHeader.frameBytes(events, next)) {
            checkEvent(events, next);
        }
    }

    private static void checkHistoryPage(ByteBuf in, int at) throws ProtocolException {
        HistoryPageFrame.check(in, at);
        int end = at + FrameHeader.frameBytes(in, at);
        for (int next = HistoryPageFrame.eventsAt(in, at); next < end; next += FrameHeader.frameBytes(in, next)) {
            checkEvent(in, next);
        }
    }

    private static void checkFetched(ByteBuf in, int at) throws ProtocolException {
        FetchedFrame.check(in, at);
        int end = at + FrameHeader.frameBytes(in, at);
        for (int next = FetchedFrame.itemsAt(in, at); next < end; next += FetchedFrame.itemBytes(in, next)) {
            checkEvent(in, FetchedFrame.eventAt(in, next));
        }
    }

    private static void checkEvent(ByteBuf in, int at) throws ProtocolException {
        EventFrame.check(in, at);
        EventFrame.expiresAtUs(in, at);
        int entryAt = EventFrame.entryAt(in, at);
        String fault = EventFields.structureFaultOf(in, entryAt + Entry.FIELDS_AT, Entry.fieldsBytes(in, entryAt));
        if (fault != null) {
            throw new ProtocolException(CloseCode.BAD_FRAME, fault);
        }
    }

    private void refuse(ByteBuf in, int at, ErrorCode code) {
        refusals.add(new Refusal(Integer.toUnsignedLong(FrameHeader.requestId(in, at)), code));
    }
}
