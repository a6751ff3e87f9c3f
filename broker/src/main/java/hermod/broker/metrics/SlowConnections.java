package hermod.broker.metrics;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The slowest consumers, worst first: parked, quarantined, conflating, then healthy ones that wait for something; on one rung those that are owed most.
 *
 * <p>Keeps a bounded number of those it is given and counts the others. For one thread.
 */
public final class SlowConnections {
    /** How many are named. */
    public static final int NAMED_MAX = 20;

    private static final List<String> RUNGS = List.of("parked", "quarantined", "conflating", "healthy");
    private static final Comparator<ConnectionStats> WORST_FIRST = Comparator.<ConnectionStats>comparingInt(
                    each -> RUNGS.indexOf(each.slow().rung()))
            .thenComparing(Comparator.<ConnectionStats>comparingLong(ConnectionStats::outboxBytes)
                    .reversed())
            .thenComparing(Comparator.<ConnectionStats>comparingLong(
                            each -> each.slow().sinceUs())
                    .reversed());

    private final List<ConnectionStats> worst = new ArrayList<>(NAMED_MAX + 1);
    private long total;

    /** Notes a connection; one that is healthy and waits for nothing is left out. */
    public void add(ConnectionStats connection) {
        if (!connection.slow().isSlow()) {
            return;
        }
        total++;
        int at = worst.size();
        while (at > 0 && WORST_FIRST.compare(connection, worst.get(at - 1)) < 0) {
            at--;
        }
        if (at == NAMED_MAX) {
            return;
        }
        worst.add(at, connection);
        if (worst.size() > NAMED_MAX) {
            worst.remove(NAMED_MAX);
        }
    }

    /** Slow ones there are, named or not. */
    public long total() {
        return total;
    }

    /** At most {@value #NAMED_MAX}, worst first. */
    public List<ConnectionStats> worst() {
        return List.copyOf(worst);
    }
}
