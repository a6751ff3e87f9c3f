package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The system's own errors, in a process of its own: failed system calls by a preloaded library, a full disk by a small one. */
@Tag("DL-4")
@Timeout(180)
class JournalIoFaultTest {
    @TempDir
    Path temp;

    @ParameterizedTest
    @CsvSource({"sync,FAILED", "write,FAILED"})
    void systemCallsThatFailAndWorkAgain(String what, String fault) throws IOException, InterruptedException {
        Path library = temp.resolve("iofault.so");
        assumeTrue(compiles(temp, library) || System.getenv("CI") != null, "there is no gcc");
        Path dir = Files.createDirectory(temp.resolve("journal"));
        Path control = temp.resolve("control");
        JournalProcess writer = JournalProcess.start(
                dir,
                List.of(),
                Map.of(
                        "LD_PRELOAD",
                        library.toString(),
                        "HERMOD_IOFAULT",
                        control.toString(),
                        "HERMOD_IOFAULT_PATH",
                        dir + "/segment-"),
                "1000000",
                "300",
                "1",
                "0");
        assertThat(writer.readUntil("A 50")).as(String.valueOf(writer.said())).isTrue();
        for (int round = 0; round < 3; round++) {
            Files.writeString(control, what);
            assertThat(writer.readUntil("F ")).isTrue();
            assertThat(writer.said().get(writer.said().size() - 1)).endsWith(fault);
            Files.delete(control);
            assertThat(writer.readUntil("A ")).isTrue();
            assertThat(writer.readUntil("A ")).isTrue();
        }
        writer.kill();
        assertThat(JournalProcess.numbersIn(dir)).containsAll(writer.stored());
        assertThat(JournalProbe.segments(dir)).hasSizeGreaterThan(3);
    }

    static boolean compiles(Path temp, Path library) throws IOException, InterruptedException {
        Path source = temp.resolve("iofault.c");
        try (InputStream in = JournalIoFaultTest.class.getResourceAsStream("iofault.c")) {
            Files.write(source, in.readAllBytes());
        }
        return runs("gcc", "-shared", "-fPIC", "-o", library.toString(), source.toString(), "-ldl");
    }

    static boolean runs(String... command) throws InterruptedException {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return process.waitFor() == 0;
        } catch (IOException notThere) {
            return false;
        }
    }

    @Test
    void aFullDiskRefusesAndRoomOnItResumes() throws IOException, InterruptedException {
        Path mount = Files.createDirectory(temp.resolve("small"));
        assumeTrue(
                runs("mount", "-t", "tmpfs", "-o", "size=1536k,mode=700", "tmpfs", mount.toString()),
                "a small file system can't be mounted here");
        JournalProcess writer = null;
        try {
            Path ballast = mount.resolve("ballast");
            Files.write(ballast, new byte[700 * 1024]);
            Path dir = Files.createDirectory(mount.resolve("journal"));
            writer = JournalProcess.start(dir, List.of(), Map.of(), "1000000", "3000", "1", "0");
            assertThat(writer.readUntil("F ")).as(String.valueOf(writer.said())).isTrue();
            assertThat(writer.said().get(writer.said().size() - 1)).endsWith("FULL");
            int before = writer.stored().size();
            assertThat(before).isPositive();
            Files.delete(ballast);
            assertThat(writer.readUntil("A ")).isTrue();
            writer.kill();
            assertThat(writer.stored()).hasSizeGreaterThan(before);
            assertThat(JournalProcess.numbersIn(dir)).containsAll(writer.stored());
        } finally {
            if (writer != null) {
                writer.kill();
            }
            runs("umount", mount.toString());
        }
    }
}
