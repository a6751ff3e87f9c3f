package hermod.broker.engine.embedded;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The segment that is written. The journal's thread only. */
final class JournalSegment {
    private static final Pattern NAME = Pattern.compile("segment-([0-9a-f]{16})\\.journal");

    private final JournalFormat.SegmentHead head;
    private final JournalFile file;

    /** Where the next batch begins: the end of the last one that was synced. */
    private long position;

    private boolean isBroken;

    private JournalSegment(JournalFormat.SegmentHead head, JournalFile file, long position) {
        this.head = head;
        this.file = file;
        this.position = position;
    }

    static String nameOf(long number) {
        return String.format("segment-%016x.journal", number);
    }

    /** Its number, or -1 for the name of another file. */
    static long numberOf(String name) {
        Matcher matcher = NAME.matcher(name);
        return matcher.matches() ? Long.parseUnsignedLong(matcher.group(1), 16) : -1;
    }

    /**
     * Makes a file of zeros the segment of that number. It has its name only when its head is on the disk, and is used only when its name is.
     *
     * @param name of the file; a file that has the segment's name already, left by an attempt that failed, is replaced.
     */
    static JournalSegment begin(JournalDisk disk, String name, JournalFile file, JournalFormat.SegmentHead head)
            throws IOException {
        file.write(JournalFormat.segmentHead(head), 0);
        file.sync();
        CrashPoint.reach("journal-roll-head");
        disk.rename(name, nameOf(head.number()));
        CrashPoint.reach("journal-roll-name");
        disk.sync();
        CrashPoint.reach("journal-roll-done");
        return new JournalSegment(head, file, JournalFormat.BLOCK_BYTES);
    }

    /** One that was read and goes on. */
    static JournalSegment resume(JournalFormat.SegmentHead head, JournalFile file, long position) {
        return new JournalSegment(head, file, position);
    }

    long number() {
        return head.number();
    }

    long salt() {
        return head.salt();
    }

    long bytes() {
        return head.segmentBytes();
    }

    boolean isReserve() {
        return head.isReserve();
    }

    long position() {
        return position;
    }

    /** Whether a write or a sync failed, or a segment after it was tried: it is never written again. */
    boolean isBroken() {
        return isBroken;
    }

    /** Whether a batch of that size has room; one block is kept for a seal. */
    boolean takes(long batchFileBytes) {
        return !isBroken && batchFileBytes <= head.segmentBytes() - position - JournalFormat.BLOCK_BYTES;
    }

    /** Gives it up: the segment after it says where it ends, or is about to. */
    void abandon() {
        isBroken = true;
    }

    /** Writes a batch and syncs it. @throws IOException after which it is broken. */
    void append(ByteBuffer batch) throws IOException {
        int bytes = batch.remaining();
        try {
            CrashPoint.reach("journal-before-write");
            file.write(batch, position);
            CrashPoint.reach("journal-after-write");
            file.sync();
            CrashPoint.reach("journal-after-sync");
        } catch (IOException | RuntimeException e) {
            isBroken = true;
            throw e;
        }
        position += bytes;
    }

    void close() throws IOException {
        file.close();
    }
}
