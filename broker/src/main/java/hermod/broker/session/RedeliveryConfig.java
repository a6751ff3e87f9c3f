package hermod.broker.session;

import hermod.broker.config.Setting;

/** When a device is sent again what it has not acknowledged. Immutable. */
public record RedeliveryConfig(
        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "How long after an event was sent it is sent again to a device that has not acknowledged it; doubles each time. Too short sends again what a handler is still at (the client recognises it), too long leaves a failed handler waiting.")
        int afterMs,

        @Setting(unit = "ms", min = 100, max = 86_400_000, text = "The longest of these waits. Not below after-ms.")
        int intervalMaxMs,

        @Setting(
                min = 0,
                max = 100,
                text =
                        "Times an event is sent again on a connection; then it waits for the client to come back and resume. 0: never again.")
        int attemptsLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Events of one subscription that were sent and not acknowledged; beyond it the oldest is not sent again, and its acknowledgement does not count. 20 bytes each.")
        int unacknowledgedLimitCount) {

    public RedeliveryConfig {
        if (intervalMaxMs < afterMs) {
            throw new IllegalArgumentException(
                    "interval-max-ms is " + intervalMaxMs + "; it must not be below after-ms, which is " + afterMs);
        }
    }

    public static RedeliveryConfig defaults() {
        return new RedeliveryConfig(1_000, 3_600_000, 5, 1_024);
    }
}
