package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.charset.StandardCharsets;

/**
 * FETCHED (0x35): events of a whole channel for a member of a group, each with its place in the channel and its topic. Only where GROUP was agreed.
 *
 * <pre>
 *  16          20          24             32           40
 *  +-----------+-----------+--------------+------------+-------
 *  | count u32 | flags u32 | lostFrom u64 | lostTo u64 | items
 *  +-----------+-----------+--------------+------------+-------
 *
 *  an item
 *  0              8             10               12          16      16+topicBytes
 *  +--------------+-------------+----------------+-----------+-------+-------------
 *  | position u64 | attempt u16 | topicBytes u16 | epoch u32 | topic | EVENT frame
 *  +--------------+-------------+----------------+-----------+-------+-------------
 * </pre>
 */
public final class FetchedFrame {
    /** Bytes of the body before the items. */
    public static final int FIXED_BYTES = 24;

    /** Bytes before the items in a frame without extensions, as {@link #writeHead} makes it. */
    public static final int ITEMS_AT = FrameHeader.LENGTH + FIXED_BYTES;

    /** Bytes of an item before its topic. */
    public static final int ITEM_HEAD_BYTES = 16;

    private static final int ATTEMPT_AT = 8;
    private static final int TOPIC_BYTES_AT = 10;
    private static final int EPOCH_AT = 12;

    /**
     * What the frame says of itself.
     *
     * @param lostFrom first and {@code lostTo} last position that the group should have had and that is not kept any more; 0 for nothing.
     */
    public record Head(int count, long lostFrom, long lostTo) {}

    private FetchedFrame() {}

    /** Of a frame that was checked. */
    public static Head head(ByteBuf in, int at) {
        int body = FrameHeader.bodyAt(in, at);
        return new Head(in.getIntLE(body), in.getLongLE(body + 8), in.getLongLE(body + 16));
    }

    /** Index of the first item, or of the frame's end where it has none. */
    public static int itemsAt(ByteBuf in, int at) {
        return FrameHeader.bodyAt(in, at) + FIXED_BYTES;
    }

    public static long position(ByteBuf in, int itemAt) {
        return in.getLongLE(itemAt);
    }

    /** 1 where it was never handed out before; 65,535 for more. */
    public static int attempt(ByteBuf in, int itemAt) {
        return in.getUnsignedShortLE(itemAt + ATTEMPT_AT);
    }

    public static int epoch(ByteBuf in, int itemAt) {
        return in.getIntLE(itemAt + EPOCH_AT);
    }

    public static String topic(ByteBuf in, int itemAt) {
        return in.toString(itemAt + ITEM_HEAD_BYTES, topicBytes(in, itemAt), StandardCharsets.UTF_8);
    }

    private static int topicBytes(ByteBuf in, int itemAt) {
        return in.getUnsignedShortLE(itemAt + TOPIC_BYTES_AT);
    }

    /** Index of the item's EVENT frame. */
    public static int eventAt(ByteBuf in, int itemAt) {
        return itemAt + ITEM_HEAD_BYTES + topicBytes(in, itemAt);
    }

    public static int itemBytes(ByteBuf in, int itemAt) {
        int eventAt = eventAt(in, itemAt);
        return eventAt - itemAt + FrameHeader.frameBytes(in, eventAt);
    }

    /**
     * Makes sure that the frame holds whole items, as many as it says. Fields of the events are still to be checked, as those of EVENT frames that come alone.
     *
     * @throws ProtocolException BAD_FRAME.
     */
    public static void check(ByteBuf in, int at) throws ProtocolException {
        int bodyBytes = FrameHeader.bodyBytes(in, at);
        if (bodyBytes < FIXED_BYTES) {
            throw bad("FETCHED without its numbers: bodyBytes=" + bodyBytes);
        }
        Head head = head(in, at);
        if (head.lostFrom() > head.lostTo() || head.lostFrom() < 0 || (head.lostFrom() == 0 && head.lostTo() != 0)) {
            throw bad("lost is no range: from=" + head.lostFrom() + ", to=" + head.lostTo());
        }
        int next = itemsAt(in, at);
        int end = at + FrameHeader.frameBytes(in, at);
        int found = 0;
        while (next < end) {
            next += checkItem(in, next, end);
            found++;
            if (found > ProtocolLimits.FETCHED_EVENTS) {
                throw bad("FETCHED with more events than it may have: limit=" + ProtocolLimits.FETCHED_EVENTS);
            }
        }
        if (found != head.count()) {
            throw bad("FETCHED whose count is not what it holds: count=" + Integer.toUnsignedString(head.count())
                    + ", found=" + found);
        }
    }

    private static int checkItem(ByteBuf in, int at, int end) throws ProtocolException {
        if (end - at < ITEM_HEAD_BYTES || end - eventAt(in, at) < FrameHeader.LENGTH) {
            throw bad("FETCHED holds what is no whole item");
        }
        if (position(in, at) < 1 || attempt(in, at) == 0 || epoch(in, at) == 0) {
            throw bad("an item without a position, an attempt or an epoch");
        }
        if (!ByteBufUtil.isText(in, at + ITEM_HEAD_BYTES, topicBytes(in, at), StandardCharsets.UTF_8)) {
            throw bad("an item whose topic is not UTF-8");
        }
        String fault = TopicName.faultOf(topic(in, at));
        if (fault != null) {
            throw bad("an item with a bad topic: " + fault);
        }
        int eventAt = eventAt(in, at);
        long lengthBytes = in.getUnsignedIntLE(eventAt);
        if (lengthBytes < FrameHeader.LENGTH_FIELD_MIN
                || lengthBytes > end - eventAt - FrameHeader.LENGTH_FIELD_BYTES) {
            throw bad("FETCHED holds what is no whole frame");
        }
        if (FrameHeader.type(in, eventAt) != FrameType.EVENT.code()
                || FrameCheck.hasCriticalExtension(in, eventAt, false)) {
            throw bad("FETCHED holds what is no EVENT");
        }
        EventFrame.check(in, eventAt);
        if (EventFrame.offset(in, eventAt) < 1) {
            throw bad("an event without an offset");
        }
        return itemBytes(in, at);
    }

    private static ProtocolException bad(String sentence) {
        return new ProtocolException(CloseCode.BAD_FRAME, sentence);
    }

    /**
     * Writes all but the items, which follow.
     *
     * @param out borrowed.
     * @param itemsBytes of all items.
     */
    public static void writeHead(ByteBuf out, int requestId, Head head, int itemsBytes) {
        FrameHeader.write(out, FrameType.FETCHED, 0, 0, requestId, FIXED_BYTES + itemsBytes);
        out.writeIntLE(head.count()).writeIntLE(0).writeLongLE(head.lostFrom()).writeLongLE(head.lostTo());
    }

    /** Writes an item but for its EVENT frame, which follows. */
    public static void writeItemHead(ByteBuf out, long position, int attempt, int epoch, String topic) {
        byte[] name = topic.getBytes(StandardCharsets.UTF_8);
        out.writeLongLE(position)
                .writeShortLE(Math.min(attempt, 0xffff))
                .writeShortLE(name.length)
                .writeIntLE(epoch)
                .writeBytes(name);
    }
}
