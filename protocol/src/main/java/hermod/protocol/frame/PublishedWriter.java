package hermod.protocol.frame;

import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import java.util.Arrays;

/**
 * Collects the outcomes of published events, joined into ranges, until they are written as one PUBLISHED.
 *
 * <p>Grows to what one read batch needs and then allocates nothing. One thread at a time. When {@link #isFull} the owner writes it out and goes on.
 */
public final class PublishedWriter {
    /** Ranges, and exceptions, in one frame at most, so that it fits the smallest frame limit a client may ask for. */
    public static final int ITEM_COUNT_MAX = 256;

    private static final int LONGS_PER_ITEM = 3;

    private static final long[] NOTHING = {};

    /** Empty until the first outcome: most connections only listen. */
    private long[] ranges = NOTHING;

    private long[] exceptions = NOTHING;
    private int rangeCount;
    private int exceptionCount;
    private int lastRequestId;
    private int lastCount;
    private int lastHandle;
    private long lastOffset;

    public boolean isEmpty() {
        return rangeCount == 0 && exceptionCount == 0;
    }

    /** Whether the next outcome might not fit. */
    public boolean isFull() {
        return rangeCount >= ITEM_COUNT_MAX || exceptionCount >= ITEM_COUNT_MAX;
    }

    /** The event got this offset. Extends the last range where request id, handle and offset go on. */
    public void accepted(int requestId, int handle, long offset) {
        accepted(requestId, 1, handle, offset);
    }

    /** {@code count} events with consecutive request ids got consecutive offsets. */
    public void accepted(int requestId, int count, int handle, long offset) {
        if (rangeCount > 0
                && handle == lastHandle
                && requestId == lastRequestId + lastCount
                && offset == lastOffset + lastCount) {
            lastCount += count;
            ranges[(rangeCount - 1) * LONGS_PER_ITEM] = pair(lastRequestId, lastCount);
            return;
        }
        if ((rangeCount + 1) * LONGS_PER_ITEM > ranges.length) {
            ranges = grown(ranges);
        }
        lastRequestId = requestId;
        lastCount = count;
        lastHandle = handle;
        lastOffset = offset;
        int i = rangeCount++ * LONGS_PER_ITEM;
        ranges[i] = pair(requestId, count);
        ranges[i + 1] = handle & 0xffff_ffffL;
        ranges[i + 2] = offset;
    }

    public void refused(int requestId, int handle, ErrorCode code, int retryAfterMs) {
        exception(requestId, handle, code.code(), PublishedFrame.KIND_REFUSED, 0, retryAfterMs, 0);
    }

    /** The key of a state topic has this version and not the one expected; 0 where the key does not exist. */
    public void conflict(int requestId, int handle, long currentVersion) {
        exception(requestId, handle, ErrorCode.CONFLICT.code(), PublishedFrame.KIND_REFUSED, 0, 0, currentVersion);
    }

    /** In addition to {@link #accepted}: the event travels with a lower priority than it asked for. */
    public void clamped(int requestId, int handle, Priority priority, long offset) {
        exception(requestId, handle, 0, PublishedFrame.KIND_CLAMPED, priority.code(), 0, offset);
    }

    /** The event had been accepted before, with this offset. */
    public void duplicate(int requestId, int handle, long firstOffset) {
        exception(requestId, handle, 0, PublishedFrame.KIND_DUPLICATE, 0, 0, firstOffset);
    }

    /** An exception of any kind, as {@link PublishedFrame} draws it. */
    public void exception(int requestId, int handle, int code, int kind, int priority, int retryAfterMs, long offset) {
        if ((exceptionCount + 1) * LONGS_PER_ITEM > exceptions.length) {
            exceptions = grown(exceptions);
        }
        int i = exceptionCount++ * LONGS_PER_ITEM;
        exceptions[i] = pair(requestId, code | kind << 16 | priority << 24);
        exceptions[i + 1] = pair(retryAfterMs, handle);
        exceptions[i + 2] = offset;
    }

    /** Bytes that {@link #writeTo} will write. */
    public int frameBytes() {
        return FrameHeader.LENGTH
                + PublishedFrame.COUNTS_BYTES
                + (rangeCount + exceptionCount) * PublishedFrame.ITEM_BYTES;
    }

    /**
     * Writes the frame and forgets the outcomes.
     *
     * @param out borrowed; its writer index moves by {@link #frameBytes}.
     */
    public void writeTo(ByteBuf out) {
        FrameHeader.write(out, FrameType.PUBLISHED, 0, 0, 0, frameBytes() - FrameHeader.LENGTH);
        out.writeShortLE(rangeCount);
        out.writeShortLE(exceptionCount);
        out.writeIntLE(0);
        for (int i = 0; i < rangeCount * LONGS_PER_ITEM; i++) {
            out.writeLongLE(ranges[i]);
        }
        for (int i = 0; i < exceptionCount * LONGS_PER_ITEM; i++) {
            out.writeLongLE(exceptions[i]);
        }
        rangeCount = 0;
        exceptionCount = 0;
    }

    private static long[] grown(long[] items) {
        return Arrays.copyOf(items, Math.max(LONGS_PER_ITEM * 4, items.length * 2));
    }

    private static long pair(int low, int high) {
        return (low & 0xffff_ffffL) | (long) high << 32;
    }
}
