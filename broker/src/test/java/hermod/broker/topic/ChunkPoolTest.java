package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class ChunkPoolTest {
    private static final int CHUNK_BYTES = 8_192;

    private final ChunkTable table = new ChunkTable();
    private final ChunkPool pool = new ChunkPool(UnpooledByteBufAllocator.DEFAULT, table, CHUNK_BYTES);

    private void end() {
        pool.close();
        assertThat(pool.allocatedBytes()).isZero();
    }

    @Test
    void aChunkIsAsLargeAsWantedBetweenTheSmallestAndTheConfiguredSize() {
        List<Integer> sizes = new ArrayList<>();
        for (int wantedBytes : new int[] {0, 512, 1_024, 2_048, 3_000, 8_192, 16_384}) {
            Chunk chunk = pool.take(10, wantedBytes);
            sizes.add(chunk.memory.capacity());
            pool.retire(chunk);
        }
        assertThat(sizes).containsExactly(1_024, 1_024, 1_024, 2_048, 2_048, 8_192, 8_192);
        end();
    }

    @Test
    void aChunkHasRoomForWhatIsNeeded() {
        Chunk chunk = pool.take(3_000, 0);
        assertThat(chunk.memory.capacity()).isEqualTo(4_096);
        assertThat(chunk.freeBytes()).isEqualTo(4_096);
        pool.retire(chunk);
        end();
    }

    @Test
    void memoryIsUsedAgainOnlyWhenNobodyRefersToIt() {
        Chunk first = pool.take(10, 0);
        first.advance(10);
        ByteBuf outbox = first.memory().retainedSlice(0, 10);
        pool.retire(first);
        Chunk second = pool.take(10, 0);
        assertThat(second).isNotSameAs(first);
        outbox.release();
        Chunk third = pool.take(10, 0);
        assertThat(third).isSameAs(first);
        assertThat(third.tail()).isZero();
        pool.retire(second);
        pool.retire(third);
        end();
    }

    @Test
    void aChunkIsFoundUnderItsNumberByWhoeverARunTells() {
        Chunk chunk = pool.take(10, 0);
        assertThat(table.of(chunk.slot())).isSameAs(chunk);
        assertThat(table.of(4_711)).isNull();
        pool.retire(chunk);
        end();
    }

    @Test
    void anOversizedChunkIsFreedAndNotKept() {
        Chunk chunk = pool.take(CHUNK_BYTES + 1, 0);
        assertThat(chunk.memory.capacity()).isEqualTo(CHUNK_BYTES + 1);
        ByteBuf outbox = chunk.memory().retainedSlice(0, 10);
        pool.retire(chunk);
        pool.trim();
        assertThat(pool.allocatedBytes()).isEqualTo(CHUNK_BYTES + 1);
        outbox.release();
        pool.trim();
        assertThat(pool.allocatedBytes()).isZero();
        assertThat(table.of(chunk.slot())).isNull();
        Chunk next = pool.take(10, 0);
        assertThat(next.slot()).isEqualTo(chunk.slot());
        pool.retire(next);
        end();
    }

    @Test
    void idleChunksBeyondWhatThePoolKeepsAreGivenBack() {
        List<Chunk> chunks = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            chunks.add(pool.take(10, 0));
        }
        chunks.forEach(pool::retire);
        pool.trim();
        assertThat(pool.allocatedBytes()).isEqualTo(64 * 1_024);
        end();
    }

    @Test
    void fromTickToTickThePoolKeepsLittleBeyondWhatSlowHoldersHold() {
        List<ByteBuf> held = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            Chunk chunk = pool.take(10, 0);
            held.add(chunk.memory().retainedSlice(0, 10));
            pool.retire(chunk);
        }
        for (int tick = 0; tick < 100; tick++) {
            for (int i = 0; i < 100; i++) {
                pool.retire(pool.take(10, 0));
            }
            assertThat(pool.allocatedBytes()).isLessThanOrEqualTo(2 * 200 * 1_024);
            pool.trim();
            assertThat(pool.allocatedBytes()).isLessThanOrEqualTo((200 + 64) * 1_024);
        }
        held.forEach(ByteBuf::release);
        pool.trim();
        assertThat(pool.allocatedBytes()).isLessThanOrEqualTo(64 * 1_024);
        end();
    }

    @Test
    void whatARunStillRefersToWhenThePoolClosesIsFoundAndFreedByTheRunsReader() {
        Chunk chunk = pool.take(10, 0);
        chunk.memory().retain();
        pool.retire(chunk);
        pool.close();
        assertThat(table.of(chunk.slot())).isSameAs(chunk);
        assertThat(chunk.memory().release()).isTrue();
    }

    @Test
    void anAllocationThatFailsCostsNoNumber() {
        TopicLogTest.FailingAllocator allocator = new TopicLogTest.FailingAllocator();
        ChunkPool failing = new ChunkPool(allocator, table, CHUNK_BYTES);
        allocator.fails = true;
        for (int i = 0; i < 10; i++) {
            org.assertj.core.api.Assertions.assertThatThrownBy(() -> failing.take(10, 0))
                    .isInstanceOf(OutOfMemoryError.class);
        }
        allocator.fails = false;
        Chunk chunk = failing.take(10, 0);
        assertThat(chunk.slot()).isZero();
        failing.retire(chunk);
        failing.close();
    }
}
