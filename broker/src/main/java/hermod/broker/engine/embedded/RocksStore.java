package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.ColumnFamilyDescriptor;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.ColumnFamilyOptions;
import org.rocksdb.CompressionType;
import org.rocksdb.DBOptions;
import org.rocksdb.FlushOptions;
import org.rocksdb.InfoLogLevel;
import org.rocksdb.LRUCache;
import org.rocksdb.ReadOptions;
import org.rocksdb.ReadTier;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksObject;
import org.rocksdb.Status;
import org.rocksdb.WriteBatch;
import org.rocksdb.WriteBufferManager;
import org.rocksdb.WriteOptions;

/**
 * RocksDB as the engine uses it: column families ({@link StoreKeys} has their keys), no write-ahead log, all families flushed at once.
 *
 * <p>What was written and not flushed is lost with the process: the journal has it, above {@link #persistedBatch}. Any thread may read and write; nobody may after {@link #close}.
 */
final class RocksStore implements AutoCloseable {
    private static final int BLOCK_BYTES = 16 * 1024;
    private static final int BLOOM_BITS = 10;
    private static final int LEVELS_PLAIN = 2;
    private static final int LEVELS = 7;

    /** RocksDB's name of the merge operator that keeps the value whose bytes are highest: of big-endian numbers, the highest. */
    private static final String HIGHEST = "max";

    /** The first number of a key: the stream. */
    private static final String HINTED_PREFIX = "rocksdb.FixedPrefix.8";

    private static final int OPEN_FILES_MAX = 512;
    private static final int RANGE_DELETIONS_MAX = 256;
    private static final int LOG_FILES_MAX = 2;
    private static final long LOG_FILE_BYTES_MAX = 1024 * 1024;

    private final RocksDB db;
    private final LRUCache cache;

    /** Closed in the reverse order, after the database. */
    private final List<RocksObject> natives;

    private final List<ColumnFamilyHandle> families;
    private final WriteOptions unlogged;
    private final ReadOptions plain;
    private final ReadOptions persisted;
    private final FlushOptions flushing;

    /** Held for each write, so that a last entry that is looked at and removed is not overwritten in between. */
    private final Object lastLock = new Object();

    final ColumnFamilyHandle meta;
    final ColumnFamilyHandle event;
    final ColumnFamilyHandle producer;
    final ColumnFamilyHandle author;
    final ColumnFamilyHandle last;
    final ColumnFamilyHandle stream;
    final ColumnFamilyHandle name;
    final ColumnFamilyHandle state;
    final ColumnFamilyHandle channel;
    final ColumnFamilyHandle place;

    final int metaId;
    final int eventId;
    final int producerId;
    final int authorId;
    final int lastId;
    final int streamId;
    final int nameId;
    final int stateId;
    final int channelId;
    final int placeId;

    private RocksStore(
            RocksDB db,
            LRUCache cache,
            List<ColumnFamilyHandle> families,
            List<RocksObject> natives,
            WriteOptions unlogged,
            ReadOptions plain,
            ReadOptions persisted,
            FlushOptions flushing) {
        this.db = db;
        this.cache = cache;
        this.families = families;
        this.natives = natives;
        this.unlogged = unlogged;
        this.plain = plain;
        this.persisted = persisted;
        this.flushing = flushing;
        meta = families.get(0);
        event = families.get(1);
        producer = families.get(2);
        author = families.get(3);
        last = families.get(4);
        stream = families.get(5);
        name = families.get(6);
        state = families.get(7);
        channel = families.get(8);
        place = families.get(9);
        metaId = meta.getID();
        eventId = event.getID();
        producerId = producer.getID();
        authorId = author.getID();
        lastId = last.getID();
        streamId = stream.getID();
        nameId = name.getID();
        stateId = state.getID();
        channelId = channel.getID();
        placeId = place.getID();
    }

    static RocksStore open(Path dir, StoreConfig config) throws IOException {
        return open(dir, config, true);
    }

