package hermod.broker.outbox;

import hermod.broker.shard.RunsOn;
import java.util.ArrayList;

/** The outboxes of one shard that have something new, each once, to be flushed at the end of the turn. */
@RunsOn(RunsOn.Owner.SHARD)
public final class FlushList {
    private final ArrayList<Outbox> dirty = new ArrayList<>();

    public void add(Outbox outbox) {
        if (outbox.markDirty()) {
            dirty.add(outbox);
        }
    }

    public boolean isEmpty() {
        return dirty.isEmpty();
    }

    /** Flushes all of them, also those that are added meanwhile. */
    public void flushAll() {
        for (int i = 0; i < dirty.size(); i++) {
            dirty.get(i).flush();
        }
        dirty.clear();
    }
}
