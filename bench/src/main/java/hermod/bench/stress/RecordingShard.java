package hermod.bench.stress;

import hermod.broker.shard.RingHandler;
import hermod.broker.shard.Shard;
import hermod.broker.shard.ShardConfig;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A shard whose loop is a queue of tasks, which whoever plays the shard's thread runs, and whose records are one number many times over.
 *
 * <p>Its rings are direct memory, too dear to be made for each of a test's millions of states: used ones are taken again. {@link #take} and {@link #giveBack} from any thread.
 */
final class RecordingShard {
    /** A record of so many bytes is still on its way to the other core when its commit is. */
    private static final int RECORD_BYTES = 512;

    private static final int RING_BYTES = 8 * 1024;
    private static final ConcurrentLinkedQueue<RecordingShard> FREE = new ConcurrentLinkedQueue<>();

    private final Shard shard = new Shard(0, new ShardConfig(1, RING_BYTES, 1_024, 0));
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final ByteBuf[] records = {record(0), record(1), record(2)};
    private long seen;

    private RecordingShard() {
        shard.start(tasks::add, new Recorder());
        // The shard learns its thread by its first task; here it has a new one in each state, so it is to know none.
        tasks.clear();
    }

    static RecordingShard take() {
        RecordingShard free = FREE.poll();
        return free == null ? new RecordingShard() : free;
    }

    /** Empty, and with no wake-up on its way. */
    void giveBack() {
        shard.wake();
        runTasks();
        shard.turnNow();
        tasks.clear();
        seen = 0;
        FREE.add(this);
    }

    private static ByteBuf record(int number) {
        ByteBuf record = Unpooled.buffer(RECORD_BYTES);
        while (record.writerIndex() < RECORD_BYTES) {
            record.writeLongLE(number);
        }
        return record;
    }

    private final class Recorder implements RingHandler {
        /** Writes the record's number down as one more decimal digit; 9 for a record that is not whole. */
        @Override
        public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
            long number = in.getLongLE(at);
            boolean isWhole = bytes == RECORD_BYTES && number == recordType;
            for (int i = 0; i < bytes; i += Long.BYTES) {
                isWhole &= in.getLongLE(at + i) == number;
            }
            seen = seen * 10 + (isWhole ? number : 9);
        }

        @Override
        public void onDrained() {}

        @Override
        public void onTurnEnd() {}

        @Override
        public void onTick() {}
    }

    Shard shard() {
        return shard;
    }

    /** @param number 1 or 2. @return false when the ring is full. */
    boolean offer(int number) {
        return shard.offer(Priority.NORMAL, number, records[number], 0, RECORD_BYTES);
    }

    /** Offers until the ring is full. */
    void fill() {
        while (offer(1)) {
            // Until it is full.
        }
    }

    boolean hasTask() {
        return !tasks.isEmpty();
    }

    void runOneTask() {
        Runnable next = tasks.poll();
        if (next != null) {
            next.run();
        }
    }

    void runTasks() {
        Runnable next;
        while ((next = tasks.poll()) != null) {
            next.run();
        }
    }

    /** The records handled so far, each a decimal digit. */
    int seen() {
        return (int) seen;
    }
}
