package hermod.client.internal;

import com.google.protobuf.ByteString;
import hermod.client.ChannelConsumer;
import hermod.client.ChannelHandler;
import hermod.client.ChannelStatus;
import hermod.client.ClientStats;
import hermod.client.ConnectionInfo;
import hermod.client.ConnectionState;
import hermod.client.ConnectionStateListener;
import hermod.client.ConsumeOptions;
import hermod.client.EventListener;
import hermod.client.HermodException;
import hermod.client.HistoryPage;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.Replacement;
import hermod.client.Schedule;
import hermod.client.ServiceListener;
import hermod.client.ServiceStatus;
import hermod.client.State;
import hermod.client.Subscription;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolVersion;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.Report;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One client across all its connections: connects, keeps alive, comes back, says goodbye.
 *
 * <p>The public methods any thread, they enqueue or read snapshots; the {@code on…} methods on the loop that owns all the rest.
 */
public final class Session {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client");
    private static final String VERSION = versionOf(Session.class.getPackage());
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final long REPORT_EVERY_NS = TimeUnit.SECONDS.toNanos(1);
    private static final long PROBE_NS = TimeUnit.SECONDS.toNanos(2);
    private static final long GOODBYE_NS_MAX = TimeUnit.SECONDS.toNanos(5);

    /** A connection that lived at least this long was a good one: the next failure starts the backoff afresh. */
    private static final long STABLE_NS = TimeUnit.SECONDS.toNanos(5);

    private final Settings settings;
    private final ClientThreads threads;
    private final EventLoop loop;
    private final LoopTick tick;
    private final Completions completions;
    private final ClockEstimate clock = new ClockEstimate();
    private final RoundTrips roundTrips = new RoundTrips();
    private final Standing standing;
    private final ChannelMeters meters = new ChannelMeters();
    private final ListenerFaults faults = new ListenerFaults();
    private final Credit credit;
    private final DeliveryBudget budget;
    private final ServiceNews service;
    private final Publications publications;
    private final Topics topics;
    private final Histories histories;
    private final Schedules schedules;
    private final Consumers consumers;
    private final FrameRouter router;
    private final Tokens tokens;
    private final TokenRefresh tokenRefresh;
    private final Dialer dialer;
    private final Backoff backoff;
    private final long producerEpoch;
    private volatile long clockOffsetUs;

    private final List<CompletableFuture<ConnectionInfo>> connectors = new ArrayList<>();
    private final List<CompletableFuture<Void>> closers = new ArrayList<>();
    private List<Topic> askedInHello = List.of();
    private @Nullable Connection connection;
    private @Nullable ScheduledFuture<?> retry;
    private @Nullable HermodException finalWord;
    private String token = "";
    private int connectionCount;
    private int welcomeCount;
    private long helloSentUs;
    private long lastReportNs;
    private long closeDeadlineNs;
    private boolean isOffline;
    private boolean isClosing;
    private boolean isSettlingSoon;
    private boolean isRetryingLater;

    public Session(Settings settings, ClientThreads threads) {
        this.settings = settings;
        this.threads = threads;
        loop = threads.nextLoop();
        tick = threads.tickOf(loop);
        completions = new Completions(threads.completions());
        standing = new Standing(completions, clock, roundTrips);
        long creditBytes = Feature.CREDIT.isIn(settings.features()) ? settings.receiveCreditBytes() : 0;
        credit = new Credit(creditBytes, () -> execute(this::settle));
        budget = new DeliveryBudget(
                settings.queuedEventsMax(),
                settings.queuedBytesMax(),
                credit,
                () -> execute(this::onRoom),
                () -> execute(this::onHandled));
        service = new ServiceNews(completions);
        publications = new Publications(settings, completions, service, () -> loop.execute(this::onPublishes));
        topics = new Topics(
                publications,
                completions,
                this::newTopic,
                (topic, hold) -> new TopicSubscription(this, topic, hold),
                settings.listenerForAdded(),
                settings.onReplaced(),
                this::execute);
        histories = new Histories(this, completions);
        schedules = new Schedules(this, completions);
        consumers = new Consumers(this, completions, faults, settings.requestTimeoutNs());
        router = new FrameRouter(this, topics, publications, budget, credit, consumers);
        tokens = new Tokens(settings, threads.lookups(), RANDOM);
        tokenRefresh = new TokenRefresh(this, tokens, completions, loop);
        dialer = new Dialer(settings.servers(), loop, threads.lookups(), settings.requestTimeoutNs());
        backoff = new Backoff(settings.reconnect(), RANDOM);
        producerEpoch = RANDOM.nextLong() | 1;
        settings.subscriptions().forEach((topic, listeners) -> listeners.forEach(each -> subscribeOrEnd(topic, each)));
    }

