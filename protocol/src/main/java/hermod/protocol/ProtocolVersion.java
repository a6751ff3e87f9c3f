package hermod.protocol;

/** The protocol versions this code speaks. */
public final class ProtocolVersion {
    public static final int LOWEST = 1;
    public static final int HIGHEST = 1;

    private ProtocolVersion() {}

    /** The highest version both ends speak, or 0 if there is none. The peer's are u32, as protobuf hands them over. */
    public static int choose(int peerLowest, int peerHighest) {
        int chosen = Integer.compareUnsigned(HIGHEST, peerHighest) <= 0 ? HIGHEST : peerHighest;
        boolean isCommon = chosen >= LOWEST && Integer.compareUnsigned(chosen, peerLowest) >= 0;
        return isCommon ? chosen : 0;
    }
}
