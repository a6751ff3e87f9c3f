package hermod.client;

import java.util.Map;

/**
 * How the client's subscriptions were replaced, in one step over the open connection. Immutable.
 *
 * @param switchOffsets of the topics that are subscribed to now, of those that were named: events below the offset went by the old subscription, from it on by the new one, none twice.
 * @param removed topics that are no longer subscribed to, each with its end: events below the offset were sent, none follows.
 * @param refused topics that stay as they were, and why.
 * @param isFromServer whether an operator or a back-end service asked for it.
 */
public record Replacement(
        Map<String, Long> switchOffsets,
        Map<String, Long> removed,
        Map<String, HermodException> refused,
        boolean isFromServer) {}
