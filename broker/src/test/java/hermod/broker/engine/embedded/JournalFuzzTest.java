package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;

/**
 * Replays its inputs as a regression test; searches with {@code JAZZER_FUZZ=1 mvn -pl broker test -Dtest=JournalFuzzTest#segment}.
 *
 * <p>Whatever the files are: they are read to their end, or refused with a JournalException; no batch is handed out that was not written, and no more memory is taken than the files have.
 */
@Tag("SE-6")
class JournalFuzzTest {
    private static final long SALT = 0x5eed_0001L;
    private static final int BLOCK = JournalFormat.BLOCK_BYTES;
    private static final int SEGMENT_BYTES = 8 * BLOCK;

    /** The file itself. */
    @FuzzTest(maxDuration = "60s")
    void segment(byte[] data) throws IOException {
        read(Map.of(JournalSegment.nameOf(1), data));
    }

    /** Changes of two segments that are valid: six bytes each: which file, position, value, and whether the checksums are set right again. */
    @FuzzTest(maxDuration = "60s")
    void changes(byte[] data) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        files.put(JournalSegment.nameOf(1), valid(1, 1, 0, 5));
        files.put(JournalSegment.nameOf(2), valid(2, 6, 6L * BLOCK, 3));
        ByteBuffer changes = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        while (changes.remaining() >= 6) {
            int how = changes.get();
            byte[] file = files.get(JournalSegment.nameOf(1 + (how & 1)));
            int at = Math.floorMod(changes.getInt(), file.length);
            file[at] = changes.get();
            if ((how & 2) != 0) {
                setChecksumsRight(file, at / BLOCK * BLOCK);
            }
        }
        read(files);
    }

    private static void setChecksumsRight(byte[] file, int block) {
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
        if (block == 0) {
            crc.update(file, 0, BLOCK - 4);
            in.putInt(BLOCK - 4, (int) crc.getValue());
            return;
        }
        long whole = JournalFormat.batchFileBytes(Math.floorMod(in.getInt(block + 4), SEGMENT_BYTES));
        int end = (int) Math.min(file.length, block + whole);
        crc.update(file, block + 40, end - block - 40);
        in.putInt(block + 28, (int) crc.getValue());
        crc.reset();
        crc.update(file, block, 36);
        in.putInt(block + 36, (int) crc.getValue());
    }

    /** A segment with batches of one block and one record, whose payload is the batch's number. */
    private static byte[] valid(long number, long firstBatch, long previousEnd, int batches) {
        ByteBuffer file = ByteBuffer.allocate(SEGMENT_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        file.put(JournalFormat.segmentHead(new JournalFormat.SegmentHead(
                number, SALT + number, firstBatch, previousEnd, SEGMENT_BYTES, firstBatch - 1, false)));
        for (int i = 0; i < batches; i++) {
            ByteBuffer batch = file.slice((i + 1) * BLOCK, BLOCK).order(ByteOrder.LITTLE_ENDIAN);
            batch.putInt(40, 8).putInt(44, 1).putLong(48, firstBatch + i);
            JournalFormat.finishBatch(batch, SALT + number, firstBatch + i, 16, 1);
        }
        return file.array();
    }

    private static void read(Map<String, byte[]> files) throws IOException {
        JournalReader reader = new JournalReader(new MemoryDisk(files));
        try {
            reader.check(0);
        } catch (JournalException refused) {
            assertThat(refused.getMessage()).doesNotContain("\n");
            return;
        }
        List<Long> batches = new ArrayList<>();
        reader.handOut(0, (batch, records) -> {
            try {
                JournalRecords.forEach(records, (kind, in, at, bytes) -> in.getBytes(at, new byte[bytes]));
            } catch (IllegalArgumentException noRecords) {
                assertThat(noRecords).hasMessageContaining("no journal record");
            } finally {
                records.release();
            }
            batches.add(batch);
        });
        assertThat(batches).isSorted().doesNotHaveDuplicates();
        JournalSegment mended = reader.mend();
        assertThat(mended == null).isEqualTo(reader.segments().isEmpty());

        JournalReader again = new JournalReader(new MemoryDisk(files));
        again.check(0);
        assertThat(again.segments()).isEqualTo(reader.segments());
    }

    /** Files in memory; none can be made. */
    private record MemoryDisk(Map<String, byte[]> files) implements JournalDisk {
        @Override
        public List<String> names() {
            return files.keySet().stream().sorted().toList();
        }

        @Override
        public JournalFile open(String name) throws IOException {
            byte[] bytes = files.get(name);
            if (bytes == null) {
                throw new FileNotFoundException(name);
            }
            return new MemoryFile(bytes);
        }

        @Override
        public JournalFile create(String name) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void rename(String from, String to) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void removeIfThere(String name) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void sync() {}

        @Override
        public long usableBytes() {
            return 0;
        }

        @Override
        public String path(String name) {
            return name;
        }
    }

    private record MemoryFile(byte[] bytesOf) implements JournalFile {
        @Override
        public int read(ByteBuffer into, long position) {
            assertThat(into.remaining()).isLessThanOrEqualTo(Math.max(1024 * 1024, bytesOf.length));
            int bytes = (int) Math.max(0, Math.min(into.remaining(), bytesOf.length - position));
            if (bytes > 0) {
                into.put(bytesOf, (int) position, bytes);
            }
            return bytes;
        }

        @Override
        public void write(ByteBuffer from, long position) {
            from.get(bytesOf, (int) position, from.remaining());
        }

        @Override
        public void sync() {}

        @Override
        public long bytes() {
            return bytesOf.length;
        }

        @Override
        public void close() {}
    }
}
