package hermod.broker.transport;

import hermod.broker.config.ConfigException;
import io.netty.channel.ChannelOption;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.ServerSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.uring.IoUring;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringServerSocketChannel;
import org.jspecify.annotations.Nullable;

/**
 * How this broker reads and writes its sockets. Immutable, any thread.
 *
 * @param kind never AUTO.
 * @param serverType the listeners' channel.
 * @param loops makes what an event loop waits with.
 * @param unsentLimit how much the kernel may hold of a connection that it has not sent; null where that can't be said.
 */
public record SocketIo(
        TransportConfig.Io kind,
        Class<? extends ServerSocketChannel> serverType,
        IoHandlerFactory loops,
        @Nullable ChannelOption<Long> unsentLimit) {
    /** With io_uring a connection has one write under way, where the others write until the kernel's buffer is full; so it must be a large one. */
    private static final int IO_URING_BURST_BYTES_MIN = 1024 * 1024;

    /**
     * Bytes handed to a socket at a time.
     *
     * @param configured what the operator wants; io_uring may need more, or a burst that the kernel would have room for fills the outbox of a subscriber that reads.
     */
    int burstBytes(int configured) {
        return kind == TransportConfig.Io.IO_URING ? Math.max(configured, IO_URING_BURST_BYTES_MIN) : configured;
    }

    /**
     * The wanted one, or for AUTO the first that works of epoll and NIO.
     *
     * @throws ConfigException with one sentence if this machine can't do what is wanted: why, and what works instead.
     */
    public static SocketIo of(TransportConfig.Io wanted) throws ConfigException {
        return switch (wanted) {
            case AUTO -> Epoll.isAvailable() ? epoll() : nio();
            case EPOLL -> {
                refuseUnless(Epoll.isAvailable(), "epoll", Epoll.unavailabilityCause());
                yield epoll();
            }
            case IO_URING -> {
                refuseUnless(IoUring.isAvailable(), "io_uring", IoUring.unavailabilityCause());
                yield new SocketIo(wanted, IoUringServerSocketChannel.class, IoUringIoHandler.newFactory(), null);
            }
            case NIO -> nio();
        };
    }

    private static SocketIo epoll() {
        return new SocketIo(
                TransportConfig.Io.EPOLL,
                EpollServerSocketChannel.class,
                EpollIoHandler.newFactory(),
                EpollChannelOption.TCP_NOTSENT_LOWAT);
    }

    private static SocketIo nio() {
        return new SocketIo(TransportConfig.Io.NIO, NioServerSocketChannel.class, NioIoHandler.newFactory(), null);
    }

    private static void refuseUnless(boolean isAvailable, String name, @Nullable Throwable cause)
            throws ConfigException {
        if (!isAvailable) {
            throw new ConfigException("transport.io is " + name + ", which this machine can't do (" + reason(cause)
                    + "); transport.io: auto takes " + (Epoll.isAvailable() ? "epoll" : "nio") + " here.");
        }
    }

    /** The innermost cause, which is what the kernel or the class loader said. */
    static String reason(@Nullable Throwable cause) {
        Throwable inmost = cause;
        while (inmost != null && inmost.getCause() != null) {
            inmost = inmost.getCause();
        }
        String text = inmost == null ? null : inmost.getMessage();
        return text == null
                ? "no reason known"
                : text.lines().findFirst().orElse("no reason known").trim();
    }
}