    private void subscribeOrEnd(String topic, EventListener listener) {
        CompletableFuture<Subscription> unused = subscribe(topic, listener).whenComplete((subscription, refusal) -> {
            if (refusal instanceof HermodException why) {
                try {
                    listener.onEnded(topic, why);
                } catch (RuntimeException fault) {
                    faults.add(topic, fault);
                }
            }
        });
    }

    private Topic newTopic(String name) {
        ChannelMeter meter = meters.of(TopicName.of(name).channel());
        Mailbox mailbox = new Mailbox(name, meter, budget, faults, threads.handlers(), this::brokerNowUs);
        // Microseconds rise faster than anybody publishes to one topic, so a topic that was forgotten starts above
        // where it ended.
        return new Topic(name, mailbox, meter, wallClockUs());
    }

    // ---- any thread

    /** Callers share one attempt. */
    public CompletableFuture<ConnectionInfo> connect() {
        CompletableFuture<ConnectionInfo> result = new CompletableFuture<>();
        executeFor(result, () -> onConnect(result));
        return result;
    }

    public CompletableFuture<PublishReceipt> publish(String topic, OutgoingEntry entry) {
        return publications.publish(topic, entry);
    }

    public CompletableFuture<Subscription> subscribe(String topic, EventListener listener) {
        String fault = TopicName.faultOf(topic);
        if (fault != null) {
            throw new IllegalArgumentException(fault);
        }
        CompletableFuture<Subscription> result = new CompletableFuture<>();
        executeFor(result, () -> onSubscribe(topic, listener, result));
        return result;
    }

    public CompletableFuture<Subscription> subscribe(String topic, Filter filter, EventListener listener) {
        CompletableFuture<Subscription> result = new CompletableFuture<>();
        executeFor(result, () -> {
            if (finalWord != null) {
                completions.fail(result, finalWord);
            } else {
                topics.subscribe(topics.of(topic), filter, listener, result);
            }
            settleSoon();
        });
        return result;
    }

    public CompletableFuture<State> stateOf(
            String topic, Function<OutgoingEvent, CompletableFuture<PublishReceipt>> publish) {
        TopicState state = new TopicState(topic, publish);
        CompletableFuture<State> result = new CompletableFuture<>();
        CompletableFuture<Subscription> unused = subscribe(topic, state).whenComplete((subscription, refusal) -> {
            if (subscription == null) {
                result.completeExceptionally(refusal);
            } else {
                executeFor(result, () -> beginState(topics.of(topic), state, subscription, result));
            }
        });
        return result;
    }

    private void beginState(Topic topic, TopicState state, Subscription subscription, CompletableFuture<State> result) {
        StateTable table = topic.state;
        if (table == null) {
            subscription.close();
            completions.fail(
                    result,
                    new HermodException(ErrorCode.UNSUPPORTED, "the topic keeps no state: topic=" + topic.name));
        } else {
            state.begin(table, subscription);
            table.whenWhole(() -> completions.complete(result, state));
        }
        settleSoon();
    }

    public CompletableFuture<Replacement> replace(Map<String, ReplaceOrder.Wish> wishes, boolean keepsOthers) {
        CompletableFuture<Replacement> result = new CompletableFuture<>();
        executeFor(result, () -> {
            if (finalWord != null) {
                completions.fail(result, finalWord);
            } else {
                topics.replace(new ReplaceOrder(wishes, keepsOthers, result));
            }
            settleSoon();
        });
        return result;
    }

