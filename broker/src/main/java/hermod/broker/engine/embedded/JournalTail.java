package hermod.broker.engine.embedded;

import hermod.broker.engine.embedded.JournalFormat.BatchHead;
import hermod.broker.engine.embedded.JournalFormat.SegmentHead;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Reads batches again that were synced, while the journal goes on behind them: for a store that was behind.
 *
 * <p>Which segment has a batch is asked for each one, never guessed from the files: what a failed write left behind a segment's end looks like a batch too.
 */
@RunsOn(Owner.STORE)
final class JournalTail implements AutoCloseable {
    private final JournalDisk disk;
    private final LongUnaryOperator segmentOf;

    private @Nullable JournalFile file;
    private long number;
    private long salt;
    private long position;

    /** The batch that stands at the position. */
    private long next;

    private ByteBuffer block = JournalDisk.buffer(JournalFormat.BLOCK_BYTES);

    /** @param segmentOf the number of the segment that has a batch which was synced and not released. */
    JournalTail(JournalDisk disk, LongUnaryOperator segmentOf) {
        this.disk = disk;
        this.segmentOf = segmentOf;
    }

    /** @param records the caller's to release. */
    record Batch(long number, ByteBuf records) {}

    /**
     * The next batch that has records.
     *
     * @param after the batch before it.
     * @param last of those that are wanted; it was synced.
     * @return null where there is none up to {@code last}.
     * @throws JournalDamagedException where what was acknowledged does not read any more.
     */
    @Nullable
    Batch next(long after, long last) throws IOException {
        try {
            return find(after, last);
        } catch (IOException | RuntimeException failed) {
            // from the segment's start again, with a file opened anew
            close();
            throw failed;
        }
    }

    private @Nullable Batch find(long after, long last) throws IOException {
        JournalFile in = file;
        if (in == null || next > after + 1) {
            in = openSegmentOf(after + 1);
        }
        while (next <= last) {
            if (segmentOf.applyAsLong(next) != number) {
                in = openSegmentOf(next);
            }
            BatchHead head = headAt(in, position);
            long at = position;
            if (next > after && !head.isSeal()) {
                ByteBuf records = records(in, at, head);
                position += head.fileBytes();
                next++;
                return new Batch(head.number(), records);
            }
            position += head.fileBytes();
            next++;
        }
        return null;
    }

    private JournalFile openSegmentOf(long batch) throws IOException {
        close();
        long wanted = segmentOf.applyAsLong(batch);
        JournalFile opened = disk.open(JournalSegment.nameOf(wanted));
        SegmentHead head;
        try {
            block.clear();
            head = opened.read(block, 0) < JournalFormat.BLOCK_BYTES ? null : JournalFormat.segmentHead(block);
            if (head == null || head.number() != wanted) {
                throw damaged(wanted, 0, batch, "a segment's head does not match its checksum, or its name");
            }
        } catch (IOException | RuntimeException failed) {
            opened.close();
            throw failed;
        }
        file = opened;
        number = wanted;
        salt = head.salt();
        position = JournalFormat.BLOCK_BYTES;
        next = head.firstBatch();
        return opened;
    }

    private BatchHead headAt(JournalFile in, long at) throws IOException {
        block.clear();
        int read = in.read(block, at);
        BatchHead head = read < JournalFormat.BLOCK_BYTES ? null : JournalFormat.batchHead(block, 0, salt);
        if (head == null || head.number() != next) {
            throw damaged(number, at, next, "a batch that was synced does not match its checksum");
        }
        return head;
    }

    private ByteBuf records(JournalFile in, long at, BatchHead head) throws IOException {
        int fileBytes = Math.toIntExact(head.fileBytes());
        ByteBuf batch = PooledByteBufAllocator.DEFAULT.directBuffer(fileBytes, fileBytes);
        try {
            ByteBuffer into = batch.internalNioBuffer(0, fileBytes).slice().order(ByteOrder.LITTLE_ENDIAN);
            if (in.read(into, at) < fileBytes || !JournalFormat.isBodyRight(into.flip(), head)) {
                throw damaged(number, at, next, "a batch that was synced does not match its checksum");
            }
            return batch.setIndex(JournalFormat.BATCH_HEAD_BYTES, JournalFormat.BATCH_HEAD_BYTES + head.bytes());
        } catch (IOException | RuntimeException failed) {
            batch.release();
            throw failed;
        }
    }

    private JournalDamagedException damaged(long segment, long at, long batch, String what) {
        return new JournalDamagedException(disk.path(JournalSegment.nameOf(segment)), at, batch, what);
    }

    /** Lets go of the file; it may be used again. */
    @Override
    public void close() {
        JournalFile open = file;
        file = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException nothingWasWritten) {
                // it was only read
            }
        }
    }
}
