package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.embedded.JournalFormat.SegmentHead;
import hermod.broker.shard.PriorityRings;
import hermod.broker.shard.RingHandler;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes what shards append durable, many appends with one sync, and hands it on to the store.
 *
 * <pre>
 *   sources' rings  →  one batch of all that waits, urgent first  →  one write  →  one fdatasync  →  completions  →  {@link Follower}
 * </pre>
 *
 * <p>A batch is written only when the one before it is synced, and completed only when it is synced itself. A segment in which a write or a sync failed is never written again: the next one says where it validly ends. While no segment can be
 * begun the journal is in fault: what is appended is refused, and it tries again by itself. The urgent lane has a reserve of disk for that time.
 *
 * <p>Between its public methods, which any thread may call, and its files, which only its own thread touches, stand the rings.
 */
@RunsOn(Owner.JOURNAL)
final class Journal implements AutoCloseable {
    /** An empty file of this name in a directory without segments says that a journal that was lost is known to be. */
    static final String START_OVER = "start-over";

    private static final Logger LOG = LoggerFactory.getLogger(Journal.class);
    private static final int UNUSED_RING_BYTES = 1024;

    /** Follows the batches: first, inside {@link #open}, those on disk above the applied one, on the caller's thread; then each one after its sync and its completions, in order, on the journal's. */
    interface Follower {
        /**
         * Must not wait on the journal's thread: urgent appends wait behind it. What it has no place for it reads again later: {@link Journal#tail}. Must not throw: the journal would take nothing more until a restart.
         *
         * @param batch rises; not every number comes.
         * @param records given: the follower releases it when it is done with; read with {@link JournalRecords}.
         */
        void onBatch(long batch, ByteBuf records);
    }

    /** One shard's way into the journal; its methods are that shard's and never wait. */
    interface Source {
        /** Whether a record of so many bytes can be appended now; the lanes have a budget each, and faults of their own. */
        boolean hasRoom(boolean isUrgent, int bytes);

        /** The largest record that ever has room. */
        int payloadBytesMax(boolean isUrgent);

        /**
         * Appends a record.
         *
         * @param kind 1 to 255, the caller's.
         * @param payload borrowed; its readable bytes are copied.
         * @return the ticket it is completed under: 1 for the lane's first.
         * @throws IllegalStateException where {@link #hasRoom} would have said no for want of room.
         */
        long append(boolean isUrgent, int kind, ByteBuf payload);

        /** What was appended goes on its way; to be called when the shard's turn ends. */
        void flush();
    }

    /** What became of a batch. */
    record Outcome(@Nullable EngineFault fault) {
        static final Outcome STORED = new Outcome(null);
    }

    private final JournalConfig config;
    private final Follower follower;
    private final JournalDisk disk;
    private final AutoCloseable lock;
    private final JournalSupply supply;
    private final PriorityRings rings;
    private final List<JournalSource> sources = new CopyOnWriteArrayList<>();
    private final Thread thread = new Thread(this::run, "hermod-journal");
    private final AtomicBoolean isSleeping = new AtomicBoolean();
    private final JournalSyncTimes syncTimes = new JournalSyncTimes();
    private final SecureRandom random = new SecureRandom();

    // The journal's thread.
    private final Collector collector = new Collector();
    private final ByteBuf urgent;
    private final ByteBuf normal;
    private int urgentRecords;
    private int normalRecords;
    private JournalSegment segment;
    private long lastBatch;
    private boolean isSealed;
    private long sealAtNs;
    private long retryAtNs;

    // Written by the journal's thread, read by any.
    private volatile long lastStored;
    private volatile @Nullable EngineFault fault;
    private volatile @Nullable EngineFault urgentFault;
    private volatile String reason = "";
    private volatile long batchBytes;
    private volatile long failures;

    private volatile boolean isClosing;

