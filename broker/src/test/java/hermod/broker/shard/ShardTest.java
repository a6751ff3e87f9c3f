package hermod.broker.shard;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class ShardTest {
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final List<String> calls = new ArrayList<>();
    private final Shard shard = new Shard(3, new ShardConfig(1, 64 * 1024, 8, 0));
    private final ByteBuf record = Unpooled.buffer().writeLongLE(1);

    /** Writes down what it is called for. */
    private class Recorder implements RingHandler {
        @Override
        public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
            calls.add("record " + recordType);
        }

        @Override
        public void onDrained() {
            calls.add("drained");
        }

        @Override
        public void onTurnEnd() {
            calls.add("end");
        }

        @Override
        public void onTick() {
            calls.add("tick");
        }
    }

    private void start(RingHandler handler) {
        shard.start(tasks::addLast, handler);
        runTasks();
    }

    private void runTasks() {
        Runnable task;
        while ((task = tasks.pollFirst()) != null) {
            task.run();
        }
    }

    private boolean offer(int type) {
        return shard.offer(Priority.NORMAL, type, record, 0, 8);
    }

    @Test
    void aTurnDrainsTheRingsUntilNothingIsLeftAndEndsOnce() {
        start(new Recorder());
        offer(1);
        offer(2);
        runTasks();
        assertThat(calls).containsExactly("record 1", "record 2", "drained", "drained", "end");
        assertThat(shard.turnCount()).isEqualTo(1);
    }

    @Test
    void aTurnAskedForManyTimesIsTakenOnce() {
        start(new Recorder());
        for (int i = 0; i < 10; i++) {
            shard.requestTurn();
        }
        assertThat(tasks).hasSize(1);
        runTasks();
        assertThat(shard.turnCount()).isEqualTo(1);
        shard.requestTurn();
        runTasks();
        assertThat(shard.turnCount()).isEqualTo(2);
    }

    @Test
    void whatIsEmittedInATurnIsHandedOnInTheSameTurn() {
        start(new Recorder() {
            @Override
            public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
                super.onRecord(recordType, in, at, bytes);
                if (recordType < 4) {
                    offer(recordType + 1);
                }
            }
        });
        offer(1);
        runTasks();
        assertThat(calls).contains("record 4").endsWith("end");
        assertThat(shard.turnCount()).isEqualTo(1);
    }

    @Test
    void aTurnTakesNoMoreRecordsThanItMayAndAnotherFollows() {
        start(new Recorder());
        for (int i = 0; i < 20; i++) {
            offer(1);
        }
        runTasks();
        assertThat(calls.stream().filter(call -> call.equals("record 1"))).hasSize(20);
        assertThat(shard.turnCount()).isEqualTo(3);
    }

    @Test
    void aRecordOfferedAtTheEndOfATurnIsNotLeftLying() {
        start(new Recorder() {
            @Override
            public void onTurnEnd() {
                super.onTurnEnd();
                if (shard.turnCount() == 1) {
                    offer(7);
                }
            }
        });
        shard.requestTurn();
        runTasks();
        assertThat(calls).contains("record 7").endsWith("end");
    }

    @Test
    void aTurnTakenAtOnceInsideATurnIsNone() {
        start(new Recorder() {
            @Override
            public void onDrained() {
                super.onDrained();
                shard.turnNow();
            }
        });
        shard.turnNow();
        assertThat(calls).containsExactly("drained", "end");
        assertThat(shard.turnCount()).isEqualTo(1);
    }

    @Test
    void aFullRingIsSaidAndDoesNotHarmTheShard() {
        start(new Recorder());
        ByteBuf large = Unpooled.buffer(8_000).writeZero(8_000);
        while (shard.offer(Priority.NORMAL, 1, large, 0, 8_000)) {
            // Until it is full.
        }
        runTasks();
        assertThat(shard.rings().isEmpty()).isTrue();
        assertThat(offer(2)).isTrue();
    }

    @Test
    void aHandlerThatFailsDoesNotEndTheTurns() {
        start(new Recorder() {
            @Override
            public void onTurnEnd() {
                if (shard.turnCount() == 1) {
                    throw new IllegalStateException("once");
                }
                super.onTurnEnd();
            }
        });
        org.assertj.core.api.Assertions.assertThatThrownBy(shard::turnNow).hasMessage("once");
        offer(1);
        runTasks();
        assertThat(calls).contains("record 1").endsWith("end");
    }

    @Test
    void aTickIsFollowedByATurn() {
        start(new Recorder());
        shard.tick();
        runTasks();
        assertThat(calls).containsExactly("tick", "drained", "end");
    }

    @Test
    void aRecordFromAnotherThreadLeadsToATurn() throws Exception {
        start(new Recorder());
        Thread other = new Thread(() -> {
            assertThat(shard.isCurrent()).isFalse();
            offer(1);
            offer(2);
        });
        other.start();
        other.join();
        assertThat(tasks).hasSize(1);
        runTasks();
        assertThat(calls).startsWith("record 1", "record 2");
    }

    /** No tick helps here: a record that nobody is woken for would lie in its ring for ever. */
    @Test
    @Timeout(180)
    void noRecordIsLeftLyingHoweverItsOfferMeetsAWakeUp() throws Exception {
        SpinningLoop loop = new SpinningLoop();
        AtomicLong handled = new AtomicLong();
        shard.start(loop, new Recorder() {
            @Override
            public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
                handled.lazySet(handled.getPlain() + 1);
            }

            @Override
            public void onDrained() {}

            @Override
            public void onTurnEnd() {}
        });
        Thread thread = new Thread(loop);
        thread.start();
        try {
            // On a machine with a thread too few each round takes a time slice: then fewer must do.
            long enoughNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
            for (long i = 0; i < 300_000 && System.nanoTime() - enoughNs < 0; i++) {
                offer(1);
                for (long spin = i % 64; spin > 0; spin--) {
                    Thread.onSpinWait();
                }
                offer(2);
                long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                for (long spin = 1; handled.get() < 2 * (i + 1); spin++) {
                    if (spin % 1_000 == 0) {
                        assertThat(System.nanoTime()).as("round %d", i).isLessThan(deadlineNs);
                        Thread.yield();
                    }
                    Thread.onSpinWait();
                }
            }
        } finally {
            loop.isStopped = true;
            thread.join();
        }
    }

    /** An event loop that never sleeps. */
    private static final class SpinningLoop implements Executor, Runnable {
        private final ConcurrentLinkedQueue<Runnable> queue = new ConcurrentLinkedQueue<>();
        volatile boolean isStopped;

        @Override
        public void execute(Runnable task) {
            queue.add(task);
        }

        @Override
        public void run() {
            while (!isStopped) {
                Runnable task = queue.poll();
                if (task == null) {
                    Thread.onSpinWait();
                } else {
                    task.run();
                }
            }
        }
    }
}
