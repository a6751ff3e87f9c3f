package hermod.broker.engine.embedded;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of a segment file: its head, then batches, each from the start of a block of 4,096 bytes, then zeros. Little-endian.
 *
 * <pre>
 *  head of a segment, one block                       head of a batch
 *   0  magic          u64                              0  magic     u32
 *   8  version        u32                              4  bytes     u32  of its records; 0 is a seal
 *  12  flags          u32  1: the urgent reserve       8  number    u64
 *  16  number         u64                             16  salt      u64  the segment's
 *  24  salt           u64                             24  records   u32  how many
 *  32  first batch    u64                             28  body      u32  CRC32C of all from 40 to the block's end
 *  40  previous end   u64  position in the segment    32  zero      u32
 *                          before; its last batch     36  checksum  u32  CRC32C of 0 to 36
 *                          is the first less one      40  records, zeros to the end of the block
 *  48  segment bytes  u64
 *  56  stored before  u64  the last batch before that
 *                          has records
 *  64  zeros
 * 4092 checksum       u32  CRC32C of 0 to 4092
 * </pre>
 *
 * <p>A block belongs to one batch, so that a power cut while a batch is written can't tear the one before it. The salt is drawn for each segment: neither what another segment left on the disk nor what a publisher puts into its payload is ever
 * taken for a batch.
 */
final class JournalFormat {
    static final int BLOCK_BYTES = 4096;
    static final int BATCH_HEAD_BYTES = 40;
    static final int VERSION = 1;

    private static final int FLAG_RESERVE = 1;
    private static final long SEGMENT_MAGIC = 0x4c4e_524a_4d44_5248L; // "HRDMJRNL"
    private static final int BATCH_MAGIC = 0x424a_5248; // "HRJB"
    private static final int SEGMENT_CHECKSUM_AT = BLOCK_BYTES - 4;
    private static final int BATCH_CHECKSUM_AT = 36;

    private JournalFormat() {}

    /**
     * A segment's head.
     *
     * @param previousEnd where the segment before it validly ends, whatever lies beyond; 0 for the first of all.
     * @param segmentBytes of the whole file.
     * @param storedBefore the last batch before this segment that is no seal; 0 for none.
     */
    record SegmentHead(
            long number,
            long salt,
            long firstBatch,
            long previousEnd,
            long segmentBytes,
            long storedBefore,
            boolean isReserve) {}

    /** @param bytes of the records. */
    record BatchHead(long number, int bytes, int records, int bodyChecksum) {
        boolean isSeal() {
            return bytes == 0;
        }

        long fileBytes() {
            return batchFileBytes(bytes);
        }
    }

    /** What a batch takes of its file. */
    static long batchFileBytes(int recordsBytes) {
        return ((long) BATCH_HEAD_BYTES + recordsBytes + BLOCK_BYTES - 1) & -BLOCK_BYTES;
    }

    /** A block with the head of a segment. */
    static ByteBuffer segmentHead(SegmentHead head) {
        ByteBuffer block = JournalDisk.buffer(BLOCK_BYTES);
        block.putLong(0, SEGMENT_MAGIC)
                .putInt(8, VERSION)
                .putInt(12, head.isReserve() ? FLAG_RESERVE : 0)
                .putLong(16, head.number())
                .putLong(24, head.salt())
                .putLong(32, head.firstBatch())
                .putLong(40, head.previousEnd())
                .putLong(48, head.segmentBytes())
                .putLong(56, head.storedBefore());
        block.putInt(SEGMENT_CHECKSUM_AT, checksum(block, 0, SEGMENT_CHECKSUM_AT));
        return block;
    }

    /** Whether a block claims to be the head of a segment in a format this version does not know. */
    static boolean isOfAnotherVersion(ByteBuffer block) {
        return block.getLong(0) == SEGMENT_MAGIC && block.getInt(8) != VERSION && isSegmentChecksumRight(block);
    }

    /** Null when the block is no valid head. */
    static @Nullable SegmentHead segmentHead(ByteBuffer block) {
        if (block.getLong(0) != SEGMENT_MAGIC || !isSegmentChecksumRight(block) || block.getInt(8) != VERSION) {
            return null;
        }
        return new SegmentHead(
                block.getLong(16),
                block.getLong(24),
                block.getLong(32),
                block.getLong(40),
                block.getLong(48),
                block.getLong(56),
                (block.getInt(12) & FLAG_RESERVE) != 0);
    }

    private static boolean isSegmentChecksumRight(ByteBuffer block) {
        return block.getInt(SEGMENT_CHECKSUM_AT) == checksum(block, 0, SEGMENT_CHECKSUM_AT);
    }

    /**
     * Completes a batch: writes the head in front of its records.
     *
     * @param batch the whole of it, from the head's place to the end of its last block; the rest of that block is zero.
     */
    static void finishBatch(ByteBuffer batch, long salt, long number, int recordsBytes, int records) {
        batch.putInt(0, BATCH_MAGIC)
                .putInt(4, recordsBytes)
                .putLong(8, number)
                .putLong(16, salt)
                .putInt(24, records)
                .putInt(28, checksum(batch, BATCH_HEAD_BYTES, batch.limit() - BATCH_HEAD_BYTES))
                .putInt(32, 0);
        batch.putInt(BATCH_CHECKSUM_AT, checksum(batch, 0, BATCH_CHECKSUM_AT));
    }

    /** Null when there is no valid head at that index. */
    static @Nullable BatchHead batchHead(ByteBuffer in, int at, long salt) {
        if (in.getInt(at) != BATCH_MAGIC
                || in.getLong(at + 16) != salt
                || in.getInt(at + BATCH_CHECKSUM_AT) != checksum(in, at, BATCH_CHECKSUM_AT)
                || in.getInt(at + 4) < 0) {
            return null;
        }
        return new BatchHead(in.getLong(at + 8), in.getInt(at + 4), in.getInt(at + 24), in.getInt(at + 28));
    }

    /** @param batch the whole of it, as for {@link #finishBatch}. */
    static boolean isBodyRight(ByteBuffer batch, BatchHead head) {
        return checksum(batch, BATCH_HEAD_BYTES, batch.limit() - BATCH_HEAD_BYTES) == head.bodyChecksum();
    }

    private static int checksum(ByteBuffer in, int at, int bytes) {
        CRC32C crc = new CRC32C();
        crc.update(in.duplicate().limit(at + bytes).position(at));
        return (int) crc.getValue();
    }
}
