package hermod.broker.outbox;

import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;

/** EVENT frames of one topic, one after the other in one piece of memory, as a chunk holds them. */
final class Frames {
    final ByteBuf memory;
    private final int handle;

    Frames(int handle, int capacityBytes) {
        this.handle = handle;
        memory = UnpooledByteBufAllocator.DEFAULT.directBuffer(capacityBytes, capacityBytes);
    }

    /** @return index behind the frame. */
    int append(long offset, int frameBytes, long timestampUs, long ttlSeconds) {
        return append(offset, frameBytes, timestampUs, ttlSeconds, Priority.LOW);
    }

    /** @return index behind the frame. */
    int append(long offset, int frameBytes, long timestampUs, long ttlSeconds, Priority priority) {
        FrameHeader.write(memory, FrameType.EVENT, priority.code(), handle, 0, frameBytes - FrameHeader.LENGTH);
        memory.writeLongLE(offset);
        Entry.writeFixed(memory, timestampUs, ttlSeconds, 0, 0);
        memory.writeZero(frameBytes - EventFrame.FIXED_BYTES);
        return memory.writerIndex();
    }

    /** @return index behind a frame that never expires. */
    int append(long offset, int frameBytes) {
        return append(offset, frameBytes, 0, 0);
    }

    int end() {
        return memory.writerIndex();
    }

    boolean hasRoomFor(int bytes) {
        return memory.writableBytes() >= bytes;
    }
}
