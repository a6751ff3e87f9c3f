package hermod.bench.micro;

import hermod.protocol.EventType;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** A run of JSON events of about 200 bytes as the home shard compresses it, and as a client reads it; for the whole run. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class BatchBench {
    private static final int HANDLE = 7;

    @Param({"4096", "65536"})
    int runBytes;

    private final ByteBuf run = PooledByteBufAllocator.DEFAULT.directBuffer();
    private final ByteBuf unpacked = Unpooled.buffer();
    private ByteBuffer plain = ByteBuffer.allocateDirect(0);
    private ByteBuffer out = ByteBuffer.allocateDirect(0);
    private ByteBuf batch = Unpooled.EMPTY_BUFFER;
    private int count;

    @Setup
    public void make() {
        for (long offset = 1; run.readableBytes() + 256 <= runBytes; offset++) {
            byte[] payload = ("{\"symbol\":\"HMD" + offset % 17 + "\",\"price\":" + offset * 31 % 9_973
                            + ",\"volume\":" + offset * 7_919 % 100_003
                            + ",\"venue\":\"north\",\"currency\":\"EUR\",\"state\":\"open\",\"sequence\":" + offset
                            + "}")
                    .getBytes(StandardCharsets.UTF_8);
            FrameHeader.write(run, FrameType.EVENT, 0, HANDLE, 0, Long.BYTES + Entry.FIXED_BYTES + 6 + payload.length);
            run.writeLongLE(offset);
            Entry.writeFixed(run, 1_795_219_200_000_000L + offset * 313, 0, EventType.CUSTOM, 6);
            EventFields.write(run, EventFields.TAG_SOURCE, "u_1".getBytes(StandardCharsets.UTF_8));
            run.writeBytes(payload);
            count++;
        }
        plain = run.nioBuffer();
        out = ByteBuffer.allocateDirect(BatchFrame.frameBytesMax(run.readableBytes()))
                .order(ByteOrder.LITTLE_ENDIAN);
        batch = Unpooled.wrappedBuffer(out).slice(0, compress());
    }

    @TearDown
    public void close() {
        run.release();
        unpacked.release();
    }

    @Benchmark
    public int compress() {
        return BatchFrame.write(plain, 0, run.readableBytes(), count, 0, HANDLE, out, 0);
    }

    @Benchmark
    public int unpack() throws ProtocolException {
        BatchFrame.check(batch, 0);
        BatchFrame.unpack(batch, 0, unpacked);
        return unpacked.writerIndex();
    }
}