    private Journal(JournalDisk disk, AutoCloseable lock, JournalConfig config, long appliedBatch, Follower follower)
            throws IOException {
        this.disk = disk;
        this.lock = lock;
        this.config = config;
        this.follower = follower;
        this.supply = new JournalSupply(disk, config, this::wake);
        JournalReader reader = new JournalReader(disk);
        reader.check(appliedBatch);
        if (reader.segments().isEmpty()) {
            checkMayBeNew(appliedBatch);
        }
        this.segment = recover(reader, appliedBatch);
        this.lastBatch = appliedBatch;
        this.lastStored = appliedBatch;
        for (JournalReader.Checked read : reader.segments()) {
            lastBatch = read.lastBatch();
            lastStored = read.lastStored();
            supply.current(read.head().segmentBytes());
            if (read.head().number() != segment.number()) {
                supply.add(new JournalSupply.Closed(
                        read.head().number(), read.lastStored(), read.head().segmentBytes()));
            }
        }
        supply.begun(segment.number());
        this.isSealed = lastBatch > lastStored || segment.position() == JournalFormat.BLOCK_BYTES;
        this.rings = new PriorityRings(this::ringBytes);
        this.urgent = PooledByteBufAllocator.DEFAULT.directBuffer();
        this.normal = PooledByteBufAllocator.DEFAULT.directBuffer();
        this.sealAtNs = ShardClock.monotonicNs();
        thread.setDaemon(true);
    }

    /** The two lanes that are not used get the smallest ring there is. */
    private int ringBytes(Priority lane) {
        return switch (lane) {
            case URGENT -> config.urgentRingBytes();
            case NORMAL -> config.ringBytes();
            case LOW, HIGH -> UNUSED_RING_BYTES;
        };
    }

    /**
     * Opens a journal, and hands out what the store has not.
     *
     * @param dir made with mode 0700 when missing.
     * @param appliedBatch the last batch that the store has for good; 0 for none.
     * @throws JournalDamagedException where anything that was acknowledged is missing or changed; nothing was written then.
     * @throws IOException with one sentence for the operator.
     */
    static Journal open(Path dir, JournalConfig config, long appliedBatch, Follower follower) throws IOException {
        try {
            make(dir);
            JournalLock lock = JournalLock.take(dir);
            return open(new JournalDirectory(dir), lock, config, appliedBatch, follower);
        } catch (JournalException e) {
            throw e;
        } catch (IOException e) {
            throw new IOException("the journal can't be opened: " + JournalFault.sentence(dir.toString(), e), e);
        }
    }

    /** The same on a disk of a test's own. @param lock closed with the journal, or when it can't be opened. */
    static Journal open(
            JournalDisk disk, AutoCloseable lock, JournalConfig config, long appliedBatch, Follower follower)
            throws IOException {
        Journal journal;
        try {
            journal = new Journal(disk, lock, config, appliedBatch, follower);
        } catch (IOException | RuntimeException e) {
            closeQuietly(lock);
            throw e;
        }
        journal.supply.start();
        journal.thread.start();
        return journal;
    }

