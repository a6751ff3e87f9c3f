package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("FL-7")
@ExtendWith(LeakCheck.class)
class RunCompressorTest {
    private static final long NEVER = Long.MAX_VALUE;

    private final ChunkPool chunks = new ChunkPool(UnpooledByteBufAllocator.DEFAULT, new ChunkTable(), 65_536);
    private final ShardClock clock = new ShardClock();
    private final Metrics metrics = new Metrics(
            List.of(new ChannelInfo("dashboard", "LOW", "MEMORY", false, 6, 1)), 1, MetricsConfig.defaults());
    private final BatchTakers takers = new BatchTakers(1);
    private final BatchWindows windows = new BatchWindows(BatchingConfig.defaults(), 1, metrics.shard(0), at -> {});
    private final Channel dashboard =
            new Channel(0, "dashboard", ChannelPolicies.defaults().of("dashboard"));
    private final TopicLog log = new TopicLog(
            new Topic(5, "acme", TopicName.of("dashboard:5"), dashboard, 1, 0), chunks, TopicFixture.replay(), 1, 0);
    private final TopicLog chat = new TopicLog(TopicFixture.topic(6), chunks, TopicFixture.replay(), 1, 0);
    private RunCompressor compressor = compressor(BatchingConfig.defaults());
    private Chunk plain;
    private int from;
    private int to;
    private int count;

    private RunCompressor compressor(BatchingConfig config) {
        return new RunCompressor(chunks, clock, metrics.shard(0), config, takers);
    }

    @BeforeEach
    void aSubscriberThatTakesBatches() {
        takers.count(0, 1);
        windows.waits(log, Priority.LOW, 1, 0);
    }

    @AfterEach
    void close() {
        compressor.close();
        log.close();
        chat.close();
        chunks.close();
    }

    /** A run of that many events; the first ones of a topic are cut short by its small chunks. */
    private void run(TopicLog of, int events, byte[] payload) {
        do {
            publish(of, events, payload);
        } while (count != events);
    }

    private void publish(TopicLog of, int events, byte[] payload) {
        for (int i = 0; i < events; i++) {
            IncomingEvent event = TopicFixture.event(new byte[0], payload, "alice");
            event.priority = Priority.LOW;
            event.ttlSeconds = 0;
            of.append(event, 1, (any, chunk, run) -> {});
        }
        of.handOver((any, chunk, run) -> {
            plain = chunk;
            from = run.from();
            to = of.runEnd();
            count = run.count();
        });
    }

    private static byte[] json(int bytes) {
        return "{\"symbol\":\"HMD\",\"price\":17.25}"
                .repeat(1 + bytes / 30)
                .substring(0, bytes)
                .getBytes(StandardCharsets.UTF_8);
    }

    private boolean compress(Priority priority, boolean hasExclusions, long expiresAtUs) {
        return compressor.compress(log, plain, from, to, count, priority, hasExclusions, expiresAtUs);
    }

    private boolean compress() {
        return compress(Priority.LOW, false, NEVER);
    }

    @Test
    void aRunIsMadeIntoABatchOfTheSameFrames() throws Exception {
        for (int i = 0; i < 3; i++) {
            run(log, 20, json(200));
            assertThat(compress()).isTrue();
            ByteBuf memory = compressor.chunk().memory();
            int at = compressor.from();
            assertThat(FrameHeader.type(memory, at)).isEqualTo(FrameType.BATCH.code());
            assertThat(FrameHeader.handle(memory, at)).isEqualTo(5);
            assertThat(FrameHeader.frameBytes(memory, at)).isEqualTo(compressor.to() - at);
            assertThat(BatchFrame.count(memory, at)).isEqualTo(20);
            BatchFrame.check(memory, at);
            ByteBuf out = Unpooled.buffer();
            BatchFrame.unpack(memory, at, out);
            assertThat(out).isEqualTo(plain.memory().slice(from, to - from));
        }
        assertThat(metrics.get(Counter.RUNS_COMPRESSED)).isEqualTo(3);
        assertThat(metrics.get(Counter.COMPRESSION_SAVED_BYTES)).isGreaterThan(6_000);
    }