    /**
     * Opens what the directory has, made where it is missing.
     *
     * @param isCompacting false: files are never merged; nor does their number stop writes then.
     * @throws IOException with one sentence for people.
     */
    static RocksStore open(Path dir, StoreConfig config, boolean isCompacting) throws IOException {
        Files.createDirectories(dir);
        List<RocksObject> natives = new ArrayList<>();
        List<ColumnFamilyHandle> families = new ArrayList<>();
        try {
            RocksDB.loadLibrary();
            LRUCache cache = keep(natives, new LRUCache(config.memoryBytes()));
            WriteBufferManager buffers = keep(natives, new WriteBufferManager(config.memoryBytes() / 2, cache));
            BloomFilter filter = keep(natives, new BloomFilter(BLOOM_BITS));
            DBOptions options = keep(natives, new DBOptions())
                    .setCreateIfMissing(true)
                    .setCreateMissingColumnFamilies(true)
                    .setAtomicFlush(true)
                    // one thread puts; its inserts may then use the hints
                    .setAllowConcurrentMemtableWrite(false)
                    .setAvoidFlushDuringShutdown(true)
                    .setWriteBufferManager(buffers)
                    .setMaxBackgroundJobs(config.backgroundJobCount())
                    .setMaxOpenFiles(OPEN_FILES_MAX)
                    .setSkipStatsUpdateOnDbOpen(true)
                    .setParanoidChecks(true)
                    .setStatsDumpPeriodSec(0)
                    .setStatsPersistPeriodSec(0)
                    .setInfoLogLevel(InfoLogLevel.WARN_LEVEL)
                    .setKeepLogFileNum(LOG_FILES_MAX)
                    .setMaxLogFileSize(LOG_FILE_BYTES_MAX)
                    .setBytesPerSync(1024 * 1024);
            ColumnFamilyOptions scanned =
                    keep(natives, family(config, cache, null)).setMemtableMaxRangeDeletions(RANGE_DELETIONS_MAX);
            ColumnFamilyOptions looked = keep(natives, family(config, cache, filter));
            ColumnFamilyOptions numbered =
                    keep(natives, family(config, cache, filter)).setMergeOperatorName(HIGHEST);
            scanned.setDisableAutoCompactions(!isCompacting);
            looked.setDisableAutoCompactions(!isCompacting);
            numbered.setDisableAutoCompactions(!isCompacting);
            List<ColumnFamilyDescriptor> descriptors = List.of(
                    new ColumnFamilyDescriptor(RocksDB.DEFAULT_COLUMN_FAMILY, looked),
                    descriptor("event", scanned),
                    descriptor("producer", scanned),
                    descriptor("author", numbered),
                    descriptor("last", looked),
                    descriptor("stream", looked),
                    descriptor("name", looked),
                    descriptor("state", looked),
                    descriptor("channel", looked),
                    descriptor("place", scanned));
            WriteOptions unlogged = keep(natives, new WriteOptions()).setDisableWAL(true);
            ReadOptions plain = keep(natives, new ReadOptions());
            ReadOptions persisted = keep(natives, new ReadOptions()).setReadTier(ReadTier.PERSISTED_TIER);
            FlushOptions flushing = keep(natives, new FlushOptions()).setWaitForFlush(true);
            RocksDB db = RocksDB.open(options, dir.toString(), descriptors, families);
            return new RocksStore(db, cache, families, natives, unlogged, plain, persisted, flushing);
        } catch (RocksDBException failed) {
            closeAll(natives);
            throw new IOException(sentence(dir, failed), failed);
        }
    }

    static String sentence(Path dir, RocksDBException failed) {
        return switch (faultOf(failed)) {
            case CORRUPT -> "the store in " + dir + " is damaged: " + failed.getMessage();
            case FULL -> "the disk of the store in " + dir + " is full: " + failed.getMessage();
            default -> "the store in " + dir + " can't be opened: " + failed.getMessage();
        };
    }

    private static <T extends RocksObject> T keep(List<RocksObject> natives, T made) {
        natives.add(made);
        return made;
    }

    private static ColumnFamilyDescriptor descriptor(String name, ColumnFamilyOptions options) {
        return new ColumnFamilyDescriptor(name.getBytes(java.nio.charset.StandardCharsets.US_ASCII), options);
    }

