package hermod.broker.outbox;

/** Why events are missing from a subscriber's stream, as GAP tells it. */
public enum GapReason {
    /** Left out on purpose, to relieve a slow consumer. */
    SHED(1),
    /** They came faster than this connection took them, and are no longer kept. */
    OVERRUN(2),
    /** They are past what the channel keeps. */
    EXPIRED(3),
    /** The broker has forgotten the topic since. */
    EPOCH_CHANGED(4);

    private final int code;

    GapReason(int code) {
        this.code = code;
    }

    public int code() {
        return code;
    }
}
