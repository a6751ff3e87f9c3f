package hermod.client.internal;

import hermod.client.ReconnectPolicy;
import java.util.random.RandomGenerator;

/**
 * Spreads reconnects after a broker dies: exponential backoff with full jitter, so that clients do not come back in step.
 *
 * <p>Loop thread only.
 *
 * @see <a href="https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/">where full jitter is compared with its alternatives</a>
 */
final class Backoff {
    private static final int DOUBLINGS_MAX = 30;

    private final ReconnectPolicy policy;
    private final RandomGenerator random;
    private int failures;

    Backoff(ReconnectPolicy policy, RandomGenerator random) {
        this.policy = policy;
        this.random = random;
    }

    /** Failures in a row. */
    int failures() {
        return failures;
    }

    void onFailure() {
        failures++;
    }

    void reset() {
        failures = 0;
    }

    /** Whether the fast attempts are used up. */
    boolean isSuspended() {
        return failures > policy.fastAttempts();
    }

    /** Whether the hard limit, if there is one, is reached. */
    boolean isExhausted() {
        return policy.attemptsMax() > 0 && failures >= policy.attemptsMax();
    }

    /**
     * @param adviceMs what the broker asked for; 0 for nothing.
     * @return wait before the next attempt in ms: the advice; when suspended the policy's cap; otherwise drawn from 0 to the base doubled with each failure
     *     after the first, at most the cap.
     */
    long delayMs(long adviceMs) {
        if (adviceMs > 0) {
            return adviceMs;
        }
        long capMs = policy.cap().toMillis();
        if (isSuspended()) {
            return capMs;
        }
        int doublings = Math.min(Math.max(0, failures - 1), DOUBLINGS_MAX);
        long ceilingMs = Math.min(capMs, policy.base().toMillis() << doublings);
        return random.nextLong(ceilingMs + 1);
    }
}
