package hermod.bench;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A broker process of our own: started on free ports with a data folder of its own, ready when this object exists, gone when it is closed.
 *
 * <pre>
 *   start ──► wait for "ready tcp=… ws=… admin=… data=…" ──► running ──► SIGTERM ──► (deadline) SIGKILL
 *                │ ended, or silent too long
 *                └──► BenchFailure NO_BROKER with the last lines of its stderr
 * </pre>
 *
 * <p>Two daemon threads read its output, so it never blocks on a full pipe. The methods are for any thread.
 */
public final class BrokerProcess implements AutoCloseable {
    /** Rights of a load's token; the last two lift the limits that protect a broker from ordinary clients. */
    public static final List<String> LOAD_RIGHTS = List.of("pub:*", "sub:*", "limits:service", "rate:unlimited");

    /** What the launcher reads further flags of the JVM from. */
    private static final String JAVA_OPTS = "HERMOD_JAVA_OPTS";

    private static final int TAIL_LINES_MAX = 40;
    private static final int TAIL_LINE_CHARS_MAX = 500;

    private final Process process;
    private final Builder how;
    private final Path data;
    private final Deque<String> stderrTail = new ArrayDeque<>(); // guarded by itself
    private final CompletableFuture<Map<String, String>> ready = new CompletableFuture<>();
    private final Map<String, String> addresses;

