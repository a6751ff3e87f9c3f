package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("FL-5")
@ExtendWith(LeakCheck.class)
class ConflatedReadTest {
    private static final Channel DASHBOARD =
            new Channel(0, "dashboard", ChannelPolicies.defaults().of("dashboard"));

    private final ChunkPool chunks = new ChunkPool(UnpooledByteBufAllocator.DEFAULT, new ChunkTable(), 4_096);
    private final Conflation conflation = new Conflation(64);

    /** What was published: the key by offset − 1, null for none; and whether it was raised. */
    private final List<String> keys = new ArrayList<>();

    private final List<Boolean> raised = new ArrayList<>();

    private void append(TopicLog log, SplittableRandom random, int keyCount) {
        String key = random.nextInt(8) == 0 ? null : "k" + random.nextInt(keyCount);
        ByteBuf fields = Unpooled.buffer();
        if (key != null) {
            EventFields.writeAttributes(fields, Map.of("key", key));
        }
        IncomingEvent event = TopicFixture.event(ByteBufUtil.getBytes(fields), new byte[random.nextInt(300)], "alice");
        boolean isRaised = random.nextInt(12) == 0;
        event.priority = isRaised ? Priority.HIGH : Priority.LOW;
        keys.add(key);
        raised.add(isRaised);
        log.append(event, 1, (any, chunk, run) -> {});
    }

    /** Offsets expected of a reading that looks at everything from an offset on. */
    private List<Long> expected(long from) {
        Map<String, Long> newest = new HashMap<>();
        for (int i = (int) from - 1; i < keys.size(); i++) {
            newest.put(keys.get(i), i + 1L);
        }
        List<Long> offsets = new ArrayList<>();
        for (int i = (int) from - 1; i < keys.size(); i++) {
            if (keys.get(i) == null || raised.get(i) || newest.get(keys.get(i)) == i + 1) {
                offsets.add(i + 1L);
            }
        }
        return offsets;
    }

    /** {@code -Dhermod.seed=…} repeats a run. */
    @Test
    void whateverWasPublishedEachReadingGivesOfEachKeyTheNewestInOrderAndGetsToTheEnd() {
        long seed = Long.getLong("hermod.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 40; round++) {
            keys.clear();
            raised.clear();
            TopicConfig config = TopicConfig.defaults();
            TopicLog log = new TopicLog(
                    new Topic(5, "acme", TopicName.of("dashboard:5"), DASHBOARD, 1, 0),
                    chunks,
                    new ReplayBudget(config, 1),
                    1,
                    0);
            int events = 1 + random.nextInt(400);
            int keyCount = 1 + random.nextInt(40);
            for (int i = 0; i < events; i++) {
                append(log, random, keyCount);
            }
            log.handOver((any, chunk, run) -> {});
            long next = 1 + random.nextInt(events);
            List<Long> expected = expected(next);
            List<Long> got = new ArrayList<>();
            int conflated = 0;
            long start = next;
            int bytesMax = 500 + random.nextInt(8_000);
            while (next < log.nextOffset()) {
                long before = next;
                next = log.readConflated(
                        next,
                        bytesMax,
                        conflation,
                        (chunk, from, to, firstOffset, count, priority, expiresAtUs, hasExclusions) -> {
                            int at = from;
                            for (int i = 0; i < count; i++) {
                                long offset = EventFrame.offset(chunk.memory(), at);
                                assertThat(offset).isEqualTo(firstOffset + i);
                                got.add(offset);
                                at += FrameHeader.frameBytes(chunk.memory(), at);
                            }
                            assertThat(at).isEqualTo(to);
                        });
                conflated += log.conflatedCount();
                assertThat(next).isGreaterThan(before);
            }
            assertThat(got).as("seed=%s, round=%s", seed, round).isEqualTo(expected);
            assertThat(conflated).isEqualTo(log.nextOffset() - start - expected.size());
            assertThat(conflation.heldCount()).isZero();
            log.close();
        }
        chunks.close();
    }
}
