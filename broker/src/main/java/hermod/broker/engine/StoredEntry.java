package hermod.broker.engine;

import io.netty.buffer.ByteBuf;

/**
 * One event as it is stored: what only the broker knows of it, its key where it has one, and the EVENT frame. Little-endian.
 *
 * <pre>
 *  0         4        6          8          16         24        32        40              48            56    56+keyBytes
 *  +---------+--------+----------+----------+----------+---------+---------+---------------+-------------+-----+-----------
 *  | length  | flags  | keyBytes | producer | sequence | author  | ordinal | authorOrdinal | storedAtUs  | key | EVENT frame
 *  | u32     | u16    | u16      | u64      | u64      | u64     | u64     | u64           | i64         |     | (offset in it)
 *  +---------+--------+----------+----------+----------+---------+---------+---------------+-------------+-----+-----------
 * </pre>
 *
 * <p>length counts all bytes of the entry, its own included. The frame's handle is that of an earlier life of the topic: whoever sends the frame on sets it. An engine looks at nothing of the frame but its length, its offset and, for retention, its time to live.
 */
public final class StoredEntry {
    public static final int FIXED_BYTES = 56;

    /** Counts as unread for others. */
    public static final int FLAG_COUNTABLE = 1;

    /** Deletes its key: {@link EventLog#lastOfKeys} leaves it out. */
    public static final int FLAG_TOMBSTONE = 2;

    private static final int FLAGS_AT = 4;
    private static final int KEY_BYTES_AT = 6;
    private static final int PRODUCER_AT = 8;
    private static final int SEQUENCE_AT = 16;
    private static final int AUTHOR_AT = 24;
    private static final int ORDINAL_AT = 32;
    private static final int AUTHOR_ORDINAL_AT = 40;
    private static final int STORED_AT_US_AT = 48;

    /** Where an EVENT frame has its offset: section 7 of the protocol. */
    private static final int FRAME_OFFSET_AT = 16;

    private static final int FRAME_TIMESTAMP_AT = 24;
    private static final int FRAME_TTL_AT = 32;

    /** Bytes of a frame up to its time to live, that included. */
    public static final int FRAME_HEAD_BYTES = FRAME_TTL_AT + Integer.BYTES;

    private StoredEntry() {}

    /** Writes all but key and frame, which follow. */
    public static void writeHead(
            ByteBuf out,
            int flags,
            int keyBytes,
            int frameBytes,
            long producer,
            long sequence,
            long author,
            long ordinal,
            long authorOrdinal,
            long storedAtUs) {
        out.writeIntLE(FIXED_BYTES + keyBytes + frameBytes)
                .writeShortLE(flags)
                .writeShortLE(keyBytes)
                .writeLongLE(producer)
                .writeLongLE(sequence)
                .writeLongLE(author)
                .writeLongLE(ordinal)
                .writeLongLE(authorOrdinal)
                .writeLongLE(storedAtUs);
    }

    public static int bytes(ByteBuf in, int at) {
        return in.getIntLE(at);
    }

    public static int flags(ByteBuf in, int at) {
        return in.getUnsignedShortLE(at + FLAGS_AT);
    }

    public static boolean isCountable(ByteBuf in, int at) {
        return (flags(in, at) & FLAG_COUNTABLE) != 0;
    }

    public static int keyBytes(ByteBuf in, int at) {
        return in.getUnsignedShortLE(at + KEY_BYTES_AT);
    }

    public static int keyAt(int at) {
        return at + FIXED_BYTES;
    }

    /** Who sent it, as the broker numbers producers; 0 where its sequence means nothing. */
    public static long producer(ByteBuf in, int at) {
        return in.getLongLE(at + PRODUCER_AT);
    }

    /** The producer's; 0 for none. */
    public static long sequence(ByteBuf in, int at) {
        return in.getLongLE(at + SEQUENCE_AT);
    }

    /** The user who sent it, as a number that stays the same for ever. */
    public static long author(ByteBuf in, int at) {
        return in.getLongLE(at + AUTHOR_AT);
    }

    /** Countable entries of the stream up to and including this one. */
    public static long ordinal(ByteBuf in, int at) {
        return in.getLongLE(at + ORDINAL_AT);
    }

    /** Countable entries of the author among them. */
    public static long authorOrdinal(ByteBuf in, int at) {
        return in.getLongLE(at + AUTHOR_ORDINAL_AT);
    }

    /** When the broker took it, in microseconds since 1970: never falls within a stream. */
    public static long storedAtUs(ByteBuf in, int at) {
        return in.getLongLE(at + STORED_AT_US_AT);
    }

    public static int frameAt(ByteBuf in, int at) {
        return at + FIXED_BYTES + keyBytes(in, at);
    }

    public static int frameBytes(ByteBuf in, int at) {
        return bytes(in, at) - FIXED_BYTES - keyBytes(in, at);
    }

    public static long offset(ByteBuf in, int at) {
        return in.getLongLE(frameAt(in, at) + FRAME_OFFSET_AT);
    }

    /** Microseconds since 1970 after which the event is delivered to nobody; {@code Long.MAX_VALUE} for never. */
    public static long expiresAtUs(ByteBuf in, int at) {
        int frameAt = frameAt(in, at);
        long ttlSeconds = in.getUnsignedIntLE(frameAt + FRAME_TTL_AT);
        return ttlSeconds == 0 ? Long.MAX_VALUE : in.getLongLE(frameAt + FRAME_TIMESTAMP_AT) + ttlSeconds * 1_000_000L;
    }
}
