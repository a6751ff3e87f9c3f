package hermod.protocol.frame;

import io.netty.buffer.ByteBuf;

/**
 * Frames about how far a topic's stream has come and how much of it may be sent: section 10 of PROTOCOL.md, and PROGRESS. Each goes with a feature.
 *
 * <pre>
 *  GAP         16 from u64 | 24 to u64 | 32 reason u16 | 34 flags u16 | 36 zero u32
 *  GAP_CLOSED  16 from u64 | 24 to u64
 *  PROGRESS    16 offset u64
 *  CREDIT      16 bytes u64
 *  ACK         16 offset u64
 * </pre>
 */
public final class FlowFrames {
    public static final int GAP_BODY_BYTES = 24;
    public static final int GAP_CLOSED_BODY_BYTES = 16;

    /** Of PROGRESS, CREDIT and ACK. */
    public static final int ONE_NUMBER_BODY_BYTES = 8;

    /** Of a GAP's own flags: the missing events follow at once, and GAP_CLOSED after them. */
    public static final int GAP_FLAG_FILL = 1;

    private FlowFrames() {}

    /** First missing offset of GAP and GAP_CLOSED; the one number of PROGRESS, CREDIT and ACK. */
    public static long first(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at));
    }

    /** Last missing offset of GAP and GAP_CLOSED. */
    public static long last(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at) + 8);
    }

    /** Why events are missing: 1 shed, 2 overrun, 3 expired from history, 4 epoch changed. */
    public static int gapReason(ByteBuf in, int at) {
        return in.getUnsignedShortLE(FrameHeader.bodyAt(in, at) + 16);
    }

    /** Whether the missing events of a GAP follow at once, in order, and GAP_CLOSED after them. */
    public static boolean isFillComing(ByteBuf in, int at) {
        return (in.getUnsignedShortLE(FrameHeader.bodyAt(in, at) + 18) & GAP_FLAG_FILL) != 0;
    }

    /** A GAP whose events never come. */
    public static void writeGap(ByteBuf out, int handle, long from, long to, int reason) {
        writeGap(out, handle, from, to, reason, false);
    }

    public static void writeGap(ByteBuf out, int handle, long from, long to, int reason, boolean isFillComing) {
        FrameHeader.write(out, FrameType.GAP, 0, handle, 0, GAP_BODY_BYTES);
        out.writeLongLE(from)
                .writeLongLE(to)
                .writeShortLE(reason)
                .writeShortLE(isFillComing ? GAP_FLAG_FILL : 0)
                .writeIntLE(0);
    }

    public static void writeGapClosed(ByteBuf out, int handle, long from, long to) {
        FrameHeader.write(out, FrameType.GAP_CLOSED, 0, handle, 0, GAP_CLOSED_BODY_BYTES);
        out.writeLongLE(from).writeLongLE(to);
    }

    /** CREDIT with a request id, which an ERROR about it would carry. */
    public static void writeCredit(ByteBuf out, int requestId, long bytes) {
        FrameHeader.write(out, FrameType.CREDIT, 0, 0, requestId, ONE_NUMBER_BODY_BYTES);
        out.writeLongLE(bytes);
    }

    /** PROGRESS, CREDIT or ACK. */
    public static void writeOneNumber(ByteBuf out, FrameType type, int handle, long number) {
        FrameHeader.write(out, type, 0, handle, 0, ONE_NUMBER_BODY_BYTES);
        out.writeLongLE(number);
    }
}
