package hermod.bench.priority;

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
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The other brokers this runs beside. They start on a free loopback port with their own defaults, persistence off, and are stopped by their process. */
enum Peer {
    NATS("nats-server", "bench/interop/README.md, \"A current NATS\", says how to get it") {
        @Override
        List<String> command(String program, int port) {
            return List.of(program, "-a", "127.0.0.1", "-p", Integer.toString(port));
        }

        @Override
        Link link(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
                throws IOException {
            return new NatsLink(address, receiveBufferBytes, topics, isSubscriber);
        }
    },
    REDIS("redis-server", "on Debian: apt-get install redis-server") {
        @Override
        List<String> command(String program, int port) {
            return List.of(
                    program,
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    Integer.toString(port),
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--daemonize",
                    "no");
        }

        @Override
        Link link(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
                throws IOException {
            return new RedisLink(address, receiveBufferBytes, topics, isSubscriber);
        }
    };

    private static final long START_SECONDS = 10;
    private static final long STOP_SECONDS = 10;
    private static final long POLL_MS = 20;
    private static final int VERSION_CHARS_MAX = 40;

    /** Where Debian puts servers, which an ordinary user's path may lack. */
    private static final List<String> SERVER_FOLDERS = List.of("/usr/local/sbin", "/usr/sbin", "/sbin");

    private final String program;
    private final String howToGet;

    Peer(String program, String howToGet) {
        this.program = program;
        this.howToGet = howToGet;
    }

    abstract List<String> command(String path, int port);

    abstract Link link(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
            throws IOException;

    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Why it cannot run here and how to get it; null if it can. */
    @Nullable
    String missing() {
        return path() == null ? program + " is not on the path; " + howToGet : null;
    }

    private @Nullable String path() {
        List<String> folders =
                new ArrayList<>(List.of(System.getenv().getOrDefault("PATH", "").split(":")));
        folders.addAll(SERVER_FOLDERS);
        for (String folder : folders) {
            Path file = Path.of(folder, program);
            if (Files.isExecutable(file)) {
                return file.toString();
            }
        }
        return null;
    }

    /** @throws BenchFailure if it is not there or does not open its port in ten seconds. */
    Contender start(Path folder) throws InterruptedException {
        String path = path();
        if (path == null) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, String.valueOf(missing()));
        }
        try {
            InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), freePort());
            Process process = new ProcessBuilder(command(path, address.getPort()))
                    .directory(folder.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            Running running = new Running(this, version(path), address, process);
            running.awaitPort();
            return running;
        } catch (IOException failed) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, program + " cannot be started: " + failed.getMessage());
        }
    }

    private String version(String path) throws IOException, InterruptedException {
        Process asked = new ProcessBuilder(path, "--version").start();
        asked.getOutputStream().close();
        String words = new String(asked.getInputStream().readNBytes(VERSION_CHARS_MAX), StandardCharsets.UTF_8);
        asked.waitFor();
        return words.lines().findFirst().orElse(program).replaceFirst(" sha=.*", "");
    }

    private static int freePort() throws IOException {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        }
    }

    /** A server of ours. */
    private record Running(Peer peer, String what, InetSocketAddress address, Process process) implements Contender {
        void awaitPort() throws InterruptedException {
            long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
            while (!isOpen()) {
                if (!process.isAlive() || System.nanoTime() - deadlineNs > 0) {
                    close();
                    throw new BenchFailure(BenchFailure.Kind.FAILED, peer.program + " did not open its port");
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

        @Override
        public String name() {
            return peer.word();
        }

        @Override
        public @Nullable String admin() {
            return null;
        }

        @Override
        public Link subscriber(Topics topics, String device, int creditWindowBytes, int receiveBufferBytes)
                throws IOException {
            return Link.opened(peer.link(address, receiveBufferBytes, topics, true));
        }

        @Override
        public Link publisher(Topics topics, String device) throws IOException {
            return Link.opened(peer.link(address, 0, topics, false));
        }

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
}
