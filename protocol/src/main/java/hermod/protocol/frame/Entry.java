package hermod.protocol.frame;

import io.netty.buffer.ByteBuf;

/**
 * What PUBLISH and EVENT say of an event in the same bytes, so that a broker copies it as it is.
 *
 * <pre>
 *  0             8        12       14             16
 *  +-------------+--------+--------+--------------+--------+---------+
 *  | timestampUs | ttl    | type   | fieldsLength | fields | payload |
 *  | i64         | u32 s  | u16    | u16          |        | to the entry's end
 *  +-------------+--------+--------+--------------+--------+---------+
 * </pre>
 *
 * <p>All methods take the index of the entry's first byte.
 */
public final class Entry {
    public static final int TIMESTAMP_AT = 0;
    public static final int TTL_AT = 8;
    public static final int TYPE_AT = 12;
    public static final int FIELDS_LENGTH_AT = 14;
    public static final int FIELDS_AT = 16;

    /** Bytes before the fields. */
    public static final int FIXED_BYTES = 16;

    /** A time to live that never ends, as a publisher asks for it. */
    public static final int TTL_NONE = 0xffff_ffff;

    private Entry() {}

    /** When the event was meant to be sent: microseconds since 1970 on the broker's clock. */
    public static long timestampUs(ByteBuf in, int at) {
        return in.getLongLE(at + TIMESTAMP_AT);
    }

    /** Seconds; 0 means the default in PUBLISH and none in EVENT. */
    public static long ttlSeconds(ByteBuf in, int at) {
        return in.getUnsignedIntLE(at + TTL_AT);
    }

    public static int type(ByteBuf in, int at) {
        return in.getUnsignedShortLE(at + TYPE_AT);
    }

    public static int fieldsBytes(ByteBuf in, int at) {
        return in.getUnsignedShortLE(at + FIELDS_LENGTH_AT);
    }

    /** Index of the payload's first byte. */
    public static int payloadAt(ByteBuf in, int at) {
        return at + FIELDS_AT + fieldsBytes(in, at);
    }

    /** Writes the sixteen fixed bytes at the writer index and moves it. */
    public static void writeFixed(ByteBuf out, long timestampUs, long ttlSeconds, int type, int fieldsBytes) {
        out.writeLongLE(timestampUs);
        out.writeIntLE((int) ttlSeconds);
        out.writeShortLE(type);
        out.writeShortLE(fieldsBytes);
    }
}
