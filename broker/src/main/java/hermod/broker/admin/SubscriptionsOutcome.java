package hermod.broker.admin;

import java.util.List;

/**
 * What became of a {@link SubscriptionsOrder} on one connection. Immutable.
 *
 * @param isReplaced false where the client could not be told: it has not agreed to filters, is going, or does not take its answers.
 * @param granted topics it is subscribed to now, of those that were named.
 * @param removed topics it was subscribed to before.
 */
public record SubscriptionsOutcome(
        String connection, String device, boolean isReplaced, int granted, int removed, List<Refusal> refused) {
    /** A topic that stays as it was, and why. */
    public record Refusal(String topic, int code, String sentence) {}
}
