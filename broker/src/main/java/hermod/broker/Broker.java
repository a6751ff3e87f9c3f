package hermod.broker;

import hermod.broker.admin.AdminApi;
import hermod.broker.admin.BuildVersion;
import hermod.broker.admin.DrainProgress;
import hermod.broker.admin.OperatorControls;
import hermod.broker.admin.OperatorView;
import hermod.broker.admin.SubscriptionsOrder;
import hermod.broker.admin.SubscriptionsOutcome;
import hermod.broker.admission.Authenticator;
import hermod.broker.admission.DevAuthenticator;
import hermod.broker.admission.JwtAuthenticator;
import hermod.broker.admission.RateLimits;
import hermod.broker.admission.SecretFile;
import hermod.broker.admission.ServiceState;
import hermod.broker.admission.ServiceSwitch;
import hermod.broker.audit.Actor;
import hermod.broker.audit.AuditStream;
import hermod.broker.audit.OperatorAudit;
import hermod.broker.config.ConfigException;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineStatus;
import hermod.broker.engine.Retention;
import hermod.broker.engine.embedded.EmbeddedConfig;
import hermod.broker.engine.embedded.EmbeddedEngine;
import hermod.broker.engine.memory.MemoryEngine;
import hermod.broker.filter.FilterText;
import hermod.broker.group.GroupCommands;
import hermod.broker.group.Groups;
import hermod.broker.history.HistoryCommand;
import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.ConnectionStats;
import hermod.broker.metrics.GroupStats;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.SlowConnections;
import hermod.broker.metrics.StoreStats;
import hermod.broker.metrics.TopicStats;
import hermod.broker.safety.Escalations;
import hermod.broker.schedule.ScheduleCommands;
import hermod.broker.schedule.Scheduler;
import hermod.broker.session.Acknowledgements;
import hermod.broker.session.CommandRouter;
import hermod.broker.session.Commands;
import hermod.broker.session.ConnectionLimits;
import hermod.broker.session.SessionGround;
import hermod.broker.session.SessionView;
import hermod.broker.session.Sessions;
import hermod.broker.shard.Shard;
import hermod.broker.shard.ShardClock;
import hermod.broker.topic.Channel;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.EventIds;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.TopicLog;
import hermod.broker.transport.SocketIo;
import hermod.broker.transport.Transport;
import hermod.broker.transport.TransportConfig;
import hermod.protocol.Feature;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.TopicResult;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running broker. Started and closed by one thread; what operators ask may come from any.
 *
 * <p>Start: keys, channels, shards and their parts, loops, listeners. Stop: the reverse, with a word to every client.
 */
public final class Broker implements OperatorView, OperatorControls, AutoCloseable {
    /** In the data directory: the engine's. */
    static final String EVENTS_DIR = "events";

    private static final int DRAIN_DELAY_MS_MAX = 3_600_000;

    /** How long an operator's question waits for a shard's answer. */
    private static final int ANSWER_TIMEOUT_MS = 2_000;

    private static final Logger LOG = LoggerFactory.getLogger(Broker.class);
    private static final int LISTED_COUNT_MAX = 10_000;

    /** Who appends to the journal besides the shards, whose audit goes beside their events: the engine itself, the operators' audit, and one to spare. */
    private static final int OTHER_APPENDERS = 3;

    /** Sessions a shard looks at in one go for the slow ones: events pass in between. */
    private static final int LOOKED_AT_ONCE = 500;

    private static final Sessions.SlowPart NOBODY = new Sessions.SlowPart(List.of(), -1);

    private final BrokerConfig config;
    private final Channels channels;
    private final Metrics metrics;
    private final ServiceSwitch service;
    private final Drain drain;
    private final CountDownLatch drained = new CountDownLatch(1);
    private final Authenticator authenticator;
    private final Engine engine;
    private final @Nullable Scheduler scheduler;
    private final @Nullable Groups groups;

