package hermod.broker.engine.embedded;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps a directory for one broker; the system lets go of it when the process ends, however it ends. */
final class JournalLock implements AutoCloseable {
    static final String NAME = "lock";

    private static final Logger LOG = LoggerFactory.getLogger(JournalLock.class);

    /** Those of this process: opening a lock's file a second time, and closing it, would give the first lock away. */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path dir;
    private final FileChannel channel;

    private JournalLock(Path dir, FileChannel channel) {
        this.dir = dir;
        this.channel = channel;
    }

    /** @throws IOException with a sentence that names the directory, and the process that has it if that is known. */
    static JournalLock take(Path dir) throws IOException {
        Path real = dir.toRealPath();
        if (!HELD.add(real)) {
            throw inUse(real, " by this process");
        }
        try {
            return take(real, real.resolve(NAME));
        } catch (IOException | RuntimeException e) {
            HELD.remove(real);
            throw e;
        }
    }

    private static JournalLock take(Path dir, Path file) throws IOException {
        FileChannel channel = FileChannel.open(
                file,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                String pid = Files.readString(file).strip();
                throw inUse(dir, pid.isEmpty() ? "" : " by process " + pid);
            }
            writePid(channel);
            return new JournalLock(dir, channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** For whoever is refused; on a full disk he has to do without. */
    private static void writePid(FileChannel channel) {
        try {
            channel.truncate(0);
            channel.write(ByteBuffer.wrap((ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.US_ASCII)));
        } catch (IOException e) {
            LOG.warn("the process id could not be noted: file={}, cause={}", NAME, e.getMessage());
        }
    }

    private static IOException inUse(Path dir, String byWhom) {
        return new JournalException("the directory " + dir + " is in use" + byWhom + ": two brokers can't share it");
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            HELD.remove(dir);
        }
    }
}
