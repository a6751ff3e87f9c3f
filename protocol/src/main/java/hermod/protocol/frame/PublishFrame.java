package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;

/**
 * PUBLISH (0x20): one event, or with the flag MANY one event or more, for one topic.
 *
 * <pre>
 *  16             24
 *  +--------------+----------------------------------------------------+
 *  | sequence u64 | entry                                              |   without MANY
 *  +--------------+----------------------------------------------------+
 *  | sequence u64 | u32 entryLength | entry | u32 entryLength | entry … |   with MANY
 *  +--------------+----------------------------------------------------+
 * </pre>
 */
public final class PublishFrame {
    /** Bytes of the body before the first entry. */
    public static final int SEQUENCE_BYTES = Long.BYTES;

    public static final int ENTRY_LENGTH_BYTES = 4;

    /** Bytes of a frame with one event before its fields. */
    public static final int FIXED_BYTES = FrameHeader.LENGTH + SEQUENCE_BYTES + Entry.FIXED_BYTES;

    private PublishFrame() {}

    /** The first event's sequence; 0 for none. */
    public static long sequence(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at));
    }

    public static boolean isMany(ByteBuf in, int at) {
        return (FrameHeader.flags(in, at) & FrameHeader.FLAG_MANY) != 0;
    }

    /**
     * Walks the entry lengths and counts the events.
     *
     * @return events in the frame, at least 1.
     * @throws ProtocolException BAD_FRAME if they do not add up.
     */
    public static int countEntries(ByteBuf in, int at) throws ProtocolException {
        int next = FrameHeader.bodyAt(in, at) + SEQUENCE_BYTES;
        int end = at + FrameHeader.frameBytes(in, at);
        if (!isMany(in, at)) {
            checkEntry(in, next, end - next);
            return 1;
        }
        int count = 0;
        while (next < end) {
            if (end - next < ENTRY_LENGTH_BYTES) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "entry length past the frame");
            }
            long entryBytes = in.getUnsignedIntLE(next);
            next += ENTRY_LENGTH_BYTES;
            if (entryBytes > end - next) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "entry past the frame: entryBytes=" + entryBytes);
            }
            checkEntry(in, next, (int) entryBytes);
            next += (int) entryBytes;
            count++;
        }
        if (count == 0) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "publish without an event");
        }
        return count;
    }

    private static void checkEntry(ByteBuf in, int at, int entryBytes) throws ProtocolException {
        if (entryBytes < Entry.FIXED_BYTES || Entry.fieldsBytes(in, at) > entryBytes - Entry.FIXED_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "entry too short: entryBytes=" + entryBytes);
        }
    }

    /**
     * Writes everything before the fields of a frame with one event; the fields and the payload are to be written behind it.
     *
     * @param out borrowed; its writer index moves.
     * @param priorityFlags 0, or FLAG_PRIORITY_GIVEN with the priority's code; FLAG_EXCLUDE_DEVICE may be added.
     */
    public static void writeHead(
            ByteBuf out,
            int priorityFlags,
            int handle,
            int requestId,
            long sequence,
            long timestampUs,
            long ttlSeconds,
            int type,
            int fieldsBytes,
            int payloadBytes) {
        int bodyBytes = SEQUENCE_BYTES + Entry.FIXED_BYTES + fieldsBytes + payloadBytes;
        FrameHeader.write(out, FrameType.PUBLISH, priorityFlags, handle, requestId, bodyBytes);
        out.writeLongLE(sequence);
        Entry.writeFixed(out, timestampUs, ttlSeconds, type, fieldsBytes);
    }
}
