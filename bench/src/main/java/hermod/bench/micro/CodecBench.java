package hermod.bench.micro;

import hermod.broker.dispatch.PublishView;
import hermod.broker.topic.BufferView;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.ChunkPool;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.HandleTable;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.ReplayBudget;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.broker.transport.Transport;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Bytes to frames and frames to bytes, with payloads of 128 bytes. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class CodecBench {
    private static final int BATCH = 50;
    private static final int PAYLOAD_BYTES = 128;
    private static final int HANDLE = 1 << 22;

    private final Publications batch = new Publications(HANDLE, BATCH, PAYLOAD_BYTES);
    private final ByteBuf publish = new Publications(HANDLE, 1, PAYLOAD_BYTES).frames();
    private final PublishView view = new PublishView();
    private final FrameCutter cutter = new FrameCutter(Transport.allocator(), 1 << 20);
    private final FrameCutter.Sink sink = this::onFrame;
    private final PublishedWriter outcomes = new PublishedWriter();
    private final ByteBuf published = PooledByteBufAllocator.DEFAULT.directBuffer(64 * 1024);
    private final TopicLog log = log();
    private final IncomingEvent event = event();
    private int requestId;
    private int cutBytes;

    private static TopicLog log() {
        TopicConfig config = TopicConfig.defaults();
        ChunkPool chunks = new ChunkPool(Transport.allocator(), new ChunkTable(), config.chunkBytes());
        HomeTopics topics = new HomeTopics(
                0, 1, config, new HandleTable(), chunks, new ReplayBudget(config, 1), new Deduplication(config));
        Channels channels = new Channels(Map.of("chat", ChannelPolicy.defaults()));
        return Objects.requireNonNull(
                topics.open("acme", TopicName.of("chat:room"), Objects.requireNonNull(channels.of("chat")), 0));
    }

    private IncomingEvent event() {
        IncomingEvent incoming = new IncomingEvent();
        BufferView.lay(incoming.in, publish, 0, publish.readableBytes());
        incoming.entryAt = FrameHeader.LENGTH + PublishFrame.SEQUENCE_BYTES;
        incoming.entryBytes = Entry.FIXED_BYTES + PAYLOAD_BYTES;
        incoming.priority = Priority.NORMAL;
        incoming.source = "publisher".getBytes(StandardCharsets.UTF_8);
        return incoming;
    }

    @TearDown
    public void close() {
        cutter.close();
        batch.close();
        published.release();
    }

    /** The head of a PUBLISH and the lengths of its entries, as the broker reads them. */
    @Benchmark
    public long parsePublish() throws ProtocolException {
        view.wrap(publish, 0, publish.readableBytes());
        return view.sequence() + view.requestId() + view.handle() + view.count();
    }

    /** A read of 50 whole frames, cut where they lie; for each frame. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public int cutFrame() throws ProtocolException {
        cutBytes = 0;
        cutter.cut(batch.frames(), sink);
        return cutBytes;
    }

    private boolean onFrame(ByteBuf in, int at, int frameBytes) {
        cutBytes += frameBytes;
        return true;
    }

    /** The EVENT that all subscribers share, written behind the last one into the topic's chunk. */
    @Benchmark
    public long writeEvent() {
        return log.append(event, 0, (full, chunk, run) -> {});
    }

    /** 50 events in a row got their offsets, and the one PUBLISHED that says so; for all of them. */
    @Benchmark
    public int writePublished() {
        for (int i = 0; i < BATCH; i++) {
            outcomes.accepted(requestId + i, HANDLE, requestId + i);
        }
        requestId += BATCH;
        outcomes.writeTo(published.clear());
        return published.writerIndex();
    }
}
