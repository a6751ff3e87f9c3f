package hermod.broker.transport;

import hermod.broker.outbox.FrameSink;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.socket.DuplexChannel;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Stage 7 of 7: one socket to write to. From {@code outbox.Outbox}; on to the kernel.
 *
 * <p>Writes go to the channel's own outbound buffer and to the kernel with the next flush, gathered into one system call. Netty releases what is written.
 */
@RunsOn(Owner.SHARD)
final class SocketSink implements FrameSink {
    /** What a last frame may take to leave before the socket is closed without it. */
    private static final int CLOSE_TIMEOUT_MS = 1_000;

    /** Small pieces are joined up to this size. */
    private static final int JOINED_BYTES = 16 * 1024;

    private final Channel channel;
    private @Nullable ByteBuf joined;

    SocketSink(Channel channel) {
        this.channel = channel;
    }

    @Override
    public boolean isWritable() {
        return channel.isWritable();
    }

    @Override
    public void write(ByteBuf frames) {
        writeJoined();
        channel.write(frames, channel.voidPromise());
    }

    @Override
    public void writeCopy(ByteBuf memory, int from, int bytes) {
        ByteBuf out = joined;
        if (out == null || out.maxWritableBytes() < bytes) {
            writeJoined();
            out = channel.alloc().directBuffer(JOINED_BYTES, Math.max(JOINED_BYTES, bytes));
            joined = out;
        }
        out.writeBytes(memory, from, bytes);
    }

    private void writeJoined() {
        ByteBuf out = joined;
        if (out != null) {
            joined = null;
            channel.write(out, channel.voidPromise());
        }
    }

    @Override
    public void flush() {
        writeJoined();
        channel.flush();
    }

    @Override
    public void close(ByteBuf last) {
        writeJoined();
        if (!channel.isActive()) {
            last.release();
            channel.close();
            return;
        }
        channel.writeAndFlush(last).addListener(ChannelFutureListener.CLOSE);
        if (channel.isOpen()) {
            // The peer may never read: don't keep the socket for its sake.
            channel.eventLoop().schedule(() -> channel.close(), CLOSE_TIMEOUT_MS, TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void closeGently(ByteBuf lastFrame, int withinMs) {
        if (!channel.isActive()) {
            close(lastFrame);
            return;
        }
        writeJoined();
        channel.config().setAutoRead(true);
        channel.writeAndFlush(lastFrame).addListener(written -> {
            // A close with bytes unread would reset the connection, and the peer could lose what it has not read.
            if (written.isSuccess() && channel instanceof DuplexChannel duplex) {
                duplex.shutdownOutput();
            } else {
                channel.close();
            }
        });
        if (channel.isOpen()) {
            channel.eventLoop().schedule(() -> channel.close(), withinMs, TimeUnit.MILLISECONDS);
        }
    }

    @Override
    public void readEnabled(boolean enabled) {
        channel.config().setAutoRead(enabled);
    }
}
