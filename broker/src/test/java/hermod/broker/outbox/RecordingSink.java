package hermod.broker.outbox;

import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;

/** A socket that takes what a test lets it take and remembers the frames it was given. */
class RecordingSink implements FrameSink {
    /** One frame: an event by its topic's handle and its offset, an answer by its request id. */
    record Frame(boolean isEvent, int handle, long number, int bytes) {}

    final List<Frame> frames = new ArrayList<>();
    int writeCount;
    int flushCount;
    int copyCount;

    /** Not writable with this many bytes written and not flushed away. */
    int burstBytes = Integer.MAX_VALUE;

    /** Bytes the kernel still takes. */
    long kernelBytes = Long.MAX_VALUE;

    private int pendingBytes;

    @Override
    public boolean isWritable() {
        return pendingBytes < burstBytes;
    }

    @Override
    public void write(ByteBuf bytes) {
        writeCount++;
        pendingBytes += bytes.readableBytes();
        int at = bytes.readerIndex();
        while (at < bytes.writerIndex()) {
            int frameBytes = FrameHeader.frameBytes(bytes, at);
            boolean isEvent = FrameHeader.type(bytes, at) == FrameType.EVENT.code();
            frames.add(new Frame(
                    isEvent,
                    FrameHeader.handle(bytes, at),
                    isEvent ? EventFrame.offset(bytes, at) : FrameHeader.requestId(bytes, at),
                    frameBytes));
            at += frameBytes;
        }
        bytes.release();
    }

    @Override
    public void writeCopy(ByteBuf memory, int from, int bytes) {
        copyCount++;
        write(memory.retainedSlice(from, bytes));
    }

    @Override
    public void flush() {
        flushCount++;
        long taken = Math.min(kernelBytes, pendingBytes);
        pendingBytes -= (int) taken;
        kernelBytes -= taken;
    }

    @Override
    public void close(ByteBuf last) {
        last.release();
    }

    @Override
    public void readEnabled(boolean enabled) {}

    /** The kernel takes everything again. */
    void openWide() {
        kernelBytes = Long.MAX_VALUE;
        burstBytes = Integer.MAX_VALUE;
        pendingBytes = 0;
    }

    List<Long> offsets(int handle) {
        return frames.stream()
                .filter(frame -> frame.isEvent() && frame.handle() == handle)
                .map(Frame::number)
                .toList();
    }

    long bytesOf(int handle) {
        return frames.stream()
                .filter(frame -> frame.isEvent() && frame.handle() == handle)
                .mapToLong(Frame::bytes)
                .sum();
    }
}
