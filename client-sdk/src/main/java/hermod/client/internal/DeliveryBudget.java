package hermod.client.internal;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How much one client has received and not handled. Nothing is ever dropped.
 *
 * <p>What came under credit is bounded by the {@link Credit}. The rest (URGENT, and everything where credit was not agreed) has a bound of its own: there the
 * socket is no longer read, until half of it is handled. It is not read either while a broker has sent far more than its credit.
 *
 * <p>The loop adds, handler threads take away.
 */
final class DeliveryBudget {
    private final int freeEventsMax;
    private final long freeBytesMax;
    private final Credit credit;
    private final Runnable onRoom;
    private final Runnable onEmpty;
    private final AtomicInteger freeEvents = new AtomicInteger();
    private final AtomicLong freeBytes = new AtomicLong();
    private final AtomicInteger creditedEvents = new AtomicInteger();
    private final AtomicBoolean isPaused = new AtomicBoolean();
    private volatile boolean isEmptyAwaited;

    /**
     * @param freeEventsMax of what is not under credit, as {@code freeBytesMax}.
     * @param onRoom called on any thread, once for each {@link #add} that said full, when half is free again.
     * @param onEmpty called on any thread whenever the last one was handled, after {@link #awaitEmpty}.
     */
    DeliveryBudget(int freeEventsMax, long freeBytesMax, Credit credit, Runnable onRoom, Runnable onEmpty) {
        this.freeEventsMax = freeEventsMax;
        this.freeBytesMax = freeBytesMax;
        this.credit = credit;
        this.onRoom = onRoom;
        this.onEmpty = onEmpty;
    }

    /**
     * Loop thread only.
     *
     * @return whether reading is to stop; {@code onRoom} will say when to go on, perhaps before this returns.
     */
    boolean add(Letter letter) {
        boolean isFull;
        if (letter.creditBytes() > 0) {
            creditedEvents.incrementAndGet();
            credit.hold(letter.creditBytes());
            isFull = credit.isOverrun();
        } else {
            int eventsNow = freeEvents.incrementAndGet();
            long bytesNow = freeBytes.addAndGet(letter.bytes());
            isFull = eventsNow >= freeEventsMax || bytesNow >= freeBytesMax;
        }
        return isFull && isPaused.compareAndSet(false, true);
    }

    /** Counts a letter that is not worth stopping for: there are a few of each topic and connection. */
    void addNotice(Letter letter) {
        freeEvents.incrementAndGet();
        freeBytes.addAndGet(letter.bytes());
    }

    /** Handlers may have made room between {@link #add} and the stop. To be called after the stop. */
    void recheck() {
        if (isPaused.get()
                && freeEvents.get() <= freeEventsMax / 2
                && freeBytes.get() <= freeBytesMax / 2
                && !credit.isOverrun()
                && isPaused.compareAndSet(true, false)) {
            onRoom.run();
        }
    }

    /** Takes off what was handled, and clears the tally. */
    void release(HandledTally handled) {
        if (handled.creditedLetters > 0) {
            creditedEvents.addAndGet(-handled.creditedLetters);
            credit.release(handled.creditBytes);
        }
        if (handled.freeLetters > 0) {
            freeBytes.addAndGet(-handled.freeBytes);
            freeEvents.addAndGet(-handled.freeLetters);
        }
        handled.clear();
        recheck();
        if (isEmptyAwaited && events() == 0) {
            onEmpty.run();
        }
    }

    void awaitEmpty() {
        isEmptyAwaited = true;
    }

    boolean isPaused() {
        return isPaused.get();
    }

    /** Whether handlers are so far behind that the broker will soon have to wait: half of the credit window, or of the bound of the rest, is queued. */
    boolean isHandlerBehind() {
        return isPaused()
                || credit.isHalfHeld()
                || freeEvents.get() >= freeEventsMax / 2 + 1
                || freeBytes.get() >= freeBytesMax / 2 + 1;
    }

    int events() {
        return freeEvents.get() + creditedEvents.get();
    }

    long bytes() {
        return freeBytes.get() + credit.held();
    }
}
