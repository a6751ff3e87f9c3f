package hermod.broker;

import hermod.broker.admin.AdminConfig;
import hermod.broker.admission.SecretFile;
import hermod.broker.admission.ServiceConfig;
import hermod.broker.admission.TokenMint;
import hermod.broker.engine.Engine;
import hermod.broker.engine.embedded.JournalConfig;
import hermod.broker.engine.memory.MemoryEngine;
import hermod.broker.filter.FilterConfig;
import hermod.broker.group.GroupConfig;
import hermod.broker.history.HistoryConfig;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.safety.SafetyConfig;
import hermod.broker.schedule.ScheduleConfig;
import hermod.broker.session.PublishConfig;
import hermod.broker.session.RedeliveryConfig;
import hermod.broker.session.SessionConfig;
import hermod.broker.shard.ShardClock;
import hermod.broker.shard.ShardConfig;
import hermod.broker.topic.BatchingConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.TopicConfig;
import hermod.broker.transport.TransportConfig;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Welcome;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A real broker on free ports, in this process, with tokens for its clients. */
public final class BrokerUnderTest implements AutoCloseable {
    /** Rights of an ordinary client. */
    public static final List<String> ORDINARY = List.of("pub:*", "sub:*");

    private long expectedDefects;
    private final Broker broker;
    private final TokenMint mint;
    private final Path dataDir;
    private final List<RawClient> clients = new ArrayList<>();

    private BrokerUnderTest(Broker broker, Path dataDir, TokenMint mint) {
        this.broker = broker;
        this.dataDir = dataDir;
        this.mint = mint;
    }

    /** What a test changes of the defaults; the setters return this. */
    public static final class Setup {
        private int shardCount = 1;
        private int ringCapacityBytes = ShardConfig.defaults().ringCapacityBytes();
        private int payloadLimitBytes = TransportConfig.defaults().payloadLimitBytes();
        private int handshakeTimeoutMs = TransportConfig.defaults().handshakeTimeoutMs();
        private int perAddressLimitCount = TransportConfig.defaults().connectionsPerAddressLimitCount();
        private int perUserLimitCount = TransportConfig.defaults().connectionsPerUserLimitCount();
        private int unauthenticatedLimitCount = TransportConfig.defaults().unauthenticatedLimitCount();
        private SessionConfig session = SessionConfig.defaults();
        private FilterConfig filter = FilterConfig.defaults();
        private PublishConfig publish = PublishConfig.defaults();
        private ServiceConfig service = ServiceConfig.defaults();
        private OutboxConfig outbox = OutboxConfig.defaults();
        private TopicConfig topic = TopicConfig.defaults();
        private TransportConfig.Io io = TransportConfig.Io.valueOf(System.getProperty("hermod.test.io", "AUTO"));

        /** Without the rates of users, which most tests are not about. */
        private ChannelPolicies channels = ChannelPolicies.defaults().withRate(0, 1);

        private BatchingConfig batching = BatchingConfig.defaults();
        private HistoryConfig history = HistoryConfig.defaults();
        private ScheduleConfig schedule = ScheduleConfig.defaults();
        private GroupConfig groups = GroupConfig.defaults();
        private ShardClock scheduleClock = new ShardClock();
        private RedeliveryConfig redelivery = RedeliveryConfig.defaults();
        private SafetyConfig safety = SafetyConfig.defaults();
        private int spinUs;
        private boolean isDev;
        private @Nullable Engine engine;
        private boolean isEmbedded;
        private @Nullable Path dataDir;

        /** On disk, with a small journal, instead of in memory. */
        public Setup embedded() {
            isEmbedded = true;
            return this;
        }

        /** Instead of one of its own. */
        public Setup engine(Engine given) {
            engine = given;
            return this;
        }

        /** Instead of a new one. */
        public Setup dataDir(Path given) {
            dataDir = given;
            return this;
        }

        public Setup io(TransportConfig.Io wanted) {
            io = wanted;
            return this;
        }

        public Setup spinUs(int us) {
            spinUs = us;
            return this;
        }

        public Setup shards(int count) {
            shardCount = count;
            return this;
        }

        public Setup ringCapacityBytes(int bytes) {
            ringCapacityBytes = bytes;
            return this;
        }

        public Setup payloadLimitBytes(int bytes) {
            payloadLimitBytes = bytes;
            return this;
        }

        public Setup handshakeTimeoutMs(int ms) {
            handshakeTimeoutMs = ms;
            return this;
        }

        public Setup connectionLimits(int perAddress, int perUser) {
            perAddressLimitCount = perAddress;
            perUserLimitCount = perUser;
            return this;
        }

        public Setup unauthenticatedLimitCount(int count) {
            unauthenticatedLimitCount = count;
            return this;
        }

        public Setup session(SessionConfig config) {
            session = config;
            return this;
        }

        public Setup filter(FilterConfig config) {
            filter = config;
            return this;
        }

        public Setup publish(PublishConfig config) {
            publish = config;
            return this;
        }

        public Setup service(ServiceConfig config) {
            service = config;
            return this;
        }

        public Setup outbox(OutboxConfig config) {
            outbox = config;
            return this;
        }