    private final @Nullable Escalations escalations;
    private final Transport transport;
    private final List<Dispatch> dispatches = new ArrayList<>();
    private final List<Sessions> sessions = new ArrayList<>();
    private final long startedAtUs = ShardClock.wallUs();
    private InetSocketAddress tcp = new InetSocketAddress(0);
    private InetSocketAddress webSocket = new InetSocketAddress(0);
    private @Nullable AdminApi admin;

    /** Null until it is opened, and for a warm-up. */
    private @Nullable OperatorAudit audit;

    private volatile boolean isReady;

    /** Where the broker listens, as HOST:PORT with the ports that were really bound. */
    public record ReadyAddresses(String tcp, String ws, String admin) {}

    /**
     * @param scheduleClock the scheduler's own; null for a broker without a scheduler, whose safety events nobody watches.
     * @param webhookSecret of the safety webhook; null where there is none.
     */
    private Broker(
            BrokerConfig config,
            SocketIo io,
            Authenticator authenticator,
            Engine engine,
            SessionGround.Hashes hashes,
            @Nullable ShardClock scheduleClock,
            byte @Nullable [] webhookSecret) {
        this.config = config;
        this.authenticator = authenticator;
        this.engine = engine;
        channels = new Channels(config.channels().byName());
        service = new ServiceSwitch(config.service(), channels);
        scheduler = scheduleClock == null
                ? null
                : new Scheduler(
                        config.schedule(),
                        engine.state(),
                        channels,
                        (channel, percentile) -> service.state().channelOff(channel, percentile) != null,
                        scheduleClock);
        int shardCount = config.shard().effectiveShardCount(Runtime.getRuntime().availableProcessors());
        metrics = new Metrics(
                infos(
                        channels,
                        engine.isDurable(),
                        EventIds.capacity(config.topic().dedupIdsPerTopicLimitCount())),
                shardCount,
                config.metrics());
        groups = scheduleClock == null
                ? null
                : new Groups(config.groups(), engine.channels(), engine.state(), channels, metrics.groups());
        escalations = scheduleClock == null
                ? null
                : new Escalations(config.safety(), shardCount, engine.state(), metrics.safety(), webhookSecret);
        Shard[] shards = new Shard[shardCount];
        Arrays.setAll(shards, index -> new Shard(index, config.shard()));
        Dispatch.Ground ground = new Dispatch.Ground(
                shards,
                channels,
                Transport.allocator(),
                config.topic(),
                config.batching(),
                config.transport().payloadLimitBytes(),
                config.filter().progressIntervalMs(),
                engine);
        SessionGround sessionGround = sessionGround(hashes);
        transport =
                new Transport(config.transport(), io, shardCount, config.shard().spinUs());
        drain = new Drain(config.service(), transport, dispatches, sessions);
        for (Shard shard : shards) {
            Dispatch dispatch = new Dispatch(ground, shard.index(), metrics.shard(shard.index()));
            dispatches.add(dispatch);
            sessions.add(new Sessions(sessionGround, dispatch, config.outbox()));
        }
        // So that who comes back for what is gone is told LOST, and not a replay with a gap in it.
        engine.onRemoved((org, topic, firstOffset) -> dispatches
                .get(HomeTopics.homeOf(org, topic, shardCount))
                .onRemoved(org, TopicName.of(topic), firstOffset));
    }

    /**
     * Starts a broker; when this returns, clients are served.
     *
     * @throws ConfigException with one sentence if a key or a file the configuration names can't be used.
     * @throws IOException with one sentence if an address can't be listened on.
     */
    public static Broker start(BrokerConfig config) throws ConfigException, IOException {
        config.createDataDir();
        return start(config, openEngine(config));
    }

