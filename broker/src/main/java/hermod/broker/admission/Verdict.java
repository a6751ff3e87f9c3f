package hermod.broker.admission;

import hermod.protocol.CloseCode;

/** What came of a token. Immutable. */
public sealed interface Verdict {
    /** The token is good. */
    record Accepted(Identity identity) implements Verdict {}

    /**
     * The connection must end, or stay with the token it has.
     *
     * @param code TOKEN_EXPIRED, UNAUTHORIZED, OVERLOADED, or GOING_AWAY while the broker stops.
     * @param reason one sentence, fit to be sent to the client: nothing of the token or of a key is in it.
     */
    record Refused(CloseCode code, String reason) implements Verdict {}
}
