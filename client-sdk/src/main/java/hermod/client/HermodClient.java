package hermod.client;

import hermod.client.internal.ClientThreads;
import hermod.client.internal.EventIds;
import hermod.client.internal.ReplaceOrder;
import hermod.client.internal.ServerAddress;
import hermod.client.internal.Session;
import hermod.client.internal.Settings;
import hermod.client.internal.WallClock;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A connection to a Hermod broker that heals itself: publishes and subscribes.
 *
 * <p>Any thread; no method waits but {@link #close}. What is published or subscribed while there is no connection waits for one, within bounds. After a lost
 * connection the client resumes each topic behind the last event it has received, tells listeners of what can no longer be had, and sends again what was not
 * acknowledged; the broker recognises what it had already.
 */
public final class HermodClient implements AutoCloseable {
    private static final Duration CLOSE_WAIT_MAX = Duration.ofSeconds(10);

    private final Session session;

    private HermodClient(Session session) {
        this.session = session;
    }

    public static Builder builder() {
        return new Builder();
    }

    /**
     * Connects, and goes on trying as the {@link ReconnectPolicy} says. Any number of callers share one attempt.
     *
     * @return completes with the next WELCOME, at once if connected, or fails when the client is CLOSED.
     */
    public CompletableFuture<ConnectionInfo> connect() {
        return session.connect();
    }

    /**
     * Publishes an event. Events of one thread to one topic keep their order.
     *
     * @return the broker's receipt, or a {@link HermodException}: {@code BACK_PRESSURED} where too much is published and not acknowledged,
     *     {@code PAYLOAD_TOO_LARGE} without sending it, {@code NOT_ENABLED} at once where the broker has switched the channel off,
     *     otherwise the broker's refusal; {@code RATE_LIMITED} says with {@link HermodException#retryAfter} when to try again. The client repeats only what the
     *     broker back-pressured, after the time it says and before anything later of the topic, {@link Builder#publishRetries} times; not where the broker has
     *     accepted a later one, because that would change the order.
     * @throws IllegalArgumentException for a topic name that breaks the rules.
     */
    public CompletableFuture<PublishReceipt> publish(String topic, OutgoingEvent event) {
        return session.publish(topic, event.entry());
    }

    /** Publishes these bytes with the channel's defaults. */
    public CompletableFuture<PublishReceipt> publish(String topic, byte[] payload) {
        return publish(topic, OutgoingEvent.of(payload));
    }

    /** Publishes this text as UTF-8 with the channel's defaults. */
    public CompletableFuture<PublishReceipt> publish(String topic, String text) {
        return publish(topic, OutgoingEvent.of(text));
    }

    /**
     * Leaves an event with the broker to be published later, whether this client is connected then or not: {@code client.schedule("chat:room_7", event).at(time)}. Only topics of durable channels, and only where this client may publish. The event is published in this user's name, with the rights of
     * now; its time to live counts from its time.
     *
     * @throws IllegalArgumentException for a topic name that breaks the rules.
     */
    public Scheduling schedule(String topic, OutgoingEvent event) {
        return new Scheduling(session, TopicName.of(topic).toString(), event.entry());
    }

    /** This user's scheduled events, by rising id, whichever device has scheduled them. */
    public CompletableFuture<List<Schedule>> schedules() {
        return session.schedules();
    }

    /**
     * {@link Schedule#cancel} by the id alone.
     *
     * @param id a ULID of 26 characters.
     */
    public CompletableFuture<Boolean> cancelSchedule(String id) {
        return session.cancelSchedule(EventIds.parse(id));
    }

    /**
     * Has a listener called for each event of a topic from now on, also after reconnects. Listeners of one topic share one subscription at the broker; the
     * same listener given twice is called once for an event, until both its subscriptions are closed.
     *
     * @return completes when the broker has granted it, or fails with its refusal.
     * @throws IllegalArgumentException for a topic name that breaks the rules.
     */
    public CompletableFuture<Subscription> subscribe(String topic, EventListener listener) {
        return session.subscribe(topic, listener);
    }

    /**
     * The same for those events only that match the filter. The listeners of a topic share one filter: where the topic is subscribed to with another one, this fails with {@code BAD_REQUEST}.
     *
     * @return as {@link #subscribe(String, EventListener)}; {@code BAD_FILTER} where the broker does not take the filter, {@code UNSUPPORTED} where it has no filters.
     */
    public CompletableFuture<Subscription> subscribe(String topic, Filter filter, EventListener listener) {
        return session.subscribe(TopicName.of(topic).toString(), filter.message(), listener);
    }

    /**
     * Follows a state topic: the current value of each key first, then every change. What listeners of the topic share, this shares too: subscription and filter.
     *
     * @return completes when the state is there, or fails with the broker's refusal; {@code UNSUPPORTED} where the topic keeps no state, or the broker has none to give.
     * @throws IllegalArgumentException for a topic name that breaks the rules.
     */
    public CompletableFuture<State> state(String topic) {
        String name = TopicName.of(topic).toString();
        return session.stateOf(name, event -> publish(name, event));
    }

    /**
     * Replaces the filter of a topic in place, the counterpart of {@code setPropertyFilter}: no event is missed or comes twice at the switch.
     *
     * @param filter null for all events.
     * @return the switch; {@link Replacement#refused} has the topic where the broker did not take the filter and the old one stays. Fails with {@code BAD_REQUEST} where nobody listens to the topic.
     */
    public CompletableFuture<Replacement> setFilter(String topic, @Nullable Filter filter) {
        ReplaceOrder.Wish wish = new ReplaceOrder.Wish(filter == null ? null : filter.message(), List.of());
        return session.replace(Map.of(TopicName.of(topic).toString(), wish), true);
    }

    /**
     * Replaces all that the client is subscribed to, in one step over the open connection: no reconnect, no event missed or twice. What is not in the set ends; its listeners still get what was sent before the switch. Without a connection it waits for
     * one, and a lost one does not lose it.
     *
     * @return what the switch made of each topic. Fails only as a whole: {@code UNSUPPORTED} where the broker can't, {@code BAD_REQUEST} where a topic of the set has no listener.
     */
    public CompletableFuture<Replacement> replaceSubscriptions(SubscriptionSet set) {
        return session.replace(set.wishes(), false);
    }

    /**
     * Begins a question about what is stored of a topic: a page of events by position or by time, forwards or backwards. Nothing of it goes to listeners, and an event that a listener has had may be in a page too.
     *
     * @throws IllegalArgumentException for a topic name that breaks the rules.
     */
    public HistoryQuery history(String topic) {
        return new HistoryQuery(session, TopicName.of(topic).toString());
    }

    /**
     * Takes part in a group that shares the events of a whole channel, whatever the topic: each goes to one member, and again where it was not settled. The broker remembers what the group has settled, so a group may be away. Needs the right {@code group:} to the channel, which must keep events on disk.
     *
     * <p>The membership outlives connections; what was in hands when one was lost comes again, to some member, with a higher {@link ChannelEvent#attempt}. A handler that takes longer than the broker's settle timeout (30 s by default) has its event repeated too.
     *
     * @param channel a channel's name, such as {@code chat}.
     * @param group 1 to 64 of {@code a-z}, {@code A-Z}, {@code 0-9}, {@code .}, {@code _}, {@code -}.
     * @return completes when the broker has taken this member, or fails with its refusal; {@code UNSUPPORTED} where it has no groups, {@code BAD_REQUEST} where the channel keeps nothing on disk or the group is an observer's.
     * @throws IllegalArgumentException for a bad name.
     */
    public CompletableFuture<ChannelConsumer> consume(
            String channel, String group, ConsumeOptions options, ChannelHandler handler) {
        return session.consume(channel, group, false, options, handler);
    }

    /**
     * The same for one that wants all events itself: one observer at a time under a name, the newest takes over and the one before is told {@link HermodException#TAKEN_OVER}.
     *
     * @param name of the observer; what it has settled is remembered under it.
     */
    public CompletableFuture<ChannelConsumer> observe(
            String channel, String name, ConsumeOptions options, ChannelHandler handler) {
        return session.consume(channel, name, true, options, handler);
    }

    /** Fetches a new token from the token source and gives it to the broker; happens by itself ahead of expiry. Callers share one attempt. */
    public CompletableFuture<Void> refreshToken() {
        return session.refreshToken();
    }

    public ConnectionState state() {
        return session.state();
    }

    public ConnectionInfo connectionInfo() {
        return session.info();
    }

    /** Adding one twice has it called once. */
    public void addStateListener(ConnectionStateListener listener) {
        session.addStateListener(listener);
    }

    public void removeStateListener(ConnectionStateListener listener) {
        session.removeStateListener(listener);
    }

    /** What the broker has switched off. */
    public ServiceStatus serviceStatus() {
        return session.serviceStatus();
    }

    /** Adds a listener that hears when that changes. */
    public void addServiceListener(ServiceListener listener) {
        session.addServiceListener(listener);
    }

    public void removeServiceListener(ServiceListener listener) {
        session.removeServiceListener(listener);
    }

    /** Microseconds since 1970 on the broker's clock; {@link ConnectionInfo#clockErrorUs} says how far off it may be. */
    public long brokerNowUs() {
        return session.brokerNowUs();
    }

    /** What the client has seen of each channel, by its name. */
    public Map<String, ChannelStatus> channelStatus() {
        return session.channelStatus();
    }

    public ClientStats stats() {
        return session.stats();
    }

    /**
     * Whether listeners are so far behind that the broker soon has to wait with LOW to HIGH: at least half of the receive credit, or of what else may be queued,
     * is not handled yet. The broker then lets low tiers go, or sends only the newest.
     */
    public boolean isHandlerBehind() {
        return stats().handlerBehind();
    }

    /** The network is gone: the connection is dropped, and not tried again before {@link #networkBack} but once every longest wait. */
    public void networkLost() {
        session.networkLost();
    }

    /** The network is back or another: checks the connection within 2 s, or connects at once without waiting out the backoff. */
    public void networkBack() {
        session.networkBack();
    }

    /** The application is no longer seen. The connection stays; if the system freezes the process, {@link #foreground} finds out. */
    public void background() {}

    /** The application is seen again: checks the connection within 2 s, or connects at once without waiting out the backoff. */
    public void foreground() {
        session.foreground();
    }

    /**
     * Takes no more publishes, waits up to 5 s for those that are not acknowledged and for listeners to have what was received, says goodbye to the broker.
     *
     * @return completes when the client is CLOSED; never fails. Idempotent.
     */
    public CompletableFuture<Void> closeAsync() {
        return session.close();
    }

    /** {@link #closeAsync}, and waits for it; in a listener or continuation it does not wait, since it would wait for itself. */
    @Override
    public void close() {
        CompletableFuture<Void> closed = closeAsync();
        if (!ClientThreads.isCurrent()) {
            closed.completeOnTimeout(null, CLOSE_WAIT_MAX.toMillis(), TimeUnit.MILLISECONDS)
                    .join();
        }
    }

    /** A client's configuration; each setter throws {@link IllegalArgumentException} for a value out of range. One thread at a time. */
    public static final class Builder {
        private static final int APP_VERSION_BYTES = 128;
        private static final long CREDIT_BYTES_MIN = 1024;
        private static final long CREDIT_BYTES_MAX = 1L << 30;

        /** What this client has, and may be agreed with a broker. */
        private static final Set<Feature> FEATURES = EnumSet.of(
                Feature.LZ4,
                Feature.CREDIT,
                Feature.RESUME,
                Feature.GAP,
                Feature.FILTER,
                Feature.ACK,
                Feature.HISTORY,
                Feature.SCHEDULE,
                Feature.STATE,
                Feature.GROUP);

        private final List<ServerAddress> servers = new ArrayList<>();
        private @Nullable String token;
        private @Nullable Supplier<CompletionStage<String>> tokenSource;
        private String deviceId = UUID.randomUUID().toString();
        private Platform platform = Platform.SERVER;
        private String appVersion = "";
        private final Map<String, List<EventListener>> subscriptions = new LinkedHashMap<>();
        private Duration pingInterval = Duration.ofSeconds(15);
        private Duration silenceTimeout = Duration.ofSeconds(35);
        private ReconnectPolicy reconnect = ReconnectPolicy.defaults();
        private Duration requestTimeout = Duration.ofSeconds(10);
        private @Nullable ClientRuntime runtime;
        private LongSupplier wallClockUs = WallClock.SYSTEM;
        private int publishWindow = 1_000;
        private boolean isLatencyReported = true;
        private int pendingEventsMax = 10_000;
        private long pendingBytesMax = 16L * 1024 * 1024;
        private int queuedEventsMax = 10_000;
        private long queuedBytesMax = 8L * 1024 * 1024;
        private long receiveCreditBytes = 256 * 1024;
        private Set<Feature> features = FEATURES;
        private int publishRetries = 5;
        private @Nullable EventListener listenerForAdded;
        private Consumer<Replacement> onReplaced = any -> {};

        private Builder() {}

        /**
         * Takes over what these variables say, and leaves the rest: {@code HERMOD_SERVER} (several separated by commas), {@code HERMOD_TOKEN},
         * {@code HERMOD_DEVICE_ID}, {@code HERMOD_PLATFORM}, {@code HERMOD_APP_VERSION}, {@code HERMOD_REQUEST_TIMEOUT_MS},
         * {@code HERMOD_RECEIVE_CREDIT_BYTES}.
         *
         * @param variables for example {@code System.getenv()}.
         */
        public Builder environment(Map<String, String> variables) {
            Optional.ofNullable(variables.get("HERMOD_SERVER")).ifPresent(each -> server(each.split(",", -1)));
            Optional.ofNullable(variables.get("HERMOD_TOKEN")).ifPresent(this::token);
            Optional.ofNullable(variables.get("HERMOD_DEVICE_ID")).ifPresent(this::deviceId);
            Optional.ofNullable(variables.get("HERMOD_PLATFORM"))
                    .ifPresent(name -> platform(Platform.valueOf(name.toUpperCase(Locale.ROOT))));
            Optional.ofNullable(variables.get("HERMOD_APP_VERSION")).ifPresent(this::appVersion);
            Optional.ofNullable(variables.get("HERMOD_REQUEST_TIMEOUT_MS"))
                    .ifPresent(ms -> requestTimeout(Duration.ofMillis(Long.parseLong(ms))));
            Optional.ofNullable(variables.get("HERMOD_RECEIVE_CREDIT_BYTES"))
                    .ifPresent(bytes -> receiveCredit(Long.parseLong(bytes)));
            return this;
        }

        /**
         * Where brokers are; required. Tried in turn.
         *
         * @param hostPort {@code host}, {@code host:port} or {@code [IPv6]:port}; the default port is 7400.
         */
        public Builder server(String... hostPort) {
            for (String one : hostPort) {
                servers.add(ServerAddress.parse(one));
            }
            return this;
        }

        /** A JWT; needed unless there is a source, or the broker is in development mode. */
        public Builder token(String jwt) {
            int bytes = jwt.getBytes(StandardCharsets.UTF_8).length;
            if (bytes > ProtocolLimits.TOKEN_BYTES) {
                throw new IllegalArgumentException(
                        "token too long: bytes=" + bytes + ", limit=" + ProtocolLimits.TOKEN_BYTES);
            }
            token = jwt;
            return this;
        }

        /** Asked for a token to connect with, where {@link #token} gave none, and for another ahead of its expiry. May block; not called twice at a time. */
        public Builder tokenSource(Supplier<CompletionStage<String>> source) {
            tokenSource = source;
            return this;
        }

        /** Stable for the installation, 1 to 128 bytes; by default random for each client. */
        public Builder deviceId(String id) {
            int bytes = id.getBytes(StandardCharsets.UTF_8).length;
            if (bytes < 1 || bytes > ProtocolLimits.DEVICE_ID_BYTES) {
                throw new IllegalArgumentException(
                        "device id must have 1 to " + ProtocolLimits.DEVICE_ID_BYTES + " bytes: bytes=" + bytes);
            }
            deviceId = id;
            return this;
        }

        /** SERVER by default. */
        public Builder platform(Platform kind) {
            platform = kind;
            return this;
        }

        /** At most 128 bytes; operators see it. */
        public Builder appVersion(String version) {
            if (version.getBytes(StandardCharsets.UTF_8).length > APP_VERSION_BYTES) {
                throw new IllegalArgumentException("app version must have at most " + APP_VERSION_BYTES + " bytes");
            }
            appVersion = version;
            return this;
        }

        /** Subscribes together with the first connect, without another round trip; a refusal is told to {@link EventListener#onEnded}. */
        public Builder subscriptions(String topic, EventListener... listeners) {
            subscriptions
                    .computeIfAbsent(TopicName.of(topic).toString(), name -> new ArrayList<>())
                    .addAll(List.of(listeners));
            return this;
        }

        /** At most this between two PINGs; 15 s by default. The broker may ask for less. Shorter ones find a dead network sooner and wake a device more often. */
        public Builder pingInterval(Duration interval) {
            pingInterval = checked("ping interval", interval);
            return this;
        }

        /** The connection counts as dead when nothing came for so long; 35 s by default. The broker may ask for less. */
        public Builder silenceTimeout(Duration timeout) {
            silenceTimeout = checked("silence timeout", timeout);
            return this;
        }

        public Builder reconnect(ReconnectPolicy policy) {
            reconnect = policy;
            return this;
        }

        /** For opening a socket, for WELCOME, and for each answer; a connection that does not answer is replaced. 10 s by default. */
        public Builder requestTimeout(Duration timeout) {
            requestTimeout = checked("request timeout", timeout);
            return this;
        }

        /** Whose threads to use; by default the process's shared ones. */
        public Builder runtime(ClientRuntime threads) {
            runtime = threads;
            return this;
        }

        /** Microseconds since 1970; cheap, any thread, must not go back. By default the system's clock as it was at start, carried on by the monotonic one. */
        public Builder wallClockUs(LongSupplier clock) {
            wallClockUs = clock;
            return this;
        }

        /** Events sent and not acknowledged at most; 1 to 1,024, what the broker remembers to recognise repeated ones; 1,000 by default. */
        public Builder publishWindow(int events) {
            publishWindow = (int) checked("publish window", events, 1, ProtocolLimits.SEQUENCE_WINDOW);
            return this;
        }

        /** How often a publish that the broker refuses with BACK_PRESSURED is sent again before it fails; 0 to 100, 5 by default. */
        public Builder publishRetries(int times) {
            publishRetries = (int) checked("publish retries", times, 0, 100);
            return this;
        }

        /** Events published and not acknowledged, sent or waiting, at most; beyond it publishing fails with BACK_PRESSURED. 10,000 and 16 MiB by default. */
        public Builder pendingPublishes(int events, long bytes) {
            pendingEventsMax = (int) checked("pending publishes", events, 1, Integer.MAX_VALUE / 2);
            pendingBytesMax = checked("pending bytes", bytes, 1, Long.MAX_VALUE / 2);
            return this;
        }

        /**
         * Events received and not handled at most that are not under {@link #receiveCredit}: URGENT, and all where the broker has no credit; beyond it the socket
         * is not read until half of it is handled. 10,000 and 8 MiB by default.
         */
        public Builder queuedEvents(int events, long bytes) {
            queuedEventsMax = (int) checked("queued events", events, 1, Integer.MAX_VALUE / 2);
            queuedBytesMax = checked("queued bytes", bytes, 1, Long.MAX_VALUE / 2);
            return this;
        }

        /**
         * Bytes of whole EVENT frames of LOW to HIGH that may be on their way to this client and in its queues at a time; 1 KiB to 1 GiB, 256 KiB by default. As
         * listeners handle events, the broker is granted more. All topics share it: a listener that blocks ends up holding all of it, and then nothing but URGENT
         * comes, until it goes on. A larger window gives listeners longer to recover and a fast connection over a long way more in the air; a smaller one leaves
         * more of the decision what comes next to the broker.
         */
        public Builder receiveCredit(long bytes) {
            receiveCreditBytes = checked("receive credit", bytes, CREDIT_BYTES_MIN, CREDIT_BYTES_MAX);
            return this;
        }

        /** Offers only these of the protocol's optional parts, for tests of what happens without the others; by default all that this client has. */
        public Builder features(Set<Feature> offered) {
            if (!FEATURES.containsAll(offered)) {
                throw new IllegalArgumentException("features must be among " + FEATURES + ": features=" + offered);
            }
            features = Set.copyOf(offered);
            return this;
        }

        /**
         * For when an operator or a back-end service replaces what this user is subscribed to. Topics that end are told to their listeners by {@link EventListener#onEnded}, with {@link HermodException#REPLACED}.
         *
         * @param added listens to topics that nobody here listens to yet; without this call the client leaves them again.
         * @param told called behind each such replacement, on a thread that must not be blocked for long.
         */
        public Builder serverSubscriptions(EventListener added, Consumer<Replacement> told) {
            listenerForAdded = added;
            onReplaced = told;
            return this;
        }

        /** Whether the broker is told, at most once a second, what latencies listeners saw; true by default. */
        public Builder latencyReports(boolean isOn) {
            isLatencyReported = isOn;
            return this;
        }

        /** @throws IllegalArgumentException without a server. */
        public HermodClient build() {
            if (servers.isEmpty()) {
                throw new IllegalArgumentException("a client needs a server: builder.server(\"host:7400\")");
            }
            ClientRuntime threads = runtime == null ? ClientRuntime.shared() : runtime;
            return new HermodClient(new Session(settings(), threads.threads()));
        }

        private Settings settings() {
            return new Settings(
                    List.copyOf(servers),
                    token,
                    tokenSource,
                    deviceId,
                    platform,
                    appVersion,
                    Map.copyOf(subscriptions),
                    pingInterval.toNanos(),
                    silenceTimeout.toNanos(),
                    reconnect,
                    requestTimeout.toNanos(),
                    wallClockUs,
                    publishWindow,
                    isLatencyReported,
                    pendingEventsMax,
                    pendingBytesMax,
                    queuedEventsMax,
                    queuedBytesMax,
                    features.stream().mapToLong(Feature::bit).reduce(0, (all, bit) -> all | bit),
                    receiveCreditBytes,
                    publishRetries,
                    listenerForAdded,
                    onReplaced);
        }

        private static Duration checked(String what, Duration duration) {
            if (duration.isNegative() || duration.isZero() || duration.compareTo(Duration.ofDays(1)) > 0) {
                throw new IllegalArgumentException(what + " must be above 0 and at most a day: " + duration);
            }
            return duration;
        }

        private static long checked(String what, long value, long min, long max) {
            if (value < min || value > max) {
                throw new IllegalArgumentException(
                        what + " must be " + min + " to " + max + ": " + what.replace(' ', '_') + "=" + value);
            }
            return value;
        }
    }
}