    /** Opens the engine on disk, in a data directory that is there. @throws IOException with one sentence for people. */
    static Engine openEngine(BrokerConfig config) throws IOException {
        int shardCount = config.shard().effectiveShardCount(Runtime.getRuntime().availableProcessors());
        ChannelPolicies channels = config.channels();
        long limitBytes = config.store().topicLimitBytes();
        return EmbeddedEngine.open(
                config.dataDir().resolve(EVENTS_DIR),
                new EmbeddedConfig(config.journal().withSourceCount(shardCount + OTHER_APPENDERS), config.store()),
                (org, topic) -> AuditStream.ORG.equals(org) ? Retention.ALL : retentionOf(channels, topic, limitBytes));
    }

    /** What is kept for a topic whose channel there is no longer: all, since nobody said otherwise. */
    private static Retention retentionOf(ChannelPolicies channels, String topic, long limitBytes) {
        int colon = topic.indexOf(':');
        ChannelPolicy policy = colon < 0 ? null : channels.of(topic.substring(0, colon));
        return policy == null
                ? Retention.ALL
                : new Retention(
                        TimeUnit.NANOSECONDS.toMicros(policy.keepsNs(TimeUnit.DAYS.toNanos(1))),
                        policy.keepsEvents(),
                        limitBytes,
                        policy.keepsByType() ? TimeUnit.SECONDS.toMicros(policy.dedupWindowS()) : Long.MAX_VALUE);
    }

    /**
     * The same with an engine of the caller's.
     *
     * @param engine given: closed with the broker, or at once where it can't start.
     */
    public static Broker start(BrokerConfig config, Engine engine) throws ConfigException, IOException {
        return start(config, engine, new ShardClock());
    }

    /** @param scheduleClock by which scheduled events are due; the scheduler's own from here on. */
    static Broker start(BrokerConfig config, Engine engine, ShardClock scheduleClock)
            throws ConfigException, IOException {
        try {
            return serve(config, engine, scheduleClock);
        } catch (ConfigException | IOException | RuntimeException failed) {
            engine.close();
            throw failed;
        }
    }

    private static Broker serve(BrokerConfig config, Engine engine, ShardClock scheduleClock)
            throws ConfigException, IOException {
        SocketIo io = SocketIo.of(config.transport().io());
        config.createDataDir();
        Authenticator tokens = JwtAuthenticator.start(config.admission(), config.dataDir(), Clock.systemUTC());
        SessionGround.Hashes hashes = new SessionGround.Hashes(SecretFile.readOrCreateIdentity(config.dataDir()));
        Path secretFile = config.safety().webhookSecretFile().orElse(null);
        Broker broker = new Broker(
                config,
                io,
                config.dev() ? new DevAuthenticator(tokens) : tokens,
                engine,
                hashes,
                scheduleClock,
                secretFile == null ? null : SecretFile.read(secretFile));
        try {
            broker.serve(broker.openAudit());
        } catch (IOException | RuntimeException failed) {
            broker.close();
            throw failed;
        }
        return broker;
    }

    /**
     * Starts a broker that only a {@link WarmUp} uses: TCP, nothing on disk and no operators' port.
     *
     * @param authenticator given: closed with the broker.
     */
    static Broker startForWarmUp(BrokerConfig config, Authenticator authenticator) throws ConfigException, IOException {
        Broker broker = new Broker(
                config,
                SocketIo.of(config.transport().io()),
                authenticator,
                new MemoryEngine(),
                new SessionGround.Hashes(),
                null,
                null);
        try {
            broker.serveTcp(List.of());
        } catch (IOException | RuntimeException failed) {
            broker.close();
            throw failed;
        }
        return broker;
    }

    /** @param heads of the shards' audit streams; none for a warm-up. */
    private void serveTcp(List<AuditStream.Head> heads) throws IOException {
        for (int i = 0; i < dispatches.size(); i++) {
            Shard shard = dispatches.get(i).shard();
            shard.start(transport.loop(i), transport.timer(i), dispatches.get(i));
            if (!heads.isEmpty()) {
                record(dispatches.get(i), heads.get(i));
            }
            transport.serve(sessions.get(i));
        }
        OperatorAudit opened = audit;
        if (escalations != null && opened != null) {
            escalations.start(dispatches, opened);
        }
        if (scheduler != null) {
            scheduler.start(dispatches);
        }
        if (groups != null) {
            groups.start();
        }
        tcp = transport.listen(config.transport().port(), false);
    }

