package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;

/**
 * BATCH (0x28): several EVENT frames of one topic, one behind the other, in one LZ4 block. Only where LZ4 was agreed.
 *
 * <pre>
 *  16                       20          24
 *  +------------------------+-----------+-----------+
 *  | uncompressedLength u32 | count u32 | LZ4 block |
 *  +------------------------+-----------+-----------+
 * </pre>
 *
 * <p>The header's handle is that of every event in it, its priority bits the highest of theirs.
 */
public final class BatchFrame {
    /** Bytes of the body before the block. */
    public static final int FIXED_BYTES = 8;

    /** Bytes before the block in a frame without extensions, as {@link #write} makes it. */
    public static final int BLOCK_AT = FrameHeader.LENGTH + FIXED_BYTES;

    private BatchFrame() {}

    /** Bytes of all its EVENT frames. */
    public static int uncompressedBytes(ByteBuf in, int at) {
        return in.getIntLE(FrameHeader.bodyAt(in, at));
    }

    /** EVENT frames in it. */
    public static int count(ByteBuf in, int at) {
        return in.getIntLE(FrameHeader.bodyAt(in, at) + Integer.BYTES);
    }

    /**
     * Checks the two numbers before anything is decompressed: after it, {@link #uncompressedBytes} is a size that memory may be taken for.
     *
     * @throws ProtocolException BAD_FRAME.
     */
    public static void check(ByteBuf in, int at) throws ProtocolException {
        int bodyBytes = FrameHeader.bodyBytes(in, at);
        if (bodyBytes <= FIXED_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "batch without a block: bodyBytes=" + bodyBytes);
        }
        long bytes = Integer.toUnsignedLong(uncompressedBytes(in, at));
        long count = Integer.toUnsignedLong(count(in, at));
        if (bytes > ProtocolLimits.BATCH_BYTES) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "batch too large: uncompressedLength=" + bytes + ", limit=" + ProtocolLimits.BATCH_BYTES);
        }
        if (count == 0 || count * EventFrame.FIXED_BYTES > bytes) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "a batch can't hold its count: uncompressedLength=" + bytes + ", count=" + count);
        }
        Lz4.check(bodyBytes - FIXED_BYTES, (int) bytes);
    }

    /**
     * Decompresses a frame that was checked and makes sure that it holds whole EVENT frames of its own topic and nothing else. Their bodies are still to be checked, as those of EVENT frames that come alone.
     *
     * @param out borrowed; its content is replaced, and its capacity grows to what the frame holds.
     * @throws ProtocolException BAD_FRAME; then {@code out} holds anything.
     */
    public static void unpack(ByteBuf in, int at, ByteBuf out) throws ProtocolException {
        int bytes = uncompressedBytes(in, at);
        int blockAt = FrameHeader.bodyAt(in, at) + FIXED_BYTES;
        out.clear().ensureWritable(bytes);
        Lz4.decompress(in, blockAt, FrameHeader.bodyBytes(in, at) - FIXED_BYTES, out, 0, bytes);
        out.writerIndex(bytes);
        checkFrames(out, FrameHeader.handle(in, at), count(in, at));
    }

    private static void checkFrames(ByteBuf frames, int handle, int count) throws ProtocolException {
        int end = frames.writerIndex();
        int next = 0;
        int found = 0;
        while (next < end) {
            long lengthBytes = end - next < FrameHeader.LENGTH ? 0 : frames.getUnsignedIntLE(next);
            if (lengthBytes < FrameHeader.LENGTH_FIELD_MIN
                    || lengthBytes > end - next - FrameHeader.LENGTH_FIELD_BYTES) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a batch holds what is no whole frame");
            }
            if (FrameHeader.type(frames, next) != FrameType.EVENT.code()
                    || FrameHeader.handle(frames, next) != handle
                    || FrameCheck.hasCriticalExtension(frames, next, false)) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a batch holds what is no EVENT of its topic");
            }
            EventFrame.check(frames, next);
            found++;
            next += (int) lengthBytes + FrameHeader.LENGTH_FIELD_BYTES;
        }
        if (found != count) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "a batch's count is not what it holds: count=" + count + ", found=" + found);
        }
    }

    /** Bytes that a frame may need at worst. */
    public static int frameBytesMax(int bytes) {
        return BLOCK_AT + Lz4.blockBytesMax(bytes);
    }

    /**
     * Writes a frame of EVENT frames that lie one behind the other.
     *
     * @param in borrowed, little-endian or not: only whole bytes are read.
     * @param count frames in these {@code bytes}.
     * @param out borrowed and little-endian, with room for {@link #frameBytesMax} from {@code outAt} on.
     * @return bytes of the frame.
     */
    public static int write(
            ByteBuffer in, int at, int bytes, int count, int flags, int handle, ByteBuffer out, int outAt) {
        int blockBytes = Lz4.compress(in, at, bytes, out, outAt + BLOCK_AT);
        out.putInt(outAt, FrameHeader.LENGTH_FIELD_MIN + FIXED_BYTES + blockBytes);
        out.put(outAt + FrameHeader.TYPE_AT, (byte) FrameType.BATCH.code());
        out.put(outAt + FrameHeader.FLAGS_AT, (byte) flags);
        out.putShort(outAt + FrameHeader.EXTENSION_LENGTH_AT, (short) 0);
        out.putInt(outAt + FrameHeader.HANDLE_AT, handle);
        out.putInt(outAt + FrameHeader.REQUEST_ID_AT, 0);
        out.putInt(outAt + FrameHeader.LENGTH, bytes);
        out.putInt(outAt + FrameHeader.LENGTH + Integer.BYTES, count);
        return BLOCK_AT + blockBytes;
    }
}
