package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;

/**
 * PUBLISHED (0x21): the outcomes of all the events a broker took from one socket at a time.
 *
 * <pre>
 *  16          18               20         24
 *  +-----------+----------------+----------+-------------------+-----------------------+
 *  | ranges u16| exceptions u16 | zero u32 | ranges × 24 bytes | exceptions × 24 bytes |
 *  +-----------+----------------+----------+-------------------+-----------------------+
 *  range:      0 firstRequestId u32 | 4 count u32 | 8 handle u32 | 12 zero u32 | 16 firstOffset u64
 *  exception:  0 requestId u32 | 4 code u16 | 6 kind u8 | 7 priority u8 | 8 retryAfterMs u32 | 12 handle u32 | 16 offset u64
 * </pre>
 *
 * <p>A reader over one frame; valid until the next {@link #wrap}.
 */
public final class PublishedFrame {
    public static final int KIND_REFUSED = 1;
    public static final int KIND_CLAMPED = 2;
    public static final int KIND_DUPLICATE = 3;

    static final int COUNTS_BYTES = 8;
    static final int ITEM_BYTES = 24;

    private ByteBuf in = io.netty.buffer.Unpooled.EMPTY_BUFFER;
    private int rangesAt;
    private int rangeCount;
    private int exceptionCount;

    /**
     * @param buffer borrowed, until the next wrap.
     * @throws ProtocolException BAD_FRAME if the counts do not fit the body.
     */
    public PublishedFrame wrap(ByteBuf buffer, int at) throws ProtocolException {
        int bodyAt = FrameHeader.bodyAt(buffer, at);
        int bodyBytes = FrameHeader.bodyBytes(buffer, at);
        if (bodyBytes < COUNTS_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "published too short: bodyBytes=" + bodyBytes);
        }
        in = buffer;
        rangesAt = bodyAt + COUNTS_BYTES;
        rangeCount = buffer.getUnsignedShortLE(bodyAt);
        exceptionCount = buffer.getUnsignedShortLE(bodyAt + 2);
        if (bodyBytes != COUNTS_BYTES + (rangeCount + exceptionCount) * ITEM_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "published does not add up: bodyBytes=" + bodyBytes);
        }
        return this;
    }

    public int rangeCount() {
        return rangeCount;
    }

    public int rangeFirstRequestId(int index) {
        return in.getIntLE(rangeAt(index));
    }

    public int rangeLength(int index) {
        return in.getIntLE(rangeAt(index) + 4);
    }

    public int rangeHandle(int index) {
        return in.getIntLE(rangeAt(index) + 8);
    }

    public long rangeFirstOffset(int index) {
        return in.getLongLE(rangeAt(index) + 16);
    }

    public int exceptionCount() {
        return exceptionCount;
    }

    public int exceptionRequestId(int index) {
        return in.getIntLE(exceptionAt(index));
    }

    /** See {@link ErrorCode}; 0 where the kind is not refused. */
    public int exceptionCode(int index) {
        return in.getUnsignedShortLE(exceptionAt(index) + 4);
    }

    public int exceptionKind(int index) {
        return in.getUnsignedByte(exceptionAt(index) + 6);
    }

    /** What a clamped event travels with. */
    public Priority exceptionPriority(int index) {
        return Priority.ofCode(in.getByte(exceptionAt(index) + 7));
    }

    public long exceptionRetryAfterMs(int index) {
        return in.getUnsignedIntLE(exceptionAt(index) + 8);
    }

    public int exceptionHandle(int index) {
        return in.getIntLE(exceptionAt(index) + 12);
    }

    public long exceptionOffset(int index) {
        return in.getLongLE(exceptionAt(index) + 16);
    }

    private int rangeAt(int index) {
        return rangesAt + index * ITEM_BYTES;
    }

    private int exceptionAt(int index) {
        return rangesAt + (rangeCount + index) * ITEM_BYTES;
    }
}