    private void record(Dispatch dispatch, AuditStream.Head head) throws IOException {
        boolean isDone = ask(
                dispatch,
                on -> {
                    on.record(config.audit(), head);
                    if (escalations != null) {
                        on.watch(escalations);
                    }
                    return true;
                },
                false);
        if (!isDone) {
            throw new IOException("the audit log can't be opened: a shard does not answer");
        }
    }

    /** Before anybody is served: so the start is recorded before what follows it. */
    private OperatorAudit openAudit() throws IOException {
        OperatorAudit opened = OperatorAudit.open(engine, config.audit(), metrics.audit());
        audit = opened;
        opened.record(
                Actor.BROKER,
                "broker",
                "start",
                "broker",
                "starting",
                "version",
                BuildVersion.text(),
                "configSha256",
                config.sha256(),
                "dev",
                Boolean.toString(config.dev()));
        return opened;
    }

    private void serve(OperatorAudit opened) throws IOException {
        List<AuditStream.Head> heads = new ArrayList<>();
        for (int i = 0; i < dispatches.size(); i++) {
            heads.add(AuditStream.open(engine, AuditStream.writerOf(i)));
        }
        serveTcp(heads);
        webSocket = transport.listen(config.transport().wsPort(), true);
        admin = AdminApi.start(config.admin(), this, this, opened);
        isReady = true;
    }

    private SessionGround sessionGround(SessionGround.Hashes hashes) {
        return new SessionGround(
                config.session(),
                config.filter(),
                config.publish(),
                config.transport().payloadLimitBytes(),
                config.transport().frameLimitBytes(),
                config.transport().handshakeTimeoutMs(),
                config.transport().connectionsPerAddressLimitCount(),
                config.transport().connectionsPerUserLimitCount(),
                authenticator,
                channels,
                router(),
                Feature.HISTORY.bit()
                        | (config.batching().compresses() ? Feature.LZ4.bit() : 0)
                        | (scheduler == null ? 0 : Feature.SCHEDULE.bit())
                        | (groups == null ? 0 : Feature.GROUP.bit()),
                new ConnectionLimits(),
                new RateLimits(config.publish().idleRatesLimitCount()),
                service,
                hashes,
                Transport.allocator(),
                config.homeRegion(),
                config.dev(),
                new Acknowledgements.Ground(
                        config.redelivery(), escalations == null ? Acknowledgements.Sink.NONE : escalations));
    }

    /** Has the scheduler look at its clock at once, which a test has set. */
    void lookAtSchedules() {
        if (scheduler != null) {
            scheduler.look();
        }
    }

    private CommandRouter router() {
        CommandRouter router = new HistoryCommand(engine.events(), config.history())
                .registerOn(Commands.registerAll(new CommandRouter()));
        if (groups == null) {
            GroupCommands.registerNone(router);
        } else {
            new GroupCommands(groups).registerAll(router);
        }
        return scheduler == null
                ? ScheduleCommands.registerNone(router)
                : new ScheduleCommands(scheduler, config.schedule()).registerAll(router);
    }

    private static List<ChannelInfo> infos(Channels channels, boolean hasDisk, int dedupIdsLimit) {
        List<ChannelInfo> infos = new ArrayList<>();
        for (Channel channel : channels.all()) {
            infos.add(new ChannelInfo(
                    channel.name(),
                    channel.policy().lane().name(),
                    channel.policy().durability().name(),
                    channel.policy().durability().isOnDisk() && !hasDisk,
                    channel.policy().tier(),
                    channel.policy().comparesIds()
                            ? TimeUnit.SECONDS.toMicros(channel.policy().dedupWindowS())
                            : 0,
                    channel.policy().comparesIds() ? dedupIdsLimit : 0,
                    channel.policy().goalP95Us()));
        }
        return infos;
    }

