package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;

/**
 * EVENT (0x22): one event as every subscriber of its topic gets it; nothing in it is about the recipient.
 *
 * <pre>
 *  16           24            32       36       38             40
 *  +------------+-------------+--------+--------+--------------+--------+---------+
 *  | offset u64 | timestampUs | ttl    | type   | fieldsLength | fields | payload |
 *  +------------+-------------+--------+--------+--------------+--------+---------+
 * </pre>
 */
public final class EventFrame {
    public static final int OFFSET_AT = FrameHeader.LENGTH;

    /** Index of the {@link Entry}, counted from the frame's first byte; an EVENT has no extensions in version 1. */
    public static final int ENTRY_AT = OFFSET_AT + Long.BYTES;

    /** Bytes before the fields. */
    public static final int FIXED_BYTES = ENTRY_AT + Entry.FIXED_BYTES;

    private EventFrame() {}

    /** The event's offset in its topic, from 1. */
    public static long offset(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at));
    }

    /** Index of the entry's first byte. */
    public static int entryAt(ByteBuf in, int at) {
        return FrameHeader.bodyAt(in, at) + Long.BYTES;
    }

    /**
     * Microseconds since 1970 at which the event is worthless; {@code Long.MAX_VALUE} for never.
     *
     * @param at index of the frame's first byte.
     */
    public static long expiresAtUs(ByteBuf in, int at) {
        int entryAt = entryAt(in, at);
        long ttlSeconds = Entry.ttlSeconds(in, entryAt);
        return ttlSeconds == 0 ? Long.MAX_VALUE : Entry.timestampUs(in, entryAt) + ttlSeconds * 1_000_000L;
    }

    /** @throws ProtocolException BAD_FRAME if the fixed part or the fields do not fit in the frame. */
    public static void check(ByteBuf in, int at) throws ProtocolException {
        int bodyBytes = FrameHeader.bodyBytes(in, at);
        int fixedBytes = Long.BYTES + Entry.FIXED_BYTES;
        if (bodyBytes < fixedBytes || Entry.fieldsBytes(in, entryAt(in, at)) > bodyBytes - fixedBytes) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "event past its frame: bodyBytes=" + bodyBytes);
        }
    }
}
