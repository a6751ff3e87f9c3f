package hermod.protocol.frame;

import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import org.jspecify.annotations.Nullable;

/**
 * Cuts a stream of bytes into whole frames, in place where they are whole in what was read.
 *
 * <pre>
 *   read:     [ frame ][ frame ][ fra            the whole ones are handed on where they lie
 *   partial:  [ fra            ]                 the rest waits here, in as many bytes as have come
 *   read:     me ][ frame ][ frame ]             only the bytes that complete it are copied
 * </pre>
 *
 * <p>A declared length alone never makes it allocate: the partial frame's buffer grows with the bytes that come, up to the frame limit. One thread at
 * a time.
 */
public final class FrameCutter {
    /** Takes one whole frame that keeps the length rule. */
    public interface Sink {
        /**
         * @param in borrowed, valid until return.
         * @param at index of the frame's first byte.
         * @param frameBytes bytes of the frame.
         * @return false to stop cutting for now: the caller of {@link #cut} keeps the bytes behind this frame.
         */
        boolean onFrame(ByteBuf in, int at, int frameBytes) throws ProtocolException;
    }

    private static final int PARTIAL_FIRST_BYTES = 256;

    private final ByteBufAllocator allocator;
    private int frameLimitBytes;
    private @Nullable ByteBuf partial;

    public FrameCutter(ByteBufAllocator allocator, int frameLimitBytes) {
        this.allocator = allocator;
        this.frameLimitBytes = frameLimitBytes;
    }

    /** The limit holds from the next frame on. */
    public void frameLimitBytes(int bytes) {
        frameLimitBytes = bytes;
    }

    /** Bytes of an unfinished frame that are held. */
    public int partialBytes() {
        return partial == null ? 0 : partial.readableBytes();
    }

    /**
     * Hands on every whole frame in {@code in} and keeps a copy of an unfinished one.
     *
     * @param in borrowed; its reader index is moved past what was handed on or kept. Bytes stay unread only where the sink said stop.
     */
    public void cut(ByteBuf in, Sink sink) throws ProtocolException {
        if (partial != null && !completePartial(partial, in, sink)) {
            return;
        }
        int at = in.readerIndex();
        int end = in.writerIndex();
        while (end - at >= FrameHeader.LENGTH_FIELD_BYTES) {
            int frameBytes = FrameCheck.frameBytes(in, at, frameLimitBytes);
            if (end - at < frameBytes) {
                break;
            }
            int frameAt = at;
            at += frameBytes;
            in.readerIndex(at);
            if (!sink.onFrame(in, frameAt, frameBytes)) {
                return;
            }
        }
        if (at < end) {
            partial = allocator
                    .heapBuffer(Math.max(PARTIAL_FIRST_BYTES, end - at))
                    .writeBytes(in, at, end - at);
            in.readerIndex(end);
        }
    }

    /** @return whether the partial frame was completed and the sink wants more. */
    private boolean completePartial(ByteBuf held, ByteBuf in, Sink sink) throws ProtocolException {
        take(held, in, FrameHeader.LENGTH_FIELD_BYTES);
        if (held.readableBytes() < FrameHeader.LENGTH_FIELD_BYTES) {
            return false;
        }
        int frameBytes = FrameCheck.frameBytes(held, 0, frameLimitBytes);
        take(held, in, frameBytes);
        if (held.readableBytes() < frameBytes) {
            return false;
        }
        partial = null;
        try {
            return sink.onFrame(held, 0, frameBytes);
        } finally {
            held.release();
        }
    }

    private static void take(ByteBuf held, ByteBuf in, int upToBytes) {
        int missing = Math.min(upToBytes - held.readableBytes(), in.readableBytes());
        if (missing > 0) {
            held.writeBytes(in, missing);
        }
    }

    /** Releases what is held; to be called once, when the connection ends. */
    public void close() {
        if (partial != null) {
            partial.release();
            partial = null;
        }
    }
}
