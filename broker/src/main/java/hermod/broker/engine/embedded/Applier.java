package hermod.broker.engine.embedded;

import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.EngineFault;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts what the journal has synced into the store, in its order, on a thread of its own; before {@link #start}, on the thread that opens the journal.
 *
 * <p>What waits here is bounded in bytes, and the journal's thread never waits: what there is no place for is read from the journal's files again when the store has caught up ({@link JournalTail}). So a store that is slow or can't be written costs
 * disk, up to the journal's limit, and no urgent append is late for it.
 *
 * <p>A store that can't be written is tried again, for as long as it takes: nothing is left out. Where RocksDB needs it, it is opened again in place ({@link Revival}); {@link #applied} goes back then to what it had flushed.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Applier implements Journal.Follower, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Applier.class);
    private static final long WRITE_BYTES = 1024 * 1024;
    private static final long RETRY_MS = 200;
    private static final long CLOSE_TIMEOUT_MS = 10_000;

    /** What batches that are written at once take of memory. */
    private static final long TAKEN_MEMORY_BYTES = 8 * WRITE_BYTES;

    /** @param bytes of the records. */
    private record Batch(long number, ByteBuf records, int bytes) {
        /** A batch has whole blocks, however little is in it. */
        int memoryBytes() {
            return records.capacity();
        }
    }

    /** What ails the store. */
    record Ailment(EngineFault fault, String reason) {}

    private final LiveStore live;
    private final Revival revival;
    private final long queueBytes;

    /** Guards the queue and all below it that is not volatile; nothing is called within it. */
    private final ReentrantLock lock = new ReentrantLock();

    private final Condition hasWork = lock.newCondition();
    private final Condition hasApplied = lock.newCondition();
    private final Condition ending = lock.newCondition();
    private final ArrayDeque<Batch> queue = new ArrayDeque<>();

    /** Of memory. */
    private long queuedBytes;

    /** The last batch that had no place in the queue, and none after it has until it is in the store; 0 for none. */
    private long lastMissed;

    private long lastHandedOver;

    private ChannelLog.@Nullable Listener listener;

    /** Why the store could not be flushed, for the store's thread to look at. */
    private @Nullable RocksDBException flushFailure;

    private boolean isClosing;
    private @Nullable Thread thread;

    /** The last one handed over before {@link #start}. */
    private long replayed;

    // The store's thread, once it is started.
    private Puts puts;
    private @Nullable JournalTail tail;

    private volatile long applied;
    private volatile long appliedBytes;
    private volatile long eventCount;

    /** Put before the store was opened again. */
    private long eventsBefore;

    private volatile @Nullable Ailment ailment;
    private volatile Runnable onFlushDue = () -> {};
    private final long flushAfterBytes;
    private volatile long flushedBytes;

    /** @param store that is open in {@code live}. */
    Applier(LiveStore live, RocksStore store, StoreConfig config, Revival revival) throws RocksDBException {
        this.live = live;
        this.revival = revival;
        queueBytes = config.queueBytes();
        flushAfterBytes = config.flushAfterBytes();
        puts = new Puts(store);
        applied = store.appliedBatch();
        replayed = applied;
        lastHandedOver = applied;
    }

    /** The highest version a value has; until {@link #start}. */
    long version() {
        return puts.version();
    }

    List<ChannelChanges.Known> knownChannels() {
        return puts.channels().known();
    }

    /** Told of what channels' logs get, whichever opening of the store writes them; any thread, once. */
    void listener(ChannelLog.Listener told) {
        lock.lock();
        try {
            listener = told;
            puts.channels().listener(told);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Ends the replay: what comes from here on is applied on the applier's own thread.
     *
     * @param readAgain given.
     * @param flushDue called on that thread when {@code flush-after-bytes} were put.
     */
    void start(JournalTail readAgain, Runnable flushDue) throws RocksDBException {
        writeReplayed();
        tail = readAgain;
        onFlushDue = flushDue;
        Thread made = new Thread(this::run, "hermod-store");
        made.setDaemon(true);
        lock.lock();
        try {
            thread = made;
        } finally {
            lock.unlock();
        }
        made.start();
    }

    @Override
    public void onBatch(long number, ByteBuf records) {
        boolean isStarted;
        lock.lock();
        try {
            isStarted = thread != null;
        } finally {
            lock.unlock();
        }
        if (isStarted) {
            enqueue(number, records);
        } else {
            replay(number, records);
        }
    }

    private void replay(long number, ByteBuf records) {
        try {
            puts.add(number, records);
            appliedBytes += records.readableBytes();
            replayed = number;
            lastHandedOver = number;
            if (puts.bytes() >= WRITE_BYTES) {
                writeReplayed();
            }
        } catch (RocksDBException failed) {
            throw new UncheckedIOException(
                    new IOException("the store can't be written: " + failed.getMessage(), failed));
        } finally {
            records.release();
        }
    }

    private void writeReplayed() throws RocksDBException {
        if (replayed > applied) {
            puts.write();
            applied = replayed;
        }
    }

    private void enqueue(long number, ByteBuf records) {
        Batch batch = new Batch(number, records, records.readableBytes());
        boolean isTaken;
        lock.lock();
        try {
            isTaken = lastMissed == 0 && (queuedBytes == 0 || queuedBytes + batch.memoryBytes() <= queueBytes);
            if (isTaken) {
                queue.add(batch);
                queuedBytes += batch.memoryBytes();
            } else {
                lastMissed = number;
            }
            lastHandedOver = number;
            hasWork.signal();
        } finally {
            lock.unlock();
        }
        if (!isTaken) {
            records.release();
        }
    }

    private void run() {
        ArrayDeque<Batch> taken = new ArrayDeque<>();
        while (take(taken)) {
            if (taken.isEmpty()) {
                lookAfterFlushes();
            } else {
                apply(taken);
            }
        }
        release(taken);
        if (tail != null) {
            tail.close();
        }
    }

    private static void release(ArrayDeque<Batch> batches) {
        while (!batches.isEmpty()) {
            batches.remove().records().release();
        }
    }

    /** @return false at the end: closing, and nothing is left or can be written. What is in the journal only is put by the next start. */
    private boolean take(ArrayDeque<Batch> taken) {
        long missed;
        lock.lock();
        try {
            while (queue.isEmpty() && lastMissed == 0 && flushFailure == null && !isClosing) {
                hasWork.awaitUninterruptibly();
            }
            if (isClosing && (queue.isEmpty() || ailment != null)) {
                return false;
            }
            long bytes = 0;
            long memoryBytes = 0;
            while (bytes < WRITE_BYTES && memoryBytes < TAKEN_MEMORY_BYTES && !queue.isEmpty()) {
                Batch next = queue.remove();
                bytes += next.bytes();
                memoryBytes += next.memoryBytes();
                taken.add(next);
            }
            queuedBytes -= memoryBytes;
            missed = lastMissed;
        } finally {
            lock.unlock();
        }
        if (taken.isEmpty() && missed > 0) {
            readAgain(taken, missed);
        }
        return true;
    }

    /** What comes next after what is in the store; nothing where it can't be read now. */
    private void readAgain(ArrayDeque<Batch> taken, long missed) {
        JournalTail from = tail;
        if (from == null) {
            return;
        }
        long after = applied;
        long bytes = 0;
        long memoryBytes = 0;
        try {
            while (bytes < WRITE_BYTES && memoryBytes < TAKEN_MEMORY_BYTES) {
                JournalTail.Batch read = from.next(after, missed);
                if (read == null) {
                    break;
                }
                Batch next =
                        new Batch(read.number(), read.records(), read.records().readableBytes());
                taken.add(next);
                bytes += next.bytes();
                memoryBytes += next.memoryBytes();
                after = next.number();
            }
            if (taken.isEmpty()) {
                onCaughtUp(missed);
            }
        } catch (IOException | RuntimeException failed) {
            onUnreadable(failed);
            if (taken.isEmpty()) {
                pause();
            }
        }
    }

    /** From here on the queue is enough again, unless more was missed meanwhile. */
    private void onCaughtUp(long batch) {
        lock.lock();
        try {
            if (lastMissed <= batch) {
                lastMissed = 0;
            }
        } finally {
            lock.unlock();
        }
    }

    private void onUnreadable(Exception failed) {
        EngineFault fault = failed instanceof JournalDamagedException ? EngineFault.CORRUPT : EngineFault.FAILED;
        if (ailment == null) {
            LOG.error(
                    "what the store has not can't be read from the journal, and is tried again: {}", failed.toString());
        }
        ailment = new Ailment(fault, "what the store has not can't be read from the journal: " + failed.getMessage());
    }

    private void apply(ArrayDeque<Batch> taken) {
        long bytes = 0;
        long number = 0;
        boolean isWritten = true;
        for (Batch batch : taken) {
            // what could not be added whole is not written, nor what is behind it
            isWritten = isWritten && insist(() -> puts.add(batch.number(), batch.records()));
            number = batch.number();
            bytes += batch.bytes();
        }
        isWritten = isWritten && insist(() -> puts.write());
        release(taken);
        if (!isWritten) {
            return;
        }
        revival.onWritten();
        lock.lock();
        try {
            applied = number;
            appliedBytes += bytes;
            eventCount = eventsBefore + puts.eventCount();
            if (lastMissed <= number) {
                lastMissed = 0;
            }
            hasApplied.signalAll();
        } finally {
            lock.unlock();
        }
        puts.channels().tellGrown();
        if (unflushedBytes() >= flushAfterBytes) {
            onFlushDue.run();
        }
    }

    private interface Step {
        void run() throws RocksDBException;
    }

    /** Until it succeeds; false where the engine is closed meanwhile, or the store was opened again and lacks what was put before. */
    private boolean insist(Step step) {
        while (true) {
            try {
                step.run();
                onWell();
                return true;
            } catch (RocksDBException failed) {
                onIll(failed);
                if (revive(failed)) {
                    return false;
                }
            } catch (RuntimeException defect) {
                if (ailment == null) {
                    LOG.error("what the journal handed over can't be read, and is tried again", defect);
                }
                ailment = new Ailment(EngineFault.CORRUPT, "what the journal handed over can't be read: " + defect);
            }
            if (!pause()) {
                return false;
            }
        }
    }

    /** @return false where the engine is closed. */
    private boolean pause() {
        lock.lock();
        try {
            if (!isClosing) {
                boolean unused = ending.await(RETRY_MS, TimeUnit.MILLISECONDS);
            }
            return !isClosing;
        } catch (InterruptedException interrupted) {
            return false;
        } finally {
            lock.unlock();
        }
    }

    /** Nothing is to be written, and RocksDB could not flush what is. */
    private void lookAfterFlushes() {
        RocksDBException failed;
        lock.lock();
        try {
            failed = flushFailure;
            flushFailure = null;
        } finally {
            lock.unlock();
        }
        if (failed != null) {
            boolean unused = revive(failed);
        }
    }

    /** @return whether the store was closed, and opened again where that was possible: puts begin with {@link #applied} then. */
    private boolean revive(RocksDBException failed) {
        if (!revival.isDue(RocksStore.faultOf(failed))) {
            return false;
        }
        revival.onTried();
        LOG.warn("the store is opened again, after: {}", failed.getMessage());
        while (true) {
            try {
                live.reopen(revival.mayCompact(), this::onClosing, this::onOpened);
                LOG.info(
                        "the store was opened again{}: the journal is put from batch {} on",
                        revival.mayCompact() ? "" : ", and merges its files no more, because one is damaged",
                        applied + 1);
                // what was written before and not told, or is told once more
                puts.channels().tellGrown();
                return true;
            } catch (IOException | RuntimeException unopened) {
                LOG.error("the store can't be opened again, which is tried again: {}", unopened.getMessage());
                ailment = new Ailment(RocksStore.faultOf(failed), String.valueOf(unopened.getMessage()));
            }
            if (!pause()) {
                return true;
            }
        }
    }

    private void onClosing() {
        puts.close();
    }

    private void onOpened(RocksStore store) throws IOException {
        long persisted;
        Puts opened;
        try {
            persisted = store.appliedBatch();
            opened = new Puts(store);
        } catch (RocksDBException failed) {
            throw new IOException("the store can't be read: " + failed.getMessage(), failed);
        }
        eventsBefore = eventCount;
        lock.lock();
        try {
            while (!queue.isEmpty()) {
                queue.remove().records().release();
            }
            queuedBytes = 0;
            puts = opened;
            if (listener != null) {
                opened.channels().listener(listener);
            }
            applied = persisted;
            lastMissed = lastHandedOver > persisted ? lastHandedOver : 0;
            flushFailure = null;
            flushedBytes = appliedBytes;
        } finally {
            lock.unlock();
        }
    }

    /** Notes that the store could not be written; any thread of the store's. */
    void onIll(RocksDBException failed) {
        EngineFault fault = RocksStore.faultOf(failed);
        if (ailment == null) {
            LOG.error("the store can't be written, and is tried again: {}", failed.getMessage());
        }
        ailment = new Ailment(fault, "the store can't be written: " + failed.getMessage());
    }

    /** Notes that it could. */
    void onWell() {
        if (ailment != null) {
            ailment = null;
            LOG.info("the store can be written again");
        }
    }

    /** Notes that a flush failed; any thread. */
    void onFlushFailed(RocksDBException failed) {
        lock.lock();
        try {
            flushFailure = failed;
            hasWork.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Null while the store can be written. */
    @Nullable
    Ailment ailment() {
        return ailment;
    }

    /** The last batch that is in the store. */
    long applied() {
        return applied;
    }

    /** Put since the last flush, roughly. */
    long unflushedBytes() {
        return appliedBytes - flushedBytes;
    }

    /** What a flush that begins now will write; for {@link #onFlushed}. */
    long appliedBytes() {
        return appliedBytes;
    }

    void onFlushed(long bytes) {
        flushedBytes = bytes;
        revival.onFlushed();
    }

    long eventCount() {
        return eventCount;
    }

    long queuedBytes() {
        lock.lock();
        try {
            return queuedBytes;
        } finally {
            lock.unlock();
        }
    }

    /** What is told to whoever does not wait for the store any longer. */
    EngineFault delay() {
        Ailment known = ailment;
        return known == null ? EngineFault.BUSY : known.fault();
    }

    /** Waits until a batch is in the store. @return null when it is; otherwise why not. */
    @Nullable
    EngineFault await(long batch, long timeoutMs) {
        if (applied >= batch) {
            return null;
        }
        long deadlineNs = ShardClock.monotonicNs() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
        lock.lock();
        try {
            while (applied < batch) {
                long leftNs = deadlineNs - ShardClock.monotonicNs();
                if (leftNs <= 0) {
                    return delay();
                }
                boolean unused = hasApplied.await(leftNs, TimeUnit.NANOSECONDS);
            }
            return null;
        } catch (InterruptedException interrupted) {
            return EngineFault.CLOSED;
        } finally {
            lock.unlock();
        }
    }

    /** Puts what waits and ends the thread; after the journal has handed over its last. @return false where the thread still runs: the store must stay open. */
    boolean end() {
        Thread running;
        lock.lock();
        try {
            isClosing = true;
            hasWork.signalAll();
            ending.signalAll();
            running = thread;
        } finally {
            lock.unlock();
        }
        if (running != null) {
            try {
                running.join(CLOSE_TIMEOUT_MS);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
            if (running.isAlive()) {
                return false;
            }
        }
        release(queue);
        puts.close();
        return true;
    }

    @Override
    public void close() {
        boolean unused = end();
    }
}
