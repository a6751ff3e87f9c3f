package hermod.client.internal;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.util.concurrent.FastThreadLocalThread;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads that clients share: daemons, so that they keep no program alive. Any thread.
 *
 * <pre>
 *   hermod-io          sockets, codec, all state of the clients; never waits and runs no code of the application
 *   hermod-handler     event listeners, the most urgent topics first
 *   hermod-completion  futures and state listeners; apart from the handlers, so that a listener may wait for a future
 *   hermod-lookup      host names and token sources, which may block; ends when idle
 *   hermod-consumer    handlers of whole channels, which may block: each consumer has its own, as many as it asks for; they end when idle
 * </pre>
 *
 * <p>The queues before them are bounded by what feeds them: a mailbox and a client's lookup are queued once at a time, and a future is one of a bounded number.
 */
public final class ClientThreads {
    private static final long IDLE_SECONDS = 10;
    private static final int LOOKUP_THREADS = 2;

    private final EventLoopGroup loops;
    private final LaneQueue handlers;
    private final ThreadPoolExecutor completions;
    private final ThreadPoolExecutor lookups;
    private final Map<EventLoop, LoopTick> ticks = new ConcurrentHashMap<>();

    public ClientThreads(int ioThreads, int handlerThreads) {
        loops = new MultiThreadIoEventLoopGroup(ioThreads, factory("hermod-io"), NioIoHandler.newFactory());
        handlers = new LaneQueue(handlerThreads, factory("hermod-handler"));
        completions = pool("hermod-completion", 1);
        lookups = idling(pool("hermod-lookup", LOOKUP_THREADS));
    }

    private static ThreadPoolExecutor idling(ThreadPoolExecutor pool) {
        pool.setKeepAliveTime(IDLE_SECONDS, TimeUnit.SECONDS);
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    EventLoop nextLoop() {
        return loops.next();
    }

    LaneQueue handlers() {
        return handlers;
    }

    Executor completions() {
        return completions;
    }

    Executor lookups() {
        return lookups;
    }

    /** Threads of one consumer, which shuts them down. */
    static ExecutorService newConsumerThreads(int threads) {
        return idling(pool("hermod-consumer", threads));
    }

    LoopTick tickOf(EventLoop loop) {
        return ticks.computeIfAbsent(loop, LoopTick::new);
    }

    /** Whether the calling thread is one of these, or of another runtime, so that it must not wait for them. */
    public static boolean isCurrent() {
        return Thread.currentThread() instanceof ClientThread;
    }

    /** Stops all threads; clients that were not closed are cut off. Does not wait. */
    public void close() {
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        handlers.close();
        completions.shutdown();
        lookups.shutdownNow();
    }

    private static ThreadPoolExecutor pool(String name, int threads) {
        return new ThreadPoolExecutor(
                threads, threads, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), factory(name));
    }

    private static ThreadFactory factory(String name) {
        AtomicInteger count = new AtomicInteger();
        return task -> new ClientThread(task, name + "-" + count.incrementAndGet());
    }

    private static final class ClientThread extends FastThreadLocalThread {
        ClientThread(Runnable task, String name) {
            super(task, name);
            setDaemon(true);
        }
    }
}