    public ReadyAddresses addresses() {
        AdminApi api = admin;
        return new ReadyAddresses(text(tcp), text(webSocket), api == null ? "" : api.address());
    }

    private static String text(InetSocketAddress address) {
        return address.getAddress().getHostAddress() + ":" + address.getPort();
    }

    public int shardCount() {
        return dispatches.size();
    }

    /** How sockets are read and written; never AUTO. */
    public TransportConfig.Io io() {
        return transport.io();
    }

    /** Where TCP clients are served. */
    public InetSocketAddress tcpAddress() {
        return tcp;
    }

    /** Where WebSocket clients are served. */
    public InetSocketAddress webSocketAddress() {
        return webSocket;
    }

    @Override
    public boolean isReady() {
        return isReady;
    }

    @Override
    public BrokerStats stats() {
        long topics = 0;
        for (Dispatch dispatch : dispatches) {
            topics += ask(dispatch, Dispatch::topicCount, 0);
        }
        return new BrokerStats(
                BuildVersion.text(),
                startedAtUs,
                TimeUnit.MICROSECONDS.toSeconds(ShardClock.wallUs() - startedAtUs),
                dispatches.size(),
                transport.connectionCount(),
                topics,
                metrics.counters(),
                metrics.channels(),
                statsOf(engine.status()));
    }

    private static StoreStats statsOf(EngineStatus status) {
        return new StoreStats(
                status.fault() == null ? "" : status.fault().name(),
                status.reason(),
                status.storedEvents(),
                status.removedEvents(),
                status.syncs(),
                status.syncP50Us(),
                status.syncP99Us(),
                status.syncMaxUs(),
                status.waitingBytes(),
                status.journalBytes(),
                status.diskBytes(),
                status.memoryBytes());
    }

    @Override
    public List<ConnectionStats> connections() {
        List<ConnectionStats> all = new ArrayList<>();
        for (int i = 0; i < sessions.size(); i++) {
            Sessions shards = sessions.get(i);
            for (SessionView view : ask(dispatches.get(i), on -> shards.views(), List.<SessionView>of())) {
                if (all.size() < LISTED_COUNT_MAX) {
                    all.add(statsOf(view, i));
                }
            }
        }
        return all;
    }

    @Override
    public SlowConnections slowest() {
        SlowConnections slowest = new SlowConnections();
        Set<String> seen = new HashSet<>();
        for (int i = 0; i < sessions.size(); i++) {
            Sessions onShard = sessions.get(i);
            int from = 0;
            while (from >= 0) {
                int begin = from;
                Sessions.SlowPart part = ask(dispatches.get(i), on -> onShard.slow(begin, LOOKED_AT_ONCE), NOBODY);
                for (SessionView view : part.views()) {
                    if (seen.add(view.id())) {
                        slowest.add(statsOf(view, i));
                    }
                }
                from = part.next();
            }
        }
        return slowest;
    }

    private static ConnectionStats statsOf(SessionView view, int shard) {
        return new ConnectionStats(
                view.id(),
                view.identity().user(),
                view.identity().org(),
                view.device(),
                view.platform(),
                view.address(),
                view.connectedAtUs(),
                view.lastPingUs(),
                view.subscriptions(),
                view.filters(),
                view.deliveredCount(),
                view.publishedCount(),
                view.outboxBytes(),
                view.slow(),
                shard);
    }

    @Override
    public List<TopicStats> topics(String org, String topic) {
        List<TopicStats> all = new ArrayList<>();
        for (Dispatch dispatch : dispatches) {
            all.addAll(ask(dispatch, on -> topicsOf(on, org, topic), List.<TopicStats>of()));
        }
        return all;
    }

