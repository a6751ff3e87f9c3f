package hermod.protocol;

/** The protocol versions this code speaks. */
public final class ProtocolVersion {
    public static final int LOWEST = 1;
    public static final int HIGHEST = 1;

    private ProtocolVersion() {}

    /** The highest version both ends speak, or 0 if there is none. */
    public static int choose(int peerLowest, int peerHighest) {
        int chosen = Math.min(HIGHEST, peerHighest);
        return chosen >= LOWEST && chosen >= peerLowest && peerLowest <= peerHighest ? chosen : 0;
    }
}
