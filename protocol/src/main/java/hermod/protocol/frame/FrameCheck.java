package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;

/**
 * Refuses a frame whose header does not add up, before anything of it is believed.
 *
 * <p>The length is compared as an unsigned number before it is added to anything (a length of 2^32 − 1 must not wrap around).
 */
public final class FrameCheck {
    private static final int EXTENSION_HEADER_BYTES = 4;
    private static final int EXTENSION_CRITICAL = 0x8000;

    private FrameCheck() {}

    /**
     * Reads the length field at {@code at} and checks it against the limit.
     *
     * @param in borrowed, with at least the length field readable at {@code at}.
     * @param frameLimitBytes largest whole frame.
     * @return bytes of the whole frame, in [16, frameLimitBytes].
     * @throws ProtocolException FRAME_TOO_LONG or BAD_FRAME.
     */
    public static int frameBytes(ByteBuf in, int at, int frameLimitBytes) throws ProtocolException {
        long lengthBytes = in.getUnsignedIntLE(at);
        if (lengthBytes > frameLimitBytes - FrameHeader.LENGTH_FIELD_BYTES) {
            throw new ProtocolException(
                    CloseCode.FRAME_TOO_LONG,
                    "frame too long: frameBytes=" + (lengthBytes + FrameHeader.LENGTH_FIELD_BYTES) + ", limitBytes="
                            + frameLimitBytes);
        }
        if (lengthBytes < FrameHeader.LENGTH_FIELD_MIN) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "frame too short: length=" + lengthBytes + ", min=" + FrameHeader.LENGTH_FIELD_MIN);
        }
        return (int) lengthBytes + FrameHeader.LENGTH_FIELD_BYTES;
    }

    /**
     * Checks flags and extension area of a frame that is wholly in the buffer.
     *
     * @param compressionAgreed whether the feature LZ4 is in use on this connection.
     * @return whether an extension is marked as one that must be understood, so that the frame is to be refused with UNSUPPORTED.
     * @throws ProtocolException BAD_FRAME.
     */
    public static boolean hasCriticalExtension(ByteBuf in, int at, boolean compressionAgreed) throws ProtocolException {
        int flags = FrameHeader.flags(in, at);
        if ((flags & FrameHeader.FLAG_RESERVED) != 0) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "reserved flag set: flags=0x" + Integer.toHexString(flags));
        }
        if ((flags & FrameHeader.FLAG_COMPRESSED) != 0 && !compressionAgreed) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "frame is compressed, which was not agreed");
        }
        int extensionBytes = FrameHeader.extensionBytes(in, at);
        return extensionBytes != 0 && walkExtensions(in, at, extensionBytes);
    }

    private static boolean walkExtensions(ByteBuf in, int at, int extensionBytes) throws ProtocolException {
        if (extensionBytes > FrameHeader.frameBytes(in, at) - FrameHeader.LENGTH) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "extensions past the frame: extensionBytes=" + extensionBytes);
        }
        boolean critical = false;
        int next = at + FrameHeader.LENGTH;
        int end = next + extensionBytes;
        while (next < end) {
            if (end - next < EXTENSION_HEADER_BYTES
                    || in.getUnsignedShortLE(next + 2) > end - next - EXTENSION_HEADER_BYTES) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "extension past the extension area");
            }
            critical |= (in.getUnsignedShortLE(next) & EXTENSION_CRITICAL) != 0;
            next += EXTENSION_HEADER_BYTES + in.getUnsignedShortLE(next + 2);
        }
        return critical;
    }

    /** @throws ProtocolException BAD_FRAME unless the body has exactly this many bytes. */
    public static void bodyIs(int expectedBytes, ByteBuf in, int at) throws ProtocolException {
        int bodyBytes = FrameHeader.bodyBytes(in, at);
        if (bodyBytes != expectedBytes) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "body of the wrong size: type=" + FrameHeader.type(in, at) + ", bodyBytes=" + bodyBytes
                            + ", expected=" + expectedBytes);
        }
    }
}
