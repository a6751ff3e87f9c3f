package hermod.protocol.frame;

import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;

/**
 * The sixteen bytes before every frame's body, all integers little-endian.
 *
 * <pre>
 *  0        4      5       6                 8        12          16
 *  +--------+------+-------+-----------------+--------+-----------+
 *  | length | type | flags | extensionLength | handle | requestId |
 *  | u32    | u8   | u8    | u16             | u32    | u32       |
 *  +--------+------+-------+-----------------+--------+-----------+
 * </pre>
 *
 * <p>{@code length} counts the bytes after itself. All methods take the index of the frame's first byte and leave the buffer's own indices alone.
 */
public final class FrameHeader {
    public static final int LENGTH = 16;
    public static final int LENGTH_FIELD_BYTES = 4;

    /** The smallest value of the length field: the rest of the header. */
    public static final int LENGTH_FIELD_MIN = LENGTH - LENGTH_FIELD_BYTES;

    public static final int FLAG_PRIORITY = 0x03;
    public static final int FLAG_COMPRESSED = 0x04;
    public static final int FLAG_IGNORE_IF_UNKNOWN = 0x08;
    public static final int FLAG_MANY = 0x10;
    public static final int FLAG_EXCLUDE_DEVICE = 0x20;
    public static final int FLAG_PRIORITY_GIVEN = 0x40;
    public static final int FLAG_RESERVED = 0x80;

    public static final int TYPE_AT = 4;
    public static final int FLAGS_AT = 5;
    public static final int EXTENSION_LENGTH_AT = 6;
    public static final int HANDLE_AT = 8;
    public static final int REQUEST_ID_AT = 12;

    /** Of the second half of the first word: type, the flags that need a look, the extensions' length. */
    private static final int PLAIN_MASK = 0xff | (FLAG_COMPRESSED | FLAG_RESERVED) << 8 | 0xffff << 16;

    private FrameHeader() {}

    /**
     * Whether a frame is of a type and needs no look at its extensions or its rarer flags: one read for what nearly every frame is.
     *
     * @param firstWord the frame's first eight bytes.
     * @return true if the type is that one, there is no extension, and neither COMPRESSED nor the reserved flag is set.
     */
    public static boolean isPlain(long firstWord, FrameType type) {
        int typeFlagsExtensions = (int) (firstWord >>> 32);
        return (typeFlagsExtensions & PLAIN_MASK) == type.code();
    }

    /** Bytes of the whole frame, the length field included. */
    public static int frameBytes(ByteBuf in, int at) {
        return in.getIntLE(at) + LENGTH_FIELD_BYTES;
    }

    public static int type(ByteBuf in, int at) {
        return in.getUnsignedByte(at + TYPE_AT);
    }

    public static int flags(ByteBuf in, int at) {
        return in.getUnsignedByte(at + FLAGS_AT);
    }

    public static Priority priority(ByteBuf in, int at) {
        return Priority.ofCode(in.getByte(at + FLAGS_AT));
    }

    public static int extensionBytes(ByteBuf in, int at) {
        return in.getUnsignedShortLE(at + EXTENSION_LENGTH_AT);
    }

    public static int handle(ByteBuf in, int at) {
        return in.getIntLE(at + HANDLE_AT);
    }

    public static int requestId(ByteBuf in, int at) {
        return in.getIntLE(at + REQUEST_ID_AT);
    }

    /** Index of the body's first byte. */
    public static int bodyAt(ByteBuf in, int at) {
        return at + LENGTH + extensionBytes(in, at);
    }

    /** Bytes of the body. */
    public static int bodyBytes(ByteBuf in, int at) {
        return frameBytes(in, at) - LENGTH - extensionBytes(in, at);
    }

    /**
     * Writes a header without extensions at the buffer's writer index and moves it.
     *
     * @param out borrowed.
     * @param bodyBytes bytes that will follow.
     */
    public static void write(ByteBuf out, FrameType type, int flags, int handle, int requestId, int bodyBytes) {
        out.writeIntLE(LENGTH_FIELD_MIN + bodyBytes);
        out.writeByte(type.code());
        out.writeByte(flags);
        out.writeShortLE(0);
        out.writeIntLE(handle);
        out.writeIntLE(requestId);
    }
}
