package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;

/** What tests of the journal share: small settings, records as text, a follower and a completion that remember. */
final class JournalProbe {
    static final int KIND = 7;

    private JournalProbe() {}

    /** Segments of 64 KiB, so that a few records roll; a reserve of 16 KiB. */
    static JournalConfig small() {
        return new JournalConfig(
                64 * 1024, 64L * 1024 * 1024, 16 * 1024, 64 * 1024, 64 * 1024, 4 * 1024, 20, 60_000, 1);
    }

    static JournalConfig sealing(JournalConfig config, int sealAfterMs) {
        return new JournalConfig(
                config.segmentBytes(),
                config.limitBytes(),
                config.urgentReserveBytes(),
                config.ringBytes(),
                config.urgentRingBytes(),
                config.batchBytes(),
                config.retryMs(),
                sealAfterMs,
                config.sourceCount());
    }

    static JournalConfig limited(JournalConfig config, long limitBytes) {
        return new JournalConfig(
                config.segmentBytes(),
                limitBytes,
                config.urgentReserveBytes(),
                config.ringBytes(),
                config.urgentRingBytes(),
                config.batchBytes(),
                config.retryMs(),
                config.sealAfterMs(),
                config.sourceCount());
    }

    /** Opens on a disk of the test's own, with the lock a real one takes. */
    static Journal open(JournalDisk disk, Path dir, JournalConfig config, long applied, Journal.Follower follower)
            throws IOException {
        return Journal.open(disk, JournalLock.take(dir), config, applied, follower);
    }

    static ByteBuf text(String text) {
        return Unpooled.copiedBuffer(text, StandardCharsets.UTF_8);
    }

    /** Appends and flushes. */
    static long append(Journal.Source source, boolean isUrgent, String text) {
        ByteBuf payload = text(text);
        try {
            long ticket = source.append(isUrgent, KIND, payload);
            source.flush();
            return ticket;
        } finally {
            payload.release();
        }
    }

    /** Appends one, and waits until it is completed: a batch of its own. */
    static void appendAlone(Journal.Source source, Told told, String text) {
        told.await(false, append(source, false, text));
    }

    /** What came back, by batch. */
    static final class Memory implements Journal.Follower {
        private final List<Long> batches = Collections.synchronizedList(new ArrayList<>());
        private final List<String> texts = Collections.synchronizedList(new ArrayList<>());

        @Override
        public void onBatch(long batch, ByteBuf records) {
            JournalRecords.forEach(
                    records, (kind, in, at, bytes) -> texts.add(in.toString(at, bytes, StandardCharsets.UTF_8)));
            batches.add(batch);
            records.release();
        }

        List<Long> batches() {
            return List.copyOf(batches);
        }

        List<String> texts() {
            return List.copyOf(texts);
        }
    }

    /** What was told of tickets; fails a test that is told anything twice or backwards. */
    static final class Told implements EventLog.Completion {
        private final long[] last = new long[2];
        private final List<String> outcomes = new ArrayList<>();

        @Override
        public synchronized void onStored(boolean isUrgent, long ticket) {
            note(isUrgent, ticket, "stored");
        }

        @Override
        public synchronized void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
            note(isUrgent, ticket, fault.name());
        }

        private void note(boolean isUrgent, long ticket, String outcome) {
            int lane = isUrgent ? 1 : 0;
            if (ticket <= last[lane]) {
                outcomes.add("told twice: " + ticket);
            }
            for (long each = last[lane] + 1; each <= ticket; each++) {
                outcomes.add((isUrgent ? "urgent " : "") + each + " " + outcome);
            }
            last[lane] = ticket;
            notifyAll();
        }

        synchronized void await(boolean isUrgent, long ticket) {
            long deadlineNs = System.nanoTime() + 60_000_000_000L;
            while (last[isUrgent ? 1 : 0] < ticket) {
                if (System.nanoTime() - deadlineNs > 0) {
                    throw new AssertionError("ticket " + ticket + " was not completed: " + outcomes);
                }
                try {
                    wait(100);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
        }

        synchronized List<String> outcomes() {
            return List.copyOf(outcomes);
        }

        synchronized String outcomeOf(boolean isUrgent, long ticket) {
            String begin = (isUrgent ? "urgent " : "") + ticket + " ";
            return outcomes.stream()
                    .filter(outcome -> outcome.startsWith(begin))
                    .findFirst()
                    .orElse("none")
                    .substring(begin.length());
        }
    }

    static List<Path> segments(Path dir) throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            return files.filter(
                            file -> JournalSegment.numberOf(file.getFileName().toString()) >= 0)
                    .sorted()
                    .toList();
        }
    }

    /** Whether a file that was made ahead is there. */
    static boolean has(Path dir, String nameBegin) throws IOException {
        return !namesOf(dir, nameBegin).isEmpty();
    }

    /** The files that were made ahead; one is named a little before the journal may use it. */
    static List<String> namesOf(Path dir, String nameBegin) throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith(nameBegin) && name.endsWith(".journal"))
                    .toList();
        }
    }

    static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
                try {
                    Files.copy(file, to.resolve(file.getFileName()));
                } catch (NoSuchFileException renamed) {
                    // A file made ahead has been finished meanwhile: nothing is in it yet. Any other must be there.
                    if (!file.toString().endsWith(".making")) {
                        throw renamed;
                    }
                }
            }
        }
    }

    static void delete(Path dir) throws IOException {
        try (Stream<Path> files = Files.list(dir)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(dir);
    }
}
