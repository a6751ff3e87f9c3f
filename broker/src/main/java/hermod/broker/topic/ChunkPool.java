package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.util.ArrayDeque;
import org.agrona.collections.IntArrayList;

/**
 * The chunks of one home shard: hands them out, and takes them back once no run and no outbox refers to them.
 *
 * <p>A retired chunk stays here until only the home's reference is left; then it is handed out again. So a flooded topic goes round in a few chunks and nothing is allocated. Sizes are powers of two from {@link
 * #SMALLEST_BYTES} to the configured chunk size; a larger event gets a chunk of its own, which is freed rather than kept.
 */
@RunsOn(Owner.SHARD)
public final class ChunkPool {
    /** A quiet topic costs this much. */
    static final int SMALLEST_BYTES = 1024;

    /** Chunks looked at per request: the ones a slow subscriber holds must not make each request a scan. */
    private static final int LOOK_COUNT = 4;

    /** Idle chunks kept per size; more are given back to the allocator. */
    private static final int KEEP_COUNT = 64;

    private final ByteBufAllocator allocator;
    private final ChunkTable table;
    private final int chunkBytes;
    private final ArrayDeque<Chunk>[] retired;
    private final ArrayDeque<Chunk> oversized = new ArrayDeque<>();
    private final IntArrayList freeSlots = new IntArrayList();
    private int slotCount;
    private long allocatedBytes;

    /** @param chunkBytes largest regular size, a power of two. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    public ChunkPool(ByteBufAllocator allocator, ChunkTable table, int chunkBytes) {
        this.allocator = allocator;
        this.table = table;
        this.chunkBytes = Math.max(SMALLEST_BYTES, chunkBytes);
        retired = new ArrayDeque[sizeClass(this.chunkBytes) + 1];
        for (int i = 0; i < retired.length; i++) {
            retired[i] = new ArrayDeque<>();
        }
    }

    /** Memory taken from the allocator and not given back, in bytes. */
    public long allocatedBytes() {
        return allocatedBytes;
    }

    /**
     * A chunk with room for at least {@code neededBytes}.
     *
     * @param wantedBytes what the topic would like, between the smallest and the configured size; 0 for a first one.
     * @return with one reference, given to the caller, who gives it back with {@link #retire}.
     */
    Chunk take(int neededBytes, int wantedBytes) {
        // A power of two also after a chunk of an odd size, made for one large event.
        int wanted = Math.min(chunkBytes, Integer.highestOneBit(Math.max(SMALLEST_BYTES, wantedBytes)));
        while (wanted < neededBytes) {
            wanted *= 2;
        }
        if (wanted > chunkBytes) {
            return allocate(neededBytes);
        }
        ArrayDeque<Chunk> candidates = retired[sizeClass(wanted)];
        Chunk newest = candidates.peekLast();
        if (newest != null && newest.isOnlyHomes()) {
            // Its bytes are still in the processor's cache.
            candidates.removeLast();
            newest.rewind();
            return newest;
        }
        for (int i = Math.min(LOOK_COUNT, candidates.size()); i > 0; i--) {
            Chunk chunk = candidates.removeFirst();
            if (chunk.isOnlyHomes()) {
                chunk.rewind();
                return chunk;
            }
            candidates.addLast(chunk);
        }
        return allocate(wanted);
    }

    private Chunk allocate(int bytes) {
        if (freeSlots.isEmpty() && slotCount == ChunkTable.CAPACITY) {
            throw new IllegalStateException("chunk table full: chunks=" + ChunkTable.CAPACITY);
        }
        ByteBuf memory = allocator.directBuffer(bytes, bytes);
        int slot = freeSlots.isEmpty() ? slotCount++ : freeSlots.popInt();
        Chunk chunk = new Chunk(memory, slot);
        chunk.memory.writerIndex(bytes);
        table.set(slot, chunk);
        allocatedBytes += bytes;
        return chunk;
    }

    /** Takes a chunk back that its topic writes no more; subscribers may still be reading it. */
    void retire(Chunk chunk) {
        int bytes = chunk.memory.capacity();
        if (bytes > chunkBytes || Integer.bitCount(bytes) != 1) {
            oversized.addLast(chunk);
        } else {
            retired[sizeClass(bytes)].addLast(chunk);
        }
    }

    /** Gives memory back that nobody refers to and that is more than the pool keeps; called on the shard's tick. */
    public void trim() {
        freeUnused(oversized, 0);
        for (ArrayDeque<Chunk> chunks : retired) {
            if (chunks.size() > KEEP_COUNT) {
                freeUnused(chunks, KEEP_COUNT);
            }
        }
    }

    private void freeUnused(ArrayDeque<Chunk> chunks, int keepCount) {
        for (int i = chunks.size(); i > 0 && chunks.size() > keepCount; i--) {
            Chunk chunk = chunks.removeFirst();
            if (chunk.isOnlyHomes()) {
                free(chunk);
            } else {
                chunks.addLast(chunk);
            }
        }
    }

    private void free(Chunk chunk) {
        table.set(chunk.slot(), null);
        freeSlots.addInt(chunk.slot());
        allocatedBytes -= chunk.memory.capacity();
        chunk.memory.release();
    }

    /** Gives everything back at the broker's end; what others still hold is freed when they let go, and found in the table until then. */
    public void close() {
        giveBack(oversized);
        for (ArrayDeque<Chunk> chunks : retired) {
            giveBack(chunks);
        }
    }

    private void giveBack(ArrayDeque<Chunk> chunks) {
        for (Chunk chunk : chunks) {
            allocatedBytes -= chunk.memory.capacity();
            chunk.memory.release();
        }
        chunks.clear();
    }

    private static int sizeClass(int bytes) {
        return 31 - Integer.numberOfLeadingZeros(bytes / SMALLEST_BYTES);
    }
}
