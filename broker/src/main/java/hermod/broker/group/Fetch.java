package hermod.broker.group;

/** A FETCH that waits for events. @param untilNs when it is answered without any. */
record Fetch(int requestId, int limit, long untilNs) {}
