package hermod.client;

import org.jspecify.annotations.Nullable;

/** Hears of every change of a client's state, in order, on the runtime's completion thread. */
@FunctionalInterface
public interface ConnectionStateListener {
    /** @param cause why, where there is a reason beyond the application's own call. */
    void onStateChange(ConnectionState from, ConnectionState to, @Nullable HermodException cause);
}
