package hermod.client.internal;

import java.util.concurrent.TimeUnit;

/**
 * When a connection owes a PING and when it counts as dead.
 *
 * <p>A few PINGs right after WELCOME settle the clock estimate; later ones come at a steady pace, traffic or not, so that it stays fresh. Loop thread only;
 * all times are {@code System.nanoTime()}.
 */
final class Heartbeat {
    static final int EARLY_PINGS = 5;
    static final long EARLY_PING_EVERY_NS = TimeUnit.MILLISECONDS.toNanos(200);

    private final long intervalNs;
    private final long silenceTimeoutNs;
    private int sentCount;
    private int unanswered;
    private long lastPingNs;
    private long lastReceivedNs;
    private long probeSentUs;
    private long probeDeadlineNs;
    private boolean isProbing;

    Heartbeat(long intervalNs, long silenceTimeoutNs, long nowNs) {
        this.intervalNs = intervalNs;
        this.silenceTimeoutNs = silenceTimeoutNs;
        lastReceivedNs = nowNs;
        lastPingNs = nowNs;
    }

    boolean isPingDue(long nowNs) {
        long waitNs = sentCount < EARLY_PINGS ? Math.min(EARLY_PING_EVERY_NS, intervalNs) : intervalNs;
        return sentCount == 0 || nowNs - lastPingNs >= waitNs;
    }

    void onPing(long nowNs) {
        sentCount++;
        unanswered++;
        lastPingNs = nowNs;
    }

    /** @param pingSentUs of the PING that is answered. */
    void onPong(long pingSentUs) {
        unanswered = 0;
        if (pingSentUs >= probeSentUs) {
            isProbing = false;
        }
    }

    void onReceived(long nowNs) {
        lastReceivedNs = nowNs;
    }

    /**
     * A PING sent from now on must be answered by the deadline, or the connection is dead: the network has changed, and waiting for the silence timeout is too
     * long. What else is received may have been on its way before.
     *
     * @param nowUs on the clock that PINGs carry.
     */
    void probe(long nowUs, long deadlineNs) {
        isProbing = true;
        probeSentUs = nowUs;
        probeDeadlineNs = deadlineNs;
    }

    /** The socket is not being read on purpose, so that silence means nothing. */
    void onReadingPaused(long nowNs) {
        lastReceivedNs = nowNs;
        unanswered = 0;
        isProbing = false;
    }

    boolean isDead(long nowNs) {
        return nowNs - lastReceivedNs >= silenceTimeoutNs || (isProbing && nowNs - probeDeadlineNs >= 0);
    }

    /** PINGs that found the one before them still unanswered. */
    int missed() {
        // The early ones follow so closely that a long way may hold several.
        return sentCount <= EARLY_PINGS ? 0 : Math.max(0, unanswered - 1);
    }
}
