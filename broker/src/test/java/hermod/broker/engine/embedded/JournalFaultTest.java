package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.embedded.JournalProbe.Memory;
import hermod.broker.engine.embedded.JournalProbe.Told;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A disk that fails: what was not stored is told so, what was is kept, and service resumes by itself. */
@Tag("DL-4")
@Timeout(180)
class JournalFaultTest {
    private static final String EIO = "Input/output error";

    @TempDir
    Path temp;

    private final Memory memory = new Memory();
    private final Told told = new Told();

    private Path dir() {
        return temp.resolve("journal");
    }

    private FailingDisk disk() throws IOException {
        Files.createDirectories(dir());
        return new FailingDisk(dir());
    }

    private Journal open(FailingDisk disk, JournalConfig config) throws IOException {
        return JournalProbe.open(disk, dir(), config, 0, memory);
    }

    /** Until the journal, of one segment, has them: a file has its name a sync of the directory earlier, which would be the test's first victim. */
    private static void awaitSpares(Journal journal) {
        awaitSpares(journal, JournalProbe.small());
    }

    private static void awaitSpares(Journal journal, JournalConfig config) {
        await().until(() -> journal.status().diskBytes() == 2L * config.segmentBytes() + config.urgentReserveBytes());
    }

    /** What is on the disk now, as a crash would leave it. */
    private List<String> afterACrashNow(String name) throws IOException {
        Path image = temp.resolve(name);
        JournalProbe.copy(dir(), image);
        Memory read = new Memory();
        Journal.open(image, JournalProbe.small(), 0, read).close();
        return read.texts();
    }

