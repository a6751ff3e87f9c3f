package hermod.bench.micro;

import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;

/** PUBLISH frames one behind the other, as a read brings them, in direct memory; each time with sequences that were not there before. One thread. */
public final class Publications {
    private final ByteBuf frames = PooledByteBufAllocator.DEFAULT.directBuffer();
    private final int count;
    private final int frameBytes;
    private final int bytes;
    private long sequence = 1;

    /** @param count of frames, each with one event. */
    public Publications(int handle, int count, int payloadBytes) {
        this.count = count;
        for (int i = 0; i < count; i++) {
            PublishFrame.writeHead(frames, 0, handle, 0, 1, 0, 0, 0, 0, payloadBytes);
            frames.writeZero(payloadBytes);
        }
        bytes = frames.writerIndex();
        frameBytes = bytes / count;
    }

    /** The frames with new sequences, to be read from the start; this object's, until the next call. */
    public ByteBuf next() {
        for (int at = 0; at < bytes; at += frameBytes) {
            frames.setIntLE(at + FrameHeader.REQUEST_ID_AT, (int) sequence & Integer.MAX_VALUE);
            frames.setLongLE(at + FrameHeader.LENGTH, sequence++);
        }
        return frames.readerIndex(0);
    }

    /** The frames as they were made; this object's. */
    public ByteBuf frames() {
        return frames.readerIndex(0);
    }

    public int count() {
        return count;
    }

    public void close() {
        frames.release();
    }
}
