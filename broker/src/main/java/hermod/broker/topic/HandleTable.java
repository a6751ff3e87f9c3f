package hermod.broker.topic;

import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * From a handle to its topic, for every shard.
 *
 * <pre>
 *  31        22 21                      0
 *  +-----------+------------------------+
 *  | generation|         index          |      index % shards = home shard
 *  +-----------+------------------------+
 * </pre>
 *
 * <p>A handle is an index with a generation, 1–1023, so that a handle of a topic that is gone does not name the next one in its place. Each home shard hands out the
 * indices that are its own modulo the shard count, so no two threads write one slot. Slots come in segments that are made as they are needed.
 */
public final class HandleTable {
    private static final int INDEX_BITS = 22;
    private static final int INDEX_MASK = (1 << INDEX_BITS) - 1;
    private static final int GENERATION_MAX = (1 << (32 - INDEX_BITS)) - 1;
    private static final int SEGMENT_BITS = 12;
    private static final int SEGMENT_MASK = (1 << SEGMENT_BITS) - 1;

    private final AtomicReferenceArray<AtomicReferenceArray<Topic>> segments =
            new AtomicReferenceArray<>(1 << (INDEX_BITS - SEGMENT_BITS));

    /** Topics that can exist at once. */
    public static int capacity() {
        return INDEX_MASK;
    }

    /** Makes a handle. */
    static int handle(int index, int generation) {
        return generation << INDEX_BITS | index;
    }

    static int index(int handle) {
        return handle & INDEX_MASK;
    }

    static int generation(int handle) {
        return handle >>> INDEX_BITS;
    }

    static int nextGeneration(int generation) {
        return generation == GENERATION_MAX ? 1 : generation + 1;
    }

    /** Any thread. @return null when the topic is gone or never was. */
    public @Nullable Topic of(int handle) {
        int index = index(handle);
        AtomicReferenceArray<Topic> segment = segments.get(index >>> SEGMENT_BITS);
        Topic topic = segment == null ? null : segment.get(index & SEGMENT_MASK);
        return topic != null && topic.handle() == handle ? topic : null;
    }

    /** The topic's home shard only. */
    void put(Topic topic) {
        int index = index(topic.handle());
        segment(index >>> SEGMENT_BITS).set(index & SEGMENT_MASK, topic);
    }

    /** The topic's home shard only. */
    void remove(Topic topic) {
        int index = index(topic.handle());
        segment(index >>> SEGMENT_BITS).set(index & SEGMENT_MASK, null);
    }

    private AtomicReferenceArray<Topic> segment(int at) {
        AtomicReferenceArray<Topic> segment = segments.get(at);
        if (segment == null) {
            segments.compareAndSet(at, null, new AtomicReferenceArray<>(1 << SEGMENT_BITS));
            segment = segments.get(at);
        }
        return segment;
    }
}
