package hermod.bench.durable;

import hermod.bench.PeerProcess;
import hermod.bench.wire.JetStreamLink;
import hermod.bench.wire.Link;
import hermod.bench.wire.RedisStreamLink;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The other brokers' durable streams, and what each has synced when it answers. */
enum Store {
    REDIS(
            "redis",
            "redis-server",
            "on Debian: apt-get install redis-server",
            "Redis Streams XADD, appendfsync always",
            "the append-only file of all that came in one turn, synced before the answers") {
        @Override
        List<String> arguments(int port, Path folder) {
            return List.of(
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    Integer.toString(port),
                    "--dir",
                    folder.toString(),
                    "--save",
                    "",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "always",
                    "--auto-aof-rewrite-percentage",
                    "0",
                    "--daemonize",
                    "no");
        }

        @Override
        Link link(InetSocketAddress address, int id) throws IOException {
            return Link.opened(new RedisStreamLink(address, "hermod-bench"));
        }
    },
    JETSTREAM_ALWAYS(
            "jetstream-always",
            "nats-server",
            "bench/interop/README.md, \"A current NATS\", says how to get it",
            "NATS JetStream, R1, file, sync_interval always",
            "each event's write, synced before its answer") {
        @Override
        List<String> arguments(int port, Path folder) {
            return nats(port, folder, "always");
        }

        @Override
        Link link(InetSocketAddress address, int id) throws IOException {
            return Link.opened(new JetStreamLink(address, "bench", id));
        }
    },
    JETSTREAM(
            "jetstream",
            "nats-server",
            "bench/interop/README.md, \"A current NATS\", says how to get it",
            "NATS JetStream, R1, file, its default",
            "nothing: the answer comes after the write, the sync up to 2 minutes later; a power cut loses what was answered") {
        @Override
        List<String> arguments(int port, Path folder) {
            return nats(port, folder, "");
        }

        @Override
        Link link(InetSocketAddress address, int id) throws IOException {
            return Link.opened(new JetStreamLink(address, "bench", id));
        }
    };

    private final String word;
    private final String program;
    private final String howToGet;
    private final String what;
    private final String synced;

    Store(String word, String program, String howToGet, String what, String synced) {
        this.word = word;
        this.program = program;
        this.howToGet = howToGet;
        this.what = what;
        this.synced = synced;
    }

    abstract List<String> arguments(int port, Path folder);

    /** An open connection that appends. */
    abstract Link link(InetSocketAddress address, int id) throws IOException;

    /** Its name on the command line, in tables and JSON. */
    String word() {
        return word;
    }

    String what() {
        return what;
    }

    /** What is on the disk when it answers. */
    String synced() {
        return synced;
    }

    static @Nullable Store of(String word) {
        for (Store store : values()) {
            if (store.word.equals(word)) {
                return store;
            }
        }
        return null;
    }

    /** Why it cannot run here and how to get it; null if it can. */
    @Nullable
    String missing() {
        return PeerProcess.find(program) == null ? program + " is not on the path; " + howToGet : null;
    }

    /** @param folder of its own, for its files. */
    PeerProcess start(Path folder) throws InterruptedException {
        Path path = PeerProcess.find(program);
        if (path == null) {
            throw BrokerOptions.usage(String.valueOf(missing()));
        }
        return PeerProcess.start(path, port -> arguments(port, folder), folder);
    }

    String version() throws InterruptedException {
        Path path = PeerProcess.find(program);
        return path == null ? program : PeerProcess.version(path);
    }

    private static List<String> nats(int port, Path folder, String syncInterval) {
        Path config = folder.resolve("nats.conf");
        String sync = syncInterval.isEmpty() ? "" : ", sync_interval: " + syncInterval;
        try {
            Files.writeString(
                    config,
                    "listen: \"127.0.0.1:" + port + "\"\njetstream { store_dir: \"" + folder.resolve("js")
                            + "\", max_file_store: 8GB" + sync + " }\n");
        } catch (IOException unwritable) {
            throw new UncheckedIOException(unwritable);
        }
        return List.of("-c", config.toString());
    }
}
