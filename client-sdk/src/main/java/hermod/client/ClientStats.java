package hermod.client;

/**
 * A client's queues and counters at one moment, for debugging. Immutable.
 *
 * @param publishesPending events published and not answered yet.
 * @param publishBytesPending the same in bytes.
 * @param eventsQueued events received and not handled yet.
 * @param eventBytesQueued the same in bytes.
 * @param readingPaused whether the socket is not read because those reached their bound.
 * @param listenerFailures calls to listeners that threw.
 * @param reconnects connections after the first one.
 * @param reportsRefused REPORT frames that the broker refused.
 */
public record ClientStats(
        int publishesPending,
        long publishBytesPending,
        int eventsQueued,
        long eventBytesQueued,
        boolean readingPaused,
        long listenerFailures,
        long reconnects,
        long reportsRefused) {}
