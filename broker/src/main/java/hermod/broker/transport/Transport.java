package hermod.broker.transport;

import hermod.broker.session.Sessions;
import hermod.broker.shard.Shard;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * The broker's event loops and listeners. Made, bound and closed by the thread that starts and stops the broker.
 *
 * <p>Each loop becomes one shard's thread; one more accepts.
 */
public final class Transport implements AutoCloseable {
    private static final int BACKLOG = 4_096;
    private static final int RECEIVE_BYTES_MIN = 2_048;
    private static final int RECEIVE_BYTES_FIRST = 8_192;
    private static final int RECEIVE_BYTES_MAX = 256 * 1024;
    private static final int STOP_TIMEOUT_S = 5;

    private final TransportConfig config;
    private final SocketIo io;
    private final EventLoopGroup acceptor;
    private final EventLoopGroup loops;
    private final List<EventLoop> shardLoops = new ArrayList<>();
    private final Map<EventLoop, ConnectionPipeline.ShardParts> shards = new IdentityHashMap<>();
    private final Admission.Counts counts;
    private final List<Channel> listeners = new ArrayList<>();

    /** @param spinUs how long a shard's loop that had work looks for more before it sleeps; 0 sleeps at once. */
    public Transport(TransportConfig config, SocketIo io, int shardCount, int spinUs) {
        this.config = config;
        this.io = io;
        acceptor = new MultiThreadIoEventLoopGroup(1, new DefaultThreadFactory("hermod-accept"), io.loops());
        loops = new MultiThreadIoEventLoopGroup(
                shardCount,
                new DefaultThreadFactory("hermod-shard"),
                spinUs == 0
                        ? io.loops()
                        : SpinningIoHandler.factory(io.loops(), TimeUnit.MICROSECONDS.toNanos(spinUs)));
        for (int i = 0; i < shardCount; i++) {
            shardLoops.add((EventLoop) loops.next());
        }
        counts = new Admission.Counts(config.connectionsLimitCount(), config.unauthenticatedLimitCount());
    }

    /** The loop that is to be a shard's thread. */
    public Executor loop(int shard) {
        return shardLoops.get(shard);
    }

    /** The timer of the same loop. */
    public Shard.Timer timer(int shard) {
        EventLoop loop = shardLoops.get(shard);
        return (task, delayNs) -> loop.schedule(task, delayNs, TimeUnit.NANOSECONDS);
    }

    /** Gives a shard its sockets; before {@link #listen}. */
    public void serve(Sessions sessions) {
        Shard shard = sessions.shard();
        EventLoop loop = shardLoops.get(shard.index());
        shards.put(loop, new ConnectionPipeline.ShardParts(sessions, new Admission(counts, sessions.metrics())));
        loop.scheduleAtFixedRate(shard::tick, Shard.TICK_MS, Shard.TICK_MS, TimeUnit.MILLISECONDS);
    }

    /**
     * Listens.
     *
     * @return the address it listens on: port 0 has become a free one.
     * @throws IOException with a sentence that names the address and what is wrong with it.
     */
    public InetSocketAddress listen(int port, boolean isWebSocket) throws IOException {
        int burstBytes = io.burstBytes(config.socketBurstBytes());
        ServerBootstrap bootstrap = new ServerBootstrap()
                .group(acceptor, loops)
                .channel(io.serverType())
                .option(ChannelOption.SO_BACKLOG, BACKLOG)
                .option(ChannelOption.SO_REUSEADDR, true)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(ChannelOption.ALLOCATOR, allocator())
                .childOption(
                        ChannelOption.RECVBUF_ALLOCATOR,
                        new AdaptiveRecvByteBufAllocator(RECEIVE_BYTES_MIN, RECEIVE_BYTES_FIRST, RECEIVE_BYTES_MAX))
                .childOption(
                        ChannelOption.WRITE_BUFFER_WATER_MARK, new WriteBufferWaterMark(burstBytes / 2, burstBytes))
                .childHandler(new ConnectionPipeline(shards, config, isWebSocket));
        ChannelOption<Long> unsentLimit = io.unsentLimit();
        if (unsentLimit != null && config.unsentLimitBytes() > 0) {
            bootstrap.childOption(unsentLimit, (long) config.unsentLimitBytes());
        }
        try {
            Channel listener = bootstrap
                    .bind(new InetSocketAddress(config.host(), port))
                    .syncUninterruptibly()
                    .channel();
            listeners.add(listener);
            return (InetSocketAddress) listener.localAddress();
        } catch (RuntimeException | Error failed) {
            throw failed;
        } catch (Exception failed) {
            // Netty throws the cause unchecked.
            throw new IOException("can't listen on " + config.host() + ":" + port + ": " + failed.getMessage(), failed);
        }
    }

    /** The allocator of all buffers: Netty's pooled one. */
    public static ByteBufAllocator allocator() {
        return PooledByteBufAllocator.DEFAULT;
    }

    /** How sockets are read and written; any thread. */
    public TransportConfig.Io io() {
        return io.kind();
    }

    /** Open sockets; any thread. */
    public int connectionCount() {
        return counts.connections.get();
    }

    /** Stops accepting; open connections go on. */
    public void stopListening() {
        for (Channel listener : listeners) {
            listener.close().syncUninterruptibly();
        }
        listeners.clear();
    }

    /** Closes every socket and ends the threads. */
    @Override
    public void close() {
        stopListening();
        loops.shutdownGracefully(0, STOP_TIMEOUT_S, TimeUnit.SECONDS)
                .awaitUninterruptibly(STOP_TIMEOUT_S + 1, TimeUnit.SECONDS);
        acceptor.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS);
    }
}