    private static List<TopicStats> topicsOf(Dispatch dispatch, String org, String topic) {
        List<TopicStats> found = new ArrayList<>();
        for (TopicLog log : dispatch.logs()) {
            String name = log.topic().name().toString();
            if ((org.isEmpty() || org.equals(log.topic().org())) && (topic.isEmpty() || topic.equals(name))) {
                found.add(new TopicStats(
                        log.topic().org(),
                        name,
                        log.nextOffset(),
                        log.subscriberCount(),
                        log.topic().homeShard()));
                if (found.size() == LISTED_COUNT_MAX) {
                    break;
                }
            }
        }
        return found;
    }

    @Override
    public List<SubscriptionsOutcome> replaceSubscriptions(SubscriptionsOrder order) {
        List<SubscriptionsOutcome> outcomes = new ArrayList<>();
        List<Sessions.Answer> answers = new ArrayList<>();
        for (int i = 0; i < sessions.size(); i++) {
            Sessions onShard = sessions.get(i);
            answers.addAll(ask(
                    dispatches.get(i),
                    on -> onShard.replace(order.org(), order.user(), order.topics(), order.keepsOthers()),
                    List.<Sessions.Answer>of()));
        }
        for (Sessions.Answer answer : answers) {
            outcomes.add(outcomeOf(answer));
        }
        LOG.info(
                "subscriptions replaced by an operator: org={}, user={}, keepOthers={}, topics={}, connections={}, replaced={}, refusals={}",
                TopicName.shown(order.org()),
                TopicName.shown(order.user()),
                order.keepsOthers(),
                order.topics().stream()
                        .map(topic -> topic.hasFilter()
                                ? topic.getTopic() + " where " + TopicName.shown(FilterText.of(topic.getFilter()))
                                : topic.getTopic())
                        .toList(),
                outcomes.size(),
                outcomes.stream().filter(SubscriptionsOutcome::isReplaced).count(),
                outcomes.stream().mapToInt(each -> each.refused().size()).sum());
        return outcomes;
    }

