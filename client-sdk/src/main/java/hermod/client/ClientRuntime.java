package hermod.client;

import hermod.client.internal.ClientThreads;

/**
 * The threads of one client or of many: I/O threads, handler threads for event listeners, and one for futures and state listeners. All are daemons.
 *
 * <p>Any thread. A process has a shared one that lives as long as the process; one that an application makes lives until {@link #close}.
 */
public final class ClientRuntime implements AutoCloseable {
    private static final int IO_THREADS_DEFAULT = 1;
    private static final int HANDLER_THREADS_DEFAULT = 2;

    private final ClientThreads threads;

    private ClientRuntime(ClientThreads threads) {
        this.threads = threads;
    }

    /** The process's own, with one I/O thread and two handler threads; never to be closed. */
    public static ClientRuntime shared() {
        return Shared.RUNTIME;
    }

    public static Builder builder() {
        return new Builder();
    }

    ClientThreads threads() {
        return threads;
    }

    /** Stops the threads; close the clients first. Does not wait. Without effect on the shared one. */
    @Override
    public void close() {
        if (this != Shared.RUNTIME) {
            threads.close();
        }
    }

    /** Made on first use, so that a process with runtimes of its own has no idle threads. */
    private static final class Shared {
        static final ClientRuntime RUNTIME = builder().build();
    }

    /** How many threads. */
    public static final class Builder {
        private int ioThreads = IO_THREADS_DEFAULT;
        private int handlerThreads = HANDLER_THREADS_DEFAULT;

        private Builder() {}

        /** At least 1, the default: enough for many clients, as nothing waits on it. */
        public Builder ioThreads(int count) {
            ioThreads = checked("ioThreads", count);
            return this;
        }

        /** At least 1; the default is 2. As many listeners run at the same time. */
        public Builder handlerThreads(int count) {
            handlerThreads = checked("handlerThreads", count);
            return this;
        }

        public ClientRuntime build() {
            return new ClientRuntime(new ClientThreads(ioThreads, handlerThreads));
        }

        private static int checked(String what, int count) {
            if (count < 1) {
                throw new IllegalArgumentException(what + " must be at least 1: " + what + "=" + count);
            }
            return count;
        }
    }
}
