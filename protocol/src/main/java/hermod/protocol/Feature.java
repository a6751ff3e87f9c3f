package hermod.protocol;

/** A part of the protocol that both ends must agree on in HELLO and WELCOME before either uses it. */
public enum Feature {
    LZ4(0),
    CREDIT(1),
    RESUME(2),
    GAP(3),
    FILTER(4),
    ACK(5),
    HISTORY(6),
    SCHEDULE(7),
    STATE(8),
    GROUP(9);

    private final int position;

    /** @param position of its bit. */
    Feature(int position) {
        this.position = position;
    }

    /** The feature's bit in the feature masks. */
    public long bit() {
        return 1L << position;
    }

    public boolean isIn(long mask) {
        return (mask & bit()) != 0;
    }
}
