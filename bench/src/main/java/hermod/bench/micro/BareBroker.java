package hermod.bench.micro;

import hermod.broker.admission.Authenticator;
import hermod.broker.admission.Identity;
import hermod.broker.admission.RateLimits;
import hermod.broker.admission.Rights;
import hermod.broker.admission.ServiceConfig;
import hermod.broker.admission.ServiceSwitch;
import hermod.broker.admission.Verdict;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.engine.memory.MemoryEngine;
import hermod.broker.filter.FilterConfig;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.session.Acknowledgements;
import hermod.broker.session.CommandRouter;
import hermod.broker.session.Commands;
import hermod.broker.session.ConnectionLimits;
import hermod.broker.session.PublishConfig;
import hermod.broker.session.RedeliveryConfig;
import hermod.broker.session.Session;
import hermod.broker.session.SessionConfig;
import hermod.broker.session.SessionGround;
import hermod.broker.session.Sessions;
import hermod.broker.shard.Shard;
import hermod.broker.shard.ShardClock;
import hermod.broker.shard.ShardConfig;
import hermod.broker.topic.BatchingConfig;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.broker.transport.Transport;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A broker's shards without threads and sockets: everything between the bytes a socket brought and the bytes handed to another one, wired as {@code Broker} wires it.
 *
 * <p>A shard's thread is whoever calls {@link #runTasks}; one thread at a time for each shard. Tokens are not looked at, and the limits on a connection's rate are asked and never reached.
 */
public final class BareBroker implements AutoCloseable {
    private final MemoryEngine engine = MemoryEngine.inline();
    private static final String ORG = "acme";
    private static final String CHANNEL = "chat";
    private static final int PAYLOAD_LIMIT_BYTES = 262_144;
    private static final int FRAME_LIMIT_BYTES = PAYLOAD_LIMIT_BYTES + 16_384;

    /** What a bare broker is made of. */
    public record Setup(
            Map<String, ChannelPolicy> channels,
            ShardConfig shard,
            OutboxConfig outbox,
            TopicConfig topic,
            int silenceTimeoutMs,
            Supplier<ShardClock> clocks) {
        /** One channel, and everything else as a broker without a configuration has it. */
        public static Setup defaults() {
            return new Setup(
                    Map.of(CHANNEL, ChannelPolicy.defaults()),
                    ShardConfig.defaults(),
                    OutboxConfig.defaults(),
                    TopicConfig.defaults(),
                    SessionConfig.defaults().silenceTimeoutMs(),
                    ShardClock::new);
        }
    }

    private final List<Queue<Runnable>> tasks = new ArrayList<>();
    private final Shard[] shards;
    private final Metrics metrics;
    private final Dispatch[] dispatches;
    private final Sessions[] sessions;

    /** For one thread, which is every shard's. */
    public static BareBroker ofOneThread(int shardCount) {
        return ofOneThread(shardCount, Setup.defaults());
    }

    /** For one thread, which is every shard's. */
    public static BareBroker ofOneThread(int shardCount, Setup setup) {
        BareBroker broker = new BareBroker(shardCount, false, setup);
        broker.settle();
        return broker;
    }

    /** For several threads, a different one for each shard at a time; none is taken for the shard's own, so what a shard asks of itself comes through its queue of tasks. */
    public static BareBroker ofManyThreads(int shardCount) {
        BareBroker broker = new BareBroker(shardCount, true, Setup.defaults());
        // A shard learns its thread by its first task.
        broker.tasks.forEach(Queue::clear);
        return broker;
    }

    private BareBroker(int shardCount, boolean isShared, Setup setup) {
        dispatches = new Dispatch[shardCount];
        sessions = new Sessions[shardCount];
        Channels channels = new Channels(setup.channels);
        metrics = new Metrics(
                channels.all().stream()
                        .map(each -> new ChannelInfo(each.name(), "NORMAL", "MEMORY", false, 1, 1))
                        .toList(),
                shardCount,
                MetricsConfig.defaults());
        shards = new Shard[shardCount];
        for (int i = 0; i < shardCount; i++) {
            shards[i] = new Shard(i, setup.shard, setup.clocks.get());
            tasks.add(isShared ? new ConcurrentLinkedQueue<>() : new ArrayDeque<>());
        }
        Dispatch.Ground ground = new Dispatch.Ground(
                shards,
                channels,
                Transport.allocator(),
                setup.topic,
                BatchingConfig.defaults(),
                PAYLOAD_LIMIT_BYTES,
                1_000,
                engine);
        SessionGround sessionGround = sessionGround(channels, setup);
        for (int i = 0; i < shardCount; i++) {
            dispatches[i] = new Dispatch(ground, i, metrics.shard(i));
            sessions[i] = new Sessions(sessionGround, dispatches[i], setup.outbox);
            shards[i].start(tasks.get(i)::add, dispatches[i]);
        }
    }

    private static SessionGround sessionGround(Channels channels, Setup setup) {
        SessionConfig defaults = SessionConfig.defaults();
        return new SessionGround(
                new SessionConfig(
                        defaults.pingIntervalMs(),
                        setup.silenceTimeoutMs,
                        defaults.topicsPerConnectionLimitCount(),
                        10_000_000,
                        1 << 30),
                FilterConfig.defaults(),
                PublishConfig.defaults(),
                PAYLOAD_LIMIT_BYTES,
                FRAME_LIMIT_BYTES,
                Integer.MAX_VALUE,
                Integer.MAX_VALUE,
                Integer.MAX_VALUE,
                new BelievingAuthenticator(),
                channels,
                Commands.registerAll(new CommandRouter()),
                0,
                new ConnectionLimits(),
                new RateLimits(1),
                new ServiceSwitch(ServiceConfig.defaults(), channels),
                new SessionGround.Hashes(),
                Transport.allocator(),
                "",
                true,
                new Acknowledgements.Ground(RedeliveryConfig.defaults(), Acknowledgements.Sink.NONE));
    }

