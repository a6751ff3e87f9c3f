package hermod.client.internal;

import hermod.protocol.Priority;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The mailboxes that wait for a handler thread, in a lane for each priority, and the threads that take them. Any thread.
 *
 * <pre>
 *   URGENT  first, always
 *   HIGH    first, but for
 *   NORMAL    two turns of 16, and
 *   LOW       one turn of 16
 * </pre>
 *
 * <p>A mailbox waits in one lane at a time; what is left of it in a lane that it was lifted from is skipped. Threads are started as they are needed.
 */
final class LaneQueue {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");
    private static final int NOT_QUEUED = -1;
    private static final int URGENT = Priority.URGENT.ordinal();
    private static final int HIGH = Priority.HIGH.ordinal();
    private static final int NORMAL = Priority.NORMAL.ordinal();
    private static final int LOW = Priority.LOW.ordinal();
    private static final int TURNS = 16;
    private static final int LOW_TURN = 0;

    /** Of 16 turns, each turn whose remainder by eight is this. */
    private static final int NORMAL_TURN = 4;

    /** A mailbox's place in the queue; all but {@code mailbox} belongs to the queue. */
    static final class Place {
        private final Runnable mailbox;
        private int lane = NOT_QUEUED;

        /** Bit n: there is an entry in lane n, be it the one that counts or one that was left behind. */
        private int entries;

        /** The lane that its turn counts for. Written before the turn, read by its thread. */
        private int turnLane;

        Place(Runnable mailbox) {
            this.mailbox = mailbox;
        }
    }

    private final int threadsMax;
    private final ThreadFactory threads;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition isFilled = lock.newCondition();
    private final List<ArrayDeque<Place>> lanes = new ArrayList<>();
    private final int[] waiting = new int[Priority.COUNT];
    private int turnCount;
    private int idleThreads;
    private int threadCount;
    private boolean isClosed;

    /** Bit n: somebody waits in lane n. */
    private volatile int waitingMask;

    /** @param threadsMax 0 for a queue whose turns are taken with {@link #runNext} only. */
    LaneQueue(int threadsMax, ThreadFactory threads) {
        this.threadsMax = threadsMax;
        this.threads = threads;
        for (int i = 0; i < Priority.COUNT; i++) {
            lanes.add(new ArrayDeque<>());
        }
    }

    /** Has the mailbox wait for a turn; it must not be waiting or in a turn. */
    void schedule(Place place, int lane) {
        boolean needsThread = false;
        lock.lock();
        try {
            if (isClosed) {
                return;
            }
            enter(place, lane);
            if (idleThreads > 0) {
                isFilled.signal();
            } else if (threadCount < threadsMax) {
                threadCount++;
                needsThread = true;
            }
        } finally {
            lock.unlock();
        }
        if (needsThread) {
            threads.newThread(this::runAll).start();
        }
    }

    /** Lifts the mailbox to a higher lane, where it waits in a lower one. */
    void raise(Place place, int lane) {
        lock.lock();
        try {
            if (place.lane != NOT_QUEUED && place.lane < lane) {
                leave(place);
                enter(place, lane);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Whether a mailbox waits that is to go before the rest of this one's turn. */
    boolean isWaitingBefore(Place inTurn) {
        return waitingMask >>> (inTurn.turnLane + 1) != 0;
    }

    /** Gives the next mailbox its turn on the calling thread; false if none waits. */
    boolean runNext() {
        Place next;
        lock.lock();
        try {
            next = poll();
        } finally {
            lock.unlock();
        }
        if (next != null) {
            next.mailbox.run();
        }
        return next != null;
    }

    /** What waits is still handled; nothing more is taken. */
    void close() {
        lock.lock();
        try {
            isClosed = true;
            isFilled.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void runAll() {
        for (Place next = take(); next != null; next = take()) {
            try {
                next.mailbox.run();
            } catch (RuntimeException defect) {
                LOG.error("a handler thread's turn failed", defect);
            }
            // What a listener left behind is not the next one's.
            boolean unused = Thread.interrupted();
        }
    }

    /** Waits; null when the queue is closed and empty. */
    private @Nullable Place take() {
        lock.lock();
        try {
            Place next = poll();
            while (next == null && !isClosed) {
                idleThreads++;
                isFilled.awaitUninterruptibly();
                idleThreads--;
                next = poll();
            }
            return next;
        } finally {
            lock.unlock();
        }
    }

    private void enter(Place place, int lane) {
        place.lane = lane;
        int bit = 1 << lane;
        if ((place.entries & bit) == 0) {
            place.entries |= bit;
            lanes.get(lane).addLast(place);
        }
        waiting[lane]++;
        waitingMask |= bit;
    }

    private void leave(Place place) {
        int lane = place.lane;
        place.lane = NOT_QUEUED;
        if (--waiting[lane] == 0) {
            waitingMask &= ~(1 << lane);
        }
    }

    private @Nullable Place poll() {
        int mask = waitingMask;
        if (mask == 0) {
            return null;
        }
        int lane = Integer.SIZE - 1 - Integer.numberOfLeadingZeros(mask);
        int turnLane = lane;
        if (lane < URGENT) {
            int turn = turnCount++ % TURNS;
            if (turn == LOW_TURN && waiting[LOW] > 0) {
                lane = LOW;
                turnLane = HIGH;
            } else if (turn % (TURNS / 2) == NORMAL_TURN && waiting[NORMAL] > 0) {
                lane = NORMAL;
                turnLane = HIGH;
            }
        }
        Place next = lanes.get(lane).removeFirst();
        while (next.lane != lane) {
            next.entries &= ~(1 << lane);
            next = lanes.get(lane).removeFirst();
        }
        next.entries &= ~(1 << lane);
        leave(next);
        next.turnLane = turnLane;
        return next;
    }
}
