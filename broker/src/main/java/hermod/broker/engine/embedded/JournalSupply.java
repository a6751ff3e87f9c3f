package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes files of zeros ahead of their use, and removes segments that are no longer needed: all that would make a sync wait, on a thread of its own. All methods may be called from any thread; none but {@link #awaitSpare} waits for a disk.
 *
 * <p>A sync into a file of zeros changes no metadata, which halves its time; and a disk that is full is met here, before anything of a batch was written.
 */
@RunsOn(Owner.STORE)
final class JournalSupply implements AutoCloseable {
    /** What names begin with; a number follows, as the name of one that was taken may still be in use when the next is made. */
    static final String SPARE = "spare-";

    static final String RESERVE = "reserve-";
    private static final String SUFFIX = ".journal";
    private static final String MAKING = ".making";

    private static final Logger LOG = LoggerFactory.getLogger(JournalSupply.class);
    private static final int ZEROS_BYTES = 1024 * 1024;

    /** A file of zeros, on the disk in full. */
    record Prepared(String name, JournalFile file, long bytes) {}

    /** A segment that is not written any more. */
    record Closed(long number, long lastBatch, long bytes) {}

    private final JournalDisk disk;
    private final JournalConfig config;
    private final Runnable onChange;
    private final Thread thread = new Thread(this::run, "hermod-journal-files");
    private final Deque<Closed> closed = new ArrayDeque<>();

    private @Nullable Prepared spare;
    private @Nullable Prepared reserve;
    private @Nullable EngineFault fault;
    private String reason = "";
    private String reserveReason = "";
    private long segmentBytes;

    /** Of the segment that is written. */
    private long currentNumber;

    /** Of whoever makes files: the opening thread, then this one's own. */
    private long nameCount;

    private long releasedBatch;
    private boolean isClosing;

    /** @param onChange called when there is a spare again. */
    JournalSupply(JournalDisk disk, JournalConfig config, Runnable onChange) {
        this.disk = disk;
        this.config = config;
        this.onChange = onChange;
        thread.setDaemon(true);
    }

    /** Takes over what an earlier life left; before {@link #start}. */
    void adopt() throws IOException {
        for (String name : disk.names()) {
            if (name.startsWith(SPARE)) {
                spare = adopted(name, spare, spareBytes());
            } else if (name.startsWith(RESERVE)) {
                reserve = adopted(name, reserve, reserveBytes());
            }
        }
    }

    /** The file where it is whole and the first of its kind; else it is removed. */
    private @Nullable Prepared adopted(String name, @Nullable Prepared first, long bytes) throws IOException {
        if (first == null && name.endsWith(SUFFIX)) {
            JournalFile file = disk.open(name);
            if (file.bytes() == bytes) {
                return new Prepared(name, file, bytes);
            }
            file.close();
        }
        disk.removeIfThere(name);
        return first;
    }

    private String freeName(String begin) throws IOException {
        List<String> taken = disk.names();
        String name;
        do {
            name = begin + ++nameCount + SUFFIX;
        } while (taken.contains(name));
        return name;
    }

    private long spareBytes() {
        return config.segmentBytes() & -JournalFormat.BLOCK_BYTES;
    }

    private long reserveBytes() {
        return config.urgentReserveBytes() & -JournalFormat.BLOCK_BYTES;
    }

    void start() {
        thread.start();
    }

    /** The spare file, the caller's from now on; null when there is none. */
    synchronized @Nullable Prepared takeSpare() {
        Prepared taken = spare;
        spare = null;
        if (taken != null) {
            segmentBytes += taken.bytes();
            notifyAll();
        }
        return taken;
    }

    /** The urgent reserve, likewise. */
    synchronized @Nullable Prepared takeReserve() {
        Prepared taken = reserve;
        reserve = null;
        if (taken != null) {
            segmentBytes += taken.bytes();
            notifyAll();
        }
        return taken;
    }

    /** Waits until there is a spare or a reason why there is none. */
    synchronized void awaitSpare() throws InterruptedException {
        while (spare == null && fault == null && !isClosing) {
            wait();
        }
    }

    /** Why there is no spare; null while one is there or being made. */
    synchronized @Nullable EngineFault fault() {
        return fault;
    }

    /** For people; of the reserve too. */
    synchronized String reason() {
        return reason.isEmpty() ? reserveReason : reason;
    }

    /** Notes the size of the segment that is written: of one that was taken over. */
    synchronized void current(long bytes) {
        segmentBytes += bytes;
    }

    /** Notes which segment is written first. */
    synchronized void begun(long number) {
        currentNumber = number;
    }

    /** The number of the segment with a batch that was synced and not released. */
    synchronized long segmentOf(long batch) {
        for (Closed each : closed) {
            if (each.lastBatch() >= batch) {
                return each.number();
            }
        }
        return currentNumber;
    }

    /** Takes a segment that is not written any more, as the next one is. In order. */
    synchronized void add(Closed segment) {
        closed.add(segment);
        currentNumber = Math.max(currentNumber, segment.number() + 1);
        notifyAll();
    }

    /** Takes back a file that did not become a segment. */
    void discard(Prepared failed) {
        try {
            failed.file().close();
            disk.removeIfThere(failed.name());
        } catch (IOException e) {
            LOG.warn(
                    "a file that failed can't be removed: file={}, cause={}", disk.path(failed.name()), e.getMessage());
        }
        synchronized (this) {
            segmentBytes -= failed.bytes();
        }
    }

    synchronized void release(long batch) {
        if (batch > releasedBatch) {
            releasedBatch = batch;
            notifyAll();
        }
    }

    synchronized long diskBytes() {
        Prepared spareNow = spare;
        Prepared reserveNow = reserve;
        return segmentBytes + (spareNow == null ? 0 : spareNow.bytes()) + (reserveNow == null ? 0 : reserveNow.bytes());
    }

    private void run() {
        boolean isFailing = false;
        while (awaitWork(isFailing)) {
            try {
                removeReleased();
                isFailing = !makeMissing();
            } catch (RuntimeException defect) {
                LOG.error("the journal's files could not be prepared", defect);
                failed(EngineFault.FAILED, String.valueOf(defect));
                isFailing = true;
            }
        }
    }

    /** False at the end. After a failure it waits for the retry, or for a release that may make room. */
    @SuppressWarnings("WaitNotInLoop")
    private synchronized boolean awaitWork(boolean isFailing) {
        try {
            if (isFailing && !isClosing) {
                wait(config.retryMs());
            }
            while (!isClosing && spare != null && reserve != null && !isAnyReleased()) {
                wait();
            }
        } catch (InterruptedException e) {
            return false;
        }
        return !isClosing;
    }

    private boolean isAnyReleased() {
        Closed oldest = closed.peek();
        return oldest != null && oldest.lastBatch() <= releasedBatch;
    }

    /** One by one, oldest first, each removal on the disk before the next: at no time may one be missing in the middle. */
    private void removeReleased() {
        for (Closed oldest = nextReleased(); oldest != null; oldest = nextReleased()) {
            try {
                CrashPoint.reach("journal-before-remove");
                disk.removeIfThere(JournalSegment.nameOf(oldest.number()));
                CrashPoint.reach("journal-after-remove");
                disk.sync();
            } catch (IOException e) {
                LOG.warn(
                        "a segment of the journal can't be removed: file={}, cause={}",
                        disk.path(JournalSegment.nameOf(oldest.number())),
                        e.getMessage());
                return;
            }
            synchronized (this) {
                closed.remove();
                segmentBytes -= oldest.bytes();
            }
        }
    }

    private synchronized @Nullable Closed nextReleased() {
        return isAnyReleased() ? closed.peek() : null;
    }

    private boolean makeMissing() {
        boolean isWhole = true;
        if (isReserveMissing()) {
            isWhole = makeReserve();
        }
        if (isSpareMissing()) {
            isWhole &= makeSpare();
        }
        return isWhole;
    }

    private synchronized boolean isReserveMissing() {
        return reserve == null && !isClosing;
    }

    private synchronized boolean isSpareMissing() {
        return spare == null && !isClosing;
    }

    /** The spare goes first when a full disk lets only one of them be: without a fault there would be nothing to reserve for. */
    private boolean makeReserve() {
        if (isSpareMissing() && fault() != null) {
            return false;
        }
        try {
            Prepared made = make(RESERVE, reserveBytes());
            synchronized (this) {
                reserve = made;
                reserveReason = "";
            }
            return true;
        } catch (IOException e) {
            synchronized (this) {
                reserveReason = JournalFault.sentence("the urgent reserve in " + disk.path(""), e);
            }
            return false;
        }
    }

    private boolean makeSpare() {
        if (isAtLimit()) {
            failed(
                    EngineFault.BUSY,
                    "the journal has reached its limit of " + config.limitBytes() + " bytes; the store is behind");
            return false;
        }
        try {
            Prepared made = make(SPARE, spareBytes());
            synchronized (this) {
                spare = made;
                if (fault != null) {
                    LOG.info("the journal has room again: file={}", disk.path(made.name()));
                }
                fault = null;
                reason = "";
                notifyAll();
            }
            onChange.run();
            return true;
        } catch (JournalFullException e) {
            failed(EngineFault.FULL, JournalFault.sentence("a new segment in " + disk.path(""), e));
        } catch (IOException e) {
            failed(JournalFault.of(e), JournalFault.sentence("a new segment in " + disk.path(""), e));
        }
        return false;
    }

    private synchronized boolean isAtLimit() {
        return segmentBytes + spareBytes() > config.limitBytes();
    }

    private synchronized void failed(EngineFault cause, String sentence) {
        if (cause != fault) {
            LOG.warn("no file for the journal can be prepared: cause={}, reason={}", cause, sentence);
        }
        fault = cause;
        reason = sentence;
        notifyAll();
    }

    /** Made under another name, which it gets rid of when all of it is on the disk. */
    private Prepared make(String begin, long bytes) throws IOException {
        if (disk.usableBytes() < bytes) {
            // Without trying: the attempt would take from others what little there is.
            throw new JournalFullException("no space left for " + bytes + " bytes");
        }
        String name = freeName(begin);
        String making = name + MAKING;
        JournalFile file = disk.create(making);
        try {
            ByteBuffer zeros = JournalDisk.buffer((int) Math.min(ZEROS_BYTES, bytes));
            for (long at = 0; at < bytes; at += zeros.capacity()) {
                file.write(zeros.clear().limit((int) Math.min(zeros.capacity(), bytes - at)), at);
            }
            file.sync();
            disk.rename(making, name);
            disk.sync();
            return new Prepared(name, file, bytes);
        } catch (IOException | RuntimeException e) {
            try {
                file.close();
                disk.removeIfThere(making);
                // It has this name where the directory's sync failed: left there, each retry would add another.
                disk.removeIfThere(name);
            } catch (IOException alsoFailed) {
                e.addSuppressed(alsoFailed);
            }
            throw e;
        }
    }

    /** Makes the spare on the caller's thread: a new journal needs its first segment at once. Before {@link #start}. */
    Prepared firstSpare() throws IOException {
        Prepared first = takeSpare();
        if (first == null) {
            first = make(SPARE, spareBytes());
            current(first.bytes());
        }
        return first;
    }

    /** Ends the thread and closes what is spare; segments are not touched. */
    @Override
    public void close() {
        synchronized (this) {
            isClosing = true;
            notifyAll();
        }
        try {
            if (thread.isAlive()) {
                thread.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        closeQuietly(spare);
        closeQuietly(reserve);
    }

    private static void closeQuietly(@Nullable Prepared prepared) {
        if (prepared != null) {
            try {
                prepared.file().close();
            } catch (IOException e) {
                LOG.warn("a spare file of the journal can't be closed: cause={}", e.getMessage());
            }
        }
    }
}