    private static void make(Path dir) throws IOException {
        if (Files.isDirectory(dir)) {
            return;
        }
        Path parent = dir.toAbsolutePath().getParent();
        if (parent != null) {
            Files.createDirectories(parent);
        }
        Files.createDirectory(dir, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        if (parent != null) {
            try (FileChannel directory = FileChannel.open(parent, StandardOpenOption.READ)) {
                directory.force(true);
            }
        }
    }

    /** A store that has batches had a journal, whose last segment is never removed. */
    private void checkMayBeNew(long appliedBatch) throws IOException {
        if (appliedBatch > 0 && !disk.names().contains(START_OVER)) {
            throw new JournalDamagedException(
                    disk.path(JournalSegment.nameOf(1)),
                    0,
                    appliedBatch + 1,
                    "the store has batches up to " + appliedBatch + ", and there is no segment");
        }
    }

    /** The segment to go on in, when all that the store has not was handed out. */
    private JournalSegment recover(JournalReader reader, long appliedBatch) throws IOException {
        JournalSegment mended = null;
        try {
            supply.adopt();
            mended = reader.mend();
            reader.handOut(appliedBatch, follower);
            return mended == null ? firstSegment(appliedBatch) : mended;
        } catch (IOException | RuntimeException e) {
            if (mended != null) {
                mended.close();
            }
            supply.close();
            throw e;
        }
    }

    private JournalSegment firstSegment(long appliedBatch) throws IOException {
        JournalSupply.Prepared file = supply.firstSpare();
        JournalSegment first = JournalSegment.begin(
                disk,
                file.name(),
                file.file(),
                new SegmentHead(1, random.nextLong(), appliedBatch + 1, 0, file.bytes(), appliedBatch, false));
        disk.removeIfThere(START_OVER);
        return first;
    }

    /**
     * A way in; any thread.
     *
     * @param completion told on the journal's thread, once for each batch and lane.
     * @throws IllegalStateException beyond {@link JournalConfig#sourceCount}.
     */
    synchronized Source source(EventLog.Completion completion) {
        if (sources.size() == config.sourceCount()) {
            throw new IllegalStateException("the journal has as many sources as it may: " + sources.size());
        }
        JournalSource source = new JournalSource(this, rings, sources.size(), config, completion);
        sources.add(source);
        return source;
    }

    /** All batches up to this one are kept elsewhere for good: segments without later ones are removed soon; any thread. */
    void release(long batch) {
        supply.release(batch);
    }

    /** A way to read batches again that were handed to the follower and not released; any thread, the result is one thread's. */
    JournalTail tail() {
        return new JournalTail(disk, supply::segmentOf);
    }

    /** The last batch that was synced and handed to the follower, or is about to be; any thread. */
    long lastSyncedBatch() {
        return lastStored;
    }

    /** What appends to the lane are refused with now; null while they are taken. Any thread. */
    @Nullable
    EngineFault fault(boolean isUrgent) {
        return isClosing ? EngineFault.CLOSED : isUrgent ? urgentFault : fault;
    }

    boolean refuses(boolean isUrgent) {
        return fault(isUrgent) != null;
    }

    /** Any thread; sorts the last sync times, so not for each event. */
    JournalStatus status() {
        long[] sorted = syncTimes.sortedUs();
        String told = reason;
        return new JournalStatus(
                fault(false),
                fault(true),
                told.isEmpty() ? supply.reason() : told,
                syncTimes.count(),
                JournalSyncTimes.percentile(sorted, 50),
                JournalSyncTimes.percentile(sorted, 99),
                JournalSyncTimes.percentile(sorted, 100),
                rings.queuedBytes(Priority.URGENT) + rings.queuedBytes(Priority.NORMAL) + batchBytes,
                supply.diskBytes(),
                failures);
    }

    /** Makes sure that the journal's thread looks at the rings; any thread. Costs a system call only when it sleeps, and then once. */
    void wake() {
        // As in Shard.wake: the record's commit must not be seen later than this look.
        VarHandle.fullFence();
        if (isSleeping.get() && isSleeping.compareAndSet(true, false)) {
            LockSupport.unpark(thread);
        }
    }

    /** Writes, syncs and completes what was appended, seals, and lets go of the directory. No append may be under way; not on the journal's thread. */
    @Override
    public void close() {
        isClosing = true;
        LockSupport.unpark(thread);
        boolean isInterrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                // What was appended comes first.
                isInterrupted = true;
            }
        }
        supply.close();
        closeQuietly(lock);
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void closeQuietly(AutoCloseable closed) {
        try {
            closed.close();
        } catch (Exception e) {
            LOG.warn("the journal's lock can't be given back: cause={}", e.getMessage());
        }
    }

    // What follows runs on the journal's thread.

    private void run() {
        try {
            while (!isDone()) {
                turn();
            }
            seal();
        } catch (Throwable defect) {
            LOG.error("the journal has a defect and takes nothing more until a restart", defect);
            refuseForEver("a defect: " + defect);
        } finally {
            urgent.release();
            normal.release();
            closeSegment();
        }
    }

    private boolean isDone() {
        return isClosing && rings.isEmpty();
    }

    private void turn() {
        collect();
        if (urgentRecords + normalRecords > 0) {
            commit();
        } else if (fault != null) {
            resume();
            if (fault != null) {
                sleep(TimeUnit.MILLISECONDS.toNanos(config.retryMs()));
            }
        } else if (!isSealed && sealAtNs - ShardClock.monotonicNs() <= 0) {
            seal();
        } else {
            sleep(isSealed ? Long.MAX_VALUE : Math.max(1, sealAtNs - ShardClock.monotonicNs()));
        }
    }

    private void sleep(long ns) {
        isSleeping.set(true);
        if (rings.isEmpty() && !isClosing) {
            LockSupport.parkNanos(this, ns);
        }
        isSleeping.set(false);
    }

    /** All that waits, or as much as goes into a batch; what is urgent first. */
    private void collect() {
        urgent.clear();
        normal.clear();
        urgentRecords = 0;
        normalRecords = 0;
        while (urgent.readableBytes() + normal.readableBytes() < config.batchBytes()) {
            // One by one: a record can't be put back, and the last one may be large.
            if (rings.drain(collector, 1) == 0) {
                break;
            }
        }
        batchBytes = urgent.readableBytes() + normal.readableBytes();
    }

