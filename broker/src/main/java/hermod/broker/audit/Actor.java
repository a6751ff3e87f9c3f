package hermod.broker.audit;

import java.util.Locale;

/** What kind of somebody did it; the ordinal is stored. */
public enum Actor {
    /** The broker by itself. */
    BROKER,
    /** Somebody at the operators' port, which has no login: a name is what they called themselves. */
    OPERATOR,
    /** A client with a token. */
    USER;

    static final Actor[] ALL = values();

    /** The name people see. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
