package hermod.client;

/**
 * What this client has seen of a channel since it was made. Immutable.
 *
 * @param p95LatencyUs of the time from an event's timestamp to the moment before its listener was called, in microseconds with 1 % precision; 0 before the
 *     first event.
 * @param lastEventAtUs when the last event was handed to a listener, on the broker's clock; 0 for none yet.
 * @param delivered events handed to listeners.
 * @param suppressed duplicates that were dropped.
 * @param expired events dropped because their time to live had passed.
 * @param reconnects how often the channel's subscriptions were renewed after a lost connection.
 * @param gaps how often listeners were told of missing events.
 * @param gapsClosed gaps that the broker has filled since.
 * @param missedAtMost events missed for good at most, as far as gaps say how many.
 */
public record ChannelStatus(
        long p95LatencyUs,
        long lastEventAtUs,
        long delivered,
        long suppressed,
        long expired,
        long reconnects,
        long gaps,
        long gapsClosed,
        long missedAtMost) {}