    private static SubscriptionsOutcome outcomeOf(Sessions.Answer answer) {
        Replaced told = null;
        try {
            told = answer.told().get(ANSWER_TIMEOUT_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException gone) {
            LOG.debug("a connection did not answer an operator: id={}", answer.connection());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        if (told == null) {
            return new SubscriptionsOutcome(answer.connection(), answer.device(), false, 0, 0, List.of());
        }
        List<SubscriptionsOutcome.Refusal> refused = new ArrayList<>();
        for (TopicResult result : told.getResultsList()) {
            if (!result.getGranted()) {
                refused.add(new SubscriptionsOutcome.Refusal(result.getTopic(), result.getCode(), result.getMessage()));
            }
        }
        return new SubscriptionsOutcome(
                answer.connection(),
                answer.device(),
                true,
                told.getResultsCount() - refused.size(),
                told.getRemovedCount(),
                refused);
    }

    /** Asks a shard on its own thread and waits a moment for the answer; never called on a shard. */
    static <T> T ask(Dispatch dispatch, Function<Dispatch, T> question, T otherwise) {
        CompletableFuture<T> answer = new CompletableFuture<>();
        try {
            dispatch.shard().execute(() -> answer.complete(question.apply(dispatch)));
            return answer.get(ANSWER_TIMEOUT_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException | RuntimeException stopping) {
            return otherwise;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return otherwise;
        }
    }

    @Override
    public List<GroupStats> groups() {
        List<GroupStats> rows = groups == null ? List.of() : await(groups.list());
        if (rows == null) {
            throw new IllegalStateException("the groups can't be read now");
        }
        return rows;
    }

    @Override
    public void deleteGroup(String org, String channel, String name) {
        String fault = groups == null ? "this broker has no groups" : await(groups.delete(org, channel, name));
        if (fault == null || !fault.isEmpty()) {
            throw new IllegalArgumentException(fault == null ? "the store does not answer" : fault);
        }
    }

    private static <T> @Nullable T await(CompletableFuture<T> answer) {
        try {
            return answer.get(ANSWER_TIMEOUT_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException late) {
            return null;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    @Override
    public ServiceState service() {
        return service.state();
    }

    @Override
    public ServiceState kill(String what, String reason, boolean isConfirmed) {
        ServiceState now = service.kill(what, reason, isConfirmed);
        LOG.warn("switched off by an operator: what={}, reason={}, tierZeroToo={}", what, reason, isConfirmed);
        applyService();
        return now;
    }

    @Override
    public ServiceState lift(String what) {
        ServiceState now = service.lift(what);
        LOG.warn("switched on by an operator: what={}", what);
        applyService();
        return now;
    }

    @Override
    public ServiceState rollout(int percent) {
        ServiceState now = service.rollout(percent);
        LOG.warn("rollout changed by an operator: percent={}", percent);
        applyService();
        return now;
    }

    private void applyService() {
        for (int i = 0; i < sessions.size(); i++) {
            Sessions onShard = sessions.get(i);
            ask(
                    dispatches.get(i),
                    on -> {
                        onShard.applyService();
                        return true;
                    },
                    false);
        }
    }

    @Override
    public DrainProgress drain(int delayMs, List<String> endpoints) {
        if (delayMs < 0 || delayMs > DRAIN_DELAY_MS_MAX) {
            throw new IllegalArgumentException(
                    "the delay is " + delayMs + " ms; it must be at most " + DRAIN_DELAY_MS_MAX);
        }
        if (drain.begin()) {
            isReady = false;
            new Thread(() -> runDrain(delayMs, endpoints), "hermod-drain").start();
        }
        return drain.progress();
    }

    @Override
    public DrainProgress drainProgress() {
        return drain.progress();
    }

    /** Returns when the broker was drained because an operator asked for it. */
    void awaitDrained() throws InterruptedException {
        drained.await();
    }

    /** Stops in order, as configured, or waits for the stop that is under way. */
    void drain() throws InterruptedException {
        if (drain.begin()) {
            runDrain(0, List.of());
        } else {
            drained.await();
        }
    }

    private void runDrain(int delayMs, List<String> endpoints) {
        isReady = false;
        if (scheduler != null) {
            scheduler.stopSending();
        }
        try {
            LOG.info("draining: connections={}", transport.connectionCount());
            drain.run(delayMs, endpoints);
            LOG.info("drained: connections={}", transport.connectionCount());
        } finally {
            drained.countDown();
        }
    }

    /** Tells every client to come back later, closes all sockets, gives all memory back. */
    @Override
    public void close() {
        isReady = false;
        AdminApi api = admin;
        if (api != null) {
            api.close();
        }
        if (escalations != null) {
            escalations.close();
        }
        OperatorAudit opened = audit;
        if (opened != null) {
            opened.record(Actor.BROKER, "broker", "stop", "broker", "stopping", "version", BuildVersion.text());
            opened.close();
        }
        transport.stopListening();
        if (scheduler != null) {
            scheduler.close();
        }
        if (groups != null) {
            groups.close();
        }
        for (Dispatch dispatch : dispatches) {
            ask(
                    dispatch,
                    on -> {
                        on.endBatches();
                        return true;
                    },
                    false);
        }
        for (int i = 0; i < sessions.size(); i++) {
            Sessions onShard = sessions.get(i);
            ask(
                    dispatches.get(i),
                    on -> {
                        onShard.closeAll();
                        return true;
                    },
                    false);
        }
        for (Dispatch dispatch : dispatches) {
            ask(
                    dispatch,
                    on -> {
                        on.close();
                        return true;
                    },
                    false);
        }
        transport.close();
        engine.close();
        authenticator.close();
    }
}
