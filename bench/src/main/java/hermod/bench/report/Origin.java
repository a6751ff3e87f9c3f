package hermod.bench.report;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Where a result comes from: without it a number means nothing.
 *
 * @param server address of the broker and who started it.
 * @param rights what the clients' token may and which limits that lifts.
 * @param command the bench's own arguments, the token left out.
 * @param jvmFlags of the bench's JVM.
 */
public record Origin(
        String server,
        String rights,
        String command,
        String jdk,
        List<String> jvmFlags,
        String os,
        int cores,
        String commit) {
    private static final long GIT_SECONDS = 5;
    private static final int COMMIT_CHARS_MAX = 60;

    /** Reads machine, JDK, flags and commit from this process. */
    public static Origin ofThisProcess(String server, String rights, List<String> arguments, @Nullable Path root) {
        return new Origin(
                server,
                rights,
                "hermod-bench " + String.join(" ", withoutToken(arguments)),
                System.getProperty("java.vm.name") + " " + Runtime.version(),
                ManagementFactory.getRuntimeMXBean().getInputArguments(),
                System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                        + System.getProperty("os.arch"),
                Runtime.getRuntime().availableProcessors(),
                root == null ? "unknown" : commit(root));
    }

    static List<String> withoutToken(List<String> arguments) {
        List<String> safe = new java.util.ArrayList<>();
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            boolean isTokenValue = i > 0 && arguments.get(i - 1).equals("--token");
            safe.add(isTokenValue ? "…" : argument.startsWith("--token=") ? "--token=…" : argument);
        }
        return safe;
    }

    /** The working tree's commit, with {@code -dirty} where files differ from it; {@code unknown} outside a repository. */
    private static String commit(Path root) {
        try {
            Process git = new ProcessBuilder("git", "describe", "--always", "--dirty", "--abbrev=12")
                    .directory(root.toFile())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            git.getOutputStream().close();
            if (!git.waitFor(GIT_SECONDS, TimeUnit.SECONDS)) {
                git.destroyForcibly();
                return "unknown";
            }
            String commit =
                    new String(git.getInputStream().readNBytes(COMMIT_CHARS_MAX), StandardCharsets.UTF_8).strip();
            return git.exitValue() == 0 && !commit.isEmpty() ? commit : "unknown";
        } catch (IOException noGit) {
            return "unknown";
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return "unknown";
        }
    }
}
