package hermod.broker.transport;

import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.protocol.CloseCode;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Counts sockets, all and those without a checked token, and says when there are as many as may be. One per shard over counts that all shards share. */
final class Admission {
    /** The counts of all shards; any thread. */
    static final class Counts {
        final AtomicInteger connections = new AtomicInteger();
        final AtomicInteger unauthenticated = new AtomicInteger();
        final int connectionsLimitCount;
        final int unauthenticatedLimitCount;

        Counts(int connectionsLimitCount, int unauthenticatedLimitCount) {
            this.connectionsLimitCount = connectionsLimitCount;
            this.unauthenticatedLimitCount = unauthenticatedLimitCount;
        }
    }

    private final Counts counts;
    private final ShardMetrics metrics;

    Admission(Counts counts, ShardMetrics metrics) {
        this.counts = counts;
        this.metrics = metrics;
    }

    /** A socket was accepted. @return why it must go at once, or null; it is counted until {@link #onClosed} either way. */
    @Nullable
    CloseCode onAccepted() {
        metrics.add(Counter.CONNECTIONS_ACCEPTED, 1);
        boolean isFull = counts.connections.incrementAndGet() > counts.connectionsLimitCount;
        boolean isCrowded = counts.unauthenticated.incrementAndGet() > counts.unauthenticatedLimitCount;
        return isFull || isCrowded ? CloseCode.OVERLOADED : null;
    }

    void onWelcomed() {
        counts.unauthenticated.decrementAndGet();
    }

    void onClosed(boolean wasWelcomed) {
        counts.connections.decrementAndGet();
        if (!wasWelcomed) {
            counts.unauthenticated.decrementAndGet();
        }
    }
}
