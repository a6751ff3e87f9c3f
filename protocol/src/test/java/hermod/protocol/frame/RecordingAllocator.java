package hermod.protocol.frame;

import io.netty.buffer.AbstractByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledDirectByteBuf;
import io.netty.buffer.UnpooledHeapByteBuf;
import java.util.ArrayList;
import java.util.List;

/** Remembers every buffer it gave out, so that a test can ask for what was not released. */
public final class RecordingAllocator extends AbstractByteBufAllocator {
    private final List<ByteBuf> given = new ArrayList<>();

    @Override
    protected ByteBuf newHeapBuffer(int initialCapacity, int maxCapacity) {
        return recorded(new UnpooledHeapByteBuf(this, initialCapacity, maxCapacity));
    }

    @Override
    protected ByteBuf newDirectBuffer(int initialCapacity, int maxCapacity) {
        return recorded(new UnpooledDirectByteBuf(this, initialCapacity, maxCapacity));
    }

    @Override
    public boolean isDirectBufferPooled() {
        return false;
    }

    public int givenCount() {
        return given.size();
    }

    public long unreleasedCount() {
        return given.stream().filter(buffer -> buffer.refCnt() != 0).count();
    }

    /** Bytes of all buffers that are not released. */
    public long heldBytes() {
        return given.stream()
                .filter(buffer -> buffer.refCnt() != 0)
                .mapToLong(ByteBuf::capacity)
                .sum();
    }

    private ByteBuf recorded(ByteBuf buffer) {
        given.add(buffer);
        return buffer;
    }
}
