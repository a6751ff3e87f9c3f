package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The process {@code hermod serve}, started as an operator would. */
class ServeEndToEndTest {
    private static final int SIGINT = 2;
    private static final Pattern READY = Pattern.compile(
            "ready tcp=(127\\.0\\.0\\.1:\\d+) ws=(127\\.0\\.0\\.1:\\d+) admin=(127\\.0\\.0\\.1:\\d+) data=(/.*)");

    @TempDir
    private Path dir;

    private List<String> javaFlags = List.of();

    @Test
    void itSaysOneLineWhenItIsReadyAndEndsWithZeroWhenItIsAskedTo() throws Exception {
        for (String signal : isInterruptIgnored() ? List.of("TERM") : List.of("TERM", "INT")) {
            Process process = serve("--data", dir.resolve("data").toString(), "--dev");
            try (BufferedReader out = lines(process)) {
                Matcher ready = READY.matcher(String.valueOf(out.readLine()));
                assertThat(ready.matches()).as(err()).isTrue();
                assertThat(ready.group(4)).isEqualTo(dir.resolve("data").toString());
                assertThat(Command.run("stats", "--admin", ready.group(3)).exitCode())
                        .isZero();
                new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
                        .start()
                        .waitFor();
                assertThat(process.waitFor(60, TimeUnit.SECONDS))
                        .as(() -> "SIG" + signal + "\n" + stacks(process))
                        .isTrue();
                assertThat(process.exitValue()).isZero();
                assertThat(out.readLine()).isNull();
            } finally {
                process.destroyForcibly();
            }
            assertThat(err())
                    .contains("development mode")
                    .doesNotContain("\tat ")
                    .doesNotContain("%n");
        }
    }

    @Test
    void aTakenPortIsOneSentenceAndExitCodeOne() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            String port = Integer.toString(taken.getLocalPort());
            assertThat(failure("--data", dir.resolve("d").toString(), "--admin-port", port))
                    .isEqualTo(1);
            assertThat(err()).contains(port).doesNotContain("\tat ");
        }
    }

    @Test
    void aWrongConfigurationIsToldInSentences() throws Exception {
        Path file = Files.writeString(dir.resolve("hermod.yaml"), "transport:\n  port: 70000\n  prot: 1\n");
        assertThat(failure("--config", file.toString())).isEqualTo(1);
        assertThat(err().lines()).hasSize(2).allMatch(line -> line.startsWith("hermod: " + file));
        assertThat(failure("--config", dir.resolve("none").toString())).isEqualTo(1);
        assertThat(err()).hasLineCount(1);
        assertThat(failure("--data", "/proc/none")).isEqualTo(1);
        assertThat(err()).hasLineCount(1).contains("/proc/none");
    }

    @Test
    void aWayToSocketsThatTheMachineLacksIsOneSentenceAndAutoGoesOn() throws Exception {
        javaFlags = List.of("-Dio.netty.transport.noNative=true");
        for (String io : List.of("epoll", "io_uring")) {
            Path file = Files.writeString(dir.resolve("hermod.yaml"), "transport:\n  io: " + io + "\n");
            assertThat(failure("--config", file.toString(), "--data", dir.toString()))
                    .isEqualTo(1);
            assertThat(err())
                    .hasLineCount(1)
                    .contains(
                            "transport.io is " + io + ", which this machine can't do (", "noNative", "takes nio here");
        }
        Process process = serve("--data", dir.resolve("data").toString());
        try (BufferedReader out = lines(process)) {
            assertThat(out.readLine()).as(err()).startsWith("ready ");
            assertThat(err()).contains("sockets: io=nio");
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    @Test
    void aWrongFlagIsUsage() throws Exception {
        assertThat(failure("--ws-port", "65536")).isEqualTo(2);
        assertThat(err()).isEqualTo("hermod: --ws-port is 65536; it must be a whole number from 0 to 65535.\n");
        assertThat(failure("--bogus")).isEqualTo(2);
        assertThat(err()).hasLineCount(2);
    }

    private int failure(String... arguments) throws Exception {
        Process process = serve(arguments);
        try (BufferedReader out = lines(process)) {
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(out.readLine()).isNull();
            return process.exitValue();
        } finally {
            process.destroyForcibly();
        }
    }

    /** With free ports unless a test names one. */
    private Process serve(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("hermod.test.java", "java"),
                "--add-opens",
                "java.base/jdk.internal.misc=ALL-UNNAMED",
                "-Xmx128m"));
        command.add("--enable-native-access=ALL-UNNAMED");
        command.addAll(javaFlags);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "hermod.broker.BrokerMain", "serve"));
        List<String> given = List.of(arguments);
        for (String port : List.of("--port", "--ws-port", "--admin-port")) {
            if (!given.contains(port)) {
                command.addAll(List.of(port, "0"));
            }
        }
        command.addAll(given);
        return new ProcessBuilder(command)
                .redirectError(dir.resolve("err").toFile())
                .start();
    }

    private String err() throws IOException {
        return Files.readString(dir.resolve("err"));
    }

    /** A shell lets what it runs in the background ignore SIGINT, and so do the processes it starts. */
    private static boolean isInterruptIgnored() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("SigIgn:"))
                    .anyMatch(line -> (Long.parseUnsignedLong(line.substring(7).strip(), 16) & 1L << SIGINT - 1) != 0);
        }
    }

    /** Where a process hangs, for the report of a failure. */
    private static String stacks(Process process) {
        try {
            Path jstack = Path.of(System.getProperty("java.home"), "bin", "jstack");
            Process asked = new ProcessBuilder(jstack.toString(), Long.toString(process.pid()))
                    .redirectErrorStream(true)
                    .start();
            return new String(asked.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException none) {
            return none.toString();
        }
    }

    private static BufferedReader lines(Process process) {
        return new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }
}
