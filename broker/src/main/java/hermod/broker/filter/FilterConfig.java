package hermod.broker.filter;

import hermod.broker.config.Setting;

/** How large and how costly filters may be. Immutable. */
public record FilterConfig(
        @Setting(
                unit = "bytes",
                min = 16,
                max = 65_536,
                text =
                        "Bytes of one filter as it is sent. Beyond it the topic is refused with BAD_FILTER, as with the limits below. Compiled, a filter takes a few times as many.")
        int sizeLimitBytes,

        @Setting(min = 1, max = 6, text = "How deep a filter nests; a test alone is one level.")
        int depthLimitCount,

        @Setting(min = 1, max = 64, text = "Parts of one filter: tests, and the all, any and not around them.")
        int termLimitCount,

        @Setting(
                min = 1,
                max = 10_000,
                text =
                        "Cost of one filter, which bounds the time spent on an event: 1 for each part, and besides 1 for a prefix, 2 for a bound of a range, and for a set of n values "
                                + "the logarithm of n + 1 to the base 2, rounded up.")
        int costLimitCount,

        @Setting(
                unit = "bytes",
                min = 16,
                max = 67_108_864,
                text = "Bytes of all filters of one connection. Must be at least size-limit-bytes.")
        int perConnectionLimitBytes,

        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "Least time between two PROGRESS frames of one subscription. They are sent only when its filter passed over events since the last event or PROGRESS. Shorter costs idle subscribers bytes, longer lets them "
                                + "ask for more again after a reconnect.")
        int progressIntervalMs,

        @Setting(
                min = 1,
                max = 10_000,
                text =
                        "Requests of one connection (SUBSCRIBE, UNSUBSCRIBE, REPLACE) that may wait for a REPLACE to end, which takes as long as the new topics' homes take to answer. Beyond it they are refused with BACK_PRESSURED.")
        int waitingChangesLimitCount) {

    public FilterConfig {
        if (perConnectionLimitBytes < sizeLimitBytes) {
            throw new IllegalArgumentException("per-connection-limit-bytes is " + perConnectionLimitBytes
                    + "; it must be at least size-limit-bytes, which is " + sizeLimitBytes);
        }
    }

    public static FilterConfig defaults() {
        return new FilterConfig(4_096, 6, 64, 256, 256 * 1024, 1_000, 16);
    }
}
