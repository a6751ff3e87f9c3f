package hermod.broker.outbox;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/** Used links of one shard's outboxes, to be used again: in the steady state none is allocated. Bounded; more are left to the collector. */
@RunsOn(Owner.SHARD)
public final class RunPool {
    private static final int KEEP_COUNT = 65_536;

    private @Nullable QueuedRun free;
    private int freeCount;

    QueuedRun take() {
        QueuedRun run = free;
        if (run == null) {
            return new QueuedRun();
        }
        free = run.next;
        freeCount--;
        run.next = null;
        return run;
    }

    void giveBack(QueuedRun run) {
        run.feed = null;
        run.memory = Unpooled.EMPTY_BUFFER;
        if (freeCount < KEEP_COUNT) {
            run.next = free;
            free = run;
            freeCount++;
        }
    }
}
