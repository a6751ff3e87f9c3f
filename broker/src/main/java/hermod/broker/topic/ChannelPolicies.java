package hermod.broker.topic;

import hermod.protocol.Priority;
import hermod.protocol.ProtocolLimits;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The channels this broker has, by name: the built-in table, with what the configuration changes and adds. Immutable.
 *
 * <p>Read and documented by the configuration as the map it holds.
 */
public record ChannelPolicies(Map<String, ChannelPolicy> byName) {
    private static final Pattern NAME =
            Pattern.compile("[a-zA-Z][a-zA-Z0-9_-]{0," + (ProtocolLimits.CHANNEL_NAME_BYTES - 1) + "}");

    /** What people write themselves: no person reaches it, and a whole minute's worth may come at once. */
    private static final int TALK_PER_MINUTE = 60;

    private static final int DEDUP_S = 600;
    private static final int MONEY_DEDUP_S = 86_400;

    public ChannelPolicies {
        for (String name : byName.keySet()) {
            if (!NAME.matcher(name).matches()) {
                throw new IllegalArgumentException("'" + name
                        + "' can't name a channel; it must be a letter and at most 63 letters, digits, _ or -");
            }
        }
        byName = Collections.unmodifiableMap(new LinkedHashMap<>(byName));
    }

    /** The built-in table. */
    public static ChannelPolicies defaults() {
        Map<String, ChannelPolicy> table = new LinkedHashMap<>();
        table.put(
                "safety",
                policy(Priority.URGENT, Priority.URGENT, Durability.DISK_EARLY, "7d", 0, 100)
                        .withAcknowledgements());
        ChannelPolicy money = policy(Priority.HIGH, Priority.HIGH, Durability.DISK, "7d, last-per-key", 1, 250)
                .withDedupWindow(MONEY_DEDUP_S);
        table.put("wallet", money);
        table.put("finance", money);
        ChannelPolicy talk = policy(Priority.NORMAL, Priority.HIGH, Durability.DISK, "24h, 10000 events", 2, 100)
                .withRate(TALK_PER_MINUTE, TALK_PER_MINUTE);
        table.put("chat", talk);
        table.put("dm", talk);
        table.put("channel", talk);
        table.put(
                "aiChat",
                batched(
                        policy(Priority.NORMAL, Priority.HIGH, Durability.DISK, "24h", 2, 250),
                        Batching.JOIN,
                        150,
                        150));
        table.put("support", policy(Priority.NORMAL, Priority.HIGH, Durability.DISK, "7d", 2, 250));
        table.put("user", policy(Priority.NORMAL, Priority.HIGH, Durability.DISK, "7d, by-type", 2, 250));
        ChannelPolicy staff = policy(Priority.NORMAL, Priority.NORMAL, Durability.MEMORY, "replay-window", 3, 250);
        table.put("tasks", staff);
        table.put("users", staff);
        table.put("staff", staff);
        table.put(
                "properties",
                batched(
                        policy(Priority.LOW, Priority.LOW, Durability.MEMORY, "replay-window", 4, 250),
                        Batching.ADAPTIVE,
                        0,
                        30));
        table.put(
                "feed",
                conflated(batched(
                        policy(Priority.LOW, Priority.LOW, Durability.MEMORY, "1h", 5, 500),
                        Batching.ADAPTIVE,
                        30,
                        150)));
        ChannelPolicy report = policy(Priority.LOW, Priority.LOW, Durability.MEMORY, "replay-window", 1, 500);
        table.put("reports", batched(report, Batching.ADAPTIVE, 0, 30));
        ChannelPolicy figures = batched(
                policy(Priority.LOW, Priority.LOW, Durability.MEMORY, "replay-window", 6, 500),
                Batching.ADAPTIVE,
                30,
                150);
        table.put("analytics", figures);
        table.put("dashboard", conflated(figures));
        ChannelPolicy state = batched(
                policy(Priority.HIGH, Priority.HIGH, Durability.NEVER, "none", 2, 250), Batching.COALESCE, 0, 100);
        table.put("presence", state);
        table.put("typing", state);
        return new ChannelPolicies(table);
    }

    /** The same channels with another publish rate, on each. */
    public ChannelPolicies withRate(int perMinute, int burst) {
        Map<String, ChannelPolicy> table = new LinkedHashMap<>();
        byName.forEach((name, policy) -> table.put(name, policy.withRate(perMinute, burst)));
        return new ChannelPolicies(table);
    }

    /** @return null for a channel this broker does not have. */
    public @Nullable ChannelPolicy of(String channel) {
        return byName.get(channel);
    }

    private static ChannelPolicy policy(
            Priority lane, Priority ceiling, Durability durability, String keeps, int tier, int goalP95Ms) {
        return new ChannelPolicy(
                lane,
                ceiling,
                durability,
                keeps,
                Batching.NEVER,
                0,
                0,
                "none",
                tier,
                goalP95Ms,
                ChannelPolicy.WINDOW_MIN_EVENTS,
                0,
                TALK_PER_MINUTE,
                durability.isOnDisk() ? DEDUP_S : 0,
                false);
    }

    private static ChannelPolicy batched(ChannelPolicy of, Batching batching, int minMs, int maxMs) {
        return new ChannelPolicy(
                of.lane(),
                of.ceiling(),
                of.durability(),
                of.keeps(),
                batching,
                minMs,
                maxMs,
                of.conflateBy(),
                of.tier(),
                of.goalP95Ms(),
                of.windowMinEvents(),
                of.ratePerMinute(),
                of.rateBurst(),
                of.dedupWindowS(),
                of.acknowledged());
    }

    /** Only events whose publisher gives them the attribute are ever left out, so it does no harm where nobody does. */
    private static ChannelPolicy conflated(ChannelPolicy of) {
        return new ChannelPolicy(
                of.lane(),
                of.ceiling(),
                of.durability(),
                of.keeps(),
                of.batching(),
                of.batchMinMs(),
                of.batchMaxMs(),
                "key",
                of.tier(),
                of.goalP95Ms(),
                of.windowMinEvents(),
                of.ratePerMinute(),
                of.rateBurst(),
                of.dedupWindowS(),
                of.acknowledged());
    }
}