    private final class Collector implements RingHandler {
        @Override
        public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
            boolean isUrgent = JournalSource.isUrgent(recordType);
            sources.get(JournalSource.indexOf(recordType)).onDrained(isUrgent, bytes);
            JournalRecords.write(isUrgent ? urgent : normal, JournalSource.kindOf(recordType), in, at, bytes);
            if (isUrgent) {
                urgentRecords++;
            } else {
                normalRecords++;
            }
        }

        @Override
        public void onDrained() {}

        @Override
        public void onTurnEnd() {}

        @Override
        public void onTick() {}
    }

    private void commit() {
        EngineFault refusal = makeRoom(urgent.readableBytes() + normal.readableBytes());
        if (refusal == null) {
            ByteBuf batch = batchOf(true);
            Outcome outcome = write(batch);
            complete(true, outcome);
            complete(false, outcome);
            handOn(batch, outcome);
        } else {
            complete(false, new Outcome(refusal));
            commitUrgent();
        }
        batchBytes = 0;
    }

    private void commitUrgent() {
        if (urgentRecords == 0) {
            return;
        }
        EngineFault refusal = makeUrgentRoom(urgent.readableBytes());
        if (refusal == null) {
            ByteBuf batch = batchOf(false);
            Outcome outcome = write(batch);
            complete(true, outcome);
            handOn(batch, outcome);
        } else {
            complete(true, new Outcome(refusal));
        }
    }

    private void complete(boolean isUrgent, Outcome outcome) {
        if ((isUrgent ? urgentRecords : normalRecords) > 0) {
            for (JournalSource source : sources) {
                source.complete(isUrgent, outcome);
            }
        }
    }

    private ByteBuf batchOf(boolean isNormalToo) {
        int recordsBytes = urgent.readableBytes() + (isNormalToo ? normal.readableBytes() : 0);
        int fileBytes = Math.toIntExact(JournalFormat.batchFileBytes(recordsBytes));
        ByteBuf batch = PooledByteBufAllocator.DEFAULT.directBuffer(fileBytes, fileBytes);
        batch.writeZero(JournalFormat.BATCH_HEAD_BYTES);
        batch.writeBytes(urgent, urgent.readerIndex(), urgent.readableBytes());
        if (isNormalToo) {
            batch.writeBytes(normal, normal.readerIndex(), normal.readableBytes());
        }
        batch.writeZero(fileBytes - batch.writerIndex());
        ByteBuffer bytes = batch.nioBuffer(0, fileBytes).order(ByteOrder.LITTLE_ENDIAN);
        JournalFormat.finishBatch(
                bytes, segment.salt(), lastBatch + 1, recordsBytes, urgentRecords + (isNormalToo ? normalRecords : 0));
        return batch.setIndex(JournalFormat.BATCH_HEAD_BYTES, JournalFormat.BATCH_HEAD_BYTES + recordsBytes);
    }

    /** The one place where batches reach the disk. */
    private Outcome write(ByteBuf batch) {
        long beginNs = ShardClock.monotonicNs();
        try {
            segment.append(batch.nioBuffer(0, batch.capacity()));
        } catch (IOException e) {
            onFailed(e);
            return new Outcome(EngineFault.FAILED);
        }
        long endNs = ShardClock.monotonicNs();
        syncTimes.add(TimeUnit.NANOSECONDS.toMicros(endNs - beginNs));
        lastBatch++;
        isSealed = !batch.isReadable();
        sealAtNs = endNs + TimeUnit.MILLISECONDS.toNanos(config.sealAfterMs());
        if (batch.isReadable()) {
            lastStored = lastBatch;
        }
        return Outcome.STORED;
    }

    private void handOn(ByteBuf batch, Outcome outcome) {
        if (outcome.fault() == null) {
            follower.onBatch(lastBatch, batch);
        } else {
            batch.release();
        }
    }

    /** Writes an empty batch behind the last one: with something valid behind it, damage to that one is never taken for an interrupted write. */
    private void seal() {
        if (isSealed || segment.isBroken()) {
            return;
        }
        urgent.clear();
        normal.clear();
        urgentRecords = 0;
        normalRecords = 0;
        ByteBuf batch = batchOf(false);
        write(batch);
        batch.release();
        // Where it failed there is a new segment, or none: either way nothing is left to be sealed.
        isSealed = true;
    }

    /** Null when the current segment takes so many bytes of anybody's; else why not. */
    private @Nullable EngineFault makeRoom(int recordsBytes) {
        if (fault == null && !segment.isReserve() && segment.takes(JournalFormat.batchFileBytes(recordsBytes))) {
            return null;
        }
        if (fault == null) {
            awaitSpare();
        }
        resume();
        return fault;
    }

    /** Null when urgent records have room although the normal lane has none. */
    private @Nullable EngineFault makeUrgentRoom(int recordsBytes) {
        if (segment.takes(JournalFormat.batchFileBytes(recordsBytes))) {
            return null;
        }
        JournalSupply.Prepared reserve = supply.takeReserve();
        if (reserve != null) {
            try {
                begin(reserve, true);
            } catch (IOException e) {
                enterFault(EngineFault.FAILED, e);
            }
        }
        if (segment.takes(JournalFormat.batchFileBytes(recordsBytes))) {
            LOG.warn("urgent events go to the reserve: file={}", disk.path(JournalSegment.nameOf(segment.number())));
            return null;
        }
        EngineFault refusal = fault == null ? EngineFault.FULL : fault;
        urgentFault = refusal;
        LOG.error("urgent events can't be stored either: cause={}, reason={}", refusal, reason);
        return refusal;
    }

    private void awaitSpare() {
        try {
            supply.awaitSpare();
        } catch (InterruptedException e) {
            throw new IllegalStateException("the journal's thread was interrupted", e);
        }
    }

    /** Goes on in a new segment if there is a file for one; that ends a fault, and without a file begins one. */
    private void resume() {
        if (fault == EngineFault.FAILED && retryAtNs - ShardClock.monotonicNs() > 0) {
            return;
        }
        JournalSupply.Prepared spare = supply.takeSpare();
        if (spare == null) {
            EngineFault cause = supply.fault();
            if (fault == null || cause != null) {
                enterFault(cause == null ? EngineFault.BUSY : cause, supply.reason());
            }
            return;
        }
        try {
            begin(spare, false);
        } catch (IOException e) {
            enterFault(EngineFault.FAILED, e);
            return;
        }
        if (fault != null) {
            LOG.info("the journal writes again: file={}", disk.path(JournalSegment.nameOf(segment.number())));
        }
        fault = null;
        urgentFault = null;
        reason = "";
    }

    /**
     * Begins the next segment in a file of zeros. From the first attempt on the current one is not written any more, as the new head, which says where that one ends, may be on the disk whatever we are told.
     */
    private void begin(JournalSupply.Prepared file, boolean isReserve) throws IOException {
        segment.abandon();
        JournalSegment next;
        try {
            next = JournalSegment.begin(
                    disk,
                    file.name(),
                    file.file(),
                    new SegmentHead(
                            segment.number() + 1,
                            random.nextLong(),
                            lastBatch + 1,
                            segment.position(),
                            file.bytes(),
                            lastStored,
                            isReserve));
        } catch (IOException e) {
            supply.discard(file);
            throw e;
        }
        closeSegment();
        supply.add(new JournalSupply.Closed(segment.number(), lastStored, segment.bytes()));
        segment = next;
        isSealed = true;
    }

    private void closeSegment() {
        try {
            segment.close();
        } catch (IOException e) {
            LOG.warn("a segment of the journal can't be closed: cause={}", e.getMessage());
        }
    }

    private void onFailed(IOException e) {
        failures++;
        enterFault(EngineFault.FAILED, e);
        // A disk that failed once may well take a new file.
        retryAtNs = ShardClock.monotonicNs();
        resume();
    }

    private void enterFault(EngineFault cause, IOException e) {
        enterFault(cause, JournalFault.sentence(disk.path(JournalSegment.nameOf(segment.number())), e));
    }

    private void enterFault(EngineFault cause, String sentence) {
        if (fault != cause) {
            LOG.error("the journal can't write: cause={}, reason={}", cause, sentence);
        }
        reason = sentence;
        fault = cause;
        retryAtNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(config.retryMs());
    }

    private void refuseForEver(String sentence) {
        reason = sentence;
        fault = EngineFault.FAILED;
        urgentFault = EngineFault.FAILED;
        Outcome failed = new Outcome(EngineFault.FAILED);
        do {
            complete(true, failed);
            complete(false, failed);
            collect();
            if (urgentRecords + normalRecords == 0) {
                sleep(Long.MAX_VALUE);
            }
        } while (!isDone() || urgentRecords + normalRecords > 0);
    }
}
