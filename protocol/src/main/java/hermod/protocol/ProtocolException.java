package hermod.protocol;

/**
 * The peer broke the protocol and its connection must end with {@link #code()}.
 *
 * <p>Carries no stack trace: it is about the peer's bytes, not about our code, and a stranger can cause any number of them.
 */
public final class ProtocolException extends Exception {
    private static final long serialVersionUID = 1L;

    private final CloseCode code;

    public ProtocolException(CloseCode code, String message) {
        super(message, null, false, false);
        this.code = code;
    }

    public CloseCode code() {
        return code;
    }
}
