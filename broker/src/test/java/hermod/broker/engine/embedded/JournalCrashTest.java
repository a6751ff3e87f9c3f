package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A process that appends is killed; whatever it was told is stored comes back in the next one. */
@Tag("DL-4")
@Timeout(300)
class JournalCrashTest {
    @TempDir
    Path dir;

    @Test
    void nothingAcknowledgedIsMissingAfterKill9() throws IOException, InterruptedException {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        long stored = 0;
        for (int round = 0; round < 12; round++) {
            JournalProcess writer =
                    JournalProcess.start(dir, List.of(), Map.of(), "1000000", "300", round % 2 == 0 ? "1" : "32", "1");
            assertThat(writer.readUntil("A "))
                    .as("seed %s: %s", seed, writer.said())
                    .isTrue();
            int lines = random.nextInt(2_000);
            for (int line = 0; line < lines && writer.readUntil("A "); line++) {}
            writer.kill();
            long before = stored;
            stored = Math.max(stored, writer.lastStored());
            assertThat(stored).isGreaterThan(before);
            assertThat(JournalProcess.lastNumberIn(dir))
                    .as("seed %s, round %s", seed, round)
                    .isGreaterThanOrEqualTo(stored);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "journal-before-write:40",
                "journal-after-write:40",
                "journal-after-sync:40",
                "journal-roll-head:3",
                "journal-roll-name:3",
                "journal-roll-done:3",
                "journal-before-remove:1",
                "journal-after-remove:1"
            })
    void nothingAcknowledgedIsMissingAfterACrashAt(String point) throws IOException, InterruptedException {
        JournalProcess writer = JournalProcess.start(
                dir, List.of("-Dhermod.crash-point=" + point), Map.of(), "100000", "2000", "4", "1");
        int exitCode = writer.readToTheEnd();
        assertThat(exitCode).as(String.valueOf(writer.said())).isEqualTo(137);
        long stored = writer.lastStored();
        assertThat(stored).isGreaterThan(0);
        assertThat(JournalProcess.lastNumberIn(dir)).isGreaterThanOrEqualTo(stored);

        Journal.open(
                        dir,
                        JournalWriterMain.config(),
                        JournalWriterMain.releasedOf(dir),
                        (batch, records) -> records.release())
                .close();
        assertThat(JournalProcess.lastNumberIn(dir)).isGreaterThanOrEqualTo(stored);
    }
}
