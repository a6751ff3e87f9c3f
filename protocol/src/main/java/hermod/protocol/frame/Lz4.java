package hermod.protocol.frame;

import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Exception;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;

/**
 * LZ4 blocks: no frame format, no checksum, no dictionary. Any thread.
 *
 * <p>The size of what a block holds is told beside it and is a claim of the sender's: {@link #check} refuses one that no block of its size can hold before memory is taken for it, and {@link #decompress} writes that many bytes and never more.
 */
public final class Lz4 {
    /** One byte of a block stands for at most this many: the longest match's continuation bytes. */
    private static final int EXPANSION_MAX = 255;

    private Lz4() {}

    /** Loaded with the first block, so that who never agreed to LZ4 never loads native code. */
    private static final class Codec {
        private static final LZ4Factory FACTORY = LZ4Factory.fastestInstance();
        static final LZ4Compressor COMPRESSOR = FACTORY.fastCompressor();
        static final LZ4SafeDecompressor DECOMPRESSOR = FACTORY.safeDecompressor();
    }

    /** Loads what {@link #compress} and {@link #decompress} need, some native code where there is some for this machine, which otherwise the first block does. */
    public static void load() {
        compress(ByteBuffer.allocate(1), 0, 1, ByteBuffer.allocate(blockBytesMax(1)), 0);
    }

    /** Bytes that a block of {@code bytes} may need at worst. */
    public static int blockBytesMax(int bytes) {
        return bytes + bytes / EXPANSION_MAX + 16;
    }

    /**
     * Compresses into a block.
     *
     * @param in borrowed; its position and limit are not looked at.
     * @param out borrowed, with room for {@link #blockBytesMax} from {@code outAt} on.
     * @return bytes of the block.
     */
    public static int compress(ByteBuffer in, int at, int bytes, ByteBuffer out, int outAt) {
        return Codec.COMPRESSOR.compress(in, at, bytes, out, outAt, blockBytesMax(bytes));
    }

    /** @throws ProtocolException BAD_FRAME if no block of {@code blockBytes} holds {@code bytes}. */
    public static void check(int blockBytes, int bytes) throws ProtocolException {
        if (bytes > (long) blockBytes * EXPANSION_MAX) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "a block can't hold what it claims: blockBytes=" + blockBytes + ", claimedBytes=" + bytes);
        }
    }

    /**
     * Reads a whole block.
     *
     * @param in borrowed.
     * @param out borrowed; written from {@code outAt} on, where it has room for {@code bytes}. Its indices are left alone.
     * @param bytes what the block must hold, neither more nor less.
     * @throws ProtocolException BAD_FRAME; then {@code out} holds anything.
     */
    public static void decompress(ByteBuf in, int at, int blockBytes, ByteBuf out, int outAt, int bytes)
            throws ProtocolException {
        check(blockBytes, bytes);
        int held;
        try {
            held = Codec.DECOMPRESSOR.decompress(
                    in.nioBuffer(at, blockBytes), 0, blockBytes, out.nioBuffer(outAt, bytes), 0, bytes);
        } catch (LZ4Exception broken) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "not an LZ4 block, or one that holds more than it claims: claimedBytes=" + bytes);
        }
        if (held != bytes) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "a block holds less than it claims: heldBytes=" + held + ", claimedBytes=" + bytes);
        }
    }
}
