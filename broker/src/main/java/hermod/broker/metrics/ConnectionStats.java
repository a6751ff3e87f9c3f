package hermod.broker.metrics;

import java.util.List;
import java.util.Map;

/**
 * One open connection. Immutable.
 *
 * @param lastPingAtUs when its last PING came; 0 for none yet.
 * @param subscriptions topic names, perhaps only the first ones.
 * @param filters from topic to the text of its filter, where there is one.
 * @param outboxBytes what it is owed now.
 * @param slow where it stands if it does not take what it is owed.
 * @param shard the one whose thread serves it, from 0.
 */
public record ConnectionStats(
        String id,
        String user,
        String org,
        String device,
        String platform,
        String address,
        long connectedAtUs,
        long lastPingAtUs,
        List<String> subscriptions,
        Map<String, String> filters,
        long delivered,
        long published,
        long outboxBytes,
        SlowStats slow,
        int shard) {}
