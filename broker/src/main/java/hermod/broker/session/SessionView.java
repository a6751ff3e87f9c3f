package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.metrics.SlowStats;
import java.util.List;
import java.util.Map;

/**
 * A session as operators see it, at one moment. Immutable.
 *
 * @param filters from topic to filter, where there is one.
 */
public record SessionView(
        String id,
        Identity identity,
        String device,
        String platform,
        String address,
        long connectedAtUs,
        long lastPingUs,
        List<String> subscriptions,
        Map<String, String> filters,
        long deliveredCount,
        long publishedCount,
        long outboxBytes,
        SlowStats slow) {}
