package hermod.client;

import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Why a request failed or a connection ended.
 *
 * <p>Carries no stack trace: it is about the broker's answer, and a client that is refused a thousand times a second must be able to afford it.
 */
public sealed class HermodException extends RuntimeException permits ConflictException {
    /** No answer within the request timeout; whether the broker acted is not known. */
    public static final int TIMED_OUT = 4001;

    /** The client was closed by the application. */
    public static final int CLIENT_CLOSED = 4002;

    /** The request needs a connection, and there is none. */
    public static final int NOT_CONNECTED = 4003;

    /** The socket could not be opened, or broke. */
    public static final int CONNECTION_LOST = 4004;

    /** The token source failed. */
    public static final int TOKEN_SOURCE_FAILED = 4005;

    /** An operator or a back-end service has replaced the client's subscriptions, and the topic is not among them. */
    public static final int REPLACED = 4006;

    /** Somebody else observes the channel under this name now. */
    public static final int TAKEN_OVER = 4007;

    /** An operator has deleted the group. */
    public static final int GROUP_DELETED = 4008;

    private static final long serialVersionUID = 1L;
    private static final int FIRST_CLOSE_CODE = 3000;

    private final int code;
    private final long retryAfterMs;

    /**
     * @param code one of {@link ErrorCode}, of {@link CloseCode}, or of the constants above; a newer broker may send others.
     * @param retryAfterMs 0 for no advice.
     */
    public HermodException(int code, String message, long retryAfterMs, @Nullable Throwable cause) {
        super(nameOf(code) + ": " + message, cause, false, false);
        this.code = code;
        this.retryAfterMs = retryAfterMs;
    }

    public HermodException(int code, String message) {
        this(code, message, 0, null);
    }

    public HermodException(ErrorCode code, String message) {
        this(code.code(), message, 0, null);
    }

    /** The broker's code, or one of the constants of this class. */
    public int code() {
        return code;
    }

    public boolean is(ErrorCode other) {
        return code == other.code();
    }

    public boolean is(CloseCode other) {
        return code == other.code();
    }

    /** Whether the same may succeed later. */
    public boolean isRetryable() {
        return switch (code) {
            case TIMED_OUT, NOT_CONNECTED, CONNECTION_LOST, TOKEN_SOURCE_FAILED -> true;
            case CLIENT_CLOSED, REPLACED, TAKEN_OVER, GROUP_DELETED -> false;
            default -> code < FIRST_CLOSE_CODE ? ErrorCode.isRetryable(code) : CloseCode.mayReconnect(code);
        };
    }

    /** How long the broker asks to wait before the next try; zero where it gave no advice. */
    public Duration retryAfter() {
        return Duration.ofMillis(retryAfterMs);
    }

    private static String nameOf(int code) {
        return switch (code) {
            case TIMED_OUT -> "TIMED_OUT";
            case CLIENT_CLOSED -> "CLIENT_CLOSED";
            case NOT_CONNECTED -> "NOT_CONNECTED";
            case CONNECTION_LOST -> "CONNECTION_LOST";
            case TOKEN_SOURCE_FAILED -> "TOKEN_SOURCE_FAILED";
            case REPLACED -> "REPLACED";
            case TAKEN_OVER -> "TAKEN_OVER";
            case GROUP_DELETED -> "GROUP_DELETED";
            default -> code < FIRST_CLOSE_CODE ? ErrorCode.nameOf(code) : CloseCode.nameOf(code);
        };
    }
}
