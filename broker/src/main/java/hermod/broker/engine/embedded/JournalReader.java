package hermod.broker.engine.embedded;

import hermod.broker.engine.embedded.JournalFormat.BatchHead;
import hermod.broker.engine.embedded.JournalFormat.SegmentHead;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads a journal when it is opened. {@link #check} looks at all of it and changes nothing; only then is anything handed out or mended.
 *
 * <p>A batch is written only when the one before it is synced. So a bad batch with a valid head of a later one behind it was synced once: that is damage, and refused. With none behind it, it is one whose writing was interrupted: nobody was ever
 * told that it is stored, and it is cut.
 */
final class JournalReader {
    private static final Logger LOG = LoggerFactory.getLogger(JournalReader.class);
    private static final int SCAN_BYTES = 1024 * 1024;

    /**
     * A segment that was checked.
     *
     * @param lastBatch the first less one where it has none.
     * @param lastStored the last one up to there that is no seal.
     * @param end position behind the last valid batch.
     * @param lastAt position of the last batch; 0 where it has none.
     */
    record Checked(SegmentHead head, long lastBatch, long lastStored, long end, long lastAt) {
        String name() {
            return JournalSegment.nameOf(head.number());
        }
    }

    private final JournalDisk disk;
    private final List<Checked> segments = new ArrayList<>();

    /** What stands behind the last valid batch of the last segment and is not zero, up to the last such byte. */
    private long tornBytes;

    private int tornRecords;
    private ByteBuffer buffer = JournalDisk.buffer(SCAN_BYTES);

    JournalReader(JournalDisk disk) {
        this.disk = disk;
    }

    /** In order; empty for a new journal. */
    List<Checked> segments() {
        return segments;
    }

    /** @throws JournalDamagedException where anything that was acknowledged is missing or changed. */
    void check(long appliedBatch) throws IOException {
        List<Long> numbers = new ArrayList<>();
        for (String name : disk.names()) {
            if (JournalSegment.numberOf(name) >= 0) {
                numbers.add(JournalSegment.numberOf(name));
            }
        }
        List<SegmentHead> heads = new ArrayList<>();
        for (long number : numbers) {
            heads.add(headOf(number, heads.isEmpty() ? null : heads.get(heads.size() - 1)));
        }
        if (!heads.isEmpty() && heads.get(0).storedBefore() > appliedBatch) {
            SegmentHead first = heads.get(0);
            throw damaged(first.number() - 1, 0, appliedBatch + 1, "a segment is missing");
        }
        for (int i = 0; i < heads.size(); i++) {
            SegmentHead after = i + 1 < heads.size() ? heads.get(i + 1) : null;
            segments.add(
                    after != null && after.firstBatch() - 1 <= appliedBatch
                            ? unread(heads.get(i), after)
                            : check(heads.get(i), after));
        }
        if (!segments.isEmpty()) {
            Checked last = segments.get(segments.size() - 1);
            if (last.lastBatch() < appliedBatch) {
                throw damaged(
                        last.head().number(),
                        last.end(),
                        last.lastBatch() + 1,
                        "the store has batches up to " + appliedBatch + ", and the journal ends before");
            }
        }
    }

    private SegmentHead headOf(long number, @Nullable SegmentHead before) throws IOException {
        if (before != null && number != before.number() + 1) {
            throw damaged(before.number() + 1, 0, before.firstBatch(), "a segment is missing");
        }
        try (JournalFile file = disk.open(JournalSegment.nameOf(number))) {
            ByteBuffer block = read(file, 0, JournalFormat.BLOCK_BYTES);
            if (JournalFormat.isOfAnotherVersion(block)) {
                throw new JournalException("the file " + disk.path(JournalSegment.nameOf(number))
                        + " has a format of another version of the broker");
            }
            SegmentHead head = JournalFormat.segmentHead(block);
            long batch = before == null ? 0 : before.firstBatch();
            if (head == null || head.number() != number) {
                throw damaged(number, 0, batch, "a segment's head does not match its checksum, or its name");
            }
            if (file.bytes() < head.segmentBytes()) {
                throw damaged(number, file.bytes(), head.firstBatch(), "a file is shorter than it was made");
            }
            return head;
        }
    }

    /** All of it is in the store for good, and its file about to be removed: not worth the time of a restart. */
    private static Checked unread(SegmentHead head, SegmentHead after) {
        return new Checked(head, after.firstBatch() - 1, after.storedBefore(), after.previousEnd(), 0);
    }

    private Checked check(SegmentHead head, @Nullable SegmentHead after) throws IOException {
        try (JournalFile file = disk.open(JournalSegment.nameOf(head.number()))) {
            long end = after == null ? head.segmentBytes() : Math.min(head.segmentBytes(), after.previousEnd());
            long position = JournalFormat.BLOCK_BYTES;
            long batch = head.firstBatch();
            long lastStored = head.storedBefore();
            long lastAt = 0;
            while (position < end) {
                BatchHead read = validBatch(file, head, batch, position, end);
                if (read == null) {
                    break;
                }
                lastAt = position;
                lastStored = read.isSeal() ? lastStored : batch;
                position += read.fileBytes();
                batch++;
            }
            if (after == null) {
                scan(file, head, batch, position);
            } else if (position != after.previousEnd() || batch != after.firstBatch()) {
                throw damaged(
                        head.number(),
                        position,
                        batch,
                        "a batch does not match its checksum, and there are later ones up to "
                                + (after.firstBatch() - 1) + " and a later segment");
            }
            return new Checked(head, batch - 1, lastStored, position, lastAt);
        }
    }

    /** Null when there is no valid batch of that number. */
    private @Nullable BatchHead validBatch(JournalFile file, SegmentHead segment, long batch, long position, long end)
            throws IOException {
        ByteBuffer block = read(file, position, JournalFormat.BLOCK_BYTES);
        BatchHead head = JournalFormat.batchHead(block, 0, segment.salt());
        if (head == null || head.number() != batch || head.fileBytes() > end - position) {
            return null;
        }
        ByteBuffer whole = head.fileBytes() == JournalFormat.BLOCK_BYTES
                ? block
                : read(file, position, Math.toIntExact(head.fileBytes()));
        return JournalFormat.isBodyRight(whole, head) ? head : null;
    }

    /** What stands behind the last valid batch: nothing, a torn tail, or damage with later batches. */
    private void scan(JournalFile file, SegmentHead segment, long batch, long from) throws IOException {
        for (long position = from; position < segment.segmentBytes(); position += SCAN_BYTES) {
            ByteBuffer part = read(file, position, (int) Math.min(SCAN_BYTES, segment.segmentBytes() - position));
            for (int at = 0; at + JournalFormat.BLOCK_BYTES <= part.limit(); at += JournalFormat.BLOCK_BYTES) {
                BatchHead head = JournalFormat.batchHead(part, at, segment.salt());
                if (head != null && head.number() > batch) {
                    throw damaged(
                            segment.number(),
                            from,
                            batch,
                            "a batch does not match its checksum, and batch " + head.number() + " stands behind it");
                }
                if (head != null && position + at == from) {
                    tornRecords = head.records();
                }
            }
            int nonZero = lastNonZero(part);
            if (nonZero >= 0) {
                tornBytes = position + nonZero + 1 - from;
            }
        }
    }

    private static int lastNonZero(ByteBuffer part) {
        int at = part.limit();
        while (at >= Long.BYTES && part.getLong(at - Long.BYTES) == 0) {
            at -= Long.BYTES;
        }
        while (at > 0 && part.get(at - 1) == 0) {
            at--;
        }
        return at - 1;
    }

    /** The buffer with that many bytes of the file, zeros where it ends before. */
    private ByteBuffer read(JournalFile file, long position, int bytes) throws IOException {
        if (buffer.capacity() < bytes) {
            buffer = JournalDisk.buffer(bytes);
        }
        ByteBuffer into = buffer.clear().limit(bytes);
        file.read(into, position);
        while (into.hasRemaining()) {
            into.put((byte) 0);
        }
        return into.flip();
    }

    /**
     * Makes the last segment one that may be written again: cuts a torn tail, and writes the last batch once more. That batch may be known to the page cache only, if the process before died, or was told of a failure, before its sync was done.
     *
     * @return the segment, open; null when there is none.
     */
    @Nullable
    JournalSegment mend() throws IOException {
        if (segments.isEmpty()) {
            return null;
        }
        Checked last = segments.get(segments.size() - 1);
        JournalFile file = disk.open(last.name());
        try {
            if (last.lastAt() > 0) {
                file.write(read(file, last.lastAt(), Math.toIntExact(last.end() - last.lastAt())), last.lastAt());
            }
            if (tornBytes > 0) {
                LOG.warn(
                        "the journal's last batch was interrupted and is cut, nobody was told that it is stored: file={}, position={}, batch={}, bytes={}, records={}",
                        disk.path(last.name()),
                        last.end(),
                        last.lastBatch() + 1,
                        tornBytes,
                        tornRecords == 0 ? "unknown" : tornRecords);
            }
            zero(file, last.end(), tornBytes);
            file.sync();
            return JournalSegment.resume(last.head(), file, last.end());
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private void zero(JournalFile file, long from, long bytes) throws IOException {
        long end = from + bytes;
        ByteBuffer zeros = JournalDisk.buffer(SCAN_BYTES);
        for (long at = from; at < end; at += SCAN_BYTES) {
            file.write(zeros.clear().limit((int) Math.min(SCAN_BYTES, end - at)), at);
        }
    }

    /** Hands out the batches above one, in order, seals left out. */
    void handOut(long appliedBatch, Journal.Follower follower) throws IOException {
        for (Checked segment : segments) {
            if (segment.lastStored() <= appliedBatch) {
                continue;
            }
            try (JournalFile file = disk.open(segment.name())) {
                long position = JournalFormat.BLOCK_BYTES;
                while (position < segment.end()) {
                    BatchHead head = JournalFormat.batchHead(
                            read(file, position, JournalFormat.BLOCK_BYTES),
                            0,
                            segment.head().salt());
                    if (head == null) {
                        throw new IOException("the file " + disk.path(segment.name()) + " changed while it was read");
                    }
                    if (head.number() > appliedBatch && !head.isSeal()) {
                        follower.onBatch(head.number(), records(file, position, head));
                    }
                    position += head.fileBytes();
                }
            }
        }
    }

    private ByteBuf records(JournalFile file, long position, BatchHead head) throws IOException {
        ByteBuf records = PooledByteBufAllocator.DEFAULT.directBuffer(head.bytes(), head.bytes());
        try {
            ByteBuffer into = records.internalNioBuffer(0, head.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            if (file.read(into, position + JournalFormat.BATCH_HEAD_BYTES) < head.bytes()) {
                throw new IOException("a file of the journal became shorter while it was read");
            }
            return records.writerIndex(head.bytes());
        } catch (IOException | RuntimeException e) {
            records.release();
            throw e;
        }
    }

    private JournalDamagedException damaged(long segment, long position, long batch, String what) {
        return new JournalDamagedException(disk.path(JournalSegment.nameOf(segment)), position, batch, what);
    }
}
