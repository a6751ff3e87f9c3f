package hermod.broker.safety;

import hermod.broker.metrics.Counter;

/** Why an event escalates. */
enum Reason {
    NO_SUBSCRIBER("no-subscriber", Counter.SAFETY_ESCALATED_NO_SUBSCRIBER),
    UNACKNOWLEDGED("unacknowledged", Counter.SAFETY_ESCALATED_UNACKNOWLEDGED),
    /** Too many wait already: it is not known whether it will be acknowledged. */
    TOO_MANY_WAITING("too-many-waiting", Counter.SAFETY_ESCALATED_TOO_MANY);

    private final String label;
    private final Counter counter;

    Reason(String label, Counter counter) {
        this.label = label;
        this.counter = counter;
    }

    /** The name people and programs see. */
    String label() {
        return label;
    }

    Counter counter() {
        return counter;
    }
}
