package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import io.netty.buffer.ByteBuf;

/**
 * HISTORY_PAGE (0x1B): events of a topic's past as whole EVENT frames one behind the other, and what of the past the page covers. Only where HISTORY was agreed.
 *
 * <pre>
 *  16          20          24            28          32                40               48                 56                  64              72            80
 *  +-----------+-----------+-------------+-----------+-----------------+----------------+------------------+-------------------+---------------+-------------+--------------
 *  | epoch u32 | count u32 | leftOut u32 | flags u32 | firstOffset u64 | nextOffset u64 | forwardsFrom u64 | backwardsFrom u64 | lostFrom u64  | lostTo u64  | EVENT frames
 *  +-----------+-----------+-------------+-----------+-----------------+----------------+------------------+-------------------+---------------+-------------+--------------
 * </pre>
 */
public final class HistoryPageFrame {
    /** Bytes of the body before the events. */
    public static final int FIXED_BYTES = 64;

    /** Bytes before the events in a frame without extensions, as {@link #writeHead} makes it. */
    public static final int EVENTS_AT = FrameHeader.LENGTH + FIXED_BYTES;

    /** There may be more in the direction that was asked for. */
    public static final int FLAG_HAS_MORE = 1;

    /** The request's epoch is not the topic's. */
    public static final int FLAG_EPOCH_CHANGED = 2;

    /**
     * What a page says of itself.
     *
     * @param epoch the topic's; 0 where nothing was ever stored of it.
     * @param leftOut events of the range that are too large for a frame of this connection.
     * @param firstOffset the first one that is kept; {@code nextOffset} where none is.
     * @param nextOffset above all that is stored, and not below it: a hint.
     * @param forwardsFrom where a page behind this one begins.
     * @param backwardsFrom where a page before this one begins, backwards: the highest offset it may have.
     * @param lostFrom first and {@code lostTo} last offset of what was asked for and is not kept any more; 0 for nothing.
     */
    public record Head(
            int epoch,
            int count,
            int leftOut,
            boolean hasMore,
            boolean isEpochChanged,
            long firstOffset,
            long nextOffset,
            long forwardsFrom,
            long backwardsFrom,
            long lostFrom,
            long lostTo) {}

    private HistoryPageFrame() {}

    /** Of a frame that was checked. */
    public static Head head(ByteBuf in, int at) {
        int body = FrameHeader.bodyAt(in, at);
        int flags = in.getIntLE(body + 12);
        return new Head(
                in.getIntLE(body),
                in.getIntLE(body + 4),
                in.getIntLE(body + 8),
                (flags & FLAG_HAS_MORE) != 0,
                (flags & FLAG_EPOCH_CHANGED) != 0,
                in.getLongLE(body + 16),
                in.getLongLE(body + 24),
                in.getLongLE(body + 32),
                in.getLongLE(body + 40),
                in.getLongLE(body + 48),
                in.getLongLE(body + 56));
    }

    /** Index of the first EVENT frame, or of the frame's end where it has none. */
    public static int eventsAt(ByteBuf in, int at) {
        return FrameHeader.bodyAt(in, at) + FIXED_BYTES;
    }

    /**
     * Makes sure that a page holds whole EVENT frames, as many as it says, in one order. Their fields are still to be checked, as those of EVENT frames that come alone.
     *
     * @throws ProtocolException BAD_FRAME.
     */
    public static void check(ByteBuf in, int at) throws ProtocolException {
        int bodyBytes = FrameHeader.bodyBytes(in, at);
        if (bodyBytes < FIXED_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "page without its numbers: bodyBytes=" + bodyBytes);
        }
        Head head = head(in, at);
        if (head.lostFrom() > head.lostTo() || head.lostFrom() < 0 || (head.lostFrom() == 0 && head.lostTo() != 0)) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "lost is no range: from=" + head.lostFrom() + ", to=" + head.lostTo());
        }
        int found = checkEvents(in, eventsAt(in, at), at + FrameHeader.frameBytes(in, at));
        if (found != head.count()) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "a page's count is not what it holds: count=" + Integer.toUnsignedString(head.count()) + ", found="
                            + found);
        }
        if (found > 0 && head.epoch() == 0) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "a page with events of no epoch");
        }
    }

    private static int checkEvents(ByteBuf in, int from, int end) throws ProtocolException {
        int next = from;
        int found = 0;
        long last = 0;
        int order = 0;
        while (next < end) {
            long lengthBytes = end - next < FrameHeader.LENGTH ? 0 : in.getUnsignedIntLE(next);
            if (lengthBytes < FrameHeader.LENGTH_FIELD_MIN
                    || lengthBytes > end - next - FrameHeader.LENGTH_FIELD_BYTES) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a page holds what is no whole frame");
            }
            if (FrameHeader.type(in, next) != FrameType.EVENT.code()
                    || FrameCheck.hasCriticalExtension(in, next, false)) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a page holds what is no EVENT");
            }
            EventFrame.check(in, next);
            long offset = EventFrame.offset(in, next);
            int step = found == 0 ? 0 : Long.compare(offset, last);
            if (offset < 1 || (found > 0 && step == 0) || (order != 0 && step != order)) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a page's events are not in order: offset=" + offset);
            }
            order = step;
            last = offset;
            found++;
            if (found > ProtocolLimits.HISTORY_PAGE_EVENTS) {
                throw new ProtocolException(
                        CloseCode.BAD_FRAME,
                        "a page with more events than it may have: limit=" + ProtocolLimits.HISTORY_PAGE_EVENTS);
            }
            next += (int) lengthBytes + FrameHeader.LENGTH_FIELD_BYTES;
        }
        return found;
    }

    /**
     * Writes all but the events, which follow.
     *
     * @param out borrowed.
     * @param eventsBytes of all the EVENT frames.
     */
    public static void writeHead(ByteBuf out, int requestId, Head head, int eventsBytes) {
        FrameHeader.write(out, FrameType.HISTORY_PAGE, 0, 0, requestId, FIXED_BYTES + eventsBytes);
        out.writeIntLE(head.epoch())
                .writeIntLE(head.count())
                .writeIntLE(head.leftOut())
                .writeIntLE((head.hasMore() ? FLAG_HAS_MORE : 0) | (head.isEpochChanged() ? FLAG_EPOCH_CHANGED : 0))
                .writeLongLE(head.firstOffset())
                .writeLongLE(head.nextOffset())
                .writeLongLE(head.forwardsFrom())
                .writeLongLE(head.backwardsFrom())
                .writeLongLE(head.lostFrom())
                .writeLongLE(head.lostTo());
    }
}
