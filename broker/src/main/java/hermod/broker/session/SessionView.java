package hermod.broker.session;

import hermod.broker.admission.Identity;
import java.util.List;

/** A session as operators see it, at one moment. Immutable. */
public record SessionView(
        String id,
        Identity identity,
        String device,
        String platform,
        String address,
        long connectedAtUs,
        long lastPingUs,
        List<String> subscriptions,
        long deliveredCount,
        long publishedCount,
        long outboxBytes) {}
