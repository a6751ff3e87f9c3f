package hermod.broker.transport;

import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import java.util.List;

/** Lets the bench's stress tests at {@link Admission}: a shard's, over counts that the other shard's door shares. It holds nothing of its own. */
public final class AdmissionDoor {
    private static final Metrics METRICS = new Metrics(List.of(), 2, MetricsConfig.defaults());

    private final Admission.Counts counts;
    private final Admission admission;

    private AdmissionDoor(Admission.Counts counts, int shard) {
        this.counts = counts;
        admission = new Admission(counts, METRICS.shard(shard));
    }

    /** @param limit of connections; those without a token have none of their own. @return one for each of two shards. */
    public static AdmissionDoor[] pair(int limit) {
        Admission.Counts counts = new Admission.Counts(limit, Integer.MAX_VALUE);
        return new AdmissionDoor[] {new AdmissionDoor(counts, 0), new AdmissionDoor(counts, 1)};
    }

    /** A socket comes; it is welcomed, or closed at once. The shard's thread. @return whether it was welcomed. */
    public boolean accept() {
        if (admission.onAccepted() == null) {
            admission.onWelcomed();
            return true;
        }
        admission.onClosed(false);
        return false;
    }

    /** A welcomed one closes. The shard's thread. */
    public void close() {
        admission.onClosed(true);
    }

    /** Any thread. */
    public int connections() {
        return counts.connections.get();
    }

    /** Any thread. */
    public int unauthenticated() {
        return counts.unauthenticated.get();
    }
}
