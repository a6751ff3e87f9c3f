package hermod.client;

/** Why events of a topic are missing. */
public enum GapReason {
    /** This client did not take its events as fast as they came, and the broker let those of low tiers go. */
    SHED(1),
    /** The events were overrun inside the broker before they could be sent. */
    OVERRUN(2),
    /** The broker no longer keeps them: the client was away for too long, or for too many events. */
    EXPIRED(3),
    /** The broker has forgotten the topic meanwhile and counts from the start. */
    EPOCH_CHANGED(4),
    /** The client was not connected, and the broker does not replay. */
    DISCONNECTED(-1),
    /** A reason that only a newer broker knows. */
    OTHER(-1);

    private static final GapReason[] ALL = values();

    private final int code;

    GapReason(int code) {
        this.code = code;
    }

    /** @param code as on the wire. */
    public static GapReason ofCode(int code) {
        for (GapReason reason : ALL) {
            if (reason.code == code) {
                return reason;
            }
        }
        return OTHER;
    }
}
