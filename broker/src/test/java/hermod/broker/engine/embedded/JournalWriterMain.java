package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * Appends numbers to a journal, as a process that a test kills. It says what it was told: {@code OPEN last} with the last number read, {@code A n} for stored, {@code F n fault} for not.
 *
 * <p>Arguments: directory; how many at most; how many bytes each; how many under way; 1 to release what was read and stored.
 */
final class JournalWriterMain {
    private JournalWriterMain() {}

    static JournalConfig config() {
        return new JournalConfig(256 * 1024, 64L * 1024 * 1024, 64 * 1024, 256 * 1024, 256 * 1024, 32 * 1024, 20, 2, 1);
    }

    /** Numbers rise by one; a number that failed is given to nobody again. */
    private static final class Reader implements Journal.Follower {
        private volatile long last;
        private volatile long batch;

        @Override
        public void onBatch(long number, ByteBuf records) {
            JournalRecords.forEach(records, (kind, in, at, bytes) -> {
                long read = in.getLongLE(at);
                if (read <= last) {
                    throw new IllegalStateException(read + " after " + last);
                }
                last = read;
            });
            batch = number;
            records.release();
        }
    }

    /** The last batch that is gone from the front; 0 for a new journal. */
    static long releasedOf(Path dir) throws IOException {
        JournalDisk disk = new JournalDirectory(dir);
        for (String name : disk.names()) {
            if (JournalSegment.numberOf(name) >= 0) {
                try (JournalFile file = disk.open(name)) {
                    ByteBuffer block = JournalDisk.buffer(JournalFormat.BLOCK_BYTES);
                    file.read(block, 0);
                    return JournalFormat.segmentHead(block).storedBefore();
                }
            }
        }
        return 0;
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        Path dir = Path.of(args[0]);
        long count = Long.parseLong(args[1]);
        int bytes = Integer.parseInt(args[2]);
        int window = Integer.parseInt(args[3]);
        boolean isReleasing = args[4].equals("1");
        PrintStream out = new PrintStream(System.out, true);
        Reader reader = new Reader();
        Journal journal = Journal.open(dir, config(), releasedOf(dir), reader);
        long first = reader.last;
        long[] completed = {0};
        Object lock = new Object();
        Journal.Source source = journal.source(new EventLog.Completion() {
            @Override
            public void onStored(boolean isUrgent, long ticket) {
                out.println("A " + (first + ticket));
                done(ticket);
            }

            @Override
            public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
                out.println("F " + (first + ticket) + " " + fault);
                done(ticket);
            }

            private void done(long ticket) {
                synchronized (lock) {
                    completed[0] = ticket;
                    lock.notifyAll();
                }
            }
        });
        out.println("OPEN " + first);
        ByteBuf payload = Unpooled.buffer(bytes).writeZero(bytes);
        for (long i = 1; i <= count; i++) {
            payload.setLongLE(0, first + i);
            while (!source.hasRoom(false, bytes)) {
                source.flush();
                Thread.sleep(1);
            }
            long ticket = source.append(false, 1, payload);
            source.flush();
            synchronized (lock) {
                while (ticket - completed[0] >= window) {
                    lock.wait();
                }
            }
            if (isReleasing && i % 50 == 0) {
                // All but the newest, so that the next life reads some.
                journal.release(reader.batch - 10);
            }
        }
        journal.close();
        out.println("CLOSED");
    }
}
