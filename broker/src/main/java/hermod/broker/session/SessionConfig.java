package hermod.broker.session;

import hermod.broker.config.Setting;

/** What one connected client may do, and when it counts as gone. Immutable. */
public record SessionConfig(
        @Setting(
                unit = "ms",
                min = 1_000,
                max = 3_600_000,
                text =
                        "A client that has sent nothing for this long sends PING (told in WELCOME). Too short wakes phones, too long hides dead networks.")
        int pingIntervalMs,

        @Setting(
                unit = "ms",
                min = 2_000,
                max = 7_200_000,
                text =
                        "A connection that nothing came from for this long is closed with SILENT. At least twice ping-interval-ms, or a single lost "
                                + "ping closes it.")
        int silenceTimeoutMs,

        @Setting(
                min = 1,
                max = 1_000_000,
                text = "Topics one connection may hold; the right limits:service lifts it to at least 100,000.")
        int topicsPerConnectionLimitCount,

        @Setting(
                min = 1,
                max = 10_000_000,
                text =
                        "Events a connection may publish in a second (RATE_LIMITED beyond); a burst may use one second's worth. The right "
                                + "rate:unlimited lifts it.")
        int publishesPerSecond,

        @Setting(
                unit = "bytes",
                min = 1_024,
                max = 1_073_741_824,
                text = "Bytes of PUBLISH frames a connection may send in a second, lifted likewise.")
        int publishBytesPerSecond,

        @Setting(
                min = 1_000,
                max = 100_000_000,
                text =
                        "Topics a connection may ask for in a second with SUBSCRIBE, OPEN, RESUME and REPLACE (ERROR RATE_LIMITED beyond); a burst may use one second's worth. The right limits:service lifts it.")
        int topicsAskedPerSecond) {

    private static final int TOPICS_ASKED_PER_SECOND = 2_000;

    /** With the default for what has been added last. */
    public SessionConfig(
            int pingIntervalMs,
            int silenceTimeoutMs,
            int topicsPerConnectionLimitCount,
            int publishesPerSecond,
            int publishBytesPerSecond) {
        this(
                pingIntervalMs,
                silenceTimeoutMs,
                topicsPerConnectionLimitCount,
                publishesPerSecond,
                publishBytesPerSecond,
                TOPICS_ASKED_PER_SECOND);
    }

    public SessionConfig {
        if (silenceTimeoutMs < 2L * pingIntervalMs) {
            throw new IllegalArgumentException("silence-timeout-ms is " + silenceTimeoutMs
                    + "; it must be at least twice ping-interval-ms, which is " + pingIntervalMs);
        }
    }

    public static SessionConfig defaults() {
        return new SessionConfig(15_000, 35_000, 1_000, 1_000, 1024 * 1024);
    }
}
