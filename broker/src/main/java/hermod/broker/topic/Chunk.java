package hermod.broker.topic;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;

/**
 * A piece of memory that holds EVENT frames of one topic, one after the other, as every subscriber is sent them.
 *
 * <p>The home shard writes behind {@code tail}; other shards read what lies before it, after a run told them so through a ring. The home holds one reference of {@link #memory}, each run on its way and each outbox
 * another; when only the home's is left, {@link ChunkPool} may use the memory again.
 */
public final class Chunk {
    final ByteBuf memory;

    /** The same bytes, for the home shard to write. */
    final UnsafeBuffer buffer = new UnsafeBuffer(0, 0);

    private final int slot;
    private @Nullable ByteBuffer nio;
    private int tail;

    /** Offset of the first event in it; the home's, like all below. */
    long firstOffset;

    /** Events in it. */
    int count;

    /** When it was full, on the monotonic clock. */
    long filledNs;

    /** Whose replay window it is in; null when in none. {@link ReplayBudget} keeps the two links. */
    @Nullable
    TopicLog windowOf;

    @Nullable
    Chunk older;

    @Nullable
    Chunk newer;

    Chunk(ByteBuf memory, int slot) {
        this.memory = memory;
        this.slot = slot;
        BufferView.lay(buffer, memory, 0, memory.capacity());
    }

    /** Number under which {@link ChunkTable} has it. */
    public int slot() {
        return slot;
    }

    /** The same bytes once more, made when first asked for; the home shard's, whose position and limit nobody moves. */
    ByteBuffer nio() {
        ByteBuffer view = nio;
        if (view == null) {
            view = memory.nioBuffer(0, memory.capacity());
            nio = view;
        }
        return view;
    }

    /** The frames' bytes; retained by whoever keeps it beyond a call. */
    public ByteBuf memory() {
        return memory;
    }

    /** Index of the first free byte. */
    int tail() {
        return tail;
    }

    int freeBytes() {
        return buffer.capacity() - tail;
    }

    void advance(int bytes) {
        tail += bytes;
        count++;
        assert tail <= buffer.capacity();
    }

    /** It was written all at once. */
    void fill(int bytes, int events) {
        tail = bytes;
        count = events;
    }

    /** To be written from the start again. */
    void rewind() {
        tail = 0;
        count = 0;
    }

    int capacityBytes() {
        return buffer.capacity();
    }

    boolean isOnlyHomes() {
        return memory.refCnt() == 1;
    }
}
