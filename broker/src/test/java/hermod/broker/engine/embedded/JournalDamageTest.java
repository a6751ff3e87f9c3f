package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.embedded.JournalProbe.Memory;
import hermod.broker.engine.embedded.JournalProbe.Told;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** What is damaged is told and left alone; what was interrupted is cut; and nothing else ever. */
@Tag("DL-4")
class JournalDamageTest {
    private static final int BLOCK = JournalFormat.BLOCK_BYTES;

    @TempDir
    Path temp;

    /** As kill -9 leaves it: no seal behind the last batch. */
    private Path torn;

    /** As a close leaves it. */
    private Path sealed;

    private final List<String> texts = new ArrayList<>();
    private int copies;

    @BeforeEach
    void writeAJournalOfThreeSegments() throws IOException {
        Path dir = temp.resolve("original");
        torn = temp.resolve("torn");
        sealed = temp.resolve("sealed");
        Told told = new Told();
        Memory memory = new Memory();
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            for (int i = 0; JournalProbe.segments(dir).size() < 3 || i % 8 != 7; i++) {
                texts.add(i + "x".repeat(i % 5 == 4 ? 7_000 : i));
                JournalProbe.appendAlone(source, told, texts.get(i));
            }
            await().until(() ->
                    JournalProbe.has(dir, JournalSupply.SPARE) && JournalProbe.has(dir, JournalSupply.RESERVE));
            JournalProbe.copy(dir, torn);
        }
        assertThat(memory.batches()).as("one batch for each text").hasSize(texts.size());
        assertThat(told.outcomes()).allMatch(outcome -> outcome.endsWith(" stored"));
        JournalProbe.copy(dir, sealed);
    }

    private Path copyOf(Path image) throws IOException {
        Path copy = temp.resolve("copy-" + copies++);
        JournalProbe.copy(image, copy);
        return copy;
    }

    /** Something done to a copy. */
    private interface Damage {
        void to(Path dir) throws IOException;
    }

    private static Path segment(Path dir, int number) {
        return dir.resolve(JournalSegment.nameOf(number));
    }

    private static void flip(Path file, long position, int bit) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(position);
            int old = bytes.read();
            bytes.seek(position);
            bytes.write(old ^ (1 << bit));
        }
    }

    private static void zero(Path file, long position, int length) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(position);
            bytes.write(new byte[length]);
        }
    }

    private static byte[] read(Path file, long position, int length) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "r")) {
            byte[] read = new byte[length];
            bytes.seek(position);
            bytes.readFully(read);
            return read;
        }
    }

    private static void write(Path file, long position, byte[] what) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(position);
            bytes.write(what);
        }
    }

    /** Position and length of each batch of the last segment, seal included; read from the intact image. */
    private static Map<Long, long[]> batchesOf(Path image, int number) throws IOException {
        byte[] bytes = Files.readAllBytes(segment(image, number));
        java.nio.ByteBuffer in = java.nio.ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        JournalFormat.SegmentHead head =
                JournalFormat.segmentHead(in.slice(0, BLOCK).order(in.order()));
        Map<Long, long[]> found = new TreeMap<>();
        for (int at = BLOCK; at < bytes.length; ) {
            JournalFormat.BatchHead batch = JournalFormat.batchHead(in, at, head.salt());
            if (batch == null) {
                break;
            }
            found.put(batch.number(), new long[] {at, batch.fileBytes()});
            at += (int) batch.fileBytes();
        }
        return found;
    }

    private static long[] lastOf(Map<Long, long[]> batches) {
        return ((TreeMap<Long, long[]>) batches).lastEntry().getValue();
    }

    private static Map<String, Integer> hashes(Path dir) throws IOException {
        Map<String, Integer> hashes = new TreeMap<>();
        try (Stream<Path> files = Files.list(dir)) {
            for (Path file : files.toList()) {
                if (!file.getFileName().toString().equals(JournalLock.NAME)) {
                    hashes.put(file.getFileName().toString(), java.util.Arrays.hashCode(Files.readAllBytes(file)));
                }
            }
        }
        return hashes;
    }

    /** Null where it opened. */
    private static JournalDamagedException open(Path dir, long applied, Memory memory) throws IOException {
        Map<String, Integer> before = hashes(dir);
        try {
            Journal.open(dir, JournalProbe.small(), applied, memory).close();
            return null;
        } catch (JournalDamagedException damaged) {
            assertThat(hashes(dir)).as("nothing was changed").isEqualTo(before);
            assertThat(memory.texts()).as("nothing was handed out").isEmpty();
            return damaged;
        }
    }

    @Test
    void aSegmentThatTheStoreHasForGoodIsNotReadAgain() throws IOException {
        long[] third = batchesOf(torn, 1).get(3L);
        long lastOfFirst = ((TreeMap<Long, long[]>) batchesOf(torn, 1)).lastKey();
        Path dir = copyOf(torn);
        flip(segment(dir, 1), third[0] + 50, 0);
        Memory memory = new Memory();

        assertThat(open(dir, lastOfFirst - 1, new Memory())).isNotNull();
        assertThat(open(dir, lastOfFirst, memory)).isNull();

        assertThat(memory.texts()).isEqualTo(texts.subList((int) lastOfFirst, texts.size()));
    }

    @TestFactory
    Stream<DynamicTest> damageInTheMiddleIsRefusedAndToldWithFilePositionAndBatch() throws IOException {
        long[] third = batchesOf(torn, 1).get(3L);
        Map<Long, long[]> inLast = batchesOf(torn, 3);
        long firstOfLast = ((TreeMap<Long, long[]>) inLast).firstKey();
        long[] second = inLast.get(firstOfLast + 1);
        long[] lastOfFirst = lastOf(batchesOf(torn, 1));
        Map<String, Damage> table = new TreeMap<>();
        table.put("1|0|a bit of a segment's head", dir -> flip(segment(dir, 1), 33, 4));
        table.put("3|0|a bit of the last segment's head", dir -> flip(segment(dir, 3), 48, 0));
        table.put("2|0|a bit of the unused part of a head", dir -> flip(segment(dir, 2), 2_000, 7));
        table.put("1|" + third[0] + "|a bit of a batch's head", dir -> flip(segment(dir, 1), third[0] + 9, 1));
        table.put("1|" + third[0] + "|a bit of a batch's records", dir -> flip(segment(dir, 1), third[0] + 50, 0));
        table.put(
                "1|" + third[0] + "|a bit of what fills a batch's block",
                dir -> flip(segment(dir, 1), third[0] + third[1] - 1, 0));
        table.put("1|" + third[0] + "|a block that was never written", dir -> zero(segment(dir, 1), third[0], BLOCK));
        table.put(
                "1|" + lastOfFirst[0] + "|the last batch of a segment that has a later one",
                dir -> zero(segment(dir, 1), lastOfFirst[0], (int) lastOfFirst[1]));
        table.put("3|" + second[0] + "|a bit in the last segment", dir -> flip(segment(dir, 3), second[0] + 60, 3));
        table.put(
                "3|" + second[0] + "|the batch before it, once more",
                dir -> write(segment(dir, 3), second[0], read(segment(dir, 3), BLOCK, BLOCK)));
        table.put(
                "2|" + BLOCK + "|a batch of another segment",
                dir -> write(segment(dir, 2), BLOCK, read(segment(dir, 1), BLOCK, BLOCK)));
        table.put("2|0|a segment is missing", dir -> Files.delete(segment(dir, 2)));
        table.put("1|0|the first segment is missing", dir -> {
            Files.delete(segment(dir, 1));
            assertThat(segment(dir, 2)).exists();
        });
        table.put("3|" + 32_768 + "|a file is cut", dir -> {
            try (RandomAccessFile bytes = new RandomAccessFile(segment(dir, 3).toFile(), "rw")) {
                bytes.setLength(32_768);
            }
        });
        table.put("2|0|two segments change places", dir -> {
            Files.move(segment(dir, 2), dir.resolve("x"));
            Files.move(segment(dir, 3), segment(dir, 2));
            Files.move(dir.resolve("x"), segment(dir, 3));
        });
        table.put("4|0|a segment twice", dir -> Files.copy(segment(dir, 3), segment(dir, 4)));
        return table.entrySet().stream()
                .map(row -> DynamicTest.dynamicTest(row.getKey(), () -> {
                    String[] expected = row.getKey().split("\\|");
                    Path dir = copyOf(torn);
                    row.getValue().to(dir);
                    JournalDamagedException damaged = open(dir, 0, new Memory());
                    assertThat(damaged).isNotNull();
                    assertThat(damaged.file())
                            .isEqualTo(
                                    segment(dir, Integer.parseInt(expected[0])).toString());
                    assertThat(damaged.position()).isEqualTo(Long.parseLong(expected[1]));
                    assertThat(damaged)
                            .hasMessageContaining(damaged.file())
                            .hasMessageContaining("batch " + damaged.batch())
                            .hasMessageContaining("Put the file back")
                            .hasMessageNotContaining("\n");
                }));
    }

    @Test
    void theLastBatchIsCutWhenNothingFollowsAndRefusedWhenASealDoes() throws IOException {
        long[] last = lastOf(batchesOf(torn, 3));
        Path cut = copyOf(torn);
        flip(segment(cut, 3), last[0] + 44, 2);
        Memory memory = new Memory();
        assertThat(open(cut, 0, memory)).isNull();
        assertThat(memory.texts()).isEqualTo(texts.subList(0, texts.size() - 1));

        Path refused = copyOf(sealed);
        flip(segment(refused, 3), last[0] + 44, 2);
        JournalDamagedException damaged = open(refused, 0, new Memory());
        assertThat(damaged).isNotNull();
        assertThat(damaged.position()).isEqualTo(last[0]);
        assertThat(damaged.batch()).isEqualTo(texts.size());
    }

    @Test
    void anEndThatTheStoreKnowsBetterIsDamage() throws IOException {
        long[] last = lastOf(batchesOf(torn, 3));
        Path dir = copyOf(torn);
        flip(segment(dir, 3), last[0] + 44, 2);
        JournalDamagedException flipped = open(dir, texts.size(), new Memory());
        assertThat(flipped).isNotNull().hasMessageContaining("the store has batches up to " + texts.size());

        Path shorter = copyOf(torn);
        Files.delete(segment(shorter, 3));
        assertThat(open(shorter, texts.size(), new Memory())).isNotNull();
    }

    /** Each byte of the last batch may be the last that reached the disk. */
    @Test
    void anEndTornAtAnyByteIsCutAndTheJournalGoesOn() throws IOException {
        long[] last = lastOf(batchesOf(torn, 3));
        Path file = segment(torn, 3);
        byte[] whole = read(file, last[0], (int) last[1]);
        int used = whole.length;
        while (whole[used - 1] == 0) {
            used--;
        }
        for (int kept = 0; kept <= used; kept++) {
            zero(file, last[0], whole.length);
            byte[] part = java.util.Arrays.copyOf(whole, kept);
            write(file, last[0], part);
            JournalReader reader = new JournalReader(new JournalDirectory(torn));
            reader.check(0);
            Memory memory = new Memory();
            JournalSegment mended = reader.mend();
            mended.close();
            reader.handOut(0, memory);
            assertThat(memory.texts())
                    .as("torn after %s of %s bytes", kept, used)
                    .isEqualTo(texts.subList(0, texts.size() - (kept < used ? 1 : 0)));
            assertThat(read(file, last[0], whole.length))
                    .as("cut, torn after %s bytes", kept)
                    .isEqualTo(kept < used ? new byte[whole.length] : whole);
        }
    }

    @Test
    void ofABatchOfManyBlocksAnyMayBeMissing() throws IOException {
        Path dir = temp.resolve("blocks");
        Told told = new Told();
        Path image = temp.resolve("blocks-image");
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, new Memory())) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "first");
            JournalProbe.appendAlone(source, told, "y".repeat(8_000));
            JournalProbe.copy(dir, image);
        }
        assertThat(batchesOf(image, 1).get(2L)[1]).isEqualTo(2 * BLOCK);
        for (int missing = 1; missing < 4; missing++) {
            Path copy = copyOf(image);
            for (int block = 0; block < 2; block++) {
                if ((missing & (1 << block)) != 0) {
                    zero(segment(copy, 1), 2L * BLOCK + (long) block * BLOCK, BLOCK);
                }
            }
            Memory memory = new Memory();
            assertThat(open(copy, 0, memory)).isNull();
            assertThat(memory.texts()).containsExactly("first");
        }
    }

    @Test
    void afterACutTheNextBatchTakesItsPlaceAndNothingOldComesBack() throws IOException {
        long[] last = lastOf(batchesOf(torn, 3));
        flip(segment(torn, 3), last[0] + 41, 2);
        Told told = new Told();
        try (Journal journal = Journal.open(torn, JournalProbe.small(), 0, new Memory())) {
            JournalProbe.appendAlone(journal.source(told), told, "new");
        }
        Memory memory = new Memory();
        assertThat(open(torn, 0, memory)).isNull();
        List<String> expected = new ArrayList<>(texts.subList(0, texts.size() - 1));
        expected.add("new");
        assertThat(memory.texts()).isEqualTo(expected);
    }

    /** A payload is the publisher's to choose: it must not be able to look like a later batch. */
    @Test
    void whatAPublisherSendsIsNeverTakenForABatch() throws IOException {
        Path dir = temp.resolve("hostile");
        Path image = temp.resolve("hostile-image");
        Told told = new Told();
        byte[] forged = new byte[8_000];
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, new Memory())) {
            Journal.Source source = journal.source(told);
            // A valid batch of another journal, at every place where a batch could begin.
            byte[] other = read(segment(torn, 1), BLOCK, 64);
            int inPayload = BLOCK - JournalFormat.BATCH_HEAD_BYTES - JournalRecords.HEAD_BYTES;
            System.arraycopy(other, 0, forged, inPayload, other.length);
            source.append(false, 1, Unpooled.wrappedBuffer(forged));
            source.flush();
            told.await(false, 1);
            JournalProbe.copy(dir, image);
        }
        assertThat(read(segment(image, 1), 2L * BLOCK, 64)).isEqualTo(read(segment(torn, 1), BLOCK, 64));
        flip(segment(image, 1), BLOCK + 100, 1);
        Memory memory = new Memory();
        assertThat(open(image, 0, memory))
                .as("an interrupted write, not damage")
                .isNull();
        assertThat(memory.texts()).isEmpty();
    }

    @TestFactory
    Stream<DynamicTest> aFlippedBitAnywhereIsFoundOrHarmless() {
        return Stream.of("sealed", "torn").map(image -> DynamicTest.dynamicTest(image, () -> flipMany(image)));
    }

    private void flipMany(String image) throws IOException {
        Path intact = image.equals("sealed") ? sealed : torn;
        long seed = System.nanoTime();
        Random random = new Random(seed);
        long[] last = lastOf(batchesOf(torn, 3));
        int refused = 0;
        for (int round = 0; round < 150; round++) {
            Path dir = copyOf(intact);
            List<String> names = new ArrayList<>(hashes(dir).keySet());
            String name = names.get(random.nextInt(names.size()));
            long bytes = Files.size(dir.resolve(name));
            long position = random.nextInt((int) bytes);
            flip(dir.resolve(name), position, random.nextInt(8));
            String where = "seed " + seed + ", round " + round + ", " + name + " at " + position;
            Memory memory = new Memory();
            JournalDamagedException damaged = open(dir, 0, memory);
            long number = JournalSegment.numberOf(name);
            boolean isInLast = number == 3 && position >= last[0] && position < last[0] + last[1];
            if (number > 0 && isUsed(intact, (int) number, position, last) && !(isInLast && image.equals("torn"))) {
                assertThat(damaged).as(where).isNotNull();
            }
            if (damaged != null) {
                refused++;
                assertThat(damaged.file()).as(where).endsWith(name);
            } else {
                assertThat(memory.texts()).as(where).isEqualTo(isInLast ? texts.subList(0, texts.size() - 1) : texts);
            }
            JournalProbe.delete(dir);
        }
        assertThat(refused).as("seed %s", seed).isGreaterThan(20);
    }

    /** Whether a byte belongs to a head or a batch that was acknowledged. */
    private static boolean isUsed(Path image, int number, long position, long[] last) throws IOException {
        long end = number == 3
                ? last[0] + last[1]
                : lastOf(batchesOf(image, number))[0] + lastOf(batchesOf(image, number))[1];
        return position < end;
    }

    @Test
    void aFormatOfAnotherVersionIsToldAsSuch() throws IOException {
        Path file = segment(sealed, 1);
        java.nio.ByteBuffer block = java.nio.ByteBuffer.wrap(read(file, 0, BLOCK))
                .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                .putInt(8, 2);
        java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
        crc.update(block.array(), 0, BLOCK - 4);
        block.putInt(BLOCK - 4, (int) crc.getValue());
        write(file, 0, block.array());
        IOException refused = catchThrowableOfType(
                IOException.class, () -> Journal.open(sealed, JournalProbe.small(), 0, new Memory()));
        assertThat(refused)
                .isNotInstanceOf(JournalDamagedException.class)
                .hasMessageContaining("another version")
                .hasMessageContaining(file.toString());
    }
}
