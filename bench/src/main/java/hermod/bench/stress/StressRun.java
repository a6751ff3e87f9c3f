package hermod.bench.stress;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Runs the tests of this package with jcstress, in a process of its own because jcstress ends its process and writes files where it is.
 *
 * <p>The report is jcstress' own. Used by one thread.
 */
public final class StressRun {
    private static final String PACKAGE = "hermod.bench.stress.";

    /** What the broker's own start gives its JVM, as far as it matters here: Agrona needs the first, Netty asks for the last on newer JDKs. */
    private static final String FLAGS =
            "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED --enable-native-access=ALL-UNNAMED"
                    + " -Dio.netty.leakDetection.level=disabled -Dsun.misc.unsafe.memory.access=allow"
                    + " -Dlogback.configurationFile=hermod/bench/logback.xml";

    private static final Pattern COUNTS = Pattern.compile("Results: (\\d+) planned; (\\d+) passed");

    /** Of jcstress' own lines, shown when something is wrong. */
    private static final int LINES_KEPT = 60;

    private final String pattern;
    private final boolean isQuick;
    private final PrintStream err;

    /**
     * @param pattern part of the tests' names, a regular expression; upper or lower case.
     * @param isQuick one configuration of the JVM and a few seconds for each test, rather than jcstress' own default.
     */
    public StressRun(String pattern, boolean isQuick, PrintStream err) {
        this.pattern = pattern;
        this.isQuick = isQuick;
        this.err = err;
    }

    /**
     * Runs the tests, or lists them.
     *
     * @param out gets the report.
     * @return whether every test ran and none saw a forbidden outcome.
     */
    public boolean run(boolean isListing, PrintStream out) throws InterruptedException {
        Path folder = null;
        try {
            folder = Files.createTempDirectory("hermod-stress");
            Process jcstress = new ProcessBuilder(command(isListing))
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .start();
            Thread stopper = new Thread(() -> stop(jcstress), "bench-stop-stress");
            Runtime.getRuntime().addShutdownHook(stopper);
            try {
                jcstress.getOutputStream().close();
                boolean hasRun = print(jcstress, isListing, out);
                return jcstress.waitFor() == 0 && hasRun;
            } finally {
                stop(jcstress);
                removeHook(stopper);
            }
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "jcstress can't be started: " + failed.getMessage());
        } finally {
            if (folder != null) {
                delete(folder);
            }
        }
    }

    private List<String> command(boolean isListing) {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java",
                "-cp",
                System.getProperty("java.class.path"),
                "org.openjdk.jcstress.Main",
                "-t",
                "(?i)" + PACKAGE.replace(".", "\\.") + ".*" + pattern));
        if (isListing) {
            command.add("-l");
            return command;
        }
        command.add("-v"); // the outcomes of the tests that pass, too
        if (isQuick) {
            // One set of flags instead of jcstress' many; both compilers still mix within it.
            command.addAll(List.of("-f", "1", "-iters", "1", "-time", "700", "-sc", "false", "-jvmArgs", FLAGS));
        } else {
            command.addAll(List.of("-m", "quick", "-jvmArgsPrepend", FLAGS));
        }
        return command;
    }

    /** @return whether all that was planned has passed. */
    private boolean print(Process jcstress, boolean isListing, PrintStream out) throws IOException {
        boolean isReport = false;
        boolean hasPassed = isListing;
        ArrayDeque<String> last = new ArrayDeque<>();
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(jcstress.getInputStream(), StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            last.addLast(line);
            if (last.size() > LINES_KEPT) {
                last.removeFirst();
            }
            Matcher counts = COUNTS.matcher(line);
            if (isListing && line.strip().startsWith(PACKAGE)) {
                out.println(line.strip().substring(PACKAGE.length()));
            } else if (counts.find()) {
                hasPassed = counts.group(1).equals(counts.group(2))
                        && !counts.group(1).equals("0");
                err.println(line);
            } else if (line.startsWith("RUN RESULTS")) {
                isReport = true;
            } else if (line.contains("HTML report")) {
                isReport = false;
            } else if (isReport && !line.isBlank()) {
                out.println(line);
            }
        }
        if (!hasPassed) {
            last.forEach(err::println);
        }
        return hasPassed;
    }

    private static void stop(Process jcstress) {
        jcstress.descendants().forEach(ProcessHandle::destroyForcibly);
        jcstress.destroyForcibly();
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running; it stops jcstress as well as we would.
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException kept) {
            // A temporary folder; the system clears it.
        }
    }
}
