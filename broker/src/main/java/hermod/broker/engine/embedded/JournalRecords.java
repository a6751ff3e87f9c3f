package hermod.broker.engine.embedded;

import io.netty.buffer.ByteBuf;

/**
 * The records of a batch, one behind the other. Little-endian.
 *
 * <pre>
 *  0       4      5        8         8+bytes
 *  +-------+------+--------+---------+------------------+
 *  | bytes | kind | zero   | payload | zeros up to a    |
 *  | u32   | u8   | u8 x 3 |         | multiple of 8    |
 *  +-------+------+--------+---------+------------------+
 * </pre>
 */
final class JournalRecords {
    static final int HEAD_BYTES = 8;
    static final int KIND_MAX = 255;

    private static final int ALIGNMENT = 8;

    private JournalRecords() {}

    /** Takes a record; {@code in} is borrowed until return. */
    interface Visitor {
        /** @param at index of the payload's first byte. @param bytes of the payload. */
        void onRecord(int kind, ByteBuf in, int at, int bytes);
    }

    /** What a record of such a payload takes, its own head included. */
    static int recordBytes(int payloadBytes) {
        return (HEAD_BYTES + payloadBytes + ALIGNMENT - 1) & -ALIGNMENT;
    }

    static void write(ByteBuf out, int kind, ByteBuf in, int at, int bytes) {
        out.writeIntLE(bytes).writeIntLE(kind).writeBytes(in, at, bytes);
        out.writeZero(recordBytes(bytes) - HEAD_BYTES - bytes);
    }

    /**
     * Hands over each record, in order. Leaves the batch's indexes alone.
     *
     * @throws IllegalArgumentException where the bytes are no records: a defect of whoever wrote them, as their checksum was right.
     */
    static void forEach(ByteBuf batch, Visitor visitor) {
        int at = batch.readerIndex();
        int end = batch.writerIndex();
        while (at < end) {
            int left = end - at;
            int bytes = left < HEAD_BYTES ? -1 : batch.getIntLE(at);
            if (bytes < 0 || bytes > left - HEAD_BYTES || recordBytes(bytes) > left) {
                throw new IllegalArgumentException(
                        "no journal record at byte " + (at - batch.readerIndex()) + " of " + batch.readableBytes());
            }
            visitor.onRecord(batch.getUnsignedByte(at + 4), batch, at + HEAD_BYTES, bytes);
            at += recordBytes(bytes);
        }
    }
}