    public CompletableFuture<HistoryPage> history(History asked) {
        CompletableFuture<HistoryPage> result = new CompletableFuture<>();
        executeFor(result, () -> {
            HermodException off = service.refusalOf(asked.getTopic());
            if (finalWord != null) {
                completions.fail(result, finalWord);
            } else if (off != null) {
                completions.fail(result, off);
            } else {
                histories.add(asked, result);
            }
            settleSoon();
        });
        return result;
    }

    /** @param rule null for once; then {@code zone} and {@code untilUs} mean nothing. */
    public CompletableFuture<Schedule> schedule(
            String topic,
            byte @Nullable [] id,
            OutgoingEntry entry,
            long atUs,
            @Nullable String rule,
            String zone,
            long untilUs) {
        CompletableFuture<Schedule> result = new CompletableFuture<>();
        hermod.protocol.control.wire.Schedule message = Schedules.message(topic, id, entry, atUs, rule, zone, untilUs);
        ask(result, () -> schedules.schedule(message, result));
        return result;
    }

    public CompletableFuture<Boolean> cancelSchedule(byte[] id) {
        CompletableFuture<Boolean> result = new CompletableFuture<>();
        ask(result, () -> schedules.cancel(ByteString.copyFrom(id), result));
        return result;
    }

    public CompletableFuture<List<Schedule>> schedules() {
        CompletableFuture<List<Schedule>> result = new CompletableFuture<>();
        ask(result, () -> schedules.list(result));
        return result;
    }

    /** @throws IllegalArgumentException for a bad name. */
    public CompletableFuture<ChannelConsumer> consume(
            String channel, String group, boolean isObserver, ConsumeOptions options, ChannelHandler handler) {
        GroupConsumer consumer = consumers.make(channel, group, isObserver, options, handler);
        ask(consumer.joined(), () -> {
            consumers.add(consumer);
            if (isClosing) {
                consumers.leaveAll();
            }
        });
        return consumer.joined();
    }

    private void ask(CompletableFuture<?> result, Runnable question) {
        executeFor(result, () -> {
            if (finalWord != null) {
                completions.fail(result, finalWord);
            } else {
                question.run();
            }
            settleSoon();
        });
    }

    CompletableFuture<Void> leave(Topic topic, ListenerHold hold) {
        CompletableFuture<Void> left = new CompletableFuture<>();
        executeFor(left, () -> {
            topics.leave(topic, hold, left);
            settleSoon();
        });
        return left;
    }

    public CompletableFuture<Void> refreshToken() {
        CompletableFuture<Void> result = new CompletableFuture<>();
        executeFor(result, () -> {
            CompletableFuture<Void> unused = tokenRefresh.start().whenComplete((done, failure) -> {
                if (failure == null) {
                    result.complete(null);
                } else {
                    result.completeExceptionally(failure);
                }
            });
            settle();
        });
        return result;
    }

    public CompletableFuture<Void> close() {
        CompletableFuture<Void> result = new CompletableFuture<>();
        try {
            loop.execute(() -> onClose(result));
        } catch (RejectedExecutionException stopped) {
            result.complete(null);
        }
        return result;
    }

    public void networkLost() {
        execute(this::onNetworkLost);
    }

    public void networkBack() {
        execute(() -> {
            isOffline = false;
            probeOrReconnect();
        });
    }

    public void foreground() {
        execute(this::probeOrReconnect);
    }

    public ConnectionState state() {
        return standing.state();
    }

    public ConnectionInfo info() {
        return standing.info();
    }

    public void addStateListener(ConnectionStateListener listener) {
        standing.addListener(listener);
    }

    public ServiceStatus serviceStatus() {
        return service.status();
    }

    public void addServiceListener(ServiceListener listener) {
        service.addListener(listener);
    }

    public void removeServiceListener(ServiceListener listener) {
        service.removeListener(listener);
    }

    public void removeStateListener(ConnectionStateListener listener) {
        standing.removeListener(listener);
    }