    @Test
    @Tag("SA-7")
    void afterASyncThatFailedOnceNothingIsAcknowledgedOnThatFileAgain() throws IOException {
        FailingDisk disk = disk();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "before");
            awaitSpares(journal);
            disk.syncFaults.set(1);
            JournalProbe.appendAlone(source, told, "failed");
            await().until(() -> source.hasRoom(false, 100));
            JournalProbe.appendAlone(source, told, "after");
            assertThat(journal.status().failures()).isEqualTo(1);
            assertThat(journal.status().fault()).isNull();
            assertThat(JournalProbe.segments(dir())).hasSize(2);
            await().until(() -> memory.texts().size() == 2);
        }
        assertThat(told.outcomes()).containsExactly("1 stored", "2 FAILED", "3 stored");
        assertThat(memory.texts()).containsExactly("before", "after");
        // The failed batch lies whole in the first segment, and has the number of the one that took its place.
        assertThat(afterACrashNow("image")).containsExactly("before", "after");
    }

    @Test
    void aWriteThatStopsHalfWayIsTheSame() throws IOException {
        FailingDisk disk = disk();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "before");
            awaitSpares(journal);
            disk.writeFault = EIO;
            JournalProbe.appendAlone(source, told, "failed".repeat(500));
            await().until(() -> !source.hasRoom(false, 100));
            assertThat(journal.status().fault()).isEqualTo(EngineFault.FAILED);
            assertThat(journal.status().reason()).contains(EIO).contains(dir().toString());
            assertThat(afterACrashNow("image")).containsExactly("before");
            disk.heal();
            await().until(() -> source.hasRoom(false, 100));
            assertThat(journal.status().reason()).isEmpty();
            JournalProbe.appendAlone(source, told, "after");
        }
        assertThat(told.outcomes()).containsExactly("1 stored", "2 FAILED", "3 stored");
        assertThat(afterACrashNow("closed")).containsExactly("before", "after");
    }

    @Test
    void aCrashAfterAFailureKeepsAllThatWasAcknowledged() throws IOException {
        FailingDisk disk = disk();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "before");
            awaitSpares(journal);
            disk.syncFault = EIO;
            JournalProbe.appendAlone(source, told, "unknown");
            assertThat(told.outcomes()).containsExactly("1 stored", "2 FAILED");
            // Whether it is stored is unknown; here the write was done, so it is.
            assertThat(afterACrashNow("image")).containsExactly("before", "unknown");
            assertThat(source.hasRoom(true, 10))
                    .as("urgent, which the same disk fails")
                    .isTrue();
            long urgent = JournalProbe.append(source, true, "urgent");
            told.await(true, urgent);
            assertThat(told.outcomeOf(true, urgent)).isEqualTo("FAILED");
            await().until(() -> !source.hasRoom(true, 10));
        }
    }

    @Test
    void aSegmentThatCouldNotBeBegunForSureEndsTheOneBeforeIt() throws IOException {
        FailingDisk disk = disk();
        List<String> stored = new ArrayList<>();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            awaitSpares(journal);
            // The new segment gets its name, and its directory's sync fails: it is there, and may not be after a power
            // cut.
            disk.dirSyncFault = EIO;
            long ticket = 0;
            while (journal.fault(false) == null) {
                ticket = JournalProbe.append(source, false, "text " + ticket);
                told.await(false, ticket);
                if (told.outcomeOf(false, ticket).equals("stored")) {
                    stored.add("text " + (ticket - 1));
                }
            }
            assertThat(told.outcomeOf(false, ticket)).isEqualTo("FAILED");
            // There is room in the first segment for this one, but the second's head says that it has ended.
            long urgent = JournalProbe.append(source, true, "urgent");
            told.await(true, urgent);
            assertThat(told.outcomeOf(true, urgent)).isEqualTo("FAILED");
            assertThat(afterACrashNow("image")).isEqualTo(stored);
            disk.heal();
            await().until(() -> source.hasRoom(false, 100) && source.hasRoom(true, 100));
            JournalProbe.appendAlone(source, told, "after");
            stored.add("after");
            assertThat(afterACrashNow("later")).isEqualTo(stored);
        }
    }

    @Test
    void whatADirectoryThatDoesNotSyncLetsBeMadeIsRemovedBeforeItIsTriedAgain() throws IOException {
        FailingDisk disk = disk();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            awaitSpares(journal);
            disk.dirSyncFault = EIO;
            while (journal.fault(false) == null) {
                JournalProbe.appendAlone(source, told, "text");
            }
            long tries = disk.renames.get();
            await().until(() -> disk.renames.get() > tries + 10);
            assertThat(JournalProbe.namesOf(dir(), JournalSupply.SPARE)).hasSizeLessThanOrEqualTo(2);
            disk.heal();
            await().until(() -> source.hasRoom(false, 100));
            JournalProbe.appendAlone(source, told, "after");
        }
    }

    @Test
    void aRenameThatFailsIsTriedAgain() throws IOException {
        FailingDisk disk = disk();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            awaitSpares(journal);
            disk.renameFault = "Read-only file system";
            disk.syncFaults.set(1);
            JournalProbe.appendAlone(source, told, "failed");
            await().until(() -> journal.fault(false) == EngineFault.FAILED);
            disk.heal();
            await().until(() -> source.hasRoom(false, 100));
            JournalProbe.appendAlone(source, told, "after");
        }
        assertThat(told.outcomes()).containsExactly("1 FAILED", "2 stored");
        assertThat(afterACrashNow("image")).containsExactly("after");
    }

    @Test
    @Tag("SA-7")
    void onAFullDiskUrgentGoesOnInItsReserveAndBothResume() throws IOException {
        FailingDisk disk = disk();
        List<String> stored = new ArrayList<>();
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            awaitSpares(journal);
            disk.usable = 0L;
            long ticket = 0;
            while (journal.fault(false) == null) {
                ticket = JournalProbe.append(source, false, "text " + ticket);
                told.await(false, ticket);
                if (told.outcomeOf(false, ticket).equals("stored")) {
                    stored.add("text " + (ticket - 1));
                }
            }
            assertThat(journal.fault(false)).isEqualTo(EngineFault.FULL);
            assertThat(told.outcomeOf(false, ticket)).isEqualTo("FULL");
            assertThat(journal.status().reason()).contains("no space left");
            assertThat(stored).as("two segments' worth").hasSize(28);
            assertThat(source.hasRoom(false, 1)).isFalse();

            // Three blocks are left in the reserve: two batches and the seal's.
            int urgentStored = 0;
            while (journal.fault(true) == null) {
                long urgent = JournalProbe.append(source, true, "urgent " + urgentStored);
                told.await(true, urgent);
                if (told.outcomeOf(true, urgent).equals("stored")) {
                    stored.add("urgent " + urgentStored++);
                } else {
                    await().until(() -> journal.fault(true) != null);
                }
            }
            assertThat(urgentStored).isEqualTo(2);
            assertThat(journal.fault(true)).isEqualTo(EngineFault.FULL);
            assertThat(afterACrashNow("image")).isEqualTo(stored);

            disk.heal();
            await().until(() -> source.hasRoom(false, 1) && source.hasRoom(true, 1));
            JournalProbe.appendAlone(source, told, "after");
            stored.add("after");
            await().until(() -> JournalProbe.has(dir(), JournalSupply.RESERVE));
        }
        assertThat(memory.texts()).isEqualTo(stored);
        assertThat(afterACrashNow("closed")).isEqualTo(stored);
    }

    @Test
    void aRestartWithinTheReserveKeepsItForUrgent() throws IOException {
        onlyTheReserveIsLeft();
        FailingDisk disk = new FailingDisk(dir());
        disk.usable = 0L;
        Told toldNow = new Told();
        try (Journal journal = JournalProbe.open(disk, dir(), JournalProbe.small(), 0, new Memory())) {
            Journal.Source source = journal.source(toldNow);
            long refused = JournalProbe.append(source, false, "normal");
            toldNow.await(false, refused);
            assertThat(toldNow.outcomeOf(false, refused)).isEqualTo("FULL");
            long urgent = JournalProbe.append(source, true, "second urgent");
            toldNow.await(true, urgent);
            assertThat(toldNow.outcomeOf(true, urgent)).isEqualTo("stored");
        }
    }

    private void onlyTheReserveIsLeft() throws IOException {
        FailingDisk disk = disk();
        JournalConfig config = new JournalConfig(
                64 * 1024, 64L * 1024 * 1024, 64 * 1024, 64 * 1024, 64 * 1024, 4 * 1024, 20, 60_000, 1);
        try (Journal journal = open(disk, config)) {
            Journal.Source source = journal.source(told);
            awaitSpares(journal, config);
            disk.usable = 0L;
            while (journal.fault(false) == null) {
                JournalProbe.appendAlone(source, told, "text");
            }
            told.await(true, JournalProbe.append(source, true, "urgent"));
            assertThat(told.outcomeOf(true, 1)).isEqualTo("stored");
        }
    }

    @Test
    void atItsLimitItIsBusyUntilTheStoreHasDoneWithASegment() throws IOException {
        FailingDisk disk = disk();
        try (Journal journal = open(disk, JournalProbe.limited(JournalProbe.small(), 3 * 64 * 1024))) {
            Journal.Source source = journal.source(told);
            while (journal.fault(false) == null) {
                JournalProbe.appendAlone(source, told, "text");
            }
            assertThat(journal.fault(false)).isEqualTo(EngineFault.BUSY);
            assertThat(journal.status().reason()).contains("limit");
            assertThat(JournalProbe.segments(dir())).hasSize(3);
            long urgent = JournalProbe.append(source, true, "urgent");
            told.await(true, urgent);
            assertThat(told.outcomeOf(true, urgent)).isEqualTo("stored");
            journal.release(journal.lastSyncedBatch());
            await().until(() -> source.hasRoom(false, 1));
            JournalProbe.appendAlone(source, told, "after");
        }
        assertThat(told.outcomes()).endsWith((told.outcomes().size() - 1) + " stored");
    }

    @Test
    void aFollowerThatWaitsFillsTheRingsAndNothingElse() throws Exception {
        java.util.concurrent.Semaphore mayGoOn = new java.util.concurrent.Semaphore(0);
        Journal.Follower slow = (batch, records) -> {
            mayGoOn.acquireUninterruptibly();
            memory.onBatch(batch, records);
        };
        Files.createDirectories(dir());
        try (Journal journal = Journal.open(dir(), JournalProbe.small(), 0, slow)) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "stored although the store waits");
            while (source.hasRoom(false, 1_000)) {
                JournalProbe.append(source, false, "x".repeat(1_000));
            }
            assertThat(told.outcomes()).containsExactly("1 stored");
            mayGoOn.release(1_000);
            await().until(() -> source.hasRoom(false, 1_000));
        }
    }

    @Test
    void aFollowerThatThrowsEndsTheServiceAndNothingStoredIsLost() throws IOException {
        Files.createDirectories(dir());
        Journal.Follower broken = (batch, records) -> {
            records.release();
            throw new IllegalStateException("broken");
        };
        try (Journal journal = Journal.open(dir(), JournalProbe.small(), 0, broken)) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "stored");
            await().until(() -> !source.hasRoom(false, 1) && !source.hasRoom(true, 1));
            assertThat(journal.status().reason()).contains("broken");
            JournalProbe.appendAlone(source, told, "too late");
        }
        assertThat(told.outcomes()).containsExactly("1 stored", "2 FAILED");
        assertThat(afterACrashNow("image")).containsExactly("stored");
    }

    @Test
    void aDiskThatFailsAtTheStartIsToldInOneSentence() throws IOException {
        FailingDisk disk = disk();
        disk.writeFault = "Read-only file system";
        assertThatThrownBy(() -> open(disk, JournalProbe.small())).isInstanceOf(IOException.class);
        disk.heal();
        open(disk, JournalProbe.small()).close();

        Path file = temp.resolve("file");
        Files.createFile(file);
        assertThatThrownBy(() -> Journal.open(file.resolve("journal"), JournalProbe.small(), 0, memory))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(file.toString())
                .hasMessageNotContaining("\n");
    }

    @Test
    void aReserveThatCanNotBeMadeIsToldAndEventsGoOn() throws IOException {
        FailingDisk disk = disk();
        Journal before = open(disk, JournalProbe.small());
        awaitSpares(before);
        before.close();
        for (int number = 1; number < 5; number++) {
            Files.deleteIfExists(dir().resolve(JournalSupply.RESERVE + number + ".journal"));
        }
        disk.usable = 10_000L;
        try (Journal journal = open(disk, JournalProbe.small())) {
            Journal.Source source = journal.source(told);
            await().until(() -> journal.status().reason().contains("urgent reserve"));
            JournalProbe.appendAlone(source, told, "text");
            assertThat(told.outcomes()).containsExactly("1 stored");
            assertThat(journal.fault(true)).isNull();
        }
    }
}
