package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
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
 * <p>What waits is bounded in bytes: the journal's thread waits for room. A store that can't be written is tried again, for as long as it takes: nothing is left out.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Applier implements Journal.Follower, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Applier.class);
    private static final long WRITE_BYTES = 1024 * 1024;
    private static final long RETRY_MS = 200;
    private static final long CLOSE_TIMEOUT_MS = 10_000;

    private record Batch(long number, ByteBuf records, int bytes) {}

    /** What ails the store. */
    record Ailment(EngineFault fault, String reason) {}

    private final RocksStore store;
    private final Puts puts;
    private final long queueBytes;

    /** Guards the queue and all below it that is not volatile; nothing is called within it. */
    private final ReentrantLock lock = new ReentrantLock();

    private final Condition hasWork = lock.newCondition();
    private final Condition hasRoom = lock.newCondition();
    private final Condition hasApplied = lock.newCondition();
    private final ArrayDeque<Batch> queue = new ArrayDeque<>();
    private long queuedBytes;
    private boolean isClosing;
    private @Nullable Thread thread;

    /** The last one handed over before {@link #start}. */
    private long replayed;

    private volatile long applied;
    private volatile long appliedBytes;
    private volatile long eventCount;
    private volatile @Nullable Ailment ailment;
    private volatile Runnable onFlushDue = () -> {};
    private final long flushAfterBytes;
    private volatile long flushedBytes;

    Applier(RocksStore store, StoreConfig config) throws RocksDBException {
        this.store = store;
        queueBytes = config.queueBytes();
        flushAfterBytes = config.flushAfterBytes();
        puts = new Puts(store);
        applied = store.appliedBatch();
        replayed = applied;
    }

    /** The highest version a value has; until {@link #start}. */
    long version() {
        return puts.version();
    }

    ChannelIndex channels() {
        return puts.channels();
    }

    /** Ends the replay: what comes from here on is applied on the applier's own thread. @param onFlushDue called on it when {@code flush-after-bytes} were put. */
    void start(Runnable flushDue) throws RocksDBException {
        writeReplayed();
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
            if (puts.bytes() >= WRITE_BYTES) {
                writeReplayed();
            }
        } catch (RocksDBException failed) {
            throw new IllegalStateException("the store can't be written: " + failed.getMessage(), failed);
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
        int bytes = records.readableBytes();
        lock.lock();
        try {
            while (queuedBytes > 0 && queuedBytes + bytes > queueBytes && !isClosing) {
                hasRoom.awaitUninterruptibly();
            }
            queue.add(new Batch(number, records, bytes));
            queuedBytes += bytes;
            hasWork.signal();
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        ArrayDeque<Batch> taken = new ArrayDeque<>();
        while (take(taken)) {
            apply(taken);
        }
        taken.forEach(left -> left.records().release());
    }

    /** @return false at the end: closing, and nothing is left or can be written. */
    private boolean take(ArrayDeque<Batch> taken) {
        lock.lock();
        try {
            while (queue.isEmpty()) {
                if (isClosing) {
                    return false;
                }
                hasWork.awaitUninterruptibly();
            }
            long bytes = 0;
            do {
                Batch next = queue.remove();
                bytes += next.bytes();
                taken.add(next);
            } while (bytes < WRITE_BYTES && !queue.isEmpty());
            return !isClosing || ailment == null;
        } finally {
            lock.unlock();
        }
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
        isWritten = isWritten && insist(puts::write);
        while (!taken.isEmpty()) {
            taken.remove().records().release();
        }
        lock.lock();
        try {
            queuedBytes -= bytes;
            if (isWritten) {
                applied = number;
                appliedBytes += bytes;
                eventCount = puts.eventCount();
            }
            hasRoom.signalAll();
            hasApplied.signalAll();
        } finally {
            lock.unlock();
        }
        if (isWritten) {
            puts.channels().tellGrown();
        }
        if (unflushedBytes() >= flushAfterBytes) {
            onFlushDue.run();
        }
    }

    private interface Step {
        void run() throws RocksDBException;
    }

    /** Until it succeeds; false where the engine is closed meanwhile. */
    private boolean insist(Step step) {
        while (true) {
            try {
                step.run();
                onWell();
                return true;
            } catch (RocksDBException failed) {
                onIll(failed);
            } catch (RuntimeException defect) {
                LOG.error("what the journal handed over can't be read", defect);
                ailment = new Ailment(EngineFault.CORRUPT, "what the journal handed over can't be read: " + defect);
            }
            lock.lock();
            try {
                if (isClosing) {
                    return false;
                }
                boolean unused = hasWork.await(RETRY_MS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException interrupted) {
                return false;
            } finally {
                lock.unlock();
            }
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
                    Ailment known = ailment;
                    return known == null ? EngineFault.BUSY : known.fault();
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

    /** Puts what waits and ends the thread; after the journal has handed over its last. */
    @Override
    public void close() {
        Thread running;
        lock.lock();
        try {
            isClosing = true;
            hasWork.signalAll();
            hasRoom.signalAll();
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
        }
        queue.forEach(left -> left.records().release());
        queue.clear();
        puts.close();
    }
}
