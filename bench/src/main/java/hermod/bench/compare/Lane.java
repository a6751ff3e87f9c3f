package hermod.bench.compare;

/** What a lane is, by its name as in {@code peers.sh}. Stateless, any thread. */
final class Lane {
    static final String C_RELAY = "relay";
    static final String NETTY_RELAY = "netty";
    static final String NATS = "nats";
    static final String REDIS = "redis";

    private Lane() {}

    static boolean isHermod(String lane) {
        return lane.equals("hermod") || lane.startsWith("hermod-");
    }

    /** A broker of somebody else: neither Hermod nor one of the relays that are the floor. */
    static boolean isPeer(String lane) {
        return !isHermod(lane) && !lane.startsWith("relay") && !lane.startsWith("netty");
    }
}
