package hermod.bench.micro;

import hermod.broker.shard.RingHandler;
import hermod.broker.shard.Shard;
import hermod.broker.shard.ShardConfig;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** A record through a shard's rings, written and drained by the same thread; for each record. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class RingBench {
    private static final int BATCH = 64;

    /** 40 is the description of a run; 8,500 is a batch of 50 events of 128 bytes on its way to another shard. */
    @Param({"40", "8500"})
    public int recordBytes;

    private final Shard shard = new Shard(0, ShardConfig.defaults());
    private ByteBuf record = Unpooled.EMPTY_BUFFER;
    private long drained;

    @Setup
    public void start() {
        record = Unpooled.buffer(recordBytes).writeZero(recordBytes);
        shard.start(task -> {}, new Adder());
    }

    private final class Adder implements RingHandler {
        @Override
        public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
            drained += in.getLongLE(at) + bytes;
        }

        @Override
        public void onDrained() {}

        @Override
        public void onTurnEnd() {}

        @Override
        public void onTick() {}
    }

    /** The record and the turn that takes it: what an event that comes alone pays. */
    @Benchmark
    public long recordAlone() {
        shard.rings().offer(Priority.NORMAL, 1, record, 0, recordBytes);
        shard.turnNow();
        return drained;
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public long recordOfABatch() {
        for (int i = 0; i < BATCH; i++) {
            shard.rings().offer(Priority.NORMAL, 1, record, 0, recordBytes);
        }
        shard.turnNow();
        return drained;
    }
}
