package hermod.broker.outbox;

import hermod.broker.shard.RunsOn;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/** The outboxes of one shard that have something new, each once, to be flushed at the end of the turn. */
@RunsOn(RunsOn.Owner.SHARD)
public final class FlushList {
    private final ArrayDeque<Outbox> dirty = new ArrayDeque<>();

    public void add(Outbox outbox) {
        if (outbox.markDirty()) {
            dirty.addLast(outbox);
        }
    }

    public boolean isEmpty() {
        return dirty.isEmpty();
    }

    /** Flushes all of them, also those that are added meanwhile. One that fails is off the list; the others stay for the next call. */
    public void flushAll() {
        @Nullable Outbox next;
        while ((next = dirty.pollFirst()) != null) {
            next.flush();
        }
    }
}
