package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Logging is there before any thread is that could log: two that meet while it begins make SLF4J warn of calls that it held back. */
@Timeout(60)
class LoggingStartTest {
    private static final String BEGUN = "logging begun by ";

    @TempDir
    Path dir;

    /** Says on which thread logging begins, and which of ours are there. */
    public static final class Witness extends ConsoleAppender<ILoggingEvent> {
        @Override
        public void start() {
            List<String> ours = Thread.getAllStackTraces().keySet().stream()
                    .map(Thread::getName)
                    .filter(name -> name.startsWith("hermod"))
                    .toList();
            System.err.println(BEGUN + Thread.currentThread().getName() + " beside " + ours);
            super.start();
        }
    }

    @Test
    void aBrokerBeginsLoggingBeforeItStartsAnyThread() throws Exception {
        Path logback = Files.writeString(dir.resolve("logback.xml"), """
                <configuration>
                    <appender name="witness" class="%s">
                        <target>System.err</target>
                        <encoder><pattern>%%msg%%n</pattern></encoder>
                    </appender>
                    <root level="INFO"><appender-ref ref="witness"/></root>
                </configuration>
                """.formatted(Witness.class.getName()));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
                "-Dlogback.configurationFile=" + logback,
                "-cp",
                System.getProperty("java.class.path"),
                BrokerMain.class.getName()));
        command.addAll(List.of("serve", "--dev", "--port", "0", "--ws-port", "0", "--admin-port", "0"));
        command.addAll(List.of("--data", dir.resolve("data").toString()));
        Process broker = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> said = new ArrayList<>();
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(broker.getInputStream(), StandardCharsets.UTF_8))) {
            String line;
            while ((line = out.readLine()) != null && !line.startsWith("ready ")) {
                said.add(line);
            }
            assertThat(line).as("%s", said).isNotNull();
        } finally {
            broker.destroyForcibly().waitFor();
        }
        assertThat(said.stream().filter(each -> each.startsWith(BEGUN))).containsExactly(BEGUN + "main beside []");
        assertThat(said).noneMatch(each -> each.contains("SLF4J"));
    }
}
