package hermod.broker.engine.embedded;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is done now and then: flushing, giving the journal's files back, figures; and retention, on a thread of its own, so that neither waits for the other. */
@RunsOn(RunsOn.Owner.STORE)
final class Upkeep implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Upkeep.class);
    private static final long TURN_MS = 500;
    private static final long FIGURES_NS = TimeUnit.SECONDS.toNanos(5);
    private static final long CLOSE_TIMEOUT_MS = 30_000;

    private final Path dir;
    private final StoreConfig config;
    private final LiveStore live;
    private final Applier applier;
    private final Journal journal;
    private final Retainer retainer;
    private final Readers readers;
    private final Semaphore due = new Semaphore(0);
    private final Semaphore ending = new Semaphore(0);
    private final Thread keeper = new Thread(this::keep, "hermod-store-upkeep");
    private final Thread retention = new Thread(this::retain, "hermod-store-retention");
    private volatile boolean isEnding;
    private volatile String trouble = "";
    private volatile long diskBytes;
    private long figuresNs;
    private long released;

    Upkeep(
            Path dir,
            StoreConfig config,
            LiveStore live,
            Applier applier,
            Journal journal,
            Retainer retainer,
            Readers readers) {
        this.dir = dir;
        this.config = config;
        this.live = live;
        this.applier = applier;
        this.journal = journal;
        this.retainer = retainer;
        this.readers = readers;
        keeper.setDaemon(true);
        retention.setDaemon(true);
    }

    void start() {
        keeper.start();
        retention.start();
    }

    /** Says that a flush is due; any thread. */
    void flushSoon() {
        if (due.availablePermits() == 0) {
            due.release();
        }
    }

    /** For people; empty while the store's files can be written. */
    String trouble() {
        return trouble;
    }

    /** All files of the engine, a few seconds ago. */
    long diskBytes() {
        return diskBytes;
    }

    private void keep() {
        figure();
        while (!isEnding) {
            try {
                boolean unused = due.tryAcquire(TURN_MS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException interrupted) {
                return;
            }
            // while there is trouble also to see whether it is over
            if (applier.unflushedBytes() >= config.flushAfterBytes() || !trouble.isEmpty()) {
                boolean unused = flush();
            }
            release();
            if (ShardClock.monotonicNs() - figuresNs >= FIGURES_NS) {
                figure();
            }
        }
    }

    /** Flushes what is in the store now. @return whether it could. */
    boolean flush() {
        LiveStore.Lease lease = live.lease(0);
        if (lease == null) {
            return false;
        }
        try (lease) {
            long bytes = applier.appliedBytes();
            lease.store().flush();
            applier.onFlushed(bytes);
        } catch (RocksDBException failed) {
            applier.onFlushFailed(failed);
            if (trouble.isEmpty()) {
                LOG.error("the store can't be flushed, and is tried again: {}", failed.getMessage());
            }
            trouble = "the store can't be flushed: " + failed.getMessage();
            return false;
        }
        if (!trouble.isEmpty()) {
            trouble = "";
            LOG.info("the store can be flushed again");
        }
        return true;
    }

    /** Gives back what the journal need not keep: also after flushes that RocksDB made by itself. */
    void release() {
        LiveStore.Lease lease = live.lease(0);
        if (lease == null) {
            return;
        }
        try (lease) {
            long persisted = lease.store().persistedBatch();
            if (persisted > released) {
                journal.release(persisted);
                released = persisted;
            }
        } catch (RocksDBException failed) {
            readers.onFailed(failed);
        }
    }

    private void figure() {
        figuresNs = ShardClock.monotonicNs();
        try (Stream<Path> files = Files.walk(dir)) {
            diskBytes = files.mapToLong(Upkeep::bytesOf).sum();
        } catch (IOException | UncheckedIOException gone) {
            LOG.debug("the engine's files can't be counted: {}", gone.toString());
        }
    }

    private static long bytesOf(Path file) {
        try {
            return Files.isRegularFile(file) ? Files.size(file) : 0;
        } catch (IOException gone) {
            return 0;
        }
    }

    private void retain() {
        while (!isEnding) {
            try {
                if (ending.tryAcquire(config.retentionIntervalS(), TimeUnit.SECONDS)) {
                    return;
                }
                retainer.round();
            } catch (InterruptedException interrupted) {
                return;
            } catch (RocksDBException failed) {
                readers.onFailed(failed);
            } catch (RuntimeException defect) {
                LOG.error("a round of retention failed", defect);
            }
        }
    }

    /** Ends both threads. @return false where one still runs. */
    boolean end() {
        isEnding = true;
        retainer.end();
        due.release();
        ending.release();
        try {
            keeper.join(CLOSE_TIMEOUT_MS);
            retention.join(CLOSE_TIMEOUT_MS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        return !keeper.isAlive() && !retention.isAlive();
    }

    @Override
    public void close() {
        boolean unused = end();
    }
}
