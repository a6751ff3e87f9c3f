package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.embedded.JournalProbe.Memory;
import hermod.broker.engine.embedded.JournalProbe.Told;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("DL-4")
class JournalTest {
    @TempDir
    Path dir;

    private final Memory memory = new Memory();
    private final Told told = new Told();

    @Test
    void whatWasStoredComesBackInOrderOverManySegments() throws IOException {
        List<String> texts =
                IntStream.range(0, 50).mapToObj(i -> i + "-".repeat(i * 100)).toList();
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            texts.forEach(text -> JournalProbe.appendAlone(source, told, text));
            await().until(() -> memory.texts().size() == texts.size());
        }
        assertThat(memory.texts()).isEqualTo(texts);
        assertThat(JournalProbe.segments(dir)).hasSizeGreaterThan(3);

        Memory again = new Memory();
        long tenth = memory.batches().get(9);
        try (Journal journal = Journal.open(dir, JournalProbe.small(), tenth, again)) {
            assertThat(again.texts()).isEqualTo(texts.subList(10, 50));
            assertThat(again.batches()).isEqualTo(memory.batches().subList(10, 50));
            assertThat(journal.lastSyncedBatch()).isEqualTo(memory.batches().get(49));
        }
    }

    @Test
    void aRecordIsOfAnySizeThatFitsAndMayBeEmpty() throws IOException {
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            int max = source.payloadBytesMax(false);
            assertThat(source.hasRoom(false, max + 1)).isFalse();
            for (int bytes : new int[] {0, 1, 7, 8, 9, max}) {
                assertThat(source.hasRoom(false, bytes)).isTrue();
                JournalProbe.appendAlone(source, told, "x".repeat(bytes));
            }
            await().until(() -> memory.texts().size() == 6);
            assertThat(memory.texts().stream().map(String::length)).containsExactly(0, 1, 7, 8, 9, max);
        }
    }

    @Test
    void itGoesOnInTheSegmentItLeft() throws IOException {
        for (int life = 0; life < 3; life++) {
            Told toldNow = new Told();
            try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, new Memory())) {
                JournalProbe.appendAlone(journal.source(toldNow), toldNow, "life " + life);
            }
        }
        assertThat(JournalProbe.segments(dir)).hasSize(1);
        Journal.open(dir, JournalProbe.small(), 0, memory).close();
        assertThat(memory.texts()).containsExactly("life 0", "life 1", "life 2");
        assertThat(memory.batches()).isSorted().doesNotHaveDuplicates();
    }

    @Test
    void whatComesWhileASyncLastsSharesTheNextOneAndUrgentGoesFirst() throws Exception {
        FailingDisk disk = new FailingDisk(dir);
        CountDownLatch isSyncing = new CountDownLatch(1);
        Semaphore mayEnd = new Semaphore(0);
        try (Journal journal = JournalProbe.open(disk, dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            await().until(() -> JournalProbe.has(dir, JournalSupply.SPARE));
            disk.onSync = () -> {
                isSyncing.countDown();
                mayEnd.acquireUninterruptibly();
            };
            JournalProbe.append(source, false, "first");
            isSyncing.await();
            for (int i = 0; i < 20; i++) {
                JournalProbe.append(source, false, "normal " + i);
            }
            JournalProbe.append(source, true, "urgent");
            assertThat(told.outcomes()).as("before the sync").isEmpty();
            mayEnd.release();
            told.await(false, 1);
            assertThat(told.outcomes()).containsExactly("1 stored");
            disk.onSync = () -> {};
            mayEnd.release(10);
            told.await(false, 21);
            await().until(() -> memory.texts().size() == 22);
        }
        assertThat(memory.batches()).containsExactly(1L, 2L);
        assertThat(memory.texts().get(1)).isEqualTo("urgent");
        assertThat(told.outcomes().get(1)).isEqualTo("urgent 1 stored");
    }

    @Test
    void eachTicketOfEachSourceIsCompletedOnceAndItsOrderIsKept() throws Exception {
        int sourceCount = 4;
        int count = 5_000;
        JournalConfig config = new JournalConfig(
                256 * 1024, 64L * 1024 * 1024, 64 * 1024, 64 * 1024, 64 * 1024, 16 * 1024, 20, 1, sourceCount);
        Map<String, Integer> lastOf = new ConcurrentHashMap<>();
        List<String> disorder = new ArrayList<>();
        Journal.Follower follower = (batch, records) -> {
            JournalRecords.forEach(records, (kind, in, at, bytes) -> {
                int number = in.getIntLE(at);
                Integer before = lastOf.put("source " + in.getByte(at + 4) + " lane " + in.getByte(at + 5), number);
                if (number != (before == null ? 1 : before + 1)) {
                    disorder.add(before + " then " + number);
                }
            });
            records.release();
        };
        List<Told> tolds = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        try (Journal journal = Journal.open(dir, config, 0, follower)) {
            for (int index = 0; index < sourceCount; index++) {
                Told toldHere = new Told();
                tolds.add(toldHere);
                Journal.Source source = journal.source(toldHere);
                byte number = (byte) index;
                Thread thread = new Thread(() -> appendMany(source, number, count));
                threads.add(thread);
                thread.start();
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        assertThat(disorder).isEmpty();
        assertThat(lastOf)
                .hasSize(2 * sourceCount)
                .allSatisfy((lane, last) -> assertThat(last).isEqualTo(count));
        assertThat(tolds)
                .allSatisfy(each -> assertThat(each.outcomes())
                        .hasSize(2 * count)
                        .allMatch(outcome -> outcome.endsWith(" stored")));
    }

    private static void appendMany(Journal.Source source, byte number, int count) {
        ByteBuf payload = Unpooled.buffer(200).writeZero(200);
        payload.setByte(4, number);
        for (int i = 1; i <= count; i++) {
            payload.setIntLE(0, i);
            for (int lane = 0; lane < 2; lane++) {
                payload.setByte(5, lane);
                while (!source.hasRoom(lane == 1, 200)) {
                    source.flush();
                    Thread.onSpinWait();
                }
                if (source.append(lane == 1, 1 + lane, payload) != i) {
                    throw new AssertionError("ticket of record " + i);
                }
            }
            if (i % 7 == 0 || i == count) {
                source.flush();
            }
        }
    }

    @Test
    void theRoomOfASourceIsBoundedAndComesBackWithTheCompletion() throws Exception {
        FailingDisk disk = new FailingDisk(dir);
        Semaphore mayEnd = new Semaphore(0);
        try (Journal journal = JournalProbe.open(disk, dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            await().until(() -> JournalProbe.has(dir, JournalSupply.SPARE));
            disk.onSync = mayEnd::acquireUninterruptibly;
            long appended = 0;
            while (source.hasRoom(false, 1_000)) {
                appended = JournalProbe.append(source, false, "x".repeat(1_000));
            }
            assertThat(appended).isBetween(40L, 64L);
            assertThat(source.hasRoom(true, 1_000))
                    .as("the urgent lane's own budget")
                    .isTrue();
            assertThatThrownBy(() -> JournalProbe.append(source, false, "x".repeat(1_000)))
                    .isInstanceOf(IllegalStateException.class);
            assertThat(journal.status().waitingBytes()).isGreaterThan(40_000);
            disk.onSync = () -> {};
            mayEnd.release(1_000);
            told.await(false, appended);
            assertThat(source.hasRoom(false, 1_000)).isTrue();
        }
    }

    @Test
    void segmentsGoWhenTheirBatchesAreReleased() throws IOException {
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            for (int i = 0; i < 50; i++) {
                JournalProbe.appendAlone(source, told, "text " + i);
            }
            List<Path> before = JournalProbe.segments(dir);
            assertThat(before).hasSizeGreaterThan(3);
            long diskBytes = journal.status().diskBytes();
            journal.release(journal.lastSyncedBatch());
            await().until(() -> JournalProbe.segments(dir).size() == 1);
            assertThat(JournalProbe.segments(dir)).containsExactly(before.get(before.size() - 1));
            await().until(() -> journal.status().diskBytes() < diskBytes);
            journal.release(0);
        }
        Memory none = new Memory();
        Journal.open(dir, JournalProbe.small(), 50, none).close();
        assertThat(none.texts()).isEmpty();
    }

    @Test
    void aSegmentThatEndsWithASealGoesTooAndIsNotMissed() throws IOException {
        // Each life ends with a seal, which the follower never hears of.
        long applied = 0;
        for (int life = 0; life < 30; life++) {
            Told toldNow = new Told();
            Memory memoryNow = new Memory();
            try (Journal journal = Journal.open(dir, JournalProbe.small(), applied, memoryNow)) {
                assertThat(memoryNow.texts()).isEmpty();
                JournalProbe.appendAlone(journal.source(toldNow), toldNow, "x");
                applied = journal.lastSyncedBatch();
                journal.release(applied);
                await().until(() -> JournalProbe.segments(dir).size() == 1);
            }
        }
        assertThat(JournalProbe.segments(dir).get(0).getFileName().toString()).isNotEqualTo(JournalSegment.nameOf(1));
    }

    @Test
    void theFilesAreTheOwnersOnlyAndOfFullSizeFromTheStart() throws IOException {
        try (Journal journal = Journal.open(dir.resolve("a").resolve("journal"), JournalProbe.small(), 0, memory)) {
            Path made = dir.resolve("a").resolve("journal");
            await().until(() ->
                    JournalProbe.has(made, JournalSupply.SPARE) && JournalProbe.has(made, JournalSupply.RESERVE));
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(made)))
                    .isEqualTo("rwx------");
            try (var files = Files.list(made)) {
                for (Path file : files.toList()) {
                    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                            .as(file.toString())
                            .isEqualTo("rw-------");
                }
            }
            assertThat(JournalProbe.segments(made).get(0)).hasSize(64 * 1024);
            try (var files = Files.list(made)) {
                assertThat(files.filter(file -> file.getFileName().toString().startsWith(JournalSupply.RESERVE)))
                        .singleElement(InstanceOfAssertFactories.PATH)
                        .hasSize(16 * 1024);
            }
            assertThat(journal.status().fault()).isNull();
        }
    }

    @Test
    void aSecondOneOnTheDirectoryIsRefusedWithItsNameAndTheProcess() throws IOException {
        Journal journal = Journal.open(dir, JournalProbe.small(), 0, memory);
        try {
            assertThatThrownBy(() -> Journal.open(dir, JournalProbe.small(), 0, memory))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(dir.toString())
                    .hasMessageContaining("is in use")
                    .hasMessageNotContaining("\n");
        } finally {
            journal.close();
        }
        Journal.open(dir, JournalProbe.small(), 0, memory).close();
    }

    @Test
    void aStoreWithBatchesAndNoJournalIsRefusedUnlessThatIsKnown() throws IOException {
        assertThatThrownBy(() -> Journal.open(dir, JournalProbe.small(), 17, memory))
                .isInstanceOf(JournalDamagedException.class)
                .hasMessageContaining("there is no segment")
                .hasMessageContaining(Journal.START_OVER);
        Files.createFile(dir.resolve(Journal.START_OVER));
        try (Journal journal = Journal.open(dir, JournalProbe.small(), 17, memory)) {
            JournalProbe.appendAlone(journal.source(told), told, "first of the new one");
            assertThat(journal.lastSyncedBatch()).isEqualTo(18);
        }
        assertThat(dir.resolve(Journal.START_OVER)).doesNotExist();
        Journal.open(dir, JournalProbe.small(), 17, memory).close();
        assertThat(memory.batches()).containsExactly(18L, 18L);
    }

    @Test
    void closedItRefusesAndSaysSo() throws IOException {
        Journal journal = Journal.open(dir, JournalProbe.small(), 0, memory);
        Journal.Source source = journal.source(told);
        for (int i = 0; i < 100; i++) {
            JournalProbe.append(source, i % 2 == 0, "text " + i);
        }
        journal.close();
        assertThat(memory.texts()).hasSize(100);
        assertThat(told.outcomes()).hasSize(100).allMatch(outcome -> outcome.endsWith("stored"));
        assertThat(source.hasRoom(false, 1)).isFalse();
        assertThat(journal.fault(true)).isEqualTo(EngineFault.CLOSED);
    }

    @Test
    void itCountsSyncsAndTheirTimes() throws IOException {
        FailingDisk disk = new FailingDisk(dir);
        try (Journal journal = JournalProbe.open(disk, dir, JournalProbe.small(), 0, memory)) {
            Journal.Source source = journal.source(told);
            for (int i = 0; i < 10; i++) {
                JournalProbe.appendAlone(source, told, "x");
            }
            JournalStatus status = journal.status();
            assertThat(status.syncs()).isEqualTo(10);
            assertThat(disk.syncs.get()).isGreaterThanOrEqualTo(10);
            assertThat(status.syncP50Us()).isBetween(1L, status.syncP99Us());
            assertThat(status.syncMaxUs()).isGreaterThanOrEqualTo(status.syncP99Us());
            assertThat(status.reason()).isEmpty();
        }
    }

    @Test
    void idleItSealsOnce() throws IOException {
        JournalConfig config = JournalProbe.sealing(JournalProbe.small(), 1);
        FailingDisk disk = new FailingDisk(dir);
        try (Journal journal = JournalProbe.open(disk, dir, config, 0, memory)) {
            JournalProbe.appendAlone(journal.source(told), told, "x");
            await().until(() -> journal.status().syncs() == 2);
            assertThat(journal.lastSyncedBatch()).isEqualTo(1);
        }
        JournalReader reader = new JournalReader(new JournalDirectory(dir));
        reader.check(0);
        assertThat(reader.segments().get(0).lastBatch()).isEqualTo(2);
        assertThat(reader.segments().get(0).lastStored()).isEqualTo(1);
    }

    @Test
    void aConfigurationThatCanNotWorkIsRefused() {
        assertThatThrownBy(() -> new JournalConfig(64 * 1024, 1 << 20, 16_384, 1 << 20, 1 << 16, 4_096, 1, 1, 1))
                .hasMessageContaining("segment-bytes");
        assertThatThrownBy(() -> new JournalConfig(1 << 20, 1 << 20, 16_384, 1 << 16, 1 << 16, 4_096, 1, 1, 1))
                .hasMessageContaining("limit-bytes");
        assertThatThrownBy(() -> new JournalConfig(1 << 20, 1 << 24, 16_384, 65_535, 1 << 16, 4_096, 1, 1, 1))
                .hasMessageContaining("ring-bytes");
        assertThat(JournalConfig.defaults().withSourceCount(3).sourceCount()).isEqualTo(3);
    }
}