        public Setup topic(TopicConfig config) {
            topic = config;
            return this;
        }

        public Setup channels(ChannelPolicies policies) {
            channels = policies;
            return this;
        }

        public Setup batching(BatchingConfig config) {
            batching = config;
            return this;
        }

        /** @param clock by which scheduled events are due. */
        public Setup schedule(ScheduleConfig config, ShardClock clock) {
            schedule = config;
            scheduleClock = clock;
            return this;
        }

        public Setup groups(GroupConfig config) {
            groups = config;
            return this;
        }

        public Setup safety(SafetyConfig config) {
            safety = config;
            return this;
        }

        public Setup redelivery(RedeliveryConfig config) {
            redelivery = config;
            return this;
        }

        public Setup history(HistoryConfig config) {
            history = config;
            return this;
        }

        public Setup dev() {
            isDev = true;
            return this;
        }

        /** Files that a test does not wait for. */
        private static JournalConfig smallJournal() {
            JournalConfig journal = JournalConfig.defaults();
            return new JournalConfig(
                    8 * 1024 * 1024,
                    64 * 1024 * 1024,
                    64 * 1024,
                    journal.ringBytes(),
                    journal.ringBytes(),
                    64 * 1024,
                    journal.retryMs(),
                    journal.sealAfterMs(),
                    journal.sourceCount());
        }

        public BrokerUnderTest start() throws Exception {
            Path directory = dataDir == null ? Files.createTempDirectory("hermod-test") : dataDir;
            TransportConfig transport = TransportConfig.defaults();
            BrokerConfig defaults = BrokerConfig.defaults();
            BrokerConfig config = new BrokerConfig(
                    directory,
                    isDev,
                    0,
                    defaults.homeRegion(),
                    new TransportConfig(
                            io,
                            transport.host(),
                            transport.allowPlaintext(),
                            0,
                            0,
                            transport.wsAllowedOrigins(),
                            payloadLimitBytes,
                            handshakeTimeoutMs,
                            transport.connectionsLimitCount(),
                            perAddressLimitCount,
                            perUserLimitCount,
                            unauthenticatedLimitCount,
                            transport.socketBurstBytes(),
                            transport.unsentLimitBytes()),
                    defaults.admission(),
                    session,
                    filter,
                    publish,
                    service,
                    new ShardConfig(
                            shardCount,
                            ringCapacityBytes,
                            ShardConfig.defaults().turnRecordLimitCount(),
                            spinUs),
                    outbox,
                    topic,
                    channels,
                    batching,
                    smallJournal(),
                    defaults.store(),
                    history,
                    schedule,
                    groups,
                    redelivery,
                    safety,
                    defaults.metrics(),
                    new AdminConfig(defaults.admin().host(), 0),
                    defaults.audit());
            Broker broker = isEmbedded
                    ? Broker.start(config)
                    : Broker.start(config, engine == null ? new MemoryEngine() : engine, scheduleClock);
            return new BrokerUnderTest(
                    broker, directory, new TokenMint(SecretFile.readOrCreate(directory), Clock.systemUTC()));
        }
    }

    public static BrokerUnderTest start() throws Exception {
        return new Setup().start();
    }

    public static BrokerUnderTest withShards(int count) throws Exception {
        return new Setup().shards(count).start();
    }

    public Broker broker() {
        return broker;
    }

    public InetSocketAddress address() {
        return broker.tcpAddress();
    }

    public String token(String user, List<String> rights) {
        return mint.mint(user, "acme", rights, Duration.ofHours(1));
    }

    public String token(String user, String org, List<String> rights, Duration ttl) {
        return mint.mint(user, org, rights, ttl);
    }

    public String token(String user, List<String> rights, Priority raisedTo, Duration ttl) {
        return mint.mint(user, "acme", rights, raisedTo, ttl);
    }

    /** A socket that has said nothing yet; closed with the broker. */
    public RawClient socket() throws IOException {
        RawClient client = new RawClient(address());
        clients.add(client);
        return client;
    }

    /** A welcomed client with ordinary rights. */
    public RawClient client(String user) throws IOException {
        return client(user, ORDINARY);
    }

    public RawClient client(String user, List<String> rights) throws IOException {
        RawClient client = socket();
        client.connect(RawClient.hello(token(user, rights)).setDeviceId(user + "-phone"));
        return client;
    }

    public Welcome welcome(RawClient client, String user) throws IOException {
        return client.connect(RawClient.hello(token(user, ORDINARY)));
    }

    public long counter(String label) {
        return broker.stats().counters().getOrDefault(label, -1L);
    }

    public ChannelStats channel(String name) {
        return broker.stats().channels().stream()
                .filter(channel -> channel.channel().equals(name))
                .findFirst()
                .orElseThrow();
    }

    public Path dataDir() {
        return dataDir;
    }

    /** As many as the test has caused itself. */
    void expectDefects(long count) {
        expectedDefects = count;
    }

    @Override
    public void close() throws Exception {
        for (RawClient client : clients) {
            client.close();
        }
        broker.close();
        if (counter("defects") != expectedDefects) {
            throw new AssertionError("the broker counted defects: " + counter("defects"));
        }
    }
}
