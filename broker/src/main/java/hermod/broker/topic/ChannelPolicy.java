package hermod.broker.topic;

import hermod.broker.config.Setting;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolLimits;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** What holds for every topic of a channel. Immutable. */
public record ChannelPolicy(
        @Setting(text = "Lane of the channel's events in the rings, and the priority of an event that asks for none.")
        Priority lane,

        @Setting(text = "Highest priority an event may ask for; more is clamped and told. Not below lane.")
        Priority ceiling,

        @Setting(
                text =
                        "When an event counts as accepted: in memory, on disk, on disk but fanned out before, or never kept. While the store is full or failing, events of disk are refused (STORE_FULL, NOT_STORED); those of disk-early are fanned out and told NOT_STORED.")
        Durability durability,

        @Setting(
                min = 1,
                max = 64,
                text =
                        "What is kept for replay: `none`, `replay-window`, or an age with options after commas, such as `24h, 10000 events`, `7d, "
                                + "last-per-key`, `7d, by-type`. With last-per-key, which needs durability disk, the last value of each key stays whatever its age, and a new subscriber gets it first. With by-type, on disk, the oldest events go as soon as their own time to live is over, which the type gives where the publisher names none, "
                                + "but are kept for dedup-window-s; one that lives longer keeps those behind it.")
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

        @Setting(
                min = 1,
                max = 64,
                text =
                        "Attribute whose value is an event's key, or `none`. A subscriber that is behind gets only the newest event of each key; one that keeps up gets all. Events without "
                                + "the attribute, and those above low, are never left out.")
        String conflateBy,

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
                max = 1_000_000,
                text =
                        "Events a topic's replay window keeps whatever their age, within topic.replay-topic-bytes; only when topic.replay-limit-bytes is used up by such minimums are there fewer.")
        int windowMinEvents,

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
        int rateBurst,

        @Setting(
                unit = "s",
                min = 0,
                max = 2_592_000,
                text =
                        "How long a durable channel recognises an event id it has stored, whoever sends it again: the second one is told DUPLICATE with the first one's offset. At most topic.dedup-ids-per-topic-limit-count ids a topic. 0, and in memory: ids are not compared.")
        int dedupWindowS,

        @Setting(
                text =
                        "Whether subscribers' devices are to acknowledge the events: those they do not are sent again (redelivery), and an event that no device but its publisher's has acknowledged escalates (safety). Needs durability disk-early.")
        boolean acknowledged) {

    static final int WINDOW_MIN_EVENTS = 100;

    /** What conflate-by says where there is no conflation; so no attribute of that name can be asked for. */
    private static final String CONFLATE_BY_NONE = "none";

    private static final String LAST_PER_KEY = "last-per-key";
    private static final String BY_TYPE = "by-type";

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
        if (conflateBy.getBytes(StandardCharsets.UTF_8).length > ProtocolLimits.ATTRIBUTE_KEY_BYTES) {
            throw new IllegalArgumentException("conflate-by is '" + conflateBy + "'; an attribute's name has at most "
                    + ProtocolLimits.ATTRIBUTE_KEY_BYTES + " bytes");
        }
        if (keeps.contains(LAST_PER_KEY) && durability != Durability.DISK) {
            throw new IllegalArgumentException("keeps is '" + keeps
                    + "'; last-per-key needs durability disk, so that a version stands for a value that is stored");
        }
        if (acknowledged && durability != Durability.DISK_EARLY) {
            throw new IllegalArgumentException("acknowledged needs durability disk-early, which here is " + durability);
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
                CONFLATE_BY_NONE,
                3,
                250,
                WINDOW_MIN_EVENTS,
                0,
                60,
                0,
                false);
    }

    /** The same with another publish rate. */
    public ChannelPolicy withRate(int perMinute, int burst) {
        return new ChannelPolicy(
                lane,
                ceiling,
                durability,
                keeps,
                batching,
                batchMinMs,
                batchMaxMs,
                conflateBy,
                tier,
                goalP95Ms,
                windowMinEvents,
                perMinute,
                burst,
                dedupWindowS,
                acknowledged);
    }

    /** The same with another time for which event ids are recognised. */
    public ChannelPolicy withDedupWindow(int seconds) {
        return new ChannelPolicy(
                lane,
                ceiling,
                durability,
                keeps,
                batching,
                batchMinMs,
                batchMaxMs,
                conflateBy,
                tier,
                goalP95Ms,
                windowMinEvents,
                ratePerMinute,
                rateBurst,
                seconds,
                acknowledged);
    }

    /** The same with devices that acknowledge. */
    ChannelPolicy withAcknowledgements() {
        return new ChannelPolicy(
                lane,
                ceiling,
                durability,
                keeps,
                batching,
                batchMinMs,
                batchMaxMs,
                conflateBy,
                tier,
                goalP95Ms,
                windowMinEvents,
                ratePerMinute,
                rateBurst,
                dedupWindowS,
                true);
    }

    /** Whether a subscriber that is behind gets only the newest event of each key. */
    public boolean conflates() {
        return !conflateBy.equals(CONFLATE_BY_NONE);
    }

    /** Whether an event id that is stored is recognised when it comes again. */
    public boolean comparesIds() {
        return durability.isOnDisk() && dedupWindowS > 0;
    }

    /** Whether its topics keep the last value of each key, which a new subscriber gets first. */
    public boolean isState() {
        return keeps.contains(LAST_PER_KEY);
    }

    /**
     * How long a topic of the channel keeps an event for replay, in nanoseconds; 0 for not at all.
     *
     * @param windowNs what {@code replay-window} stands for.
     */
    public long keepsNs(long windowNs) {
        if (keeps.equals("none")) {
            return 0;
        }
        if (keeps.equals("replay-window")) {
            return windowNs;
        }
        int unitAt = 0;
        while (Character.isDigit(keeps.charAt(unitAt))) {
            unitAt++;
        }
        long count = Long.parseLong(keeps.substring(0, unitAt));
        return switch (keeps.charAt(unitAt)) {
            case 's' -> TimeUnit.SECONDS.toNanos(count);
            case 'm' -> TimeUnit.MINUTES.toNanos(count);
            case 'h' -> TimeUnit.HOURS.toNanos(count);
            default -> TimeUnit.DAYS.toNanos(count);
        };
    }

    /** Events of a topic that are kept at most; {@code Long.MAX_VALUE} where the policy names no number. */
    public long keepsEvents() {
        int end = keeps.indexOf(" events");
        return end < 0 ? Long.MAX_VALUE : Long.parseLong(keeps.substring(keeps.lastIndexOf(' ', end - 1) + 1, end));
    }

    /** Whether an event is kept no longer than its own time to live, which its type gives. */
    public boolean keepsByType() {
        return keeps.contains(BY_TYPE);
    }

    /** The goal in microseconds, as latencies are measured. */
    public long goalP95Us() {
        return goalP95Ms * 1_000L;
    }
}
