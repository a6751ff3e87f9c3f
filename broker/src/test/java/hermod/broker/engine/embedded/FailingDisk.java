package hermod.broker.engine.embedded;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A real directory whose calls fail when a test says so. */
final class FailingDisk implements JournalDisk {
    private final JournalDisk real;

    /** Words of the failure of every sync of a segment's file, in the test's hands; null for none. */
    volatile @Nullable String syncFault;

    /** So many syncs of segments fail, then they work again. */
    final AtomicInteger syncFaults = new AtomicInteger();

    volatile @Nullable String writeFault;
    volatile @Nullable String renameFault;
    volatile @Nullable String dirSyncFault;

    /** What is told to be free; null for the truth. */
    volatile @Nullable Long usable;

    final AtomicLong syncs = new AtomicLong();
    final AtomicLong renames = new AtomicLong();
    final AtomicLong writes = new AtomicLong();

    /** Called before each sync of a file, by whoever syncs. */
    volatile Runnable onSync = () -> {};

    FailingDisk(Path dir) {
        this.real = new JournalDirectory(dir);
    }

    void heal() {
        syncFault = null;
        writeFault = null;
        renameFault = null;
        dirSyncFault = null;
        usable = null;
    }

    private static void failIf(@Nullable String words) throws IOException {
        if (words != null) {
            throw new IOException(words);
        }
    }

    @Override
    public List<String> names() throws IOException {
        return real.names();
    }

    @Override
    public JournalFile create(String name) throws IOException {
        failIf(writeFault);
        return new FailingFile(real.create(name));
    }

    @Override
    public JournalFile open(String name) throws IOException {
        return new FailingFile(real.open(name));
    }

    @Override
    public void rename(String from, String to) throws IOException {
        failIf(renameFault);
        real.rename(from, to);
        renames.incrementAndGet();
    }

    @Override
    public void removeIfThere(String name) throws IOException {
        real.removeIfThere(name);
    }

    @Override
    public void sync() throws IOException {
        failIf(dirSyncFault);
        real.sync();
    }

    @Override
    public long usableBytes() throws IOException {
        Long told = usable;
        return told == null ? real.usableBytes() : told;
    }

    @Override
    public String path(String name) {
        return real.path(name);
    }

    private final class FailingFile implements JournalFile {
        private final JournalFile file;

        FailingFile(JournalFile file) {
            this.file = file;
        }

        @Override
        public int read(ByteBuffer into, long position) throws IOException {
            return file.read(into, position);
        }

        @Override
        public void write(ByteBuffer from, long position) throws IOException {
            if (writeFault != null) {
                // Half of it is on the disk, as it may be.
                file.write(from.duplicate().limit(from.position() + from.remaining() / 2), position);
            }
            failIf(writeFault);
            writes.incrementAndGet();
            file.write(from, position);
        }

        @Override
        public void sync() throws IOException {
            onSync.run();
            failIf(syncFault);
            if (syncFaults.get() > 0 && syncFaults.getAndDecrement() > 0) {
                throw new IOException("Input/output error");
            }
            syncs.incrementAndGet();
            file.sync();
        }

        @Override
        public long bytes() throws IOException {
            return file.bytes();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
