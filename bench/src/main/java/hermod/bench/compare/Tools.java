package hermod.bench.compare;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The C tools and scripts in {@code bench/interop}: what they need, how they are built, how they are run. One thread. */
public final class Tools {
    private static final int TAIL_LINES_MAX = 20;
    private static final long STOP_SECONDS = 20;

    /** Where Debian puts servers, which an ordinary user's path may lack; {@code peers.sh} looks there too. */
    private static final List<String> SERVER_FOLDERS = List.of("/usr/local/sbin", "/usr/sbin", "/sbin");

    private final Path folder;
    private final List<Path> path;

    /** @param path folders in which programs are looked for, the first that has one wins. */
    Tools(Path folder, List<Path> path) {
        this.folder = folder;
        this.path = path;
    }

    /** @throws BenchFailure FAILED where there is no source tree, or no Linux. */
    public static Tools find(@Nullable Path root) {
        if (!System.getProperty("os.name", "").equals("Linux")) {
            throw new BenchFailure(Kind.FAILED, "the C tools of bench/interop need Linux");
        }
        if (root == null || !Files.isRegularFile(root.resolve("bench/interop/compare.sh"))) {
            throw new BenchFailure(
                    Kind.FAILED,
                    "no bench/interop found from here upwards: this needs the source tree; or set -Dhermod.root");
        }
        List<Path> path = new ArrayList<>();
        for (String one : System.getenv().getOrDefault("PATH", "").split(":")) {
            path.add(Path.of(one));
        }
        SERVER_FOLDERS.forEach(one -> path.add(Path.of(one)));
        return new Tools(root.resolve("bench/interop"), path);
    }

    public Path folder() {
        return folder;
    }

    boolean has(String program) {
        return path.stream().anyMatch(one -> Files.isExecutable(one.resolve(program)));
    }

    /** Why the tools cannot be built, in a sentence that says what to install; null if they can. */
    public @Nullable String missingForBuild() {
        boolean hasCompiler = has("cc");
        if (hasCompiler && has("make") && has("bash")) {
            return null;
        }
        String what =
                hasCompiler ? has("make") ? "bash" : "make" : has("make") ? "C compiler" : "C compiler and no make";
        return "there is no " + what
                + " to build the C tools of bench/interop with; on Debian: apt-get install gcc make libc6-dev";
    }

    /** Why a lane cannot run here, in a sentence that says what to install; null if it can. */
    @Nullable
    String missingFor(String lane) {
        String program = switch (lane.replaceFirst(":.*", "")) {
            case "nats" -> "nats-server";
            case "redis" -> "redis-server";
            case "mosquitto" -> "mosquitto";
            default -> "";
        };
        if (lane.startsWith("netty")) {
            return isNettyBuilt() || has("mvn")
                    ? null
                    : "the Netty relay is not built and there is no mvn to build it with; on Debian: apt-get install maven";
        }
        if (program.isEmpty() || has(program)) {
            return null;
        }
        return switch (program) {
            case "nats-server" ->
                "nats-server is not on the path; take a current one (2.10 or newer; Debian 12 has 2.9, too old to"
                        + " compare with): bench/interop/README.md, \"A current NATS\", says how";
            case "redis-server" -> "redis-server is not on the path; on Debian: apt-get install redis-server";
            default -> "mosquitto is not on the path; on Debian: apt-get install mosquitto";
        };
    }

    private boolean isNettyBuilt() {
        return Files.isRegularFile(folder.resolve("peers/java/nettyrelay/target/peer.jar"));
    }

    /** Builds the C tools, and the Netty relay if it is wanted and was never built. */
    public void build(boolean wantsNetty, Consumer<String> progress) throws InterruptedException {
        if (!Files.isExecutable(folder.resolve("loadgen"))) {
            progress.accept("building the C tools");
        }
        run(folder, List.of("make", "-s"), Map.of(), progress, "the C tools could not be built");
        if (wantsNetty && !isNettyBuilt()) {
            progress.accept("building the Netty relay");
            run(
                    folder.resolve("peers/java/nettyrelay"),
                    List.of("mvn", "-q", "-B", "package"),
                    Map.of(),
                    line -> {},
                    "the Netty relay could not be built; leave it out with --peers");
        }
    }

    /** Runs a script of the folder and hands on each line it writes to stderr. */
    void script(List<String> command, Map<String, String> environment, Consumer<String> progress)
            throws InterruptedException {
        run(folder, command, environment, progress, command.get(1) + " failed");
    }

    private static void run(
            Path where,
            List<String> command,
            Map<String, String> environment,
            Consumer<String> progress,
            String failure)
            throws InterruptedException {
        Deque<String> tail = new ArrayDeque<>();
        Process process = start(where, command, environment);
        Thread stopper = new Thread(() -> stop(process), "bench-stop-script");
        Runtime.getRuntime().addShutdownHook(stopper);
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                progress.accept(line);
                tail.addLast(line);
                if (tail.size() > TAIL_LINES_MAX) {
                    tail.removeFirst();
                }
            }
        } catch (IOException closed) {
            // It has ended; its exit code says how.
        } finally {
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
                stop(process);
            }
            removeHook(stopper);
        }
        int exitCode = process.waitFor();
        if (exitCode != 0) {
            Kind kind = exitCode == Kind.NO_BROKER.exitCode() ? Kind.NO_BROKER : Kind.FAILED;
            throw new BenchFailure(
                    kind,
                    failure + ", exit code " + exitCode + ":" + System.lineSeparator()
                            + String.join(System.lineSeparator(), tail));
        }
    }

    private static Process start(Path where, List<String> command, Map<String, String> environment) {
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command).directory(where.toFile()).redirectErrorStream(true);
            builder.environment().putAll(environment);
            Process process = builder.start();
            process.getOutputStream().close();
            return process;
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, command.get(0) + " cannot be run: " + failed.getMessage());
        }
    }

    /** SIGTERM, on which the scripts stop what they started; they have a while for that. */
    private static void stop(Process process) {
        try {
            process.toHandle().destroy();
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException interrupted) {
            process.toHandle().destroy();
            Thread.currentThread().interrupt();
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running and does what we would.
        }
    }
}
