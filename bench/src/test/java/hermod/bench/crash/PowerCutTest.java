package hermod.bench.crash;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import hermod.bench.BrokerProcess;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PowerCutTest {
    private static final byte[] BYTES = new byte[8_192];

    static {
        Arrays.fill(BYTES, (byte) 7);
    }

    @TempDir
    private Path folder;

    private static FileChannel open(Path file) throws Exception {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    @Test
    void whatWasSyncedSurvivesThreeCutsAndWhatWasOnlyWrittenDoesNotSurviveOne() throws Exception {
        String missing = PowerCut.missing();
        if (missing != null && "true".equals(System.getenv("CI"))) {
            fail(missing);
        }
        Assumptions.assumeTrue(missing == null, missing);
        try (PowerCut cut = PowerCut.prepare(folder, new SplittableRandom(1))) {
            Files.createDirectories(cut.data());
            for (int round = 1; round <= 3; round++) {
                Path synced = cut.data().resolve("synced-" + round);
                Path written = cut.data().resolve("written-" + round);
                Path half = cut.data().resolve("half-" + round);
                try (FileChannel first = open(half);
                        FileChannel out = open(synced);
                        FileChannel late = open(written)) {
                    first.write(ByteBuffer.wrap(BYTES));
                    first.force(false);
                    out.write(ByteBuffer.wrap(BYTES));
                    out.force(false);
                    first.write(ByteBuffer.wrap(BYTES));
                    late.write(ByteBuffer.wrap(BYTES));
                }
                BrokerProcess process = BrokerProcess.builder()
                        .classPath(System.getProperty("java.class.path"))
                        .mainClass("hermod.bench.StandInBroker")
                        .data(cut.data())
                        .start();

                cut.strike(process);

                assertThat(process.isAlive()).isFalse();
                for (int earlier = 1; earlier <= round; earlier++) {
                    assertThat(cut.data().resolve("synced-" + earlier)).hasBinaryContent(BYTES);
                    assertThat(cut.data().resolve("half-" + earlier)).hasBinaryContent(BYTES);
                    assertThat(contentOf(cut.data().resolve("written-" + earlier)))
                            .isNotEqualTo(BYTES);
                }
            }
        }
        assertThat(folder).isDirectoryNotContaining("glob:**/image-*");
        assertThat(Files.readString(Path.of("/proc/mounts"))).doesNotContain(folder.toString());
    }

    private static byte[] contentOf(Path file) throws Exception {
        return Files.exists(file) ? Files.readAllBytes(file) : new byte[0];
    }
}
