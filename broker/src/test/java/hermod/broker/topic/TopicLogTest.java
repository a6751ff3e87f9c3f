package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.broker.LeakCheck;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@ExtendWith(LeakCheck.class)
class TopicLogTest {
    /** Frame bytes of an event without fields and payload, from "alice": 40 fixed, 3 + 5 for the source. */
    private static final int BARE_BYTES = 48;

    /** A run as the sink was handed it. */
    private record Handed(int slot, int from, int to, int count, long firstOffset, boolean hasExclusions) {}

    private final ChunkTable table = new ChunkTable();
    private final FailingAllocator allocator = new FailingAllocator();
    private final ChunkPool chunks = new ChunkPool(allocator, table, 4_096);
    private final TopicLog log = new TopicLog(TopicFixture.topic(5), chunks, TopicFixture.replay(), 2, 0);
    private final List<Handed> handed = new ArrayList<>();
    private Chunk last;

    /** Fails when it is told to, as an allocator does at its limit. */
    static final class FailingAllocator extends UnpooledByteBufAllocatorBase {
        boolean fails;

        @Override
        protected void beforeAllocation() {
            if (fails) {
                throw new OutOfMemoryError("no direct memory left");
            }
        }
    }

    @AfterEach
    void close() {
        allocator.fails = false;
        log.close();
        chunks.close();
        assertThat(chunks.allocatedBytes()).isZero();
    }

    private void onRun(TopicLog of, Chunk chunk, TopicLog.Run run) {
        last = chunk;
        handed.add(
                new Handed(chunk.slot(), run.from(), of.runEnd(), run.count(), run.firstOffset(), run.hasExclusions()));
    }

    private long append(IncomingEvent event) {
        return log.append(event, 1, this::onRun);
    }

    // ---- bytes

