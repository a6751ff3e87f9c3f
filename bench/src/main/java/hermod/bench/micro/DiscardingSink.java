package hermod.bench.micro;

import hermod.broker.outbox.FrameSink;
import io.netty.buffer.ByteBuf;

/** A socket that takes everything at once and counts the bytes. One thread. */
final class DiscardingSink implements FrameSink {
    long bytes;

    @Override
    public boolean isWritable() {
        return true;
    }

    @Override
    public void write(ByteBuf frames) {
        bytes += frames.readableBytes();
        frames.release();
    }

    @Override
    public void flush() {}

    @Override
    public void close(ByteBuf last) {
        last.release();
    }

    @Override
    public void readEnabled(boolean enabled) {}
}
