package hermod.protocol;

/** A part of the protocol that both ends must agree on in HELLO and WELCOME before either uses it. */
public enum Feature {
    LZ4,
    CREDIT,
    RESUME,
    GAP,
    FILTER;

    /** The feature's bit in the feature masks. */
    public long bit() {
        return 1L << ordinal();
    }

    public boolean isIn(long mask) {
        return (mask & bit()) != 0;
    }
}