    private BrokerProcess(Builder how, Path data, Process process) {
        this.how = how;
        this.data = data;
        this.process = process;
        daemon("broker-stdout", this::readOutput);
        daemon("broker-stderr", this::readErrors);
        addresses = awaitReady();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** HOST:PORT for clients over TCP. */
    public String tcp() {
        return address("tcp");
    }

    /** HOST:PORT for clients over WebSocket. */
    public String ws() {
        return address("ws");
    }

    /** HOST:PORT of the operators' HTTP. */
    public String admin() {
        return address("admin");
    }

    public Path data() {
        return data;
    }

    public long pid() {
        return process.pid();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    /** The exit code of a broker that has ended. */
    public int exitCode() {
        return process.exitValue();
    }

    /** The last lines the broker wrote to stderr, oldest first; bounded. */
    public List<String> stderrTail() {
        synchronized (stderrTail) {
            return List.copyOf(stderrTail);
        }
    }

    /**
     * Has the command line tool make a token with the key in the broker's data folder.
     *
     * @param rights as in {@link #LOAD_RIGHTS}.
     */
    public String mintToken(String user, String org, List<String> rights) {
        List<String> command = how.program();
        command.addAll(List.of("token", "--data", data.toString(), "--user", user, "--org", org));
        for (String right : rights) {
            command.addAll(List.of("--right", right));
        }
        try {
            Process tool = new ProcessBuilder(command).start();
            tool.getOutputStream().close();
            CompletableFuture<String> errors = new CompletableFuture<>();
            daemon("token-stderr", () -> errors.complete(readSome(tool.getErrorStream())));
            CompletableFuture<String> output = new CompletableFuture<>();
            daemon("token-stdout", () -> output.complete(readSome(tool.getInputStream())));
            if (!tool.waitFor(how.readyDeadline.toMillis(), TimeUnit.MILLISECONDS)) {
                tool.destroyForcibly();
                throw new BenchFailure(Kind.NO_BROKER, "the token command did not end in " + how.readyDeadline);
            }
            if (tool.exitValue() != 0) {
                throw new BenchFailure(
                        Kind.NO_BROKER,
                        "no token could be made: " + errors.join().strip());
            }
            String[] lines = output.join().strip().split("\n");
            return lines[lines.length - 1].strip();
        } catch (IOException failed) {
            throw new BenchFailure(Kind.NO_BROKER, "the token command cannot be run: " + failed.getMessage());
        } catch (InterruptedException interrupted) {
            throw interrupted();
        }
    }

    /** Asks it to end (SIGTERM) and waits; after the deadline it is killed. Harmless when it has ended. */
    public void stop() {
        // Not Process.destroy(), which closes the pipes and loses the broker's last words.
        process.toHandle().destroy();
        try {
            if (!process.waitFor(how.stopDeadline.toMillis(), TimeUnit.MILLISECONDS)) {
                kill();
            }
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }

    /** Ends it at once (SIGKILL), as a crash would, and waits until it is gone. */
    public void kill() {
        process.destroyForcibly();
        try {
            process.waitFor();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** {@link #stop}, and removes the data folder if it was made here. */
    @Override
    public void close() {
        stop();
        if (how.data == null) {
            removeFolder(data);
        }
    }

    private String address(String key) {
        String address = addresses.get(key);
        if (address == null) {
            throw new BenchFailure(
                    Kind.NO_BROKER, "the broker's ready line has no " + key + "=HOST:PORT: " + addresses);
        }
        return address;
    }

    private Map<String, String> awaitReady() {
        try {
            return ready.get(how.readyDeadline.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException silent) {
            kill();
            throw notReady("was not ready in " + how.readyDeadline.toSeconds() + " s");
        } catch (ExecutionException ended) {
            kill();
            throw notReady("ended before it was ready, exit code " + process.exitValue());
        } catch (InterruptedException interrupted) {
            kill();
            throw interrupted();
        }
    }

    private BenchFailure notReady(String what) {
        List<String> tail = stderrTail();
        String why = tail.isEmpty() ? "it wrote nothing to stderr" : String.join(System.lineSeparator(), tail);
        if (how.data == null) {
            removeFolder(data);
        }
        return new BenchFailure(Kind.NO_BROKER, "the broker " + what + "; " + why);
    }

    private void readOutput() {
        try (BufferedReader lines = reader(process.getInputStream())) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Map<String, String> found = ReadyLine.parse(line);
                if (!found.isEmpty()) {
                    ready.complete(found);
                }
            }
        } catch (IOException closed) {
            // The process is gone; what follows says so.
        }
        ready.completeExceptionally(new IOException("stdout ended"));
    }

    private void readErrors() {
        try (BufferedReader lines = reader(process.getErrorStream())) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                synchronized (stderrTail) {
                    if (stderrTail.size() == TAIL_LINES_MAX) {
                        stderrTail.removeFirst();
                    }
                    stderrTail.addLast(line.substring(0, Math.min(line.length(), TAIL_LINE_CHARS_MAX)));
                }
            }
        } catch (IOException closed) {
            // The process is gone; the tail stays for the message.
        }
    }

    private static BufferedReader reader(InputStream in) {
        return new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    }

    private static String readSome(InputStream in) {
        try (in) {
            return new String(in.readNBytes(64 * 1024), StandardCharsets.UTF_8);
        } catch (IOException closed) {
            return "";
        }
    }

    private static void daemon(String name, Runnable body) {
        Thread thread = new Thread(body, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static BenchFailure interrupted() {
        Thread.currentThread().interrupt();
        return new BenchFailure(Kind.FAILED, "interrupted");
    }

    private static void removeFolder(Path folder) {
        try {
            Files.walkFileTree(folder, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path emptied, @Nullable IOException failure)
                        throws IOException {
                    Files.delete(emptied);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException left) {
            // A file that stays behind in the temporary folder costs nothing but its bytes.
        }
    }

    /** How a broker is to be started. One thread. */
    public static final class Builder {
        private final List<String> arguments = new ArrayList<>();
        private final List<String> jvmFlags = new ArrayList<>();
        private @Nullable String classPath;
        private String mainClass = "hermod.broker.BrokerMain";
        private @Nullable Path data;
        private int port;
        private Duration readyDeadline = Duration.ofSeconds(90);
        private Duration stopDeadline = Duration.ofSeconds(20);

        private Builder() {}

        /** Starts a plain {@code java -cp} instead of the launcher, which would build what is missing. */
        public Builder classPath(String path) {
            classPath = path;
            return this;
        }

        /** With a class path: what to run; the default is the broker. */
        public Builder mainClass(String name) {
            mainClass = name;
            return this;
        }

        /** For clients over TCP; by default a free one. */
        public Builder port(int tcp) {
            port = tcp;
            return this;
        }

        /** Flags for its JVM; the launcher gets them behind those of HERMOD_JAVA_OPTS. */
        public Builder jvmFlags(String... flags) {
            jvmFlags.addAll(Arrays.asList(flags));
            return this;
        }

        /** A folder that stays, for starting again on the same data; without it a temporary one is made and removed. */
        public Builder data(Path folder) {
            data = folder;
            return this;
        }

        /** Further arguments of {@code serve}. */
        public Builder arguments(String... further) {
            arguments.addAll(Arrays.asList(further));
            return this;
        }

        /** How long it may take to be ready; the first start in a source tree builds. */
        public Builder readyDeadline(Duration limit) {
            readyDeadline = limit;
            return this;
        }

        /** How long it may take to end after SIGTERM. */
        public Builder stopDeadline(Duration limit) {
            stopDeadline = limit;
            return this;
        }

        /** @throws BenchFailure NO_BROKER if it cannot be started or is not ready in time. */
        public BrokerProcess start() {
            try {
                Path folder = data != null ? data : Files.createTempDirectory("hermod-bench-");
                List<String> command = program();
                command.addAll(
                        List.of("serve", "--port", Integer.toString(port), "--ws-port", "0", "--admin-port", "0"));
                command.addAll(List.of("--data", folder.toString()));
                command.addAll(arguments);
                ProcessBuilder builder = new ProcessBuilder(command);
                if (classPath == null && !jvmFlags.isEmpty()) {
                    builder.environment()
                            .merge(JAVA_OPTS, String.join(" ", jvmFlags), (mine, more) -> mine + " " + more);
                }
                Process process = builder.start();
                process.getOutputStream().close();
                return new BrokerProcess(this, folder, process);
            } catch (IOException failed) {
                throw new BenchFailure(Kind.NO_BROKER, "the broker cannot be started: " + failed.getMessage());
            }
        }

        private List<String> program() {
            List<String> command = new ArrayList<>();
            if (classPath != null) {
                command.add(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString());
                command.addAll(jvmFlags);
                command.addAll(List.of("-cp", classPath, mainClass));
                return command;
            }
            Path root = SourceTree.root();
            if (root == null || !Files.isExecutable(SourceTree.brokerScript(root))) {
                throw new BenchFailure(
                        Kind.NO_BROKER,
                        "no broker/bin/hermod found from here upwards; give --server HOST:PORT, or set -Dhermod.root");
            }
            command.add(SourceTree.brokerScript(root).toString());
            return command;
        }
    }
}
