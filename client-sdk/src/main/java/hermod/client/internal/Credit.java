package hermod.client.internal;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How much of LOW to HIGH the broker may send: what the application has not handled comes off a window of fixed size.
 *
 * <pre>
 *   window = outstanding (granted, not received) + held (received, not handled) + grantable
 * </pre>
 *
 * <p>All in bytes of whole frames as they came by the socket. A grant is made from the difference, so nothing can be granted twice or forgotten, and a
 * connection that comes after another gets what the events still held leave of the window. The loop receives and grants, handler threads release.
 */
final class Credit {
    /** A grant is worth a frame from this part of the window on. */
    private static final int GRANT_SHARE = 4;

    /** And from this part on while nothing else is going on. */
    private static final int IDLE_GRANT_SHARE = 16;

    private final long windowBytes;
    private final Runnable onGrantable;
    private final AtomicLong held = new AtomicLong();
    private final AtomicBoolean isWoken = new AtomicBoolean();

    /** Written by the loop. 0 or less: the broker may send nothing more. */
    private volatile long outstanding;

    /**
     * @param windowBytes 0 for no credit at all.
     * @param onGrantable called on a handler thread when {@link #takeGrant} has something to give; not again before that was called.
     */
    Credit(long windowBytes, Runnable onGrantable) {
        this.windowBytes = windowBytes;
        this.onGrantable = onGrantable;
    }

    /**
     * A new connection, which has no credit yet.
     *
     * @return what to grant it at once; 0 for nothing.
     */
    long start() {
        stop();
        return take(1);
    }

    /** The connection is gone, or its broker has no credit. Loop thread. */
    void stop() {
        outstanding = 0;
        isWoken.set(false);
    }

    /** A frame under credit has come. Loop thread. */
    void onFrame(long frameBytes) {
        outstanding -= frameBytes;
    }

    /** An event under credit waits for its handler. Loop thread. */
    void hold(long bytes) {
        held.addAndGet(bytes);
    }

    /** Events under credit were handled. Any thread. */
    void release(long bytes) {
        held.addAndGet(-bytes);
        if (grantable() >= leastGrant(GRANT_SHARE) && isWoken.compareAndSet(false, true)) {
            onGrantable.run();
        }
    }

    /**
     * What is to be granted now, and counts as granted from then on. Loop thread.
     *
     * @param isIdle nothing waits for a handler: a smaller grant is given too.
     * @return 0 for nothing.
     */
    long takeGrant(boolean isIdle) {
        isWoken.set(false);
        return take(leastGrant(isIdle ? IDLE_GRANT_SHARE : GRANT_SHARE));
    }

    private long take(long least) {
        long bytes = grantable();
        if (bytes < least) {
            return 0;
        }
        outstanding += bytes;
        return bytes;
    }

    private long leastGrant(int share) {
        return Math.max(1, windowBytes / share);
    }

    private long grantable() {
        return windowBytes - held.get() - outstanding;
    }

    /** Whether at least half of the window waits for handlers. */
    boolean isHalfHeld() {
        return windowBytes > 0 && held.get() >= windowBytes / 2;
    }

    /** Whether the broker has sent more than two windows' worth that nobody handled: it does not keep to the credit. */
    boolean isOverrun() {
        return held.get() > windowBytes * 2 + Connection.FRAME_BYTES_MAX;
    }

    long outstanding() {
        return Math.max(0, outstanding);
    }

    long held() {
        return held.get();
    }
}
