package hermod.client;

import java.time.Duration;

/**
 * When a client tries again after a connection failed.
 *
 * <p>The broker's own advice, where it gives any, overrides the waits.
 *
 * @param base the first wait is drawn from 0 to this; each further one from twice as much.
 * @param cap longest wait, and the pace of attempts when suspended.
 * @param fastAttempts failures in a row after which the client is SUSPENDED and tries once every {@code cap}.
 * @param attemptsMax failures in a row after which it is CLOSED; 0 for never.
 */
public record ReconnectPolicy(Duration base, Duration cap, int fastAttempts, int attemptsMax) {
    public ReconnectPolicy {
        if (base.isNegative() || base.isZero() || cap.compareTo(base) < 0) {
            throw new IllegalArgumentException(
                    "reconnect waits must be positive and the cap not below the base: base=" + base + ", cap=" + cap);
        }
        if (fastAttempts < 1 || attemptsMax < 0) {
            throw new IllegalArgumentException("reconnect attempts out of range: fastAttempts=" + fastAttempts
                    + ", min=1, attemptsMax=" + attemptsMax + ", min=0");
        }
    }

    /** 1 s doubling to 30 s, suspended after 10 attempts, no hard limit. */
    public static ReconnectPolicy defaults() {
        return new ReconnectPolicy(Duration.ofSeconds(1), Duration.ofSeconds(30), 10, 0);
    }

    public ReconnectPolicy withAttemptsMax(int attempts) {
        return new ReconnectPolicy(base, cap, fastAttempts, attempts);
    }
}
