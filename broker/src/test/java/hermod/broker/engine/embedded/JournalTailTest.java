package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.embedded.JournalProbe.Memory;
import hermod.broker.engine.embedded.JournalProbe.Told;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class JournalTailTest {
    @TempDir
    Path temp;

    private final Memory handedOn = new Memory();
    private final Memory readAgain = new Memory();
    private final Told told = new Told();

    private Path dir() {
        return temp.resolve("journal");
    }

    private void read(JournalTail tail, long after, long last) throws IOException {
        JournalTail.Batch next;
        long at = after;
        while ((next = tail.next(at, last)) != null) {
            at = next.number();
            readAgain.onBatch(at, next.records());
        }
    }

    /** Rolls every few batches, seals after each, and now and then leaves a failed batch behind a segment's end that has the next one's number. */
    @Test
    void whatWasHandedOnIsReadAgainAsItWas() throws IOException {
        Files.createDirectories(dir());
        FailingDisk disk = new FailingDisk(dir());
        JournalConfig config = JournalProbe.sealing(JournalProbe.small(), 1);
        try (Journal journal = JournalProbe.open(disk, dir(), config, 0, handedOn);
                JournalTail tail = journal.tail()) {
            Journal.Source source = journal.source(told);
            for (int i = 1; i <= 100; i++) {
                if (!source.hasRoom(false, 7_000)) {
                    await().until(() -> source.hasRoom(false, 7_000));
                }
                if (i % 10 == 5) {
                    disk.syncFaults.set(1);
                }
                JournalProbe.appendAlone(source, told, i + " " + "x".repeat(i * 60));
                if (i == 50) {
                    await().until(() -> handedOn.texts().size() == 45);
                    read(tail, 0, journal.lastSyncedBatch());
                }
            }
            await().until(() -> handedOn.texts().size() == 90);
            long last = journal.lastSyncedBatch();
            read(tail, readAgain.batches().get(44), last);
            assertThat(readAgain.batches()).isEqualTo(handedOn.batches());
            assertThat(readAgain.texts()).isEqualTo(handedOn.texts());
            assertThat(JournalProbe.segments(dir())).hasSizeGreaterThan(10);

            // from somewhere in the middle, when it has read all
            long middle = handedOn.batches().get(30);
            JournalTail.Batch batch = tail.next(middle, last);
            assertThat(batch.number()).isEqualTo(handedOn.batches().get(31));
            batch.records().release();
        }
    }

    @Test
    void whatIsDamagedIsNotHandedOut() throws IOException {
        try (Journal journal = Journal.open(dir(), JournalProbe.small(), 0, handedOn);
                JournalTail tail = journal.tail()) {
            Journal.Source source = journal.source(told);
            JournalProbe.appendAlone(source, told, "one");
            JournalProbe.appendAlone(source, told, "two");
            long second = journal.lastSyncedBatch();
            try (RandomAccessFile file =
                    new RandomAccessFile(JournalProbe.segments(dir()).get(0).toFile(), "rw")) {
                file.seek(2L * JournalFormat.BLOCK_BYTES + JournalFormat.BATCH_HEAD_BYTES + JournalRecords.HEAD_BYTES);
                file.write('T');
            }

            read(tail, 0, second - 1);
            assertThat(readAgain.texts()).containsExactly("one");
            assertThatThrownBy(() -> tail.next(second - 1, second))
                    .isInstanceOf(JournalDamagedException.class)
                    .hasMessageContaining("batch " + second);
        }
    }
}
