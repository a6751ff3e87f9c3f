package hermod.broker.group;

import java.util.Locale;

/** Who gets a group's events. */
public enum Mode {
    /** Each goes to one of the members. */
    SHARED(1),
    /** One member at a time gets all. */
    OBSERVER(2);

    private final int code;

    Mode(int code) {
        this.code = code;
    }

    /** In what is stored. */
    int code() {
        return code;
    }

    /** @throws IllegalArgumentException for a code that is none. */
    static Mode of(int code) {
        for (Mode mode : values()) {
            if (mode.code == code) {
                return mode;
            }
        }
        throw new IllegalArgumentException("no mode: code=" + code);
    }

    /** For operators. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
