package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.admission.PublishRate;
import hermod.broker.admission.ServiceState;
import hermod.broker.admission.Verdict;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Party;
import hermod.broker.dispatch.Publication;
import hermod.broker.dispatch.PublishView;
import hermod.broker.dispatch.Publisher;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Topic;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Stage 2 of 7: one connected client: who it is, whether it is live, whether it may do what it asks.
 *
 * <p>From {@code transport.FrameDecoder}; events on to {@code dispatch.Publisher}, everything else to the {@link CommandHandler} of its type.
 *
 * <pre>
 *   HELLO_EXPECTED ──HELLO──▶ AUTHENTICATING ──token good──▶ SUBSCRIBING ──homes answered──▶ OPEN
 *         │                        │                              │                          │
 *         └────────────────────────┴───────── CLOSE, or the socket ends ─────────────────────┴──▶ CLOSED
 * </pre>
 *
 * <p>Until OPEN no frame behind HELLO is looked at: {@link #onFrame} says stop, and the decoder keeps the bytes.
 */
@RunsOn(Owner.SHARD)
public final class Session implements Party, Outbox.Owner, FrameCutter.Sink {
    /** Bytes of events after which a turn is taken in the middle of a read loop: beyond, one burst could fill a subscriber's outbox. */
    private static final int TURN_AT_BYTES = 128 * 1024;

    /** A window's round trip takes less, unless a shard is overloaded. */
    private static final int WINDOW_RETRY_AFTER_MS = 50;

    /** What {@code limits:service} lifts the limit on topics to, where the configured one is lower. */
    private static final int SERVICE_TOPICS_LIMIT_COUNT = 100_000;

    private enum State {
        HELLO_EXPECTED,
        AUTHENTICATING,
        SUBSCRIBING,
        OPEN,
        CLOSED
    }

    /** What the connection's decoder does for its session. */
    public interface Reader {
        /** Frames of this size are taken from now on. */
        void frameLimitBytes(int bytes);

        default boolean isWebSocket() {
            return false;
        }

        /** Goes on with the bytes kept since the session said stop. */
        void resume();
    }

    private record PendingTopic(TopicRequest request, int index, String name) {}

    private final long key;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Publisher publisher;
    private final ShardMetrics metrics;
    private final FrameSink sink;
    private final String address;
    private final Outbox outbox;
    private final PublishedWriter outcomes = new PublishedWriter();
    private final Int2ObjectHashMap<HeldTopic> held = new Int2ObjectHashMap<>();
    private final Int2ObjectHashMap<PendingTopic> pending = new Int2ObjectHashMap<>();
    private @Nullable HeldTopic lastHeld;
    private final List<String> takenLimits = new ArrayList<>();
    private final LatencyReports reports = new LatencyReports();
    private final long acceptedNs;
    private @Nullable Reader reader;
    private State state = State.HELLO_EXPECTED;
    private @Nullable Hello hello;
    private int helloRequestId;
    private @Nullable Identity identity;
    private @Nullable PublishRate rate;
    private @Nullable UserRates rates;
    private @Nullable PublishRate asked;
    private byte[] source = new byte[0];
    private int percentile;

    /** What the client was last told of what is switched off. */
    private Service told = Service.getDefaultInstance();

    private long producer;
    private long device;
    private int lastCorrelation;
    private int errorCount;
    private int unturnedBytes;
    private int framesCut;
    private boolean isMarkedForOutcomes;
    private final int windowEvents;
    private final long windowBytes;

    /** Events on their way to another shard, without an outcome. */
    private int underWayEvents;

    private long underWayBytes;
    private boolean isReadStopped;
    private boolean isDraining;

    /** When the socket last took something while it was not read from. */
    private long tookNs;

    private long receivedNs;
    private long connectedAtUs;
    private long lastPingUs;
    private long publishedCount;
    private boolean isRefreshing;

    /** SUBSCRIBEs, and HELLO's wishes, whose answer is not written: no event may come before it. */
    private int unansweredSubscribes;

    public Session(
            long key,
            SessionGround ground,
            Dispatch dispatch,
            FrameSink sink,
            Outbox.Factory outboxes,
            String address) {
        this.key = key;
        this.ground = ground;
        this.dispatch = dispatch;
        this.publisher = dispatch.publisher();
        this.metrics = dispatch.metrics();
        this.sink = sink;
        this.address = address;
        this.outbox = outboxes.make(this, sink);
        this.acceptedNs = dispatch.shard().clock().nowNs();
        this.receivedNs = acceptedNs;
        int events = ground.publish().windowEvents();
        int bytes = ground.publish().windowBytes();
        this.windowEvents = events == 0 ? Integer.MAX_VALUE : events;
        this.windowBytes = bytes == 0 ? Long.MAX_VALUE : bytes;
        outbox.holdBack(true);
        dispatch.add(this);
    }

    /** To be called once, before the first bytes. */
    public void reader(Reader connection) {
        reader = connection;
    }

    // ---- what the socket brings

    /** Bytes have come; before they are cut. */
    public void onBytes(int bytes) {
        dispatch.shard().clock().update();
        receivedNs = dispatch.shard().clock().nowNs();
        unturnedBytes += bytes;
    }

    /** The bytes that came have been cut. */
    public void onBytesEnd() {
        metrics.add(Counter.FRAMES_RECEIVED, framesCut);
        framesCut = 0;
        publisher.sendBatch();
        if (unturnedBytes >= TURN_AT_BYTES) {
            unturnedBytes = 0;
            dispatch.shard().turnNow();
        }
    }

    /** The socket has nothing more for now. */
    public void onReadEnd() {
        unturnedBytes = 0;
        dispatch.shard().requestTurn();
    }

    /** The socket takes more again. */
    public void onWritable() {
        if (isReadStopped) {
            tookNs = dispatch.shard().clock().nowNs();
            outbox.flushEarly();
            readAgainIfTaken();
        }
        dispatch.flushes().add(outbox);
        dispatch.shard().requestTurn();
    }

    /** The last resort against a client that asks and does not read: what it sends waits in its own socket, and TCP holds it back. */
    private void stopReadingIfUntaken() {
        if (isReadStopped || state != State.OPEN || outbox.answerBytes() <= outbox.answerBytesReadLimit()) {
            return;
        }
        outbox.flushEarly();
        if (outbox.answerBytes() > outbox.answerBytesReadLimit()) {
            isReadStopped = true;
            tookNs = dispatch.shard().clock().nowNs();
            metrics.add(Counter.READS_STOPPED, 1);
            sink.readEnabled(false);
        }
    }

    private void readAgainIfTaken() {
        if (isReadStopped && outbox.answerBytes() == 0 && state == State.OPEN) {
            isReadStopped = false;
            receivedNs = dispatch.shard().clock().nowNs();
            sink.readEnabled(true);
            Reader connection = reader;
            if (connection != null) {
                dispatch.shard().execute(connection::resume);
            }
        }
    }

    /** The decoder could not cut what came. */
    public void onBadBytes(ProtocolException bad) {
        metrics.add(Counter.FRAMES_BAD, 1);
        close(bad.code(), bad.getMessage() == null ? "" : bad.getMessage());
    }

    /** The socket is gone. */
    public void onDisconnect() {
        if (state != State.CLOSED) {
            end();
        }
    }

    @Override
    public boolean onFrame(ByteBuf in, int at, int frameBytes) throws ProtocolException {
        framesCut++;
        if (state == State.HELLO_EXPECTED) {
            onFirstFrame(in, at);
            return false;
        }
        if (state != State.OPEN) {
            return false;
        }
        if (isDraining) {
            onFrameWhileDraining(in, at);
            return goesOn();
        }
        if (FrameHeader.isPlain(in.getLongLE(at), FrameType.PUBLISH)) {
            onPublish(in, at, frameBytes, false);
            return goesOn();
        }
        int type = FrameHeader.type(in, at);
        boolean isBeyondUs = FrameCheck.hasCriticalExtension(in, at, false);
        if (type == FrameType.PUBLISH.code()) {
            onPublish(in, at, frameBytes, isBeyondUs);
        } else if (isBeyondUs) {
            error(
                    FrameHeader.requestId(in, at),
                    ErrorCode.UNSUPPORTED,
                    "the frame has an extension that must be understood");
        } else {
            onOtherFrame(type, in, at);
        }
        return goesOn();
    }

    /** The socket must be read to its end, or closing it could destroy what the client has not read yet. */
    private void onFrameWhileDraining(ByteBuf in, int at) throws ProtocolException {
        int type = FrameHeader.type(in, at);
        if (type == FrameType.PING.code() || type == FrameType.CLOSE.code()) {
            onOtherFrame(type, in, at);
        }
    }

    private boolean goesOn() {
        return state == State.OPEN && !isReadStopped;
    }

    private void onPublish(ByteBuf in, int at, int frameBytes, boolean isBeyondUs) throws ProtocolException {
        PublishView frame = publisher.view();
        frame.wrap(in, at, frameBytes);
        if (isBeyondUs) {
            refuse(frame, ErrorCode.UNSUPPORTED, 0);
            return;
        }
        int count = frame.count();
        if (frame.sequence() < 0 || frame.sequence() + (count - 1) < 0) {
            refuse(frame, ErrorCode.BAD_EVENT, 0);
            return;
        }
        HeldTopic topic = heldTopic(frame.handle());
        if (topic == null) {
            refuse(frame, ErrorCode.UNKNOWN_HANDLE, 0);
            return;
        }
        if (!topic.mayPublish) {
            metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
            refuse(frame, ErrorCode.FORBIDDEN, 0);
            return;
        }
        if (topic.isOff) {
            metrics.add(Counter.PUBLISHES_NOT_ENABLED, count);
            metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
            refuse(frame, ErrorCode.NOT_ENABLED, 0);
            return;
        }
        if (underWayEvents >= windowEvents || underWayBytes >= windowBytes) {
            metrics.add(Counter.PUBLISHES_BACK_PRESSURED, count);
            metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
            refuse(frame, ErrorCode.BACK_PRESSURED, WINDOW_RETRY_AFTER_MS);
            return;
        }
        if (rate != null) {
            int retryAfterMs = rate.retryAfterMs(dispatch.shard().clock().nowNs(), count, frameBytes);
            if (retryAfterMs > 0) {
                metrics.add(Counter.PUBLISHES_RATE_LIMITED, count);
                metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
                refuse(frame, ErrorCode.RATE_LIMITED, retryAfterMs);
                return;
            }
        }
        publishedCount += count;
        Publication publication = topic.publication();
        publisher.publish(this, publication == null ? firstPublication(topic) : publication);
    }

    private Publication firstPublication(HeldTopic topic) {
        Channel channel = topic.topic().channel();
        UserRates limits = rates;
        boolean isLimited =
                channel.policy().ratePerMinute() > 0 || channel.policy().ceiling() == Priority.URGENT;
        Priority raisedTo = identity == null ? Priority.LOW : identity.raisedTo();
        Publication made =
                publisher.publication(topic.topic(), raisedTo, limits != null && isLimited ? limits.of(channel) : null);
        topic.publication(made);
        return made;
    }

    /** Publishers mostly stay with a topic for a while. */
    private @Nullable HeldTopic heldTopic(int handle) {
        HeldTopic last = lastHeld;
        if (last != null && last.topic().handle() == handle) {
            return last;
        }
        HeldTopic found = held.get(handle);
        lastHeld = found;
        return found;
    }

    private void refuse(PublishView frame, ErrorCode code, int retryAfterMs) {
        for (int i = 0; i < frame.count(); i++) {
            outcomes.refused(frame.requestId() + i, frame.handle(), code, retryAfterMs);
            if (outcomes.isFull()) {
                writeOutcomes();
            }
        }
        dispatch.noteOutcomes(this);
    }

    private void onOtherFrame(int code, ByteBuf in, int at) throws ProtocolException {
        int requestId = FrameHeader.requestId(in, at);
        FrameType type = FrameType.ofCode(code);
        if (type == FrameType.PING) {
            FrameCheck.bodyIs(ClockFrames.PING_BODY_BYTES, in, at);
            onPing(requestId, ClockFrames.pingSentUs(in, at));
            return;
        }
        if (type == FrameType.PONG) {
            FrameCheck.bodyIs(ClockFrames.PONG_BODY_BYTES, in, at);
            return;
        }
        if (type == FrameType.HELLO) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "a second HELLO");
        }
        CommandHandler handler = type == null ? null : ground.router().of(type);
        if (handler != null) {
            handler.handle(this, requestId, in, at);
        } else if ((FrameHeader.flags(in, at) & FrameHeader.FLAG_IGNORE_IF_UNKNOWN) == 0) {
            error(requestId, ErrorCode.UNKNOWN_FRAME, "unknown frame type: type=0x" + Integer.toHexString(code));
        }
    }

    private void onPing(int requestId, long sentUs) {
        long receivedUs = dispatch.shard().clock().nowUs();
        lastPingUs = receivedUs;
        ByteBuf pong = ground.allocator().buffer(FrameHeader.LENGTH + ClockFrames.PONG_BODY_BYTES);
        dispatch.shard().clock().update();
        ClockFrames.writePong(
                pong, requestId, sentUs, receivedUs, dispatch.shard().clock().nowUs());
        answer(pong);
    }

    // ---- handshake

    private void onFirstFrame(ByteBuf in, int at) throws ProtocolException {
        boolean isBeyondUs = FrameCheck.hasCriticalExtension(in, at, false);
        if (FrameHeader.type(in, at) != FrameType.HELLO.code()) {
            throw new ProtocolException(
                    CloseCode.HANDSHAKE_EXPECTED,
                    "the first frame must be HELLO (type 0x01), got type 0x"
                            + Integer.toHexString(FrameHeader.type(in, at)));
        }
        if (isBeyondUs) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "HELLO has an extension that must be understood");
        }
        Hello wanted = ControlCodec.decode(Hello.parser(), in, at);
        Welcoming.check(wanted, ground.frameLimitBytes());
        hello = wanted;
        helloRequestId = FrameHeader.requestId(in, at);
        state = State.AUTHENTICATING;
        sink.readEnabled(false);
        ground.authenticator()
                .authenticate(wanted.getToken(), verdict -> dispatch.shard().execute(() -> onVerdict(verdict)));
    }

    private void onVerdict(Verdict verdict) {
        if (state != State.AUTHENTICATING || hello == null) {
            return;
        }
        try {
            if (verdict instanceof Verdict.Accepted accepted) {
                onIdentity(accepted.identity(), hello);
            } else if (verdict instanceof Verdict.Refused refused) {
                close(refused.code(), refused.reason());
            }
        } catch (RuntimeException | AssertionError defect) {
            dispatch.onDefect(defect);
            close(CloseCode.INTERNAL, "the broker failed to welcome this connection");
        }
        dispatch.shard().requestTurn();
    }

    private void onIdentity(Identity who, Hello wanted) {
        identity = who;
        String fault = takeLimits(who);
        if (fault != null) {
            close(CloseCode.TOO_MANY_CONNECTIONS, fault);
            return;
        }
        source = who.user().getBytes(StandardCharsets.UTF_8);
        percentile = who.rights().isService() ? ServiceState.ALWAYS : ServiceState.percentileOf(who.user());
        device = ground.hashes().of(who.org(), who.user(), wanted.getDeviceId());
        // Without an epoch a client's next process would look like this one: its sequences mean nothing then.
        producer = wanted.getProducerEpoch() == 0
                ? NO_PRODUCER
                : ground.hashes()
                        .of(who.org(), who.user(), wanted.getDeviceId(), Long.toString(wanted.getProducerEpoch()));
        SessionConfig config = ground.config();
        rate = who.rights().isRateUnlimited()
                ? null
                : new PublishRate(
                        config.publishesPerSecond(),
                        config.publishBytesPerSecond(),
                        dispatch.shard().clock().nowNs());
        asked = who.rights().isService()
                ? null
                : new PublishRate(
                        config.topicsAskedPerSecond(),
                        PublishRate.PER_SECOND_MAX,
                        dispatch.shard().clock().nowNs());
        rates = who.rights().isRateUnlimited()
                ? null
                : new UserRates(
                        ground.rates(), ground.publish(), who, dispatch.shard().clock());
        state = State.SUBSCRIBING;
        holdTopics(
                new TopicRequest(FrameType.WELCOME, 0, wanted.getSubscriptionsCount()), wanted.getSubscriptionsList());
    }

    private @Nullable String takeLimits(Identity who) {
        if (who.rights().isService() || (ground.isDev() && isLoopback())) {
            return null;
        }
        String fault = takeLimit("address " + address, "the address", ground.connectionsPerAddressLimitCount());
        return fault != null
                ? fault
                : takeLimit("user " + who.org() + " " + who.user(), "the user", ground.connectionsPerUserLimitCount());
    }

    private boolean isLoopback() {
        return address.startsWith("127.") || address.equals("::1") || address.equals("0:0:0:0:0:0:0:1");
    }

    private @Nullable String takeLimit(String limitKey, String whose, int limitCount) {
        if (!ground.limits().take(limitKey, limitCount)) {
            return whose + " has as many connections as it may: limit=" + limitCount;
        }
        takenLimits.add(limitKey);
        return null;
    }

    private void welcome(TopicRequest wishes) {
        if (identity == null || hello == null) {
            return;
        }
        state = State.OPEN;
        told = ground.notice().of(percentile);
        connectedAtUs = dispatch.shard().clock().nowUs();
        answer(ControlCodec.encode(
                ground.allocator(),
                FrameType.WELCOME,
                helloRequestId,
                Welcoming.welcome(ground, hello, identity, connectionId(), connectedAtUs, told, wishes.results())));
        metrics.add(Counter.CONNECTIONS_WELCOMED, 1);
        hello = Welcoming.withoutToken(hello);
        Reader connection = reader;
        if (connection != null) {
            connection.frameLimitBytes(ground.frameLimitBytes());
            sink.readEnabled(true);
            // Not from here: the answer may have come in the middle of a turn.
            dispatch.shard().execute(connection::resume);
        }
    }

    // ---- holding topics

    /** Takes a request for so many topics: a name that is refused costs its answer too. @return 0 if it may be asked now, otherwise how long to wait. */
    int askRetryAfterMs(int topics) {
        PublishRate limit = asked;
        return limit == null ? 0 : limit.retryAfterMs(dispatch.shard().clock().nowNs(), Math.max(1, topics), 0);
    }

    /** Asks for the topics of a SUBSCRIBE or OPEN; its answer follows when all homes have answered. */
    void holdTopics(TopicRequest request, List<String> names) {
        if (request.asSubscriber()) {
            unansweredSubscribes++;
            outbox.holdBack(true);
        }
        for (int i = 0; i < names.size(); i++) {
            holdTopic(request, i, names.get(i));
        }
        answerIfComplete(request);
    }

    private void holdTopic(TopicRequest request, int index, String name) {
        String fault = TopicName.faultOf(name);
        if (fault != null) {
            request.put(index, refusal(name, ErrorCode.BAD_TOPIC_NAME, fault));
            return;
        }
        TopicName topic = TopicName.of(name);
        Channel channel = ground.channels().of(topic.channel());
        if (channel == null) {
            String sentence = "unknown channel '" + topic.channel() + "'; this broker has: "
                    + ground.channels().names();
            request.put(index, refusal(name, ErrorCode.UNKNOWN_CHANNEL, sentence));
            return;
        }
        Identity who = identity;
        if (who == null || !mayHold(request, name)) {
            String sentence = "the token gives no right to "
                    + (request.asSubscriber() ? "subscribe to '" : "publish to '") + name + "'";
            request.put(index, refusal(name, ErrorCode.FORBIDDEN, sentence));
            return;
        }
        String off = ground.service().state().channelOff(channel, percentile);
        if (off != null) {
            request.put(index, refusal(name, ErrorCode.NOT_ENABLED, off));
            return;
        }
        int limitCount = topicsLimitCount(who);
        if (held.size() + pending.size() >= limitCount && !isHeld(name)) {
            request.put(
                    index,
                    refusal(
                            name,
                            ErrorCode.TOO_MANY_TOPICS_HELD,
                            "the connection holds as many topics as it may: limit=" + limitCount));
            return;
        }
        int correlation = ++lastCorrelation;
        pending.put(correlation, new PendingTopic(request, index, name));
        dispatch.hold(this, correlation, who.org(), topic, request.asSubscriber());
    }

    private boolean mayHold(TopicRequest request, String name) {
        Identity who = identity;
        return who != null
                && (request.asSubscriber()
                        ? who.rights().maySubscribe(name)
                        : who.rights().mayPublish(name));
    }

    /** Asked at the limit only. */
    private boolean isHeld(String name) {
        for (HeldTopic row : held.values()) {
            if (row.topic().name().toString().equals(name)) {
                return true;
            }
        }
        return false;
    }

    private int topicsLimitCount(Identity who) {
        return topicsLimitCount(ground.config(), who);
    }

    /** Topics a connection of this identity may hold. */
    static int topicsLimitCount(SessionConfig config, Identity who) {
        int limitCount = config.topicsPerConnectionLimitCount();
        return who.rights().isService() ? Math.max(limitCount, SERVICE_TOPICS_LIMIT_COUNT) : limitCount;
    }

    private static TopicResult refusal(String name, ErrorCode code, String sentence) {
        return TopicResult.newBuilder()
                .setTopic(name)
                .setCode(code.code())
                .setMessage(sentence)
                .build();
    }

    @Override
    public void onHeld(int correlation, @Nullable Topic topic, long nextOffset, @Nullable ErrorCode refusal) {
        PendingTopic wanted = pending.remove(correlation);
        if (wanted == null || state == State.CLOSED) {
            if (topic != null) {
                throw new IllegalStateException("answer to a hold that nobody waits for: topic=" + topic.name());
            }
            return;
        }
        TopicRequest request = wanted.request;
        if (topic == null) {
            ErrorCode code = refusal == null ? ErrorCode.UNAVAILABLE : refusal;
            request.put(wanted.index, refusal(wanted.name, code, code.meaning()));
        } else if (!mayHold(request, wanted.name)) {
            // A REFRESH took the right away while the home was asked.
            dispatch.letGo(topic, request.asSubscriber());
            request.put(wanted.index, refusal(wanted.name, ErrorCode.FORBIDDEN, ErrorCode.FORBIDDEN.meaning()));
        } else if (isOff(topic.channel())) {
            dispatch.letGo(topic, request.asSubscriber());
            request.put(wanted.index, refusal(wanted.name, ErrorCode.NOT_ENABLED, ErrorCode.NOT_ENABLED.meaning()));
        } else {
            HeldTopic row = hold(topic, request.asSubscriber());
            request.put(
                    wanted.index,
                    TopicResult.newBuilder()
                            .setTopic(wanted.name)
                            .setGranted(true)
                            .setHandle(topic.handle())
                            .setEpoch(topic.epoch())
                            .setNextOffset(nextOffset)
                            .setCanPublish(row.mayPublish)
                            .build());
        }
        answerIfComplete(request);
    }

    private HeldTopic hold(Topic topic, boolean asSubscriber) {
        HeldTopic row = held.get(topic.handle());
        if (row == null) {
            row = new HeldTopic(topic);
            row.mayPublish = identity != null
                    && identity.rights().mayPublish(topic.name().toString());
            held.put(topic.handle(), row);
        }
        if (asSubscriber ? row.feed != null : row.isOpened) {
            // Asked for twice: the home has counted one too many.
            dispatch.letGo(topic, asSubscriber);
        } else if (asSubscriber) {
            Channel channel = topic.channel();
            Feed feed = new Feed(outbox, channel.index(), channel.policy().lane(), device);
            row.feed = feed;
            dispatch.subscriptions().add(topic.handle(), feed);
        } else {
            row.isOpened = true;
        }
        return row;
    }

    private void answerIfComplete(TopicRequest request) {
        if (!request.isComplete()) {
            return;
        }
        if (request.asSubscriber() && --unansweredSubscribes == 0) {
            outbox.holdBack(false);
        }
        switch (request.answer()) {
            case WELCOME -> welcome(request);
            case SUBSCRIBED ->
                answer(ControlCodec.encode(
                        ground.allocator(),
                        FrameType.SUBSCRIBED,
                        request.requestId(),
                        Subscribed.newBuilder().addAllResults(request.results()).build()));
            default ->
                answer(ControlCodec.encode(
                        ground.allocator(),
                        FrameType.OPENED,
                        request.requestId(),
                        Opened.newBuilder().addAllResults(request.results()).build()));
        }
    }

    private boolean isOff(Channel channel) {
        return ground.service().state().channelOff(channel, percentile) != null;
    }

    /** The switches have changed: what is off now ends at once, and what is on again goes on; the client is told with {@link #tellService}. */
    void applyService() {
        for (HeldTopic row : held.values()) {
            boolean isOff = isOff(row.topic().channel());
            if (row.isOff != isOff) {
                row.isOff = isOff;
                applyToFeed(row);
            }
        }
    }

    private void applyToFeed(HeldTopic row) {
        Feed feed = row.feed;
        if (feed == null) {
            return;
        }
        if (row.isOff) {
            dispatch.subscriptions().remove(row.topic().handle(), feed);
            outbox.discard(feed);
        } else {
            dispatch.subscriptions().add(row.topic().handle(), feed);
        }
    }

    void tellService(ServiceNotice notice) {
        Service now = notice.of(percentile);
        if (state == State.OPEN && !now.equals(told)) {
            told = now;
            answer(ServiceNotice.frame(ground.allocator(), now));
        }
    }

    /** Ends what the session holds on these handles and tells the client which it held. */
    void letGo(int requestId, List<Integer> handles) {
        Unsubscribed.Builder gone = Unsubscribed.newBuilder();
        for (int handle : handles) {
            HeldTopic row = held.remove(handle);
            lastHeld = null;
            if (row != null) {
                letGo(row);
                gone.addHandles(handle);
            }
        }
        answer(ControlCodec.encode(ground.allocator(), FrameType.UNSUBSCRIBED, requestId, gone.build()));
    }

    private void letGo(HeldTopic row) {
        Feed feed = row.feed;
        if (feed != null) {
            dispatch.subscriptions().remove(row.topic().handle(), feed);
            outbox.discard(feed);
            dispatch.letGo(row.topic(), true);
        }
        if (row.isOpened) {
            dispatch.letGo(row.topic(), false);
        }
    }

    // ---- refresh, reports

    /** Takes a new token for the same user and org. */
    void refresh(int requestId, String token) {
        if (isRefreshing) {
            error(requestId, ErrorCode.BAD_REQUEST, "a refresh is under way already");
            return;
        }
        isRefreshing = true;
        ground.authenticator()
                .authenticate(token, verdict -> dispatch.shard().execute(() -> onRefreshVerdict(requestId, verdict)));
    }

    private void onRefreshVerdict(int requestId, Verdict verdict) {
        isRefreshing = false;
        Identity before = identity;
        if (state != State.OPEN || before == null) {
            return;
        }
        if (verdict instanceof Verdict.Accepted accepted
                && accepted.identity().user().equals(before.user())
                && accepted.identity().org().equals(before.org())) {
            identity = accepted.identity();
            applyRights(accepted.identity());
            answer(Welcoming.refreshed(ground.allocator(), requestId, accepted.identity()));
        } else {
            refuseRefresh(requestId, verdict);
        }
        dispatch.shard().requestTurn();
    }

    private void refuseRefresh(int requestId, Verdict verdict) {
        if (verdict instanceof Verdict.Refused refused) {
            boolean isPassing = refused.code() == CloseCode.OVERLOADED || refused.code() == CloseCode.GOING_AWAY;
            error(requestId, isPassing ? ErrorCode.UNAVAILABLE : ErrorCode.TOKEN_REJECTED, refused.reason());
        } else {
            error(requestId, ErrorCode.TOKEN_REJECTED, "the token is for another user or org");
        }
    }

    /** Rights may have shrunk: what is no longer allowed ends, and the client is told unasked. */
    private void applyRights(Identity now) {
        List<Integer> lost = new ArrayList<>();
        for (HeldTopic row : held.values()) {
            String name = row.topic().name().toString();
            row.mayPublish = now.rights().mayPublish(name);
            row.publication(null);
            if (row.feed != null && !now.rights().maySubscribe(name)) {
                lost.add(row.topic().handle());
            }
        }
        if (!lost.isEmpty()) {
            letGo(0, lost);
        }
    }

    LatencyReports reports() {
        return reports;
    }

    long deliveredCount() {
        return outbox.deliveredCount();
    }

    Dispatch dispatch() {
        return dispatch;
    }

    SessionGround ground() {
        return ground;
    }

    // ---- answers and the end

    /** @param frame given. */
    void answer(ByteBuf frame) {
        if (outbox.offerAnswer(frame) == Outbox.Offer.FULL && state != State.CLOSED) {
            metrics.add(Counter.CONNECTIONS_SLOW, 1);
            close(CloseCode.SLOW_CONSUMER, "answers are not taken as fast as they are asked for");
            return;
        }
        stopReadingIfUntaken();
        dispatch.flushes().add(outbox);
        dispatch.shard().requestTurn();
    }

    /** Refuses one request; the connection goes on, unless it has caused as many errors as it may. */
    void error(int requestId, ErrorCode code, String sentence) {
        error(requestId, code, sentence, 0);
    }

    void error(int requestId, ErrorCode code, String sentence, int retryAfterMs) {
        metrics.add(Counter.ERRORS_SENT, 1);
        answer(ControlCodec.encode(
                ground.allocator(),
                FrameType.ERROR,
                requestId,
                hermod.protocol.control.wire.Error.newBuilder()
                        .setCode(code.code())
                        .setMessage(sentence)
                        .setRetryAfterMs(retryAfterMs)
                        .build()));
        if (++errorCount >= ProtocolLimits.ERRORS_PER_CONNECTION) {
            close(CloseCode.TOO_MANY_ERRORS, "errors=" + errorCount);
        }
    }

    /** Says why and ends the connection. What waits in the outbox is not sent, but for the answers, the outcomes of what was published among them. */
    public void close(CloseCode code, String sentence) {
        if (state != State.CLOSED) {
            sink.close(endWith(
                    Close.newBuilder().setCode(code.code()).setMessage(sentence).build()));
        }
    }

    /** @return the last frame. */
    private ByteBuf endWith(Close close) {
        if (state != State.OPEN) {
            metrics.add(Counter.CONNECTIONS_REFUSED, 1);
        }
        ByteBuf last = ControlCodec.encode(ground.allocator(), FrameType.CLOSE, 0, close);
        outbox.holdBack(true);
        if (!outcomes.isEmpty()) {
            // Straight into the outbox: where it is full, the client learns by sending again.
            outbox.offerAnswer(takeOutcomes());
        }
        outbox.flush();
        end();
        return last;
    }

    /** The broker stops: nothing more is taken from the client, and what it has been taken from is finished. What comes now gets no outcome, so the client sends it again elsewhere. */
    void beginDrain() {
        if (state == State.OPEN) {
            isDraining = true;
        } else {
            close(CloseCode.GOING_AWAY, "the broker is stopping");
        }
    }

    /** Whether all it has published is answered and all it is owed is written. */
    boolean isDrained() {
        return underWayEvents == 0 && pending.isEmpty() && outcomes.isEmpty() && outbox.queuedBytes() == 0;
    }

    /** Sends the client elsewhere, and waits up to the time given for it to take what was written. */
    void goAway(Departure departure) {
        if (state == State.CLOSED) {
            return;
        }
        boolean isWebSocket = reader != null && reader.isWebSocket();
        sink.closeGently(
                endWith(Close.newBuilder()
                        .setCode(CloseCode.GOING_AWAY.code())
                        .setMessage("the broker is stopping")
                        .setRetryAfterMs(departure.drawDelayMs())
                        .addAllEndpoints(isWebSocket ? departure.wsEndpoints() : departure.endpoints())
                        .build()),
                departure.lingerMs());
    }

    /** The client has said goodbye. */
    void onGoodbye() {
        publisher.sendBatch();
        close(CloseCode.NORMAL, "goodbye");
    }

    private void end() {
        state = State.CLOSED;
        metrics.add(Counter.CONNECTIONS_CLOSED, 1);
        // First: an empty outbox has nothing to search for each topic that is let go.
        outbox.close();
        for (HeldTopic row : held.values()) {
            letGo(row);
        }
        held.clear();
        lastHeld = null;
        pending.clear();
        dispatch.remove(this);
        for (String limitKey : takenLimits) {
            ground.limits().giveBack(limitKey);
        }
        takenLimits.clear();
        if (rates != null) {
            rates.giveBack();
            rates = null;
        }
    }

    @Override
    public void onOutboxFull() {
        if (state != State.CLOSED) {
            metrics.add(Counter.CONNECTIONS_SLOW, 1);
            close(CloseCode.SLOW_CONSUMER, "the outbox is full: queuedBytes=" + outbox.queuedBytes());
        }
    }

    @Override
    public void onLagged() {
        if (state != State.CLOSED) {
            metrics.add(Counter.CONNECTIONS_LAGGED, 1);
            close(CloseCode.LAGGED, "events of a subscribed topic were overrun inside the broker");
        }
    }

    /** Checks the connection's deadlines; called every few hundred ms. */
    void onTick(long nowNs, long nowUs) {
        Identity who = identity;
        if (state == State.OPEN) {
            if (isReadStopped) {
                closeIfStuck(nowNs);
            } else if (nowNs - receivedNs > ground.config().silenceTimeoutMs() * 1_000_000L) {
                metrics.add(Counter.CONNECTIONS_SILENT, 1);
                close(
                        CloseCode.SILENT,
                        "nothing received: timeoutMs=" + ground.config().silenceTimeoutMs());
            }
            if (state == State.OPEN && who != null && who.expiresAtUs() != 0 && who.expiresAtUs() <= nowUs) {
                close(CloseCode.TOKEN_EXPIRED, "the token has run out");
            }
        } else if (state != State.CLOSED && nowNs - acceptedNs > ground.handshakeTimeoutMs() * 1_000_000L) {
            close(CloseCode.HANDSHAKE_TIMEOUT, "no complete handshake: timeoutMs=" + ground.handshakeTimeoutMs());
        }
    }

    /** Nothing can be received where nothing is read, so silence means nothing then; a socket that takes nothing does. */
    private void closeIfStuck(long nowNs) {
        readAgainIfTaken();
        if (isReadStopped && nowNs - tookNs > ground.publish().unreadAnswersTimeoutMs() * 1_000_000L) {
            metrics.add(Counter.CONNECTIONS_SLOW, 1);
            close(
                    CloseCode.SLOW_CONSUMER,
                    "answers are not read: timeoutMs=" + ground.publish().unreadAnswersTimeoutMs());
        }
    }

    public boolean isClosed() {
        return state == State.CLOSED;
    }

    /** Whether frames must wait: HELLO was taken and WELCOME has not been sent, or the client does not take its answers. */
    public boolean isWaiting() {
        return state == State.AUTHENTICATING || state == State.SUBSCRIBING || isReadStopped;
    }

    // ---- what dispatch and operators see

    @Override
    public long key() {
        return key;
    }

    @Override
    public byte[] source() {
        return source;
    }

    @Override
    public long producer() {
        return producer;
    }

    @Override
    public long device() {
        return device;
    }

    @Override
    public boolean mayPublishUrgent() {
        return identity != null && identity.rights().isUrgent();
    }

    @Override
    public PublishedWriter outcomes() {
        return outcomes;
    }

    @Override
    public void onUnderWay(int entryBytes) {
        underWayEvents++;
        underWayBytes += entryBytes;
    }

    @Override
    public void onAnswered(int events, int entryBytes) {
        underWayEvents -= events;
        underWayBytes -= entryBytes;
    }

    @Override
    public boolean markOutcomes() {
        if (isMarkedForOutcomes) {
            return false;
        }
        isMarkedForOutcomes = true;
        return true;
    }

    @Override
    public void writeOutcomes() {
        isMarkedForOutcomes = false;
        if (!outcomes.isEmpty()) {
            answer(takeOutcomes());
        }
    }

    private ByteBuf takeOutcomes() {
        ByteBuf frame = ground.allocator().buffer(outcomes.frameBytes());
        outcomes.writeTo(frame);
        return frame;
    }

    public String connectionId() {
        return Long.toString(key, Character.MAX_RADIX);
    }

    /** What operators see; null before WELCOME. */
    public @Nullable SessionView view() {
        if (state != State.OPEN || identity == null || hello == null) {
            return null;
        }
        List<String> topics = new ArrayList<>();
        for (HeldTopic row : held.values()) {
            if (row.feed != null) {
                topics.add(row.topic().name().toString());
            }
        }
        return new SessionView(
                connectionId(),
                identity,
                hello.getDeviceId(),
                Welcoming.platformName(hello),
                address,
                connectedAtUs,
                lastPingUs,
                topics,
                outbox.deliveredCount(),
                publishedCount,
                outbox.queuedBytes());
    }
}