    public long brokerNowUs() {
        return wallClockUs() + clockOffsetUs;
    }

    public Map<String, ChannelStatus> channelStatus() {
        return meters.status();
    }

    public ClientStats stats() {
        return new ClientStats(
                publications.pendingEvents(),
                publications.pendingBytes(),
                budget.events(),
                budget.bytes(),
                budget.isPaused(),
                credit.outstanding(),
                credit.held(),
                budget.isHandlerBehind(),
                faults.count(),
                Math.max(0, welcomeCount - 1),
                router.reportsRefused());
    }

    long wallClockUs() {
        return settings.wallClockUs().getAsLong();
    }

    /** Welcomed and not ended; null for none. */
    @Nullable
    Connection openConnection() {
        return connection != null && connection.isOpen() ? connection : null;
    }

    long clockOffsetUs() {
        return clockOffsetUs;
    }

    /** @return whether it will be done: not where the runtime is closed. */
    boolean execute(Runnable task) {
        try {
            loop.execute(task);
            return true;
        } catch (RejectedExecutionException stopped) {
            LOG.debug("the client's runtime is closed");
            return false;
        }
    }

    private void executeFor(CompletableFuture<?> result, Runnable task) {
        try {
            loop.execute(task);
        } catch (RejectedExecutionException stopped) {
            result.completeExceptionally(
                    new HermodException(HermodException.CLIENT_CLOSED, "the client's runtime is closed"));
        }
    }

    // ---- connecting

    private void onConnect(CompletableFuture<ConnectionInfo> result) {
        if (finalWord != null) {
            completions.fail(result, finalWord);
        } else if (state() == ConnectionState.CONNECTED) {
            completions.complete(result, info());
        } else {
            connectors.add(result);
            if (state() == ConnectionState.DISCONNECTED) {
                tick.add(this);
                standing.become(ConnectionState.CONNECTING, null);
                attempt();
            }
        }
        settle();
    }

    private void attempt() {
        retry = null;
        long deadlineNs = System.nanoTime() + settings.requestTimeoutNs() * 2;
        Connection next = new Connection(this, ++connectionCount, settings.requestTimeoutNs(), deadlineNs);
        connection = next;
        CompletableFuture<String> unused = tokens.forConnect(brokerNowUs())
                .whenCompleteAsync((fresh, failure) -> onToken(next, fresh, failure), loop);
    }

    private void onToken(Connection next, @Nullable String fresh, @Nullable Throwable failure) {
        if (next != connection) {
            return;
        }
        if (fresh == null) {
            String what = "the token source failed: " + failure;
            next.end(Ending.of(new HermodException(HermodException.TOKEN_SOURCE_FAILED, what, 0, failure)));
            return;
        }
        token = fresh;
        dialer.dial(next, why -> next.end(Ending.lost("could not connect", why)));
    }

    /** The socket is open. */
    void onActive(Connection active) {
        if (active != connection) {
            active.end(Ending.lost("no longer wanted"));
            return;
        }
        askedInHello = topics.takeForHello();
        Hello.Builder hello = Hello.newBuilder()
                .setMinVersion(ProtocolVersion.LOWEST)
                .setMaxVersion(ProtocolVersion.HIGHEST)
                .setFeatures(settings.features())
                .setToken(token)
                .setDeviceId(settings.deviceId())
                .setPlatform(Platform.valueOf("PLATFORM_" + settings.platform()))
                .setAppVersion(settings.appVersion())
                .setClientVersion(VERSION)
                .setProducerEpoch(producerEpoch);
        for (Topic topic : askedInHello) {
            if (topic.filter == null) {
                hello.addSubscriptions(topic.name);
            } else {
                hello.addFiltered(Topics.filtered(topic));
            }
        }
        helloSentUs = wallClockUs();
        active.send(FrameType.HELLO, 0, hello.build());
        // Both are sent before anybody knows whether the broker has them: it costs one that has not an ERROR each, and
        // the others a round trip less.
        active.grant(credit.start());
        topics.resumeBehindHello(active, System.nanoTime());
        active.flush();
    }

