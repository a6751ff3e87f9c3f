package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The full chunks of one topic that can still be read, oldest first. The chunk being written is not among them. */
@RunsOn(Owner.SHARD)
final class ReplayWindow {
    private static final Chunk[] NONE = {};

    private @Nullable Chunk[] ring = NONE;
    private int head;
    private int count;
    private long bytes;
    private long eventCount;

    boolean isEmpty() {
        return count == 0;
    }

    /** Bytes of memory the chunks take. */
    long bytes() {
        return bytes;
    }

    long eventCount() {
        return eventCount;
    }

    void add(Chunk newest) {
        if (count == ring.length) {
            grow();
        }
        ring[head + count++ & ring.length - 1] = newest;
        bytes += newest.capacityBytes();
        eventCount += newest.count;
    }

    private void grow() {
        @Nullable Chunk[] larger = Arrays.copyOf(NONE, Math.max(2, ring.length * 2), Chunk[].class);
        for (int i = 0; i < count; i++) {
            larger[i] = at(i);
        }
        ring = larger;
        head = 0;
    }

    Chunk oldest() {
        return at(0);
    }

    Chunk removeOldest() {
        Chunk oldest = at(0);
        ring[head] = null;
        head = head + 1 & ring.length - 1;
        count--;
        bytes -= oldest.capacityBytes();
        eventCount -= oldest.count;
        return oldest;
    }

    /** The chunk that holds an offset, or the first one behind it; null when all lie before it. */
    @Nullable
    Chunk from(long offset) {
        int low = 0;
        int high = count;
        while (low < high) {
            int middle = low + high >>> 1;
            Chunk chunk = at(middle);
            if (chunk.firstOffset + chunk.count <= offset) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low == count ? null : at(low);
    }

    private Chunk at(int index) {
        Chunk chunk = ring[head + index & ring.length - 1];
        if (chunk == null) {
            throw new IllegalStateException("no chunk at " + index + " of " + count);
        }
        return chunk;
    }
}