    private static byte[] field(int tag, byte[] value) {
        return ByteBuffer.allocate(3 + value.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) tag)
                .putShort((short) value.length)
                .put(value)
                .array();
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    /** Section 7 of the protocol, written down once more without the broker's own encoders. */
    private static byte[] eventFrame(int flags, long offset, byte[] fields, byte[] payload) {
        int bytes = 40 + fields.length + payload.length;
        return ByteBuffer.allocate(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(bytes - 4)
                .put((byte) 0x22)
                .put((byte) flags)
                .putShort((short) 0)
                .putInt(5)
                .putInt(0)
                .putLong(offset)
                .putLong(1_700_000_000_000_000L)
                .putInt(60)
                .putShort((short) 3)
                .putShort((short) fields.length)
                .put(fields)
                .put(payload)
                .array();
    }

    /** Each bit of the number says whether one optional part is there. */
    @ParameterizedTest
    @ValueSource(
            ints = {
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                28, 29, 30, 31
            })
    void anEventIsWrittenAsTheProtocolDrawsIt(int parts) {
        byte[] id = (parts & 1) != 0
                ? field(1, new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
                : new byte[0];
        byte[] middle = (parts & 2) != 0
                ? join(field(3, "carol".getBytes(StandardCharsets.UTF_8)), field(6, new byte[] {9, 8}))
                : new byte[0];
        byte[] passedThrough =
                (parts & 4) != 0 ? join(field(128, new byte[] {4}), field(255, new byte[0])) : new byte[0];
        boolean excludes = (parts & 8) != 0;
        byte[] payload = (parts & 16) != 0 ? "hello".getBytes(StandardCharsets.UTF_8) : new byte[0];
        IncomingEvent event = TopicFixture.event(join(id, middle, passedThrough), payload, "alice");
        event.excludesDevice = excludes;
        long first = append(event);
        long second = append(event);
        log.handOver(this::onRun);
        byte[] source = field(2, "alice".getBytes(StandardCharsets.UTF_8));
        byte[] device = excludes ? field(7, new byte[] {8, 7, 6, 5, 4, 3, 2, 1}) : new byte[0];
        byte[] fields = join(id, source, middle, device, passedThrough);
        int flags = 2 | (excludes ? 0x20 : 0);
        byte[] written = new byte[handed.get(0).to()];
        last.memory().getBytes(0, written);
        assertThat(first).isEqualTo(1);
        assertThat(second).isEqualTo(2);
        assertThat(written)
                .isEqualTo(join(eventFrame(flags, 1, fields, payload), eventFrame(flags, 2, fields, payload)));
        assertThat(handed.get(0).hasExclusions()).isEqualTo(excludes);
    }

    // ---- runs

    @Test
    void aRunHoldsWhatWasAppendedSinceTheLastHandOver() {
        append(TopicFixture.event(0));
        append(TopicFixture.event(0));
        log.handOver(this::onRun);
        append(TopicFixture.event(10));
        log.handOver(this::onRun);
        log.handOver(this::onRun);
        assertThat(handed)
                .containsExactly(
                        new Handed(0, 0, 2 * BARE_BYTES, 2, 1, false),
                        new Handed(0, 2 * BARE_BYTES, 3 * BARE_BYTES + 10, 1, 3, false));
    }

    @Test
    void aRunExpiresWithTheFirstOfItsEventsThatDoes() {
        List<Long> expiries = new ArrayList<>();
        RunSink sink = (of, chunk, run) -> expiries.add(run.expiresAtUs());
        IncomingEvent never = TopicFixture.event(0);
        never.ttlSeconds = 0;
        IncomingEvent soon = TopicFixture.event(0);
        soon.ttlSeconds = 5;
        log.append(never, 1, sink);
        log.handOver(sink);
        log.append(TopicFixture.event(0), 1, sink);
        log.append(soon, 1, sink);
        log.append(never, 1, sink);
        log.handOver(sink);
        assertThat(expiries).containsExactly(Long.MAX_VALUE, soon.timestampUs + 5_000_000);
    }

    @Test
    void exclusionsOfOneRunAreNotOnesOfTheNext() {
        IncomingEvent excluding = TopicFixture.event(0);
        excluding.excludesDevice = true;
        append(excluding);
        log.handOver(this::onRun);
        append(TopicFixture.event(0));
        log.handOver(this::onRun);
        assertThat(handed.stream().map(Handed::hasExclusions)).containsExactly(true, false);
    }

    /** Appends events until the topic has had a number of chunks, each filled in the given time. @return their sizes. */
    private List<Integer> chunkSizes(int count, long filledInMs) {
        List<Integer> sizes = new ArrayList<>();
        long ms = 0;
        while (sizes.size() < count) {
            ms += filledInMs;
            handed.clear();
            while (handed.isEmpty()) {
                log.append(TopicFixture.event(200), ms * 1_000_000, this::onRun);
            }
            sizes.add(last.memory().capacity());
        }
        return sizes;
    }

    @Test
    void aBusyTopicsChunksGrowAndAQuietOnesShrinkAgain() {
        assertThat(chunkSizes(5, 1)).containsExactly(1_024, 2_048, 4_096, 4_096, 4_096);
        assertThat(chunkSizes(3, 200)).containsExactly(4_096, 4_096, 4_096);
        assertThat(chunkSizes(4, 2_000)).containsExactly(4_096, 2_048, 1_024, 1_024);
    }

    @Test
    void anEventThatFillsTheChunkExactlyStaysInItAndTheNextOneHandsOverFirst() {
        // The first chunk has 1,024 bytes.
        append(TopicFixture.event(1_024 - 2 * BARE_BYTES));
        append(TopicFixture.event(0));
        assertThat(handed).isEmpty();
        long offset = append(TopicFixture.event(0));
        assertThat(offset).isEqualTo(3);
        assertThat(handed).containsExactly(new Handed(0, 0, 1_024, 2, 1, false));
        log.handOver(this::onRun);
        assertThat(handed.get(1)).isEqualTo(new Handed(handed.get(1).slot(), 0, BARE_BYTES, 1, 3, false));
    }

    @Test
    void anEventLargerThanAChunkGetsOneOfItsOwn() {
        append(TopicFixture.event(0));
        append(TopicFixture.event(10_000));
        append(TopicFixture.event(0));
        log.handOver(this::onRun);
        assertThat(handed.stream().map(Handed::count)).containsExactly(1, 1, 1);
        assertThat(handed.get(1).to()).isEqualTo(10_000 + BARE_BYTES);
    }

    @Test
    void afterAnAllocationThatFailedNoTwoTopicsWriteOneChunk() {
        append(TopicFixture.event(0));
        allocator.fails = true;
        assertThatThrownBy(() -> append(TopicFixture.event(50_000))).isInstanceOf(OutOfMemoryError.class);
        allocator.fails = false;
        TopicLog other = new TopicLog(TopicFixture.topic(6), chunks, TopicFixture.replay(), 2, 0);
        List<Integer> slots = new ArrayList<>();
        RunSink sink = (of, chunk, run) -> slots.add(chunk.slot());
        log.append(TopicFixture.event(0), 1, sink);
        other.append(TopicFixture.event(0), 1, sink);
        log.handOver(sink);
        other.handOver(sink);
        assertThat(slots).doesNotHaveDuplicates().hasSize(2);
        assertThat(log.nextOffset()).isEqualTo(3);
        other.close();
    }

    // ---- interest

    @Test
    void subscribersAreCountedPerShardAndPublishersOnlyHold() {
        log.hold(0, true);
        log.hold(1, true);
        log.hold(1, true);
        log.hold(0, false);
        assertThat(log.subscriberCount(0)).isEqualTo(1);
        assertThat(log.subscriberCount(1)).isEqualTo(2);
        assertThat(log.subscriberCount()).isEqualTo(3);
        log.letGo(0, true, 1);
        log.letGo(1, true, 1);
        log.letGo(1, true, 1);
        assertThat(log.isIdle()).isFalse();
        log.letGo(0, false, 1);
        assertThat(log.isIdle()).isTrue();
    }

    @Test
    void aLogIsQueuedForHandOverOnce() {
        assertThat(log.queueForHandOver()).isTrue();
        assertThat(log.queueForHandOver()).isFalse();
        log.unqueueForHandOver();
        assertThat(log.queueForHandOver()).isTrue();
    }

    /** The JDK's memory without a pool, with a hook before each buffer. */
    abstract static class UnpooledByteBufAllocatorBase extends io.netty.buffer.AbstractByteBufAllocator {
        private final UnpooledByteBufAllocator real = UnpooledByteBufAllocator.DEFAULT;

        protected abstract void beforeAllocation();

        @Override
        protected ByteBuf newHeapBuffer(int bytes, int maxBytes) {
            beforeAllocation();
            return real.heapBuffer(bytes, maxBytes);
        }

        @Override
        protected ByteBuf newDirectBuffer(int bytes, int maxBytes) {
            beforeAllocation();
            return bytes == 0 ? Unpooled.EMPTY_BUFFER : real.directBuffer(bytes, maxBytes);
        }

        @Override
        public boolean isDirectBufferPooled() {
            return false;
        }
    }
}
