package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One broker through all its lives: the same data folder, the same port, a process each. One thread, but for {@link #end}. */
final class BrokerLives {
    /** Below the ports that the system gives to outgoing connections: one of the clients' could be on the broker's while it is away. */
    private static final int PORT_MIN = 20_000;

    private static final int PORT_MAX = 32_000;
    private static final int PORT_ATTEMPTS = 200;
    private static final Duration FIRST_READY_DEADLINE = Duration.ofMinutes(5);
    private static final Duration READY_DEADLINE = Duration.ofSeconds(60);

    private final Supplier<BrokerProcess.Builder> brokers;
    private final Path data;
    private final Path config;
    private final List<String> jvmFlags;
    private final int port;
    private final List<Long> recoveryMs = new ArrayList<>();
    private volatile @Nullable BrokerProcess current;
    private int starts;

    /**
     * @param brokers how to start one; what is the same in all lives is added here.
     * @param data its folder, which stays.
     * @param jvmFlags of every life.
     */
    BrokerLives(Supplier<BrokerProcess.Builder> brokers, Path data, Path config, List<String> jvmFlags) {
        this.brokers = brokers;
        this.data = data;
        this.config = config;
        this.jvmFlags = jvmFlags;
        port = freePort();
    }

    int port() {
        return port;
    }

    /** From starting the process to its ready line, of each start but the first. */
    List<Long> recoveryMs() {
        return recoveryMs;
    }

    BrokerProcess current() {
        BrokerProcess running = current;
        if (running == null) {
            throw new IllegalStateException("no broker runs");
        }
        return running;
    }

    /**
     * Starts the next life, and waits for its ready line.
     *
     * @param further flags of this life's JVM.
     * @throws BenchFailure NO_BROKER where it does not get ready.
     */
    BrokerProcess start(List<String> further) {
        BrokerProcess.Builder builder = brokers.get()
                .data(data)
                .port(port)
                .arguments("--config", config.toString())
                .jvmFlags(jvmFlags.toArray(String[]::new))
                .jvmFlags(further.toArray(String[]::new))
                .readyDeadline(starts == 0 ? FIRST_READY_DEADLINE : READY_DEADLINE);
        long beganNs = System.nanoTime();
        BrokerProcess started = builder.start();
        if (starts++ > 0) {
            recoveryMs.add(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNs));
        }
        current = started;
        return started;
    }

    /** Any thread: no process is left. */
    void end() {
        BrokerProcess running = current;
        if (running != null) {
            running.kill();
        }
        // One that is just starting is nobody's yet.
        ProcessHandle.current()
                .children()
                .filter(child -> child.info()
                        .commandLine()
                        .filter(line -> line.contains(data.toString()))
                        .isPresent())
                .forEach(ProcessHandle::destroyForcibly);
    }

    private static int freePort() {
        SplittableRandom random = new SplittableRandom(System.nanoTime());
        for (int attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
            int candidate = random.nextInt(PORT_MIN, PORT_MAX);
            try (ServerSocket probe = new ServerSocket(candidate, 1, InetAddress.getLoopbackAddress())) {
                return probe.getLocalPort();
            } catch (IOException taken) {
                // Another one.
            }
        }
        throw new BenchFailure(Kind.FAILED, "no port from " + PORT_MIN + " to " + PORT_MAX + " is free");
    }

    /** Puts back what the broker checks tokens with, where a power cut took it: the clients keep theirs. @return whether it was gone. */
    static boolean keep(Path keyFile, byte[] key) {
        try {
            if (Files.exists(keyFile) && java.util.Arrays.equals(Files.readAllBytes(keyFile), key)) {
                return false;
            }
            Files.createDirectories(keyFile.getParent());
            Files.write(keyFile, key);
            Files.setPosixFilePermissions(
                    keyFile, java.nio.file.attribute.PosixFilePermissions.fromString("rw-------"));
            return true;
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "the broker's key can't be put back: " + failed.getMessage());
        }
    }
}
