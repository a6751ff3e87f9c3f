package hermod.broker.shard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PriorityRingsTest {
    private static final int CAPACITY_BYTES = 64 * 1024;

    private final PriorityRings rings = new PriorityRings(CAPACITY_BYTES);
    private final List<String> records = new ArrayList<>();

    /** Writes down each record as {@code type:first long:bytes}. */
    private abstract static class Reader implements RingHandler {
        @Override
        public void onDrained() {}

        @Override
        public void onTurnEnd() {}

        @Override
        public void onTick() {}
    }

    private final RingHandler recorder = new Reader() {
        @Override
        public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
            records.add(recordType + ":" + in.getLongLE(at) + ":" + bytes);
        }
    };

    private boolean offer(Priority lane, int type, long number, int bytes) {
        ByteBuf record =
                Unpooled.buffer(bytes + 3).writeZero(3).writeLongLE(number).writeZero(bytes - 8);
        return rings.offer(lane, type, record, 3, bytes);
    }

    @Test
    void theHighestLaneComesFirstAndEachLaneInOrder() {
        offer(Priority.LOW, 1, 1, 8);
        offer(Priority.NORMAL, 1, 2, 8);
        offer(Priority.URGENT, 1, 3, 8);
        offer(Priority.HIGH, 1, 4, 8);
        offer(Priority.URGENT, 2, 5, 30);
        assertThat(rings.drain(recorder, 100)).isEqualTo(5);
        assertThat(records).containsExactly("1:3:8", "2:5:30", "1:4:8", "1:2:8", "1:1:8");
        assertThat(rings.isEmpty()).isTrue();
    }

    @Test
    void noMoreThanTheLimitIsHandedOnAtATime() {
        for (int i = 0; i < 10; i++) {
            offer(Priority.NORMAL, 1, i, 8);
        }
        assertThat(rings.drain(recorder, 4)).isEqualTo(4);
        assertThat(rings.isEmpty()).isFalse();
        assertThat(rings.drain(recorder, 100)).isEqualTo(6);
    }

    @Test
    void whatComesInAHigherLaneMeanwhileGoesBeforeTheRestOfALowerOne() {
        for (int i = 0; i < 200; i++) {
            offer(Priority.LOW, 1, i, 8);
        }
        RingHandler nested = new Reader() {
            @Override
            public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
                if (records.isEmpty()) {
                    offer(Priority.URGENT, 9, 0, 8);
                }
                recorder.onRecord(recordType, in, at, bytes);
            }
        };
        rings.drain(nested, 1_000);
        assertThat(records).hasSize(201);
        assertThat(records.indexOf("9:0:8")).isLessThanOrEqualTo(64);
    }

    @Test
    void aFullRingTakesNothingMoreAndLosesNothing() {
        int taken = 0;
        while (offer(Priority.NORMAL, 1, taken, 1_000)) {
            taken++;
        }
        long queuedBytes = rings.queuedBytes(Priority.NORMAL);
        assertThat(offer(Priority.NORMAL, 1, -1, 1_000)).isFalse();
        assertThat(rings.queuedBytes(Priority.NORMAL)).isEqualTo(queuedBytes);
        assertThat(offer(Priority.HIGH, 2, 7, 8)).isTrue();
        assertThat(rings.drain(recorder, 10_000)).isEqualTo(taken + 1);
        assertThat(records).doesNotContain("1:-1:1000");
        assertThat(offer(Priority.NORMAL, 1, 1, 1_000)).isTrue();
    }

    @Test
    void aRecordOfTheLargestSizeIsTakenAndALargerOneIsADefect() {
        int largest = rings.recordBytesMax();
        assertThat(largest).isEqualTo(CAPACITY_BYTES / 8);
        assertThat(offer(Priority.NORMAL, 1, 1, largest)).isTrue();
        assertThatThrownBy(() -> offer(Priority.NORMAL, 1, 1, largest + 1)).isInstanceOf(RuntimeException.class);
        rings.drain(recorder, 10);
        assertThat(records).containsExactly("1:1:" + largest);
    }

    @Test
    void aRecordThatCannotBeCopiedLeavesTheRingUsable() {
        ByteBuf tooShort = Unpooled.buffer(4).writeZero(4);
        assertThatThrownBy(() -> rings.offer(Priority.NORMAL, 1, tooShort, 0, 100))
                .isInstanceOf(IndexOutOfBoundsException.class);
        offer(Priority.NORMAL, 1, 1, 8);
        rings.drain(recorder, 10);
        assertThat(records).containsExactly("1:1:8");
    }

    @Test
    void recordsAreNeverStrandedWhereTheRingWrapsAround() {
        long seed = ThreadLocalRandom.current().nextLong();
        Random random = new Random(seed);
        long offered = 0;
        long[] drained = new long[1];
        RingHandler inOrder = new Reader() {
            @Override
            public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
                assertThat(in.getLongLE(at)).isEqualTo(drained[0]++);
            }
        };
        for (int round = 0; round < 20_000; round++) {
            if (offer(Priority.NORMAL, 1, offered, 8 + random.nextInt(rings.recordBytesMax() - 8))) {
                offered++;
            }
            if (random.nextInt(3) > 0) {
                rings.drain(inOrder, 1_000);
                assertThat(drained[0]).as("seed=%d, round=%d", seed, round).isEqualTo(offered);
                assertThat(rings.isEmpty()).isTrue();
            }
        }
    }

    @Test
    @Timeout(180)
    void severalProducersLoseNothingAndKeepEachItsOrder() throws Exception {
        int producerCount = 3;
        int perProducerCount = 200_000;
        AtomicBoolean failed = new AtomicBoolean();
        List<Thread> producers = new ArrayList<>();
        for (int producer = 0; producer < producerCount; producer++) {
            int type = producer + 1;
            Thread thread = new Thread(() -> {
                ByteBuf record = Unpooled.buffer(64);
                Random random = new Random(type);
                for (long i = 0; i < perProducerCount && !failed.get(); i++) {
                    Priority lane = Priority.ofCode(type);
                    record.clear().writeLongLE(i).writeZero(random.nextInt(50));
                    while (!rings.offer(lane, type, record, 0, record.readableBytes()) && !failed.get()) {
                        Thread.onSpinWait();
                    }
                }
            });
            thread.start();
            producers.add(thread);
        }
        long[] next = new long[producerCount + 1];
        RingHandler inOrder = new Reader() {
            @Override
            public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
                assertThat(in.getLongLE(at)).isEqualTo(next[recordType]++);
            }
        };
        try {
            long drained = 0;
            while (drained < (long) producerCount * perProducerCount) {
                drained += rings.drain(inOrder, 1_000);
            }
        } finally {
            failed.set(true);
            for (Thread producer : producers) {
                producer.join();
            }
        }
        assertThat(rings.isEmpty()).isTrue();
    }
}
