package hermod.client;

/**
 * A client's queues and counters at one moment, for debugging. Immutable.
 *
 * @param publishesPending events published and not answered yet.
 * @param publishBytesPending the same in bytes.
 * @param eventsQueued events received and not handled yet.
 * @param eventBytesQueued the same in bytes.
 * @param readingPaused whether the socket is not read because those that are not under credit reached their bound.
 * @param creditOutstanding bytes of LOW to HIGH that the broker may still send; 0 also without credit.
 * @param creditHeld bytes of the credit window that queued events hold.
 * @param handlerBehind whether listeners are so far behind that the broker soon has to wait: see {@link HermodClient#isHandlerBehind}.
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
        long creditOutstanding,
        long creditHeld,
        boolean handlerBehind,
        long listenerFailures,
        long reconnects,
        long reportsRefused) {}
