package hermod.bench;

import hermod.bench.load.BenchFailure;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** Another server beside which Hermod is measured: a process of ours on a free loopback port, which accepts connections when this object exists. Any thread. */
public final class PeerProcess implements AutoCloseable {
    private static final long START_SECONDS = 10;
    private static final long STOP_SECONDS = 10;
    private static final long POLL_MS = 20;
    private static final int VERSION_CHARS_MAX = 80;

    /** Where Debian puts servers, which an ordinary user's path may lack. */
    private static final List<String> SERVER_FOLDERS = List.of("/usr/local/sbin", "/usr/sbin", "/sbin");

    private final Path program;
    private final InetSocketAddress address;
    private final Process process;

    private PeerProcess(Path program, InetSocketAddress address, Process process) {
        this.program = program;
        this.address = address;
        this.process = process;
    }

    /** Where a program is on the path; null if it is not. */
    public static @Nullable Path find(String program) {
        List<String> folders =
                new ArrayList<>(List.of(System.getenv().getOrDefault("PATH", "").split(":")));
        folders.addAll(SERVER_FOLDERS);
        for (String folder : folders) {
            Path file = Path.of(folder, program);
            if (Files.isExecutable(file)) {
                return file;
            }
        }
        return null;
    }

    /**
     * Starts one and waits for its port.
     *
     * @param arguments for a port.
     * @param folder it runs in.
     * @throws BenchFailure if it does not open its port in ten seconds.
     */
    public static PeerProcess start(Path program, IntFunction<List<String>> arguments, Path folder)
            throws InterruptedException {
        try {
            InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), freePort());
            List<String> command = new ArrayList<>(List.of(program.toString()));
            command.addAll(arguments.apply(address.getPort()));
            Process process = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            PeerProcess started = new PeerProcess(program, address, process);
            started.awaitPort();
            return started;
        } catch (IOException failed) {
            throw new BenchFailure(
                    BenchFailure.Kind.FAILED, program.getFileName() + " cannot be started: " + failed.getMessage());
        }
    }

    /** What a program calls itself; its name where it does not say. */
    public static String version(Path program) throws InterruptedException {
        try {
            Process asked = new ProcessBuilder(program.toString(), "--version")
                    .redirectErrorStream(true)
                    .start();
            asked.getOutputStream().close();
            String words = new String(asked.getInputStream().readNBytes(VERSION_CHARS_MAX), StandardCharsets.UTF_8);
            asked.waitFor();
            return words.lines()
                    .findFirst()
                    .orElse(String.valueOf(program.getFileName()))
                    .replaceFirst(" sha=.*", "");
        } catch (IOException silent) {
            return String.valueOf(program.getFileName());
        }
    }

    public InetSocketAddress address() {
        return address;
    }

    private static int freePort() throws IOException {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        }
    }

    private void awaitPort() throws InterruptedException {
        long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (!isOpen()) {
            if (!process.isAlive() || System.nanoTime() - deadlineNs > 0) {
                close();
                throw new BenchFailure(BenchFailure.Kind.FAILED, program.getFileName() + " did not open its port");
            }
            Thread.sleep(POLL_MS);
        }
    }

    private boolean isOpen() {
        try (Socket probe = new Socket()) {
            probe.connect(address);
            return true;
        } catch (IOException notYet) {
            return false;
        }
    }

    /** Asks it to end and waits; kills it when it does not. */
    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
