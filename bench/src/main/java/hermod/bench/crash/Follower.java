package hermod.bench.crash;

/** A client that follows all topics, over as many connections as it takes. */
interface Follower extends AutoCloseable {
    /** Whether it follows them now for the first time, so that all that is published from here on is owed to it. */
    boolean isFollowing();

    /** The offset up to which it has all of a topic. */
    long cursor(int topic);

    ClientLog log();

    @Override
    void close();
}
