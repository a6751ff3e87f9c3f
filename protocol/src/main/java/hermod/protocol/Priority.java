package hermod.protocol;

import java.util.Locale;
import java.util.Optional;

/** How urgent an event is, lowest first; the ordinal is its code on the wire (two bits of the flags). */
public enum Priority {
    LOW,
    NORMAL,
    HIGH,
    URGENT;

    private static final Priority[] BY_CODE = values();

    /** Number of priorities, and of lanes. */
    public static final int COUNT = BY_CODE.length;

    /** @param code as on the wire; only its lowest two bits count. */
    public static Priority ofCode(int code) {
        return BY_CODE[code & 3];
    }

    public int code() {
        return ordinal();
    }

    /** Reads a name as people write it, in any case; {@code max} is another word for URGENT. Empty for any other word. */
    public static Optional<Priority> parse(String name) {
        String upper = name.toUpperCase(Locale.ROOT);
        if (upper.equals("MAX")) {
            return Optional.of(URGENT);
        }
        for (Priority priority : BY_CODE) {
            if (priority.name().equals(upper)) {
                return Optional.of(priority);
            }
        }
        return Optional.empty();
    }
}
