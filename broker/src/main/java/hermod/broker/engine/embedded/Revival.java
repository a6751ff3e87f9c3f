package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.ShardClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.TimeUnit;

/**
 * Decides when a store that takes no more writes is worth opening again: not while its disk is bad, as reads go on until then; and not again and again.
 *
 * <p>The store's thread, but for {@link #onFlushed}.
 */
@RunsOn(Owner.STORE)
final class Revival {
    /** RocksDB gets over some failures by itself. */
    private static final long GRACE_NS = TimeUnit.MILLISECONDS.toNanos(500);

    private static final long PAUSE_MIN_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long PAUSE_MAX_NS = TimeUnit.SECONDS.toNanos(60);
    private static final String TRIAL = "write-trial";
    private static final int TRIAL_BYTES = 256 * 1024;

    private final Path dir;
    private final long roomBytes;
    private boolean isIll;
    private long illSinceNs;
    private long notBeforeNs;
    private long pauseNs = PAUSE_MIN_NS;
    private boolean isDamaged;
    private volatile boolean isFlushed;

    /** @param roomBytes that must be free on a disk that was full. */
    Revival(Path dir, long roomBytes) {
        this.dir = dir;
        this.roomBytes = roomBytes;
        notBeforeNs = ShardClock.monotonicNs();
    }

    /** Whether the store is to be opened again now, after a failure that was met just now. */
    boolean isDue(EngineFault failure) {
        long nowNs = ShardClock.monotonicNs();
        if (!isIll) {
            isIll = true;
            illSinceNs = nowNs;
        }
        if (nowNs - notBeforeNs < 0) {
            return false;
        }
        if (failure == EngineFault.CORRUPT) {
            isDamaged = true;
        } else if (nowNs - illSinceNs < GRACE_NS) {
            return false;
        }
        return isWritable();
    }

    /** False when a damaged block was met while files were merged: it would be again. */
    boolean mayCompact() {
        return !isDamaged;
    }

    private boolean isWritable() {
        Path trial = dir.resolve(TRIAL);
        try {
            if (Files.getFileStore(dir).getUsableSpace() < roomBytes) {
                return false;
            }
            try (FileChannel file = FileChannel.open(trial, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                ByteBuffer zeros = ByteBuffer.allocate(TRIAL_BYTES);
                while (zeros.hasRemaining()) {
                    int unused = file.write(zeros);
                }
                file.force(true);
            }
            return true;
        } catch (IOException bad) {
            return false;
        } finally {
            try {
                Files.deleteIfExists(trial);
            } catch (IOException bad) {
                // written over the next time
            }
        }
    }

    /** It is being opened again. */
    void onTried() {
        if (isFlushed) {
            isFlushed = false;
            pauseNs = PAUSE_MIN_NS;
        }
        notBeforeNs = ShardClock.monotonicNs() + pauseNs;
        pauseNs = Math.min(2 * pauseNs, PAUSE_MAX_NS);
    }

    /** A write was taken. */
    void onWritten() {
        isIll = false;
    }

    /** What was written is in files, so it is really well again; any thread. */
    void onFlushed() {
        isFlushed = true;
    }
}
