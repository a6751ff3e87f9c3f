package hermod.broker.admission;

import java.util.function.Consumer;

/** Finds out who a token stands for. Any thread may ask. */
public interface Authenticator extends AutoCloseable {
    /**
     * Checks a token. Never waits: the work is done on the authenticator's own thread, and when too much of it waits the answer is OVERLOADED at once.
     *
     * @param token as the client sent it; empty for none.
     * @param callback called exactly once, on the authenticator's thread or inline before this returns. It must not wait.
     */
    void authenticate(String token, Consumer<Verdict> callback);

    /** Stops the thread; what still waits is refused. */
    @Override
    void close();
}
