package hermod.broker.engine.embedded;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * The store that is open now. Another opening of the same files can take its place while the process goes on: RocksDB gets over few of its failures in any other way.
 *
 * <p>Whoever uses the store holds a lease meanwhile: what is closed under an iterator ends the process. A reopening forgets what was not flushed; the journal has it.
 */
@RunsOn(Owner.STORE)
final class LiveStore implements AutoCloseable {
    /** How long a reopening waits for leases; it is tried again later. */
    private static final long LEASES_END_TIMEOUT_MS = 30_000;

    private final Path dir;
    private final StoreConfig config;
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

    /** Guarded by {@link #lock}; null where the old one is closed and no new one could be opened. */
    private @Nullable RocksStore store;

    private volatile boolean isWanted;
    private volatile long memoryBytes;
    private volatile long openCount = 1;

    private LiveStore(Path dir, StoreConfig config, RocksStore store) {
        this.dir = dir;
        this.config = config;
        this.store = store;
    }

    /** @throws IOException with one sentence for people. */
    static LiveStore open(Path dir, StoreConfig config) throws IOException {
        return new LiveStore(dir, config, RocksStore.open(dir, config, true));
    }

    /** The right to use the store until it is closed, by the thread that took it. */
    final class Lease implements AutoCloseable {
        private final RocksStore leased;

        private Lease(RocksStore leased) {
            this.leased = leased;
        }

        RocksStore store() {
            return leased;
        }

        @Override
        public void close() {
            lock.readLock().unlock();
        }
    }

    /** @param timeoutMs 0: does not wait. @return null where the store is closed, or still being opened again. */
    @Nullable
    Lease lease(long timeoutMs) {
        try {
            boolean isLocked = timeoutMs <= 0
                    ? lock.readLock().tryLock()
                    : lock.readLock().tryLock(timeoutMs, TimeUnit.MILLISECONDS);
            if (!isLocked) {
                return null;
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return null;
        }
        RocksStore open = store;
        if (open == null) {
            lock.readLock().unlock();
            return null;
        }
        return new Lease(open);
    }

    /** Whether a reopening waits for the leases to end: long ones should. */
    boolean isWanted() {
        return isWanted;
    }

    /** Rises with each reopening. */
    long openCount() {
        return openCount;
    }

    interface Change {
        void onOpened(RocksStore store) throws IOException;
    }

    /**
     * Closes the store and opens it again; waits for the leases first. One thread at a time.
     *
     * @param isCompacting false: files are not merged any more, so that none is read but for a question.
     * @param onClosing called before the old one is closed, when nobody uses it.
     * @param onOpened called before anybody uses the new one; where it fails there is none.
     * @throws IOException with one sentence for people; there is no store then, or still the old one.
     */
    void reopen(boolean isCompacting, Runnable onClosing, Change onOpened) throws IOException {
        isWanted = true;
        try {
            if (!lock.writeLock().tryLock(LEASES_END_TIMEOUT_MS, TimeUnit.MILLISECONDS)) {
                throw new IOException("the store is in use and can't be opened again");
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException("the store was to be opened again, and its thread was interrupted", interrupted);
        } finally {
            isWanted = false;
        }
        try {
            onClosing.run();
            closeStore();
            RocksStore opened = RocksStore.open(dir, config, isCompacting);
            store = opened;
            openCount++;
            try {
                onOpened.onOpened(opened);
            } catch (IOException | RuntimeException failed) {
                closeStore();
                throw failed;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void closeStore() {
        RocksStore open = store;
        store = null;
        if (open != null) {
            open.close();
        }
    }

    /** Blocks that were read, and what is not flushed; never waits. */
    long memoryBytes() {
        Lease lease = lease(0);
        if (lease != null) {
            try (lease) {
                memoryBytes = lease.store().memoryBytes();
            }
        }
        return memoryBytes;
    }

    /** When nobody uses it any more. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            closeStore();
        } finally {
            lock.writeLock().unlock();
        }
    }
}