    @Test
    void whatMayNotBeCompressedIsNot() {
        run(log, 20, json(200));
        assertThat(compress(Priority.HIGH, false, NEVER)).isFalse();
        assertThat(compress(Priority.URGENT, false, NEVER)).isFalse();
        assertThat(compress(Priority.LOW, true, NEVER)).isFalse();
        assertThat(compress(Priority.LOW, false, clock.nowUs() + 9_000_000)).isFalse();
        assertThat(compress(Priority.NORMAL, false, clock.nowUs() + 11_000_000)).isTrue();
        run(log, 1, json(200));
        assertThat(compress()).as("too small").isFalse();
        run(chat, 20, json(200));
        assertThat(compressor.compress(chat, plain, from, to, count, Priority.LOW, false, NEVER))
                .as("not a batched channel")
                .isFalse();
    }

    @Test
    void nothingIsCompressedWhereNobodyTakesBatches() {
        BatchTakers nobody = new BatchTakers(1);
        compressor.close();
        compressor = new RunCompressor(chunks, clock, metrics.shard(0), BatchingConfig.defaults(), nobody);
        run(log, 20, json(200));
        assertThat(compress()).isFalse();
    }

    @Test
    void aRunThatDoesNotShrinkEnoughGoesPlainAndTheNextOnesAreTriedLessAndLess() {
        BatchWindow window = BatchWindows.of(log);
        int[] triedAt = new int[4];
        int tries = 0;
        for (int i = 0; tries < triedAt.length; i++) {
            if (window.takesCompression()) {
                window.noteCompression(false);
                triedAt[tries++] = i;
            }
        }
        assertThat(triedAt).containsExactly(0, 2, 5, 10);
        run(log, 1, random(2_000));
        window.noteCompression(true);
        assertThat(compress()).isFalse();
        assertThat(window.takesCompression()).isFalse();
        assertThat(metrics.get(Counter.RUNS_COMPRESSED)).isZero();
    }

    private static byte[] random(int bytes) {
        byte[] noise = new byte[bytes];
        new SplittableRandom(bytes).nextBytes(noise);
        return noise;
    }

    @Test
    void oneShareOfTheShardsTimeIsAllItTakes() {
        compressor.close();
        BatchingConfig greedy = new BatchingConfig(64, 1_000_000, 256, 65_536, 15, 1);
        compressor = compressor(greedy);
        long spentNs = 0;
        long startNs = System.nanoTime();
        run(log, 60, json(1_000));
        for (int i = 0; i < 3_000; i++) {
            long beforeNs = System.nanoTime();
            if (compress()) {
                spentNs += System.nanoTime() - beforeNs;
            }
        }
        long tookNs = System.nanoTime() - startNs;
        assertThat(metrics.get(Counter.RUNS_NOT_COMPRESSED)).isPositive();
        // What was saved up at the start, and the last one, which may begin with little left.
        assertThat(metrics.get(Counter.RUNS_COMPRESSED)).isLessThan(3_000);
        assertThat(spentNs).isLessThan(tookNs);
    }

    @Test
    void withAShareOfZeroNothingIsCompressed() {
        compressor.close();
        compressor = compressor(new BatchingConfig(64, 1_000_000, 256, 65_536, 15, 0));
        run(log, 20, json(200));
        assertThat(compress()).isFalse();
    }

    @Test
    void compressedFormsGoRoundInAFewChunksWhenNobodyHoldsThem() {
        run(log, 60, json(900));
        long before = 0;
        for (int i = 0; i < 2_000; i++) {
            compress();
            if (i == 1_000) {
                before = chunks.allocatedBytes();
            }
        }
        assertThat(chunks.allocatedBytes()).isEqualTo(before);
    }
}
