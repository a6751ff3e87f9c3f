package hermod.bench.durable;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.HdrHistogram.Histogram;

/**
 * What a disk takes for 4 KiB and an fdatasync, one after the other: at the end of a file that grows, and in one whose blocks were written before, where
 * the sync has nothing but data to write. One thread.
 */
final class DiskProbe implements AutoCloseable {
    static final int RECORD_BYTES = 4096;
    private static final int PREPARED_BYTES = 32 * 1024 * 1024;
    private static final int GROWN_BYTES_MAX = 256 * 1024 * 1024;
    private static final int WARM_UP = 30;

    private final Path growing;
    private final Path prepared;
    private final ByteBuffer record = ByteBuffer.allocateDirect(RECORD_BYTES);

    /** @param folder on the disk in question; has both files until {@link #close}. */
    DiskProbe(Path folder) throws IOException {
        growing = folder.resolve("growing.probe");
        prepared = folder.resolve("prepared.probe");
        while (record.hasRemaining()) {
            record.put((byte) 'x');
        }
        try (FileChannel file = open(prepared)) {
            ByteBuffer zeros = ByteBuffer.allocateDirect(1024 * 1024);
            for (int at = 0; at < PREPARED_BYTES; at += zeros.capacity()) {
                writeWhole(file, zeros, at);
            }
            file.force(true);
        }
    }

    Figures append(double seconds) throws IOException {
        Files.deleteIfExists(growing);
        return run(growing, GROWN_BYTES_MAX, seconds);
    }

    Figures overwrite(double seconds) throws IOException {
        return run(prepared, PREPARED_BYTES, seconds);
    }

    private Figures run(Path path, int limitBytes, double seconds) throws IOException {
        Histogram ns = new Histogram(3);
        try (FileChannel file = open(path)) {
            int at = 0;
            long startNs = System.nanoTime();
            long endNs = startNs + (long) (seconds * 1e9);
            for (int i = 0; i <= WARM_UP || System.nanoTime() - endNs < 0; i++) {
                if (i == WARM_UP) {
                    ns.reset();
                    startNs = System.nanoTime();
                    endNs = startNs + (long) (seconds * 1e9);
                }
                long fromNs = System.nanoTime();
                writeWhole(file, record, at);
                file.force(false);
                ns.recordValue(System.nanoTime() - fromNs);
                at += RECORD_BYTES;
                if (at + RECORD_BYTES > limitBytes) {
                    at = 0;
                }
            }
            return Figures.of(ns, (System.nanoTime() - startNs) / 1e9);
        }
    }

    private static FileChannel open(Path path) throws IOException {
        return FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static void writeWhole(FileChannel file, ByteBuffer bytes, long at) throws IOException {
        bytes.clear();
        long next = at;
        while (bytes.hasRemaining()) {
            next += file.write(bytes, next);
        }
    }

    @Override
    public void close() throws IOException {
        Files.deleteIfExists(growing);
        Files.deleteIfExists(prepared);
    }
}
