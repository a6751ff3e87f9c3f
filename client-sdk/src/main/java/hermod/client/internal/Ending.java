package hermod.client.internal;

import hermod.client.HermodException;
import hermod.protocol.CloseCode;
import hermod.protocol.control.wire.Close;
import java.util.List;

/**
 * Why a connection ended and what the broker advised. Immutable.
 *
 * @param retryAfterMs 0 for no advice.
 * @param endpoints where to go instead; empty for no advice.
 */
record Ending(HermodException why, long retryAfterMs, List<String> endpoints) {
    private static final int FIRST_CLOSE_CODE = 3_000;
    private static final int FIRST_LOCAL_CODE = 4_000;

    static Ending of(Close close) {
        long retryAfterMs = Integer.toUnsignedLong(close.getRetryAfterMs());
        HermodException why = new HermodException(close.getCode(), close.getMessage(), retryAfterMs, null);
        return new Ending(why, retryAfterMs, close.getEndpointsList());
    }

    static Ending lost(String what, Throwable cause) {
        return of(new HermodException(HermodException.CONNECTION_LOST, what + ": " + cause, 0, cause));
    }

    static Ending lost(String what) {
        return of(new HermodException(HermodException.CONNECTION_LOST, what));
    }

    static Ending of(HermodException why) {
        return new Ending(why, 0, List.of());
    }

    /** Whether the broker forbids to come back. Defects this client found in the broker's bytes do not count: the next broker may be right. */
    boolean isFinal() {
        return isVerdict() && !CloseCode.mayReconnect(why.code());
    }

    boolean needsNewToken() {
        return isVerdict() && CloseCode.needsNewToken(why.code());
    }

    private boolean isVerdict() {
        return why.code() >= FIRST_CLOSE_CODE && why.code() < FIRST_LOCAL_CODE;
    }
}