    void onWelcome(Connection from, Welcome welcome) throws ProtocolException {
        if (from != connection || from.isOpen()) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "WELCOME twice");
        }
        if (welcome.getVersion() < ProtocolVersion.LOWEST || welcome.getVersion() > ProtocolVersion.HIGHEST) {
            throw new ProtocolException(
                    CloseCode.VERSION_NOT_SUPPORTED, "version was not offered: version=" + welcome.getVersion());
        }
        if ((welcome.getFeatures() & ~settings.features()) != 0) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "features were not offered: features=0x" + Long.toHexString(welcome.getFeatures()));
        }
        long nowNs = System.nanoTime();
        from.onWelcome(
                welcome,
                shorter(settings.pingIntervalNs(), welcome.getPingIntervalMs()),
                shorter(settings.silenceTimeoutNs(), welcome.getSilenceTimeoutMs()),
                nowNs);
        welcomeCount++;
        clock.reset();
        roundTrips.reset();
        clock.add(helloSentUs, welcome.getServerTimeUs(), welcome.getServerTimeUs(), from.readAtUs());
        clockOffsetUs = clock.offsetUs();
        meters.onConnection(from.number());
        lastReportNs = nowNs;
        tokens.onAccepted(token, welcome.getTokenExpiresAtUs(), brokerNowUs());
        dialer.advise(welcome.getEndpointsList());
        if (!from.has(Feature.CREDIT)) {
            credit.stop();
        }
        if (budget.isPaused()) {
            from.pauseReading();
        }
        if (welcome.hasService()) {
            service.onTold(welcome.getService());
        } else {
            service.onNothingOff();
        }
        publications.onConnected(from, nowNs);
        topics.onConnected(from, askedInHello, welcome, nowNs);
        askedInHello = List.of();
        standing.onWelcome(welcome, from.limits());
        standing.become(ConnectionState.CONNECTED, null);
        from.ping(wallClockUs(), nowNs);
        ConnectionInfo info = info();
        connectors.forEach(each -> completions.complete(each, info));
        connectors.clear();
    }

    private static long shorter(long ownNs, int toldMs) {
        return toldMs <= 0 ? ownNs : Math.min(ownNs, TimeUnit.MILLISECONDS.toNanos(toldMs));
    }

    /** The broker has switched something off or on. */
    void onService(Connection from, Service told) {
        if (from.isOpen()) {
            service.onTold(told);
            standing.serviceEnabled(told.getEnabled());
            topics.onService();
            consumers.onService();
        }
    }

    /** PING and PONG have gone round; see {@link ClockEstimate#add} for the times. */
    void onClockSample(long t0, long t1, long t2, long t3) {
        long roundTripUs = clock.add(t0, t1, t2, t3);
        if (roundTripUs >= 0) {
            roundTrips.add(roundTripUs);
            clockOffsetUs = clock.offsetUs();
            standing.refresh();
        }
    }

    // ---- while connected

    void onFrame(Connection from, ByteBuf in, int at) throws ProtocolException {
        if (from == connection) {
            router.onFrame(from, in, at);
        }
    }

    /** All that was read at a time is handled, or the socket takes more again. */
    void onReadComplete() {
        settle();
    }

    private void onPublishes() {
        long nowNs = System.nanoTime();
        for (Publication next = publications.pollIncoming(); next != null; next = publications.pollIncoming()) {
            if (finalWord != null) {
                publications.fail(next, finalWord);
            } else {
                topics.accept(next, nowNs);
            }
        }
        settle();
    }

    private void onSubscribe(String name, EventListener listener, CompletableFuture<Subscription> result) {
        HermodException off = service.refusalOf(name);
        if (finalWord != null) {
            completions.fail(result, finalWord);
        } else if (off != null) {
            completions.fail(result, off);
        } else {
            topics.subscribe(topics.of(name), listener, result);
        }
        settleSoon();
    }

    /** The last step of every turn: what it made necessary is sent, and what it completed is told. */
    void settle() {
        Connection to = openConnection();
        if (to != null) {
            long nowNs = System.nanoTime();
            if (to.has(Feature.CREDIT)) {
                to.grant(credit.takeGrant(false));
            }
            if (publications.isRetrying()) {
                topics.retry(nowNs);
                retryPublishesLater(nowNs);
            }
            topics.flush(nowNs);
            histories.send(to, nowNs);
            schedules.send(to, nowNs);
            consumers.send(to, nowNs);
            publications.send(to, clockOffsetUs, nowNs);
        }
        if (isClosing) {
            closeWhenDone();
        }
        completions.flush();
    }

    private void retryPublishesLater(long nowNs) {
        long delayNs = publications.nextDueNs(nowNs);
        if (delayNs != Long.MAX_VALUE && !isRetryingLater) {
            isRetryingLater = true;
            loop.schedule(
                    () -> {
                        isRetryingLater = false;
                        settle();
                    },
                    delayNs,
                    TimeUnit.NANOSECONDS);
        }
    }

    /** Behind the calls that are queued already, so that many of them share one request. */
    void settleSoon() {
        if (!isSettlingSoon) {
            isSettlingSoon = true;
            execute(() -> {
                isSettlingSoon = false;
                settle();
            });
        }
    }

    /** For what becomes due then. */
    void settleIn(long delayNs) {
        loop.schedule(this::settle, delayNs, TimeUnit.NANOSECONDS);
    }

    private void onRoom() {
        Connection from = connection;
        if (from != null && !budget.isPaused()) {
            from.resumeReading();
        }
    }

    private void onHandled() {
        settle();
    }

    /** Several times a second, from connect() to CLOSED. */
    void onTick(long nowNs) {
        Connection current = connection;
        if (current != null && current.isHandshakeLate(nowNs)) {
            current.end(Ending.lost("no WELCOME in time"));
        } else if (current != null && current.isOpen()) {
            keepAlive(current, nowNs);
            topics.onTick(nowNs);
            if (nowNs - lastReportNs >= REPORT_EVERY_NS) {
                report(current, nowNs);
            }
            tokenRefresh.onTick();
            if (current.has(Feature.CREDIT) && credit.held() == 0) {
                current.grant(credit.takeGrant(true));
            }
        }
        settle();
    }

    private void keepAlive(Connection current, long nowNs) {
        Heartbeat heartbeat = current.heartbeat();
        boolean isReading = current.isReading();
        if (!isReading) {
            heartbeat.onReadingPaused(nowNs);
            publications.onReadingPaused(nowNs);
        }
        if (heartbeat.isDead(nowNs)) {
            current.end(Ending.lost("nothing was received for too long"));
            return;
        }
        FrameType late = isReading ? current.requests().expire(nowNs) : null;
        if (late != null || publications.isStalled(nowNs)) {
            current.end(Ending.lost("no answer in time: awaited=" + (late == null ? FrameType.PUBLISHED : late)));
            return;
        }
        if (heartbeat.isPingDue(nowNs)) {
            current.ping(wallClockUs(), nowNs);
        }
        standing.missedHeartbeats(heartbeat.missed());
    }

    private void report(Connection to, long nowNs) {
        Report report = settings.isLatencyReported() ? meters.takeReport() : null;
        if (report != null) {
            to.send(FrameType.REPORT, to.requests().nextId(), report);
            lastReportNs = nowNs;
        }
    }

    // ---- losing and coming back

    /** In a turn of its own, whoever noticed it. */
    void onEndedSoon(Connection ended, Ending ending) {
        execute(() -> onEnded(ended, ending));
    }

    private void onEnded(Connection ended, Ending ending) {
        if (ended != connection) {
            return;
        }
        connection = null;
        credit.stop();
        topics.onDisconnected(publications.recallAll());
        histories.onDisconnected();
        schedules.onDisconnected();
        consumers.onDisconnected();
        if (ended.welcomedAtNs() != 0) {
            tokenRefresh.onDisconnected(ending.why());
        }
        dialer.advise(ending.endpoints());
        if (isClosing) {
            finish(new HermodException(HermodException.CLIENT_CLOSED, "the client is closed"), null);
        } else if (ending.isFinal() || (ending.needsNewToken() && !tokens.hasSource())) {
            finish(ending.why(), ending.why());
        } else {
            comeBack(ended, ending);
        }
        settle();
    }

    private void comeBack(Connection ended, Ending ending) {
        if (ending.needsNewToken()) {
            tokens.onRejected();
        }
        if (ended.welcomedAtNs() != 0 && System.nanoTime() - ended.welcomedAtNs() >= STABLE_NS) {
            backoff.reset();
        }
        backoff.onFailure();
        standing.reconnectAttempts(backoff.failures());
        if (backoff.isExhausted()) {
            finish(ending.why(), ending.why());
            return;
        }
        LOG.debug(
                "connection ended, coming back: failures={}, why={}",
                backoff.failures(),
                ending.why().getMessage());
        ConnectionState next = welcomeCount == 0 ? ConnectionState.CONNECTING : ConnectionState.RECONNECTING;
        standing.become(backoff.isSuspended() ? ConnectionState.SUSPENDED : next, ending.why());
        long delayMs = isOffline ? settings.reconnect().cap().toMillis() : backoff.delayMs(ending.retryAfterMs());
        retry = loop.schedule(this::attempt, delayMs, TimeUnit.MILLISECONDS);
    }

    private void onNetworkLost() {
        isOffline = true;
        if (connection != null) {
            connection.end(Ending.lost("the application said that the network is lost"));
        }
    }

    private void probeOrReconnect() {
        Connection current = connection;
        if (current != null && current.isOpen()) {
            long nowNs = System.nanoTime();
            long nowUs = wallClockUs();
            current.heartbeat().probe(nowUs, nowNs + PROBE_NS);
            current.ping(nowUs, nowNs);
        } else if (retry != null) {
            retry.cancel(false);
            backoff.reset();
            attempt();
        }
    }

    // ---- the end

    private void onClose(CompletableFuture<Void> result) {
        if (finalWord != null) {
            completions.done(result);
            completions.flush();
            return;
        }
        closers.add(result);
        if (!isClosing) {
            isClosing = true;
            closeDeadlineNs = System.nanoTime() + Math.min(GOODBYE_NS_MAX, settings.requestTimeoutNs());
            publications.refuseFromNowOn(new HermodException(HermodException.CLIENT_CLOSED, "the client is closed"));
            budget.awaitEmpty();
            consumers.leaveAll();
        }
        settle();
    }

    /** Goodbye waits for what was published to be answered and for what was received to be handled, within bounds. */
    private void closeWhenDone() {
        if (finalWord != null) {
            return;
        }
        Connection current = connection;
        boolean isDone = publications.isEmpty() && budget.events() == 0 && consumers.isEmpty();
        if (current != null && current.isOpen() && !isDone && System.nanoTime() - closeDeadlineNs < 0) {
            return;
        }
        HermodException why = new HermodException(HermodException.CLIENT_CLOSED, "the client is closed");
        if (current != null && current.isOpen()) {
            report(current, System.nanoTime());
            current.goodbye(CloseCode.NORMAL, "", Ending.of(why));
        } else if (current != null) {
            current.end(Ending.of(why));
        }
        // After the goodbye was written: whoever waits for the end may stop the process.
        finish(why, null);
    }

    /** CLOSED, for good. */
    private void finish(HermodException why, @Nullable HermodException cause) {
        finalWord = why;
        connection = null;
        if (retry != null) {
            retry.cancel(false);
        }
        tick.remove(this);
        publications.refuseFromNowOn(why);
        publications.recallAll().forEach(each -> publications.fail(each, why));
        topics.onClosed(why);
        histories.onClosed(why);
        schedules.onClosed(why);
        consumers.onClosed(why);
        standing.become(ConnectionState.CLOSED, cause);
        connectors.forEach(each -> completions.fail(each, why));
        closers.forEach(completions::done);
        onPublishes();
    }

    private static String versionOf(Package own) {
        String version = own.getImplementationVersion();
        return version == null ? "java/dev" : "java/" + version;
    }
}
