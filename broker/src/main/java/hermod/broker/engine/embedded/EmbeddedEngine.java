package hermod.broker.engine.embedded;

import hermod.broker.engine.ChannelLog;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.EventBus;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.engine.Retention;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Events and values in a directory of this machine: {@link Journal} makes them durable, {@link RocksStore} behind it keeps them.
 *
 * <p>A directory has one engine at a time. After a crash {@link #open} puts into the store what the journal has and the store lost; that is bounded by {@code flush-after-bytes}, whatever is kept in all.
 */
public final class EmbeddedEngine implements Engine {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddedEngine.class);

    private final JournalLock lock;
    private final LiveStore store;
    private final Applier applier;
    private final Journal journal;
    private final Readers readers;
    private final Changes changes;
    private final Retainer retainer;
    private final Upkeep upkeep;
    private final RocksEventLog events;
    private final RocksChannelLog channels;
    private final RocksKeyedState state;
    private final AtomicBoolean isClosed = new AtomicBoolean();

    private EmbeddedEngine(
            Path dir,
            EmbeddedConfig config,
            Retention.Rules rules,
            JournalLock lock,
            LiveStore store,
            Applier applier,
            Journal journal)
            throws RocksDBException {
        this.lock = lock;
        this.store = store;
        this.applier = applier;
        this.journal = journal;
        readers = new Readers(config.store(), store, applier, journal::lastSyncedBatch);
        changes = new Changes(config.store(), store, applier, readers);
        PlaceRetainer places = new PlaceRetainer(config.store().channelLimitCount());
        retainer = new Retainer(store, readers, changes, rules, places);
        upkeep = new Upkeep(dir, config.store(), store, applier, journal, retainer, readers);
        events = new RocksEventLog(journal, readers, changes);
        state = new RocksKeyedState(readers, changes);
        ChannelChanges channelChanges = new ChannelChanges(changes, applier.knownChannels());
        channels = new RocksChannelLog(readers, channelChanges, applier, places);
        applier.start(journal.tail(), upkeep::flushSoon);
        changes.start(journal, applier.version(), lastStream(store));
        upkeep.start();
    }

    private static long lastStream(LiveStore store) throws RocksDBException {
        try (LiveStore.Lease lease = opened(store)) {
            return RocksEventLog.lastStream(lease.store());
        }
    }

    /** A lease while nobody but the opening thread is there. */
    private static LiveStore.Lease opened(LiveStore store) {
        LiveStore.Lease lease = store.lease(0);
        if (lease == null) {
            throw new IllegalStateException("the store was closed while it was opened");
        }
        return lease;
    }

    /** Loads RocksDB's native library, which takes some 0.4 s the first time; any thread, and not needed before {@link #open}. */
    public static void preload() {
        RocksDB.loadLibrary();
    }

    /**
     * Opens what a directory has, made where it is missing.
     *
     * @param rules asked by a thread of the engine's.
     * @throws IOException with one sentence for people: what is damaged, in use, full, or not to be written.
     */
    public static EmbeddedEngine open(Path dir, EmbeddedConfig config, Retention.Rules rules) throws IOException {
        Files.createDirectories(dir);
        JournalLock lock = JournalLock.take(dir);
        Path storeDir = dir.resolve("store");
        LiveStore store = null;
        Applier applier = null;
        Journal journal = null;
        try {
            store = LiveStore.open(storeDir, config.store());
            long applied;
            try (LiveStore.Lease lease = opened(store)) {
                Revival revival = new Revival(storeDir, config.store().flushAfterBytes());
                applier = new Applier(store, lease.store(), config.store(), revival);
                applied = applier.applied();
            }
            journal = Journal.open(dir.resolve("journal"), config.journal(), applied, applier);
            return new EmbeddedEngine(dir, config, rules, lock, store, applier, journal);
        } catch (UncheckedIOException failed) {
            undo(lock, store, applier, journal);
            throw failed.getCause();
        } catch (IOException | RuntimeException failed) {
            undo(lock, store, applier, journal);
            throw failed;
        } catch (RocksDBException failed) {
            undo(lock, store, applier, journal);
            throw new IOException(RocksStore.sentence(storeDir, failed), failed);
        }
    }

    private static void undo(
            JournalLock lock, @Nullable LiveStore store, @Nullable Applier applier, @Nullable Journal journal)
            throws IOException {
        if (journal != null) {
            journal.close();
        }
        if (applier != null) {
            applier.close();
        }
        if (store != null) {
            store.close();
        }
        lock.close();
    }

    @Override
    public void onRemoved(Retention.Listener listener) {
        retainer.onRemoved(listener);
    }

    @Override
    public EventLog events() {
        return events;
    }

    @Override
    public ChannelLog channels() {
        return channels;
    }

    @Override
    public KeyedState state() {
        return state;
    }

    @Override
    public EventBus bus() {
        return EventBus.ALONE;
    }

    @Override
    public boolean isDurable() {
        return true;
    }

    @Override
    public @Nullable EngineFault fault() {
        return journal.fault(false);
    }

    @Override
    public EngineStatus status() {
        JournalStatus written = journal.status();
        return new EngineStatus(
                written.fault(),
                reason(written),
                applier.eventCount(),
                retainer.removedCount(),
                written.syncs(),
                written.syncP50Us(),
                written.syncP99Us(),
                written.syncMaxUs(),
                written.waitingBytes(),
                written.diskBytes(),
                upkeep.diskBytes(),
                memoryBytes());
    }

    /** What fails durable publishes first; then what ails the store while the journal goes on. */
    private String reason(JournalStatus written) {
        if (!written.reason().isEmpty()) {
            return written.reason();
        }
        Applier.Ailment ailment = applier.ailment();
        if (ailment != null) {
            return ailment.reason();
        }
        return upkeep.trouble().isEmpty() ? readers.damage() : upkeep.trouble();
    }

    private long memoryBytes() {
        return isClosed.get() ? 0 : store.memoryBytes() + applier.queuedBytes();
    }

    /** For tests, which do things to it that a disk would. */
    LiveStore store() {
        return store;
    }

    /** The same. */
    Applier applier() {
        return applier;
    }

    /** Keys of streams of which a last entry is stored, deletions too; for tests. */
    long storedKeys() {
        return countOf(open -> open.last);
    }

    /** Values in the store, whether their time is over or not; for tests. */
    long storedValues() {
        return countOf(open -> open.state);
    }

    /** Values that channels' logs have in the store; for tests. */
    long storedPlaces() {
        return countOf(open -> open.place);
    }

    private long countOf(Function<RocksStore, ColumnFamilyHandle> family) {
        long count = 0;
        try (LiveStore.Lease lease = opened(store);
                RocksIterator values = lease.store().db().newIterator(family.apply(lease.store()))) {
            for (values.seekToFirst(); values.isValid(); values.next()) {
                count++;
            }
        }
        return count;
    }

    @Override
    public void close() {
        if (isClosed.getAndSet(true)) {
            return;
        }
        changes.refuse();
        boolean isQuiet = upkeep.end();
        isQuiet &= readers.end();
        journal.close();
        changes.close();
        isQuiet &= applier.end();
        if (upkeep.flush()) {
            upkeep.release();
        }
        if (isQuiet) {
            retainer.close();
            store.close();
        } else {
            // closing what a thread still reads would end the process
            LOG.error("a thread of the store still runs; the store is left open");
        }
        try {
            lock.close();
        } catch (IOException failed) {
            LOG.warn("the engine's lock can't be closed: {}", failed.getMessage());
        }
    }
}
