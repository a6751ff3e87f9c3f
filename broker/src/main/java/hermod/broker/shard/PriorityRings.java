package hermod.broker.shard;

import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.ToIntFunction;
import org.agrona.BufferUtil;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.AtomicBuffer;
import org.agrona.concurrent.MessageHandler;
import org.agrona.concurrent.UnsafeBuffer;
import org.agrona.concurrent.ringbuffer.ManyToOneRingBuffer;
import org.agrona.concurrent.ringbuffer.RingBufferDescriptor;
import org.jspecify.annotations.Nullable;

/**
 * Stage 3 of 7: the bounded lock-free rings of one shard, one per priority. From any shard's {@code dispatch}; on to the receiving shard's
 * {@link RingHandler}.
 *
 * <p>{@link #offer} may be called from any thread and never waits; {@link #drain} by the owning shard only; a journal has rings of its own. A record is at most an eighth of a ring (Agrona's rule).
 */
public final class PriorityRings {
    /** Records of one lane in a row before the higher lanes are looked at again. */
    private static final int BATCH_COUNT = 64;

    private final ManyToOneRingBuffer[] rings = new ManyToOneRingBuffer[Priority.COUNT];

    /** The same memory as the rings', as Netty buffers, for the reading shard only: a Netty buffer may keep a position of its own even for absolute copies. */
    private final ByteBuf[] memory = new ByteBuf[Priority.COUNT];

    /** Made once: a handler made per call would be garbage on the hot path. */
    private final MessageHandler[] readers = new MessageHandler[Priority.COUNT];

    private final int recordBytesMax;
    private @Nullable RingHandler reading;

    /** @param capacityBytes of each ring, a power of two. */
    public PriorityRings(int capacityBytes) {
        this(lane -> capacityBytes);
    }

    /**
     * Rings of different sizes, for who uses some lanes only.
     *
     * @param capacityBytes of each lane's ring, a power of two; {@link #recordBytesMax} is that of the smallest.
     */
    public PriorityRings(ToIntFunction<Priority> capacityBytes) {
        for (int lane = 0; lane < rings.length; lane++) {
            int ringBytes = capacityBytes.applyAsInt(Priority.ofCode(lane));
            ByteBuffer bytes = BufferUtil.allocateDirectAligned(ringBytes + RingBufferDescriptor.TRAILER_LENGTH, 64)
                    .order(ByteOrder.LITTLE_ENDIAN);
            rings[lane] = new ManyToOneRingBuffer(new UnsafeBuffer(bytes));
            ByteBuf in = Unpooled.wrappedBuffer(bytes);
            memory[lane] = in;
            readers[lane] = (type, buffer, index, length) -> handOn(type, in, index, length);
        }
        recordBytesMax = Arrays.stream(rings)
                .mapToInt(ManyToOneRingBuffer::maxMsgLength)
                .min()
                .orElseThrow();
    }

    /** Largest record in bytes. */
    public int recordBytesMax() {
        return recordBytesMax;
    }

    /**
     * Copies a record into a lane's ring.
     *
     * @param record borrowed.
     * @param recordType above 0.
     * @param bytes at most {@link #recordBytesMax}.
     * @return false when the ring is full: nothing was written.
     */
    public boolean offer(Priority lane, int recordType, ByteBuf record, int at, int bytes) {
        ManyToOneRingBuffer ring = rings[lane.code()];
        int index = ring.tryClaim(recordType, bytes);
        if (index < 0) {
            return false;
        }
        try {
            put(ring.buffer(), index, record, at, bytes);
        } catch (RuntimeException defect) {
            ring.abort(index);
            throw defect;
        }
        ring.commit(index);
        return true;
    }

    /** Through Agrona's buffer, which several producers may write at once. */
    private static void put(AtomicBuffer ring, int index, ByteBuf record, int at, int bytes) {
        if (record.hasArray()) {
            ring.putBytes(index, record.array(), record.arrayOffset() + at, bytes);
        } else {
            ring.putBytes(index, record.nioBuffer(at, bytes), bytes);
        }
    }

    /**
     * Hands records to the handler, highest lane first, and looks at the higher lanes again after each batch of a lower one.
     *
     * @param limitCount records at most.
     * @return records handed on.
     */
    public int drain(RingHandler handler, int limitCount) {
        reading = handler;
        int drained = 0;
        int lane = Priority.COUNT - 1;
        while (lane >= 0 && drained < limitCount) {
            int read = read(lane, Math.min(BATCH_COUNT, limitCount - drained));
            drained += read;
            // Only an empty ring lets a lower lane have its turn; work found low sends us back to the top.
            lane = read == 0 ? lane - 1 : Priority.COUNT - 1;
        }
        return drained;
    }

    private void handOn(int type, ByteBuf in, int index, int length) {
        RingHandler handler = reading;
        if (handler != null) {
            handler.onRecord(type, in, index, length);
        }
    }

    private int read(int lane, int limitCount) {
        ManyToOneRingBuffer ring = rings[lane];
        int read;
        do {
            // read() stops at a padding record at the ring's end and may return 0 although records follow.
            read = ring.read(readers[lane], limitCount);
        } while (read == 0 && ring.consumerPosition() != ring.producerPosition() && isCommitted(ring));
        return read;
    }

    /** Whether the record at the consumer's position is complete; a producer may be in the middle of writing it. */
    private static boolean isCommitted(ManyToOneRingBuffer ring) {
        MutableDirectBuffer buffer = ring.buffer();
        int index = (int) ring.consumerPosition() & (ring.capacity() - 1);
        return ((UnsafeBuffer) buffer).getIntVolatile(index) > 0;
    }

    public boolean isEmpty() {
        for (ManyToOneRingBuffer ring : rings) {
            if (ring.size() > 0) {
                return false;
            }
        }
        return true;
    }

    /** Bytes waiting in a lane's ring; any thread, approximate. */
    public long queuedBytes(Priority lane) {
        return rings[lane.code()].size();
    }
}
