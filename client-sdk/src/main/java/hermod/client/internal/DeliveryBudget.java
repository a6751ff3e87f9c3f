package hermod.client.internal;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How much one client has received and not handled. At its bound the socket is no longer read, until half of it is handled; nothing is ever dropped.
 *
 * <p>The loop adds, handler threads take away.
 */
final class DeliveryBudget {
    private final int eventsMax;
    private final long bytesMax;
    private final Runnable onRoom;
    private final Runnable onEmpty;
    private final AtomicInteger events = new AtomicInteger();
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicBoolean isPaused = new AtomicBoolean();
    private volatile boolean isEmptyAwaited;

    /**
     * @param onRoom called on any thread, once for each {@link #add} that said full, when half is free again.
     * @param onEmpty called on any thread whenever the last one was handled, after {@link #awaitEmpty}.
     */
    DeliveryBudget(int eventsMax, long bytesMax, Runnable onRoom, Runnable onEmpty) {
        this.eventsMax = eventsMax;
        this.bytesMax = bytesMax;
        this.onRoom = onRoom;
        this.onEmpty = onEmpty;
    }

    /**
     * Loop thread only.
     *
     * @return whether reading is to stop; {@code onRoom} will say when to go on, perhaps before this returns.
     */
    boolean add(int letterBytes) {
        int eventsNow = events.incrementAndGet();
        long bytesNow = bytes.addAndGet(letterBytes);
        return (eventsNow >= eventsMax || bytesNow >= bytesMax) && isPaused.compareAndSet(false, true);
    }

    /** Counts a letter that weighs nothing and is not worth stopping for; there are at most as many as subscriptions. */
    void addNotice() {
        events.incrementAndGet();
    }

    /** Handlers may have made room between {@link #add} and the stop. To be called after the stop. */
    void recheck() {
        release(0, 0);
    }

    void release(int letterCount, long letterBytes) {
        int eventsLeft = events.addAndGet(-letterCount);
        long bytesLeft = bytes.addAndGet(-letterBytes);
        if (isPaused.get()
                && eventsLeft <= eventsMax / 2
                && bytesLeft <= bytesMax / 2
                && isPaused.compareAndSet(true, false)) {
            onRoom.run();
        }
        if (eventsLeft == 0 && isEmptyAwaited) {
            onEmpty.run();
        }
    }

    void awaitEmpty() {
        isEmptyAwaited = true;
    }

    boolean isPaused() {
        return isPaused.get();
    }

    int events() {
        return events.get();
    }

    long bytes() {
        return bytes.get();
    }
}
