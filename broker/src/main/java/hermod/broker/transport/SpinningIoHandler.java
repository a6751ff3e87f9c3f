package hermod.broker.transport;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import io.netty.channel.IoHandle;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.IoRegistration;
import io.netty.util.concurrent.ThreadAwareExecutor;
import org.jspecify.annotations.Nullable;

/**
 * Lets an event loop that had work a short while ago look for more instead of sleeping. Around any of Netty's own handlers, which do all the rest.
 *
 * <p>While it looks, its handler counts as awake, so other shards wake it without a system call. The time runs from the last work, so a loop without work sleeps like any other, but for its ticks.
 */
@RunsOn(Owner.SHARD)
final class SpinningIoHandler implements IoHandler {
    private final IoHandler io;
    private final long spinNs;
    private final Polling polling = new Polling();
    private long workedAtNs;

    private SpinningIoHandler(IoHandler io, long spinNs) {
        this.io = io;
        this.spinNs = spinNs;
        workedAtNs = ShardClock.monotonicNs() - spinNs;
    }

    /** Makes spinning handlers around those of {@code inner}. */
    static IoHandlerFactory factory(IoHandlerFactory inner, long spinNs) {
        return new IoHandlerFactory() {
            @Override
            public IoHandler newHandler(ThreadAwareExecutor loop) {
                return new SpinningIoHandler(inner.newHandler(loop), spinNs);
            }

            @Override
            public boolean isChangingThreadSupported() {
                return inner.isChangingThreadSupported();
            }
        };
    }

    @Override
    public int run(IoHandlerContext context) {
        polling.context = context;
        long nowNs = ShardClock.monotonicNs();
        while (context.canBlock() && nowNs - workedAtNs < spinNs) {
            int handled = io.run(polling);
            nowNs = ShardClock.monotonicNs();
            if (handled > 0) {
                workedAtNs = nowNs;
                return handled;
            }
            Thread.onSpinWait();
        }
        boolean hadTask = !context.canBlock();
        int handled = io.run(context);
        if (handled > 0 || hadTask) {
            workedAtNs = ShardClock.monotonicNs();
        }
        return handled;
    }

    @Override
    public void initialize() {
        io.initialize();
    }

    @Override
    public void prepareToDestroy() {
        io.prepareToDestroy();
    }

    @Override
    public void destroy() {
        io.destroy();
    }

    @Override
    public IoRegistration register(IoHandle handle) throws Exception {
        return io.register(handle);
    }

    @Override
    public void wakeup() {
        io.wakeup();
    }

    @Override
    public boolean isCompatible(Class<? extends IoHandle> handleType) {
        return io.isCompatible(handleType);
    }

    /** The loop's own context, but never blocking. */
    private static final class Polling implements IoHandlerContext {
        private @Nullable IoHandlerContext context;

        @Override
        public boolean canBlock() {
            return false;
        }

        @Override
        public long delayNanos(long nowNs) {
            return 0;
        }

        @Override
        public long deadlineNanos() {
            return context == null ? -1 : context.deadlineNanos();
        }

        @Override
        public void reportActiveIoTime(long activeNs) {
            if (context != null) {
                context.reportActiveIoTime(activeNs);
            }
        }

        @Override
        public boolean shouldReportActiveIoTime() {
            return context != null && context.shouldReportActiveIoTime();
        }
    }
}
