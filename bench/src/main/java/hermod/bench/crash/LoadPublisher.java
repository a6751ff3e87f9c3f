package hermod.bench.crash;

import java.util.List;

/** A client that publishes. {@link #publish} is for one thread. */
interface LoadPublisher extends AutoCloseable {
    /**
     * Publishes the next events of a topic, and goes on until each has an outcome, over as many connections as it takes.
     *
     * @param topic its index.
     * @param count of events.
     * @return false, and nothing is published, where as much as may is without an outcome.
     */
    boolean publish(int topic, int count, int payloadBytes);

    /** Published and without an outcome. */
    int unanswered();

    /** What the broker did that no broker may; each fails the run. */
    default List<String> troubles() {
        return List.of();
    }

    ClientLog log();

    @Override
    void close();
}
