package hermod.broker.admission;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import hermod.broker.config.ConfigException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SecretFileTest {
    @TempDir
    private Path dir;

    @Test
    void aMissingSecretIsMadeForItsOwnerOnlyAndReadAgain() throws Exception {
        Path data = dir.resolve("data");
        byte[] made = SecretFile.readOrCreate(data);
        assertThat(made).hasSize(32);
        assertThat(SecretFile.readOrCreate(data)).isEqualTo(made);
        assertThat(mode(SecretFile.in(data))).isEqualTo("rw-------");
        assertThat(mode(data)).isEqualTo("rwx------");
        assertThat(mode(data.resolve("auth"))).isEqualTo("rwx------");
        try (var files = Files.list(data.resolve("auth"))) {
            assertThat(files).containsExactly(SecretFile.in(data));
        }
    }

    @Test
    void allWhoMakeItAtOnceEndWithTheSame() {
        Set<String> secrets = ConcurrentHashMap.newKeySet();
        IntStream.range(0, 64).parallel().forEach(i -> {
            try {
                secrets.add(java.util.HexFormat.of().formatHex(SecretFile.readOrCreate(dir)));
            } catch (ConfigException failed) {
                throw new AssertionError(failed);
            }
        });
        assertThat(secrets).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw-r-----", "rw----r--", "rw--w----", "rwxrwxrwx", "rw-----w-"})
    void aSecretThatOthersCanReachIsRefused(String mode) throws Exception {
        Path file = write(32, mode);
        assertThatExceptionOfType(ConfigException.class)
                .isThrownBy(() -> SecretFile.read(file))
                .withMessageContaining(mode)
                .withMessageContaining("chmod 600");
    }

    @Test
    void aSecretHasAtLeastThirtyTwoBytes() throws Exception {
        assertThat(SecretFile.read(write(32, "rw-------"))).hasSize(32);
        assertThat(SecretFile.read(write(4_096, "r--------"))).hasSize(4_096);
        for (int bytes : new int[] {0, 31, 4_097}) {
            Path file = write(bytes, "rw-------");
            assertThatExceptionOfType(ConfigException.class).isThrownBy(() -> SecretFile.read(file));
        }
    }

    @Test
    void aMissingFileOrALinkInTheDataDirectoryIsRefused() throws Exception {
        assertThatExceptionOfType(ConfigException.class)
                .isThrownBy(() -> SecretFile.read(dir.resolve("none")))
                .withMessageContaining("no such file");
        Files.createDirectories(dir.resolve("auth"));
        Files.createSymbolicLink(SecretFile.in(dir), write(32, "rw-------"));
        assertThatExceptionOfType(ConfigException.class)
                .isThrownBy(() -> SecretFile.readOrCreate(dir))
                .withMessageContaining("symbolic link");
    }

    private Path write(int bytes, String mode) throws Exception {
        Path file = dir.resolve("secret");
        Files.deleteIfExists(file);
        Files.write(file, new byte[bytes]);
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
    }

    private static String mode(Path file) throws Exception {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    }
}
