package hermod.broker.metrics;

import java.util.List;
import java.util.Map;

/**
 * What the broker did since it started. Immutable.
 *
 * @param connections open now.
 * @param topics alive now.
 * @param counters label to count, in the order to show them.
 */
public record BrokerStats(
        String version,
        long startedAtUs,
        long uptimeSeconds,
        int shards,
        long connections,
        long topics,
        Map<String, Long> counters,
        List<ChannelStats> channels,
        StoreStats store) {}