    /** @param filter for families where single keys are looked up. */
    private static ColumnFamilyOptions family(StoreConfig config, LRUCache cache, @Nullable BloomFilter filter) {
        BlockBasedTableConfig table = new BlockBasedTableConfig()
                .setBlockCache(cache)
                .setBlockSize(BLOCK_BYTES)
                .setCacheIndexAndFilterBlocks(true)
                .setCacheIndexAndFilterBlocksWithHighPriority(true)
                .setPinL0FilterAndIndexBlocksInCache(true);
        if (filter != null) {
            table.setFilterPolicy(filter);
        }
        List<CompressionType> levels = new ArrayList<>();
        for (int level = 0; level < LEVELS; level++) {
            levels.add(level < LEVELS_PLAIN ? CompressionType.NO_COMPRESSION : CompressionType.LZ4_COMPRESSION);
        }
        return near().setTableFormatConfig(table)
                .setNumLevels(LEVELS)
                .setCompressionPerLevel(levels)
                .setLevelCompactionDynamicLevelBytes(false)
                // flushed by Upkeep long before; the buffers' own bound is a second one
                .setWriteBufferSize(config.memoryBytes() / 2)
                .setMaxWriteBufferNumber(4);
    }

    /** With a hint for each first number of a key: the memtable finds the place of the next key from that of the last one with the same number, instead of from the top. Java has no method of its own for it. */
    private static ColumnFamilyOptions near() {
        Properties hinted = new Properties();
        hinted.setProperty("memtable_insert_with_hint_prefix_extractor", HINTED_PREFIX);
        return Objects.requireNonNull(
                ColumnFamilyOptions.getColumnFamilyOptionsFromProps(hinted), "RocksDB knows no hints of inserts");
    }

    /** What a failure of RocksDB's means to who asked. */
    static EngineFault faultOf(RocksDBException failed) {
        Status status = failed.getStatus();
        if (status == null) {
            return EngineFault.FAILED;
        }
        if (status.getCode() == Status.Code.Corruption) {
            return EngineFault.CORRUPT;
        }
        return status.getSubCode() == Status.SubCode.NoSpace ? EngineFault.FULL : EngineFault.FAILED;
    }

    RocksDB db() {
        return db;
    }

    byte @Nullable [] get(ColumnFamilyHandle family, byte[] key) throws RocksDBException {
        return db.get(family, plain, key);
    }

    /**
     * The number that stands under a key; 0 where there is none, and where what stands there is damaged: what is put takes its place. Waiting for it to read again would keep all other streams out of the store.
     *
     * @param key direct, and {@code into} too, with room for a number.
     */
    long number(ColumnFamilyHandle family, ByteBuffer key, ByteBuffer into) throws RocksDBException {
        try {
            return db.get(family, plain, key, into) == RocksDB.NOT_FOUND ? 0 : into.getLong(0);
        } catch (RocksDBException failed) {
            if (faultOf(failed) != EngineFault.CORRUPT) {
                throw failed;
            }
            return 0;
        }
    }

    ReadOptions plain() {
        return plain;
    }

    void write(WriteBatch batch) throws RocksDBException {
        synchronized (lastLock) {
            db.write(unlogged, batch);
        }
    }

    /**
     * Removes the last entry of a key, unless there is a newer one by now: what else is written waits for it.
     *
     * @param lastKey of {@link #last}.
     */
    void removeLast(byte[] lastKey, long offset) throws RocksDBException {
        synchronized (lastLock) {
            byte[] found = db.get(last, plain, lastKey);
            if (found != null && StoreKeys.asLong(found) == offset) {
                db.delete(last, unlogged, lastKey);
            }
        }
    }

    /** The last batch whose effects a crash leaves, or 0. */
    long persistedBatch() throws RocksDBException {
        byte[] batch = db.get(meta, persisted, StoreKeys.APPLIED);
        return batch == null ? 0 : StoreKeys.asLong(batch);
    }

    /** The last batch that is in, or 0. */
    long appliedBatch() throws RocksDBException {
        byte[] batch = db.get(meta, plain, StoreKeys.APPLIED);
        return batch == null ? 0 : StoreKeys.asLong(batch);
    }

    /** Writes all that is in memory to files, of all families at once; waits for it. */
    void flush() throws RocksDBException {
        db.flush(flushing, families);
    }

    /** Blocks that were read, and what is not flushed. */
    long memoryBytes() {
        return cache.getUsage();
    }

    @Override
    public void close() {
        families.forEach(ColumnFamilyHandle::close);
        db.close();
        closeAll(natives);
    }

    private static void closeAll(List<RocksObject> natives) {
        for (int i = natives.size() - 1; i >= 0; i--) {
            natives.get(i).close();
        }
    }
}
