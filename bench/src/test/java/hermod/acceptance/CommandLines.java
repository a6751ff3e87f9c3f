package hermod.acceptance;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs programs as a person would and keeps what they print. */
final class CommandLines {
    /** What a program that has ended printed, and its exit code. */
    record Outcome(int exitCode, String out, String err) {}

    private CommandLines() {}

    /** The top of the source tree. */
    static Path root() {
        return Path.of(System.getProperty("hermod.root", "..")).toAbsolutePath().normalize();
    }

    /** One of our main classes on the JVM and the class path of the tests. */
    static Outcome java(String mainClass, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-Xmx1g",
                "-Dhermod.root=" + root(),
                "-cp",
                System.getProperty("java.class.path"),
                mainClass));
        command.addAll(List.of(arguments));
        return run(root(), Map.of(), 240, command);
    }

    static Outcome run(Path folder, Map<String, String> environment, int seconds, List<String> command)
            throws IOException, InterruptedException {
        Path out = Files.createTempFile("hermod-out", ".txt");
        Path err = Files.createTempFile("hermod-err", ".txt");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        boolean ended = process.waitFor(seconds, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly().waitFor();
        }
        Outcome outcome = new Outcome(
                ended ? process.exitValue() : -1,
                Files.readString(out, StandardCharsets.UTF_8),
                Files.readString(err, StandardCharsets.UTF_8));
        Files.delete(out);
        Files.delete(err);
        return outcome;
    }
}