    /** Takes everybody for who they say they are. */
    private static final class BelievingAuthenticator implements Authenticator {
        @Override
        public void authenticate(String token, Consumer<Verdict> callback) {
            callback.accept(new Verdict.Accepted(
                    new Identity(token, ORG, Rights.of(List.of("pub:*", "sub:*", "urgent")), Long.MAX_VALUE)));
        }

        @Override
        public void close() {}
    }

    /** Runs what a shard has to do now, until nothing is left. */
    public void runTasks(int shard) {
        Queue<Runnable> queue = tasks.get(shard);
        Runnable next;
        while ((next = queue.poll()) != null) {
            next.run();
        }
    }

    /** Runs the first of what a shard has to do. @return whether there was something. */
    public boolean runOneTask(int shard) {
        Runnable next = tasks.get(shard).poll();
        if (next == null) {
            return false;
        }
        next.run();
        return true;
    }

    /** A tenth of a second has passed for a shard. */
    public void tick(int shard) {
        shards[shard].tick();
    }

    /** What the shards have counted. */
    public Metrics metrics() {
        return metrics;
    }

    /** Until no shard has anything to do. */
    public void settle() {
        boolean isBusy;
        do {
            isBusy = false;
            for (int shard = 0; shard < dispatches.length; shard++) {
                isBusy |= !tasks.get(shard).isEmpty();
                runTasks(shard);
            }
        } while (isBusy);
    }

    /** A welcomed client whose socket is a shard's. */
    public Client client(int shard, String user, FrameSink sink) {
        return client(shard, user, 0, sink);
    }

    /** The same, with feature bits. */
    public Client client(int shard, String user, long features, FrameSink sink) {
        Client client = new Client(shard, sink);
        client.say(
                FrameType.HELLO,
                Hello.newBuilder()
                        .setMinVersion(1)
                        .setMaxVersion(1)
                        .setFeatures(features)
                        .setToken(user)
                        .setDeviceId(user + "-phone")
                        .setPlatform(Platform.PLATFORM_CLI)
                        .setProducerEpoch(7)
                        .build());
        return client;
    }

    /** A topic whose home is a shard. */
    public String topicAt(int shard) {
        int i = 0;
        while (HomeTopics.homeOf(ORG, CHANNEL + ":" + i, dispatches.length) != shard) {
            i++;
        }
        return CHANNEL + ":" + i;
    }

    private int handleOf(String topic) {
        for (Dispatch dispatch : dispatches) {
            for (TopicLog log : dispatch.logs()) {
                if (log.topic().name().toString().equals(topic)) {
                    return log.topic().handle();
                }
            }
        }
        throw new IllegalStateException("nobody holds this topic: " + topic);
    }

    /** Ends all connections and gives the memory back. */
    @Override
    public void close() {
        for (Sessions each : sessions) {
            each.closeAll();
        }
        settle();
        for (Dispatch dispatch : dispatches) {
            dispatch.close();
        }
    }

    /** One connection, without its socket: the part of {@code transport} between Netty and the session. */
    public final class Client implements Session.Reader {
        private final int shard;
        private final Session session;
        private final FrameCutter cutter = new FrameCutter(Transport.allocator(), FRAME_LIMIT_BYTES);

        private Client(int shard, FrameSink sink) {
            this.shard = shard;
            session = sessions[shard].open(sink, "127.0.0.1");
            session.reader(this);
        }

        /** @return the topic's handle. */
        public int subscribe(String topic) {
            say(FrameType.SUBSCRIBE, Subscribe.newBuilder().addTopics(topic).build());
            return handleOf(topic);
        }

        /** @return the topic's handle. */
        public int open(String topic) {
            say(FrameType.OPEN, Open.newBuilder().addTopics(topic).build());
            return handleOf(topic);
        }

        private void say(FrameType type, com.google.protobuf.MessageLite message) {
            ByteBuf frame = ControlCodec.encode(Transport.allocator(), type, 1, message);
            receive(frame);
            frame.release();
            settle();
        }

        /**
         * Its socket has brought these bytes and has no more for now.
         *
         * @param in borrowed.
         */
        public void receive(ByteBuf in) {
            session.onBytes(in.readableBytes());
            try {
                cutter.cut(in, session);
            } catch (ProtocolException bad) {
                throw new IllegalArgumentException("these bytes are no frames", bad);
            }
            if (session.isClosed()) {
                throw new IllegalStateException("the session has closed this connection");
            }
            session.onBytesEnd();
            session.onReadEnd();
        }

        /** The same, and the turn that follows. */
        public void receiveAndRun(ByteBuf in) {
            receive(in);
            runTasks(shard);
        }

        /** Whether the broker has closed the connection. */
        public boolean isClosed() {
            return session.isClosed();
        }

        /** The socket takes more again. */
        public void onWritable() {
            session.onWritable();
        }

        @Override
        public void frameLimitBytes(int bytes) {
            cutter.frameLimitBytes(bytes);
        }

        @Override
        public void resume() {
            // Nothing was said before WELCOME.
        }
    }
}
