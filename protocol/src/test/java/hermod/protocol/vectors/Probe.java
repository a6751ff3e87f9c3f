package hermod.protocol.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ProtocolException;
import hermod.protocol.frame.RecordingAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Arrays;

/** Gives any bytes to both kinds of receiver: only ProtocolException may come out, nothing may leak, nothing be read outside a frame. */
final class Probe {
    private static final int NOISE_BYTES = 37;

    private Probe() {}

    /**
     * Reads the bytes three ways that must come out the same: each frame alone in its buffer, all in the middle of other bytes, and in chunks.
     *
     * @param chunkBytes size of the chunks, 1 or more.
     */
    static void stream(byte[] bytes, boolean isClient, boolean isOpen, int chunkBytes) {
        String alone = outcome(Unpooled.wrappedBuffer(bytes), isClient, isOpen, true, bytes.length);
        assertThat(outcome(amid(bytes, (byte) 0xff), isClient, isOpen, false, bytes.length))
                .isEqualTo(alone);
        assertThat(outcome(amid(bytes, (byte) 0), isClient, isOpen, false, chunkBytes))
                .isEqualTo(alone);
    }

    /** The same bytes with others before and behind them. */
    static ByteBuf amid(byte[] bytes, byte noise) {
        byte[] around = new byte[bytes.length + 2 * NOISE_BYTES];
        Arrays.fill(around, noise);
        System.arraycopy(bytes, 0, around, NOISE_BYTES, bytes.length);
        return Unpooled.wrappedBuffer(around).setIndex(NOISE_BYTES, NOISE_BYTES + bytes.length);
    }

    private static String outcome(ByteBuf in, boolean isClient, boolean isOpen, boolean isAlone, int chunkBytes) {
        RecordingAllocator allocator = new RecordingAllocator();
        Receiver receiver = new Receiver(allocator, isClient, isOpen)
                .withLz4()
                .withHistory()
                .withGroups();
        if (isAlone) {
            receiver.readingEachFrameAlone();
        }
        String end = "open";
        try {
            while (in.isReadable()) {
                ByteBuf chunk = in.readSlice(Math.min(chunkBytes, in.readableBytes()));
                receiver.receive(chunk);
                assertThat(chunk.isReadable()).isFalse();
            }
            end += ", partialBytes=" + receiver.partialBytes();
        } catch (ProtocolException closed) {
            end = closed.code() + ": " + closed.getMessage();
        }
        receiver.close();
        assertThat(allocator.unreleasedCount()).isZero();
        return receiver.taken() + " " + receiver.refusals() + " " + end;
    }
}
