package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A {@link JournalWriterMain}, or another, of its own process, and what it said. */
final class JournalProcess {
    private final Process process;
    private final BufferedReader out;
    private final List<String> said = new ArrayList<>();

    private JournalProcess(Process process) {
        this.process = process;
        this.out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    static JournalProcess start(Path dir, List<String> jvmArgs, Map<String, String> environment, String... args)
            throws IOException {
        return start(JournalWriterMain.class, dir, jvmArgs, environment, args);
    }

    static JournalProcess start(
            Class<?> main, Path dir, List<String> jvmArgs, Map<String, String> environment, String... args)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-opens",
                "java.base/jdk.internal.misc=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                "-Xmx128m"));
        command.addAll(jvmArgs);
        String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        command.addAll(List.of("-cp", classPath, main.getName(), dir.toString()));
        command.addAll(List.of(args));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().putAll(environment);
        return new JournalProcess(builder.start());
    }

    /** Reads until a line begins so; false where the process ended before. */
    boolean readUntil(String begin) throws IOException {
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            said.add(line);
            if (line.startsWith(begin)) {
                return true;
            }
        }
        return false;
    }

    /** SIGKILL; then what it still said. @return its exit code. */
    int kill() throws IOException, InterruptedException {
        // Through the handle: Process's own method closes what it said as well.
        process.toHandle().destroyForcibly();
        return readToTheEnd();
    }

    int readToTheEnd() throws IOException, InterruptedException {
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            said.add(line);
        }
        return process.waitFor();
    }

    String last() {
        return said.get(said.size() - 1);
    }

    List<String> said() {
        return said;
    }

    /** All numbers in a journal, in the order of its batches. */
    static List<Long> numbersIn(Path dir) throws IOException {
        List<Long> numbers = new ArrayList<>();
        JournalReader reader = new JournalReader(new JournalDirectory(dir));
        reader.check(JournalWriterMain.releasedOf(dir));
        reader.handOut(0, (batch, records) -> {
            JournalRecords.forEach(records, (kind, in, at, bytes) -> numbers.add(in.getLongLE(at)));
            records.release();
        });
        assertThat(numbers).isSorted().doesNotHaveDuplicates();
        return numbers;
    }

    static long lastNumberIn(Path dir) throws IOException {
        List<Long> numbers = numbersIn(dir);
        return numbers.isEmpty() ? 0 : numbers.get(numbers.size() - 1);
    }

    /** The numbers that it was told are stored. */
    List<Long> stored() {
        return said.stream()
                .filter(line -> line.matches("A \\d+"))
                .map(line -> Long.valueOf(line.substring(2)))
                .toList();
    }

    /** The last number that it was told is stored; 0 for none. */
    long lastStored() {
        return stored().stream().mapToLong(Long::longValue).max().orElse(0);
    }
}
