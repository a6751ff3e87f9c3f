package hermod.bench.micro;

import java.util.ArrayList;
import java.util.List;
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
import org.openjdk.jmh.annotations.TearDown;

/** The way through one shard: bytes with PUBLISH frames in, the EVENT bytes handed to each subscriber's sink and PUBLISHED to the publisher's; for each event published. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class ShardBench {
    private static final int BATCH = 50;
    private static final int PAYLOAD_BYTES = 128;

    /** Subscribers of the one topic. */
    @Param({"1", "100"})
    public int subscribers;

    private final BareBroker broker = BareBroker.ofOneThread(1);
    private final List<DiscardingSink> sinks = new ArrayList<>();
    private final BareBroker.Client publisher = broker.client(0, "publisher", new DiscardingSink());
    private final int handle = publisher.open("chat:room");
    private final Publications one = new Publications(handle, 1, PAYLOAD_BYTES);
    private final Publications many = new Publications(handle, BATCH, PAYLOAD_BYTES);

    /** The sequences of both come from one producer, so only one of them is used in a trial. */
    @Setup
    public void subscribe() {
        for (int i = 0; i < subscribers; i++) {
            DiscardingSink sink = new DiscardingSink();
            broker.client(0, "subscriber" + i, sink).subscribe("chat:room");
            sinks.add(sink);
        }
        // WELCOMEs are of different length.
        sinks.forEach(sink -> sink.bytes = 0);
    }

    /** A sink that got nothing would make a good figure. */
    @TearDown
    public void check() {
        long bytes = sinks.get(0).bytes;
        for (DiscardingSink sink : sinks) {
            if (sink.bytes != bytes || bytes < 1_000_000) {
                throw new IllegalStateException("subscribers were not sent alike: bytes=" + sink.bytes + ", " + bytes);
            }
        }
        broker.close();
        one.close();
        many.close();
    }

    @Benchmark
    public void eventAlone() {
        publisher.receiveAndRun(one.next());
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public void eventOfABatch() {
        publisher.receiveAndRun(many.next());
    }
}
