package hermod.bench.priority;

import hermod.bench.PeerProcess;
import hermod.bench.load.BenchFailure;
import hermod.bench.wire.Link;
import hermod.bench.wire.NatsLink;
import hermod.bench.wire.RedisLink;
import hermod.bench.wire.Topics;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The other brokers this runs beside. They start on a free loopback port with their own defaults, persistence off, and are stopped by their process. */
enum Peer {
    NATS("nats-server", "bench/interop/README.md, \"A current NATS\", says how to get it") {
        @Override
        List<String> arguments(int port) {
            return List.of("-a", "127.0.0.1", "-p", Integer.toString(port));
        }

        @Override
        Link link(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
                throws IOException {
            return new NatsLink(address, receiveBufferBytes, topics, isSubscriber);
        }
    },
    REDIS("redis-server", "on Debian: apt-get install redis-server") {
        @Override
        List<String> arguments(int port) {
            return List.of(
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

    private final String program;
    private final String howToGet;

    Peer(String program, String howToGet) {
        this.program = program;
        this.howToGet = howToGet;
    }

    abstract List<String> arguments(int port);

    abstract Link link(InetSocketAddress address, int receiveBufferBytes, Topics topics, boolean isSubscriber)
            throws IOException;

    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Why it cannot run here and how to get it; null if it can. */
    @Nullable
    String missing() {
        return PeerProcess.find(program) == null ? program + " is not on the path; " + howToGet : null;
    }

    /** @throws BenchFailure if it is not there or does not open its port in ten seconds. */
    Contender start(Path folder) throws InterruptedException {
        Path path = PeerProcess.find(program);
        if (path == null) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, String.valueOf(missing()));
        }
        return new Running(this, PeerProcess.version(path), PeerProcess.start(path, this::arguments, folder));
    }

    /** A server of ours. */
    private record Running(Peer peer, String what, PeerProcess process) implements Contender {
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
            return Link.opened(peer.link(process.address(), receiveBufferBytes, topics, true));
        }

        @Override
        public Link publisher(Topics topics, String device) throws IOException {
            return Link.opened(peer.link(process.address(), 0, topics, false));
        }

        @Override
        public void close() {
            process.close();
        }
    }
}
