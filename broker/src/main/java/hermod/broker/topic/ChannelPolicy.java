package hermod.broker.topic;

import hermod.broker.config.Setting;
import hermod.protocol.Priority;
import java.util.regex.Pattern;

/** What holds for every topic of a channel. Immutable. */
public record ChannelPolicy(
        @Setting(text = "Lane of the channel's events in the rings, and the priority of an event that asks for none.")
        Priority lane,

        @Setting(text = "Highest priority an event may ask for; more is clamped and told. Not below lane.")
        Priority ceiling,

        @Setting(
                text =
                        "When an event counts as accepted: in memory, on disk, on disk but fanned out before, or never kept. This version keeps every channel in memory and says so at start.")
        Durability durability,

        @Setting(
                min = 1,
                max = 64,
                text =
                        "What is kept for replay: `none`, `replay-window`, or an age with options after commas, such as `24h, 10000 events`, `7d, "
                                + "last-per-key`, `7d, by-type`.")
        String keeps,

        @Setting(text = "Whether events may wait for each other; the first after a quiet time always goes at once.")
        Batching batching,

        @Setting(
                unit = "ms",
                min = 0,
                max = 10_000,
                text = "Shortest window that batching waits for; means nothing with never.")
        int batchMinMs,

        @Setting(
                unit = "ms",
                min = 0,
                max = 10_000,
                text = "Longest window that batching waits for; it counts as latency. Means nothing with never.")
        int batchMaxMs,

        @Setting(min = 0, max = 9, text = "Place in the shedding order: the highest tier is shed first, tier 0 never.")
        int tier,

        @Setting(
                unit = "ms",
                min = 1,
                max = 60_000,
                text =
                        "Goal for the 95th percentile from publish to handler; health and alerts are measured against it.")
        int goalP95Ms,

        @Setting(
                min = 0,
                max = 60_000_000,
                text =
                        "Events one user may publish to the channel in a minute, over all connections (RATE_LIMITED beyond); 0 for no limit. URGENT events don't count, and the right rate:unlimited lifts it.")
        int ratePerMinute,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Events one user may publish at once after a pause; means nothing without rate-per-minute. As large as that, and who keeps to it over a minute is never refused, however it is spread.")
        int rateBurst) {

    private static final Pattern KEEPS = Pattern.compile(
            "none|replay-window|[1-9][0-9]{0,5}[smhd](, [1-9][0-9]{0,8} events)?(, last-per-key)?(, by-type)?");

    public ChannelPolicy {
        if (ceiling.compareTo(lane) < 0) {
            throw new IllegalArgumentException("ceiling is below lane: lane=" + lane + ", ceiling=" + ceiling);
        }
        if (batchMinMs > batchMaxMs) {
            throw new IllegalArgumentException(
                    "batch-min-ms is " + batchMinMs + "; it must not be above batch-max-ms, which is " + batchMaxMs);
        }
        if (!KEEPS.matcher(keeps).matches()) {
            throw new IllegalArgumentException(
                    "keeps is '" + keeps
                            + "'; it must be none, replay-window, or an age with options such as '24h, 10000 events' or '7d, last-per-key'");
        }
    }

    /** What a channel of the operator's own gets where its entry says nothing else. */
    public static ChannelPolicy defaults() {
        return new ChannelPolicy(
                Priority.NORMAL,
                Priority.HIGH,
                Durability.MEMORY,
                "replay-window",
                Batching.NEVER,
                0,
                0,
                3,
                250,
                0,
                60);
    }

    /** The same with another publish rate. */
    public ChannelPolicy withRate(int perMinute, int burst) {
        return new ChannelPolicy(
                lane, ceiling, durability, keeps, batching, batchMinMs, batchMaxMs, tier, goalP95Ms, perMinute, burst);
    }

    /** The goal in microseconds, as latencies are measured. */
    public long goalP95Us() {
        return goalP95Ms * 1_000L;
    }
}
