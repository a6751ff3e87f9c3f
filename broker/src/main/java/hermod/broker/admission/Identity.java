package hermod.broker.admission;

import hermod.protocol.Priority;

/**
 * Who a connection is, taken from a checked token. Immutable.
 *
 * @param user 1–128 bytes, no blanks or control characters.
 * @param org the tenant; every name the connection uses lives inside it.
 * @param raisedTo priority that the user's events get where they ask for none, as far as the channel and the right to URGENT allow; LOW raises nothing.
 * @param expiresAtUs microseconds since 1970 when the token runs out; 0 for never (development mode only).
 */
public record Identity(String user, String org, Rights rights, Priority raisedTo, long expiresAtUs) {
    public Identity {
        if (raisedTo == Priority.URGENT && !rights.isUrgent()) {
            raisedTo = Priority.HIGH;
        }
    }

    /** Of a user whose events are not raised. */
    public Identity(String user, String org, Rights rights, long expiresAtUs) {
        this(user, org, rights, Priority.LOW, expiresAtUs);
    }
}
