package hermod.bench.crash;

import java.util.List;

/** A client that follows all topics, over as many connections as it takes. */
interface Follower extends AutoCloseable {
    /** Whether it follows them now for the first time, so that all that is published from here on is owed to it. */
    boolean isFollowing();

    /** The offset up to which it has all of a topic. */
    long cursor(int topic);

    /** What the broker did that no broker may; each fails the run. */
    default List<String> troubles() {
        return List.of();
    }

    ClientLog log();

    @Override
    void close();
}
