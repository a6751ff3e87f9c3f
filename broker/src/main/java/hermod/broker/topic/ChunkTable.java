package hermod.broker.topic;

import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * From a number to a chunk of one home shard: how a run names its chunk in a ring, which carries bytes and no references.
 *
 * <p>Written by the home shard, read by any; a reader holds a reference to the chunk's memory through the run, so the slot can't change under it.
 */
public final class ChunkTable {
    private static final int SEGMENT_BITS = 12;
    private static final int SEGMENT_MASK = (1 << SEGMENT_BITS) - 1;
    private static final int SEGMENT_COUNT = 1 << 10;

    /** Chunks of one home shard at most. */
    static final int CAPACITY = SEGMENT_COUNT << SEGMENT_BITS;

    private final AtomicReferenceArray<AtomicReferenceArray<Chunk>> segments =
            new AtomicReferenceArray<>(SEGMENT_COUNT);

    /** Any thread. */
    public @Nullable Chunk of(int slot) {
        AtomicReferenceArray<Chunk> segment = segments.get(slot >>> SEGMENT_BITS);
        return segment == null ? null : segment.get(slot & SEGMENT_MASK);
    }

    /** The home shard only. */
    void set(int slot, @Nullable Chunk chunk) {
        int at = slot >>> SEGMENT_BITS;
        AtomicReferenceArray<Chunk> segment = segments.get(at);
        if (segment == null) {
            segment = new AtomicReferenceArray<>(1 << SEGMENT_BITS);
            segments.set(at, segment);
        }
        segment.set(slot & SEGMENT_MASK, chunk);
    }
}
