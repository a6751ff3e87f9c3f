package hermod.broker.session;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.concurrent.TimeUnit;

/** A client's goodbye, behind which nothing more is taken from it; what it has published is answered first, for a while. */
@RunsOn(Owner.SHARD)
final class Goodbye {
    private final long limitNs;
    private boolean isSaid;
    private long saidNs;

    /** @param limitMs how long outcomes are waited for. */
    Goodbye(int limitMs) {
        this.limitNs = TimeUnit.MILLISECONDS.toNanos(limitMs);
    }

    /** @return whether there is any time to wait. */
    boolean say(long nowNs) {
        isSaid = limitNs > 0;
        saidNs = nowNs;
        return isSaid;
    }

    boolean isSaid() {
        return isSaid;
    }

    /** Whether what is not answered by now is not waited for any longer. */
    boolean isOver(long nowNs) {
        return isSaid && nowNs - saidNs > limitNs;
    }
}
