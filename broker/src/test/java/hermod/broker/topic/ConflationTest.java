package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("FL-5")
class ConflationTest {
    /** An event as the reference sees it, and where its frame lies. */
    private record Missed(long offset, @Nullable String key, Priority priority, ByteBuf in, int at) {}

    private final List<Missed> missed = new ArrayList<>();
    private final List<ByteBuf> memories = new ArrayList<>(List.of(Unpooled.buffer()));

    private void add(long offset, @Nullable String key, Priority priority, String... otherAttributes) {
        ByteBuf memory = memories.get(memories.size() - 1);
        Map<String, String> attributes = new LinkedHashMap<>();
        for (String other : otherAttributes) {
            attributes.put(other, "x");
        }
        if (key != null) {
            attributes.put("key", key);
        }
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, new byte[] {'u'});
        if (!attributes.isEmpty()) {
            EventFields.writeAttributes(fields, attributes);
        }
        int at = memory.writerIndex();
        FrameHeader.write(
                memory,
                FrameType.EVENT,
                priority.code(),
                7,
                0,
                Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes());
        memory.writeLongLE(offset);
        Entry.writeFixed(memory, 1, 0, EventType.CUSTOM, fields.readableBytes());
        memory.writeBytes(fields);
        missed.add(new Missed(offset, key, priority, memory, at));
    }

    private List<Long> surviving(Conflation conflation) {
        conflation.begin("key");
        missed.forEach(event -> conflation.note(event.in, event.at));
        List<Long> offsets = missed.stream()
                .filter(event -> conflation.survives(event.in, event.at))
                .map(Missed::offset)
                .toList();
        conflation.end();
        assertThat(conflation.heldCount()).isZero();
        return offsets;
    }

    @Test
    void ofEachKeyTheNewestIsSentInItsPlace() {
        add(1, "a", Priority.LOW);
        add(2, "b", Priority.LOW);
        add(3, "a", Priority.LOW);
        add(5, "c", Priority.LOW);
        add(6, "b", Priority.LOW);
        assertThat(surviving(new Conflation(16))).containsExactly(3L, 5L, 6L);
    }

    @Test
    void anEventWithoutTheAttributeIsAlwaysSent() {
        add(1, null, Priority.LOW);
        add(2, null, Priority.LOW, "other");
        add(3, "", Priority.LOW);
        add(4, null, Priority.LOW, "keys", "ke");
        add(5, "", Priority.LOW);
        assertThat(surviving(new Conflation(16))).containsExactly(1L, 2L, 4L, 5L);
    }

    @Test
    void anEventAboveLowIsAlwaysSentAndMakesOlderOnesSuperfluous() {
        add(1, "a", Priority.LOW);
        add(2, "a", Priority.NORMAL);
        add(3, "b", Priority.HIGH);
        add(4, "b", Priority.LOW);
        assertThat(surviving(new Conflation(16))).containsExactly(2L, 3L, 4L);
    }

    @Test
    void anEventThatLeavesADeviceOutIsAlwaysSentAndTakesNoPlace() {
        add(1, "a", Priority.LOW);
        add(2, "a", Priority.LOW);
        Missed excluding = missed.get(1);
        excluding.in.setByte(excluding.at + FrameHeader.FLAGS_AT, FrameHeader.FLAG_EXCLUDE_DEVICE);
        add(3, "b", Priority.LOW);
        assertThat(surviving(new Conflation(16))).containsExactly(1L, 2L, 3L);
    }

    @Test
    void keysBeyondTheBoundAreAllSent() {
        for (int i = 0; i < 100; i++) {
            add(1 + i, "key" + i % 10, Priority.LOW);
        }
        List<Long> sent = surviving(new Conflation(3));
        assertThat(sent).hasSize(3 + 70).endsWith(91L, 92L, 93L, 94L, 95L, 96L, 97L, 98L, 99L, 100L);
    }

    @Test
    void anEventThatWasNotNotedLeavesTheOlderOneInItsPlace() {
        add(1, "a", Priority.LOW);
        add(2, "a", Priority.LOW);
        Conflation conflation = new Conflation(4);
        conflation.begin("key");
        // The second is left out by the subscriber's filter.
        conflation.note(missed.get(0).in, missed.get(0).at);
        assertThat(conflation.survives(missed.get(0).in, missed.get(0).at)).isTrue();
    }

    @Test
    void aPassKnowsNothingOfTheOneBefore() {
        Conflation conflation = new Conflation(4);
        add(9, "a", Priority.LOW);
        surviving(conflation);
        missed.clear();
        add(1, "a", Priority.LOW);
        assertThat(surviving(conflation)).containsExactly(1L);
    }

    /** {@code -Dhermod.seed=…} repeats a run. */
    @Test
    void itDecidesAsAPlainMapDoesWhateverComes() {
        long seed = Long.getLong("hermod.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        Conflation conflation = new Conflation(1_024);
        for (int round = 0; round < 300; round++) {
            missed.clear();
            memories.add(Unpooled.buffer());
            int keys = 1 + random.nextInt(200);
            long offset = random.nextLong(1L << 40);
            for (int i = random.nextInt(400); i > 0; i--) {
                offset += 1 + random.nextInt(3);
                String key = random.nextInt(10) == 0 ? null : "k".repeat(random.nextInt(20)) + random.nextInt(keys);
                add(offset, key, random.nextInt(20) == 0 ? Priority.NORMAL : Priority.LOW, "abc", "keyx");
                if (random.nextInt(50) == 0) {
                    memories.add(Unpooled.directBuffer());
                }
            }
            assertThat(surviving(conflation))
                    .as("seed=%s, round=%s", seed, round)
                    .isEqualTo(reference());
        }
        memories.forEach(ByteBuf::release);
    }

    private List<Long> reference() {
        Map<String, Long> newest = new HashMap<>();
        missed.stream().filter(event -> event.key != null).forEach(event -> newest.put(event.key, event.offset));
        return missed.stream()
                .filter(event ->
                        event.key == null || event.priority != Priority.LOW || newest.get(event.key) == event.offset)
                .map(Missed::offset)
                .toList();
    }
}
