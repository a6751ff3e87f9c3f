package hermod.protocol;

/**
 * Why a connection ends.
 *
 * <p>The range is the verdict: 3000–3399 reconnect, 3400–3499 reconnect with a new token, 3500–3999 stay away.
 */
public enum CloseCode {
    GOING_AWAY(3000, "The broker is stopping."),
    SLOW_CONSUMER(3001, "The client took too little for too long, or missed events and could not be told."),
    SILENT(3002, "Nothing was received for the silence timeout."),
    OVERLOADED(3003, "The broker can't take more connections now."),
    INTERNAL(3004, "The broker failed; the defect is in its log."),
    TOO_MANY_CONNECTIONS(3005, "The address or the user has as many connections as it may."),
    HANDSHAKE_TIMEOUT(3006, "HELLO was not complete in time."),
    LAGGED(
            3007,
            "Events of a subscribed topic were overrun inside the broker. Brokers of this version do not send it."),

    TOKEN_EXPIRED(3400, "The token has run out."),

    NORMAL(3500, "Goodbye."),
    BAD_FRAME(3501, "The bytes are no frame of this protocol."),
    FRAME_TOO_LONG(3502, "The frame is longer than the frame limit."),
    VERSION_NOT_SUPPORTED(3503, "Client and broker have no protocol version in common."),
    UNAUTHORIZED(3504, "The token is missing or not valid."),
    HANDSHAKE_EXPECTED(3505, "The first frame was not HELLO."),
    DISCONNECTED(3506, "An operator closed the connection."),
    TOO_MANY_ERRORS(3507, "The connection caused as many errors as it may.");

    private static final int FIRST_NEW_TOKEN = 3400;
    private static final int FIRST_FINAL = 3500;

    private final int code;
    private final String meaning;

    CloseCode(int code, String meaning) {
        this.code = code;
        this.meaning = meaning;
    }

    public int code() {
        return code;
    }

    /** One sentence for people. */
    public String meaning() {
        return meaning;
    }

    /** Whether a client with this code may connect again by itself, perhaps with a new token. */
    public static boolean mayReconnect(int code) {
        return code < FIRST_FINAL;
    }

    /** Whether a client needs a new token before it connects again. */
    public static boolean needsNewToken(int code) {
        return code >= FIRST_NEW_TOKEN && code < FIRST_FINAL;
    }

    /** The code's name, or its number for one that this version does not know. */
    public static String nameOf(int code) {
        for (CloseCode known : values()) {
            if (known.code == code) {
                return known.name();
            }
        }
        return Integer.toString(code);
    }
}
