package hermod.client;

import hermod.protocol.Priority;
import org.jspecify.annotations.Nullable;

/**
 * The broker's word that it has an event, at the durability of the topic's channel. Immutable.
 *
 * @param offset where the event stands in the topic's epoch.
 * @param duplicate the broker had it already (a retry after a lost connection); offset is the first one's.
 * @param clampedTo the lower priority it travels with, where more was asked than allowed; otherwise null.
 * @param eventId the ULID it was published with; null for an event without one.
 */
public record PublishReceipt(
        String topic,
        int epoch,
        long offset,
        boolean duplicate,
        @Nullable Priority clampedTo,
        @Nullable String eventId) {}
