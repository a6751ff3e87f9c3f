package hermod.broker.metrics;

/** The parts of an event's way that are measured, each into a histogram per channel. */
public enum Stage {
    PUBLISH_TO_BROKER(
            "From the event's timestamp (its intended send time) to its arrival at the broker; what the publisher's clock estimate is off, it is off."),
    IN_BROKER("From its arrival to its hand-over to the subscribers' outboxes, per shard that has any."),
    BROKER_TO_SOCKET(
            "From the outbox to the end of the flush that wrote it, per subscriber; up to one socket burst of it may still wait for the kernel."),
    PUBLISH_TO_HANDLER(
            "From the event's timestamp to the client's handler, as clients report it, clock offsets corrected.");

    private final String meaning;

    Stage(String meaning) {
        this.meaning = meaning;
    }

    public String meaning() {
        return meaning;
    }
}
