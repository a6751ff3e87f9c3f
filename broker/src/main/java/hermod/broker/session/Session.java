package hermod.broker.session;

import com.google.protobuf.ByteString;
import hermod.broker.admission.Identity;
import hermod.broker.admission.PublishRate;
import hermod.broker.admission.ServiceState;
import hermod.broker.admission.Verdict;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Party;
import hermod.broker.dispatch.Publication;
import hermod.broker.dispatch.PublishView;
import hermod.broker.dispatch.Publisher;
import hermod.broker.filter.BadFilterException;
import hermod.broker.filter.EventFilter;
import hermod.broker.filter.FeedFilter;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.SlowStats;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.Ladder;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Topic;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.TopicName;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
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
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
    private static final Logger LOG = LoggerFactory.getLogger(Session.class);

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

    /** @param cursor where a RESUME wants to go on; null for other requests. */
    private record PendingTopic(
            TopicRequest request,
            int index,
            String name,
            @Nullable EventFilter filter,
            @Nullable Cursor cursor) {}

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

    /** Made with the first question about a topic's past. */
    private @Nullable PublishRate inquiries;

    private int inquiriesUnderWay;
    private byte[] source = new byte[0];
    private int percentile;

    /** What the client was last told of what is switched off. */
    private Service told = Service.getDefaultInstance();

    private long producer;
    private long device;
    private long author;
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
    private final Goodbye goodbye;

    /** When the socket last took something while it was not read from. */
    private long tookNs;

    private long receivedNs;
    private long connectedAtUs;
    private long lastPingUs;
    private long publishedCount;
    private boolean isRefreshing;
    private final Ladder ladder;
    private ByteString resumeToken = ByteString.EMPTY;

    /** Feature bits both sides have. */
    private long features;

    /** The replacement of the subscriptions that is under way, and what waits for its end; null and empty mostly. */
    private @Nullable Replacement replacement;

    private final ArrayDeque<WaitingChange> waiting = new ArrayDeque<>(1);

    /** @param isReplacement whether it must also wait for the SUBSCRIBEs before it. */
    private record WaitingChange(boolean isReplacement, Runnable change) {}

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
        this.ladder = new Ladder(outbox.config());
        this.acceptedNs = dispatch.shard().clock().nowNs();
        this.receivedNs = acceptedNs;
        goodbye = new Goodbye(ground.publish().goodbyeOutcomesMs());
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
        if (goodbye.isSaid()) {
            return goesOn();
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
        author = ground.hashes().of("author", who.org(), who.user());
        // Without an epoch a client's next process would look like this one: its sequences mean nothing then.
        producer = wanted.getProducerEpoch() == 0
                ? NO_PRODUCER
                : ground.hashes()
                        .of(who.org(), who.user(), wanted.getDeviceId(), Long.toString(wanted.getProducerEpoch()));
        features = wanted.getFeatures() & (Welcoming.FEATURES | ground.features());
        if (has(Feature.CREDIT)) {
            outbox.useCredit();
        }
        if (has(Feature.RESUME)) {
            resumeToken = resumeToken(who, wanted.getDeviceId());
        }
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
        List<Wish> wishes = Wish.of(wanted.getSubscriptionsList(), wanted.getFilteredList());
        holdTopics(new TopicRequest(FrameType.WELCOME, 0, wishes.size()), wishes);
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
                Welcoming.welcome(
                        ground,
                        hello,
                        identity,
                        features,
                        connectionId(),
                        connectedAtUs,
                        wishes.results(),
                        resumeToken,
                        told)));
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
    public int askRetryAfterMs(int topics) {
        PublishRate limit = asked;
        return limit == null ? 0 : limit.retryAfterMs(dispatch.shard().clock().nowNs(), Math.max(1, topics), 0);
    }

    /** Asks for the topics of a SUBSCRIBE or OPEN; its answer follows when all homes have answered. */
    void holdTopics(TopicRequest request, List<Wish> wishes) {
        if (request.asSubscriber()) {
            unansweredSubscribes++;
            outbox.holdBack(true);
        }
        for (int i = 0; i < wishes.size(); i++) {
            holdTopic(request, i, wishes.get(i), null);
        }
        answerIfComplete(request);
    }

    /** Subscribes to the topics of the cursors, each from where its cursor stands, as far as that is still kept. */
    void resume(int requestId, Resume wanted) {
        TopicRequest request = new TopicRequest(FrameType.RESUMED, requestId, wanted.getCursorsCount());
        // A token of another broker's life or of another user: then nothing is known of these cursors.
        boolean isOurs = wanted.getResumeToken().equals(resumeToken);
        unansweredSubscribes++;
        outbox.holdBack(true);
        for (int i = 0; i < wanted.getCursorsCount(); i++) {
            Cursor cursor = wanted.getCursors(i);
            holdTopic(
                    request,
                    i,
                    new Wish(cursor.getTopic(), cursor.hasFilter() ? cursor.getFilter() : null),
                    isOurs ? cursor : cursor.toBuilder().setEpoch(0).build());
        }
        answerIfComplete(request);
    }

    private ByteString resumeToken(Identity who, String deviceId) {
        long number = ground.hashes().of("resume", who.org(), who.user(), deviceId);
        return ByteString.copyFrom(ByteBuffer.allocate(Long.BYTES).putLong(0, number));
    }

    private void holdTopic(TopicRequest request, int index, Wish wish, @Nullable Cursor cursor) {
        String name = wish.topic();
        TopicResult refusal = request.asSubscriber()
                ? refusalOf(wish, wish.filter() == null ? 0 : filterBytes(any -> false))
                : refusalOf(name, false);
        if (refusal != null) {
            request.put(index, refusal);
            return;
        }
        if (held.size() + pending.size() >= topicsLimitCount() && !isHeld(name)) {
            request.put(index, tooManyHeld(name));
            return;
        }
        pending.put(lastCorrelation + 1, new PendingTopic(request, index, name, compiled(wish), cursor));
        ask(name, request.asSubscriber());
    }

    private int ask(String name, boolean asSubscriber) {
        Identity who = identity;
        if (who == null) {
            throw new IllegalStateException("asked for a topic before the token was checked");
        }
        dispatch.hold(
                this,
                ++lastCorrelation,
                who.org(),
                TopicName.of(name),
                asSubscriber,
                who.rights().mayPublish(name),
                asSubscriber && has(Feature.STATE));
        return lastCorrelation;
    }

    /** Why a topic can't be held now, by its name, the token and what is switched off; null if it may. */
    public @Nullable TopicResult refusalOf(String name, boolean asSubscriber) {
        String fault = TopicName.faultOf(name);
        if (fault != null) {
            return refusal(name, ErrorCode.BAD_TOPIC_NAME, fault);
        }
        String channel = TopicName.of(name).channel();
        Channel of = ground.channels().of(channel);
        if (of == null) {
            return refusal(
                    name,
                    ErrorCode.UNKNOWN_CHANNEL,
                    "unknown channel '" + channel + "'; this broker has: "
                            + ground.channels().names());
        }
        if (!mayHold(asSubscriber, name)) {
            return refusal(
                    name,
                    ErrorCode.FORBIDDEN,
                    "the token gives no right to " + (asSubscriber ? "subscribe to '" : "publish to '") + name + "'");
        }
        String off = ground.service().state().channelOff(of, percentile);
        return off == null ? null : refusal(name, ErrorCode.NOT_ENABLED, off);
    }

    /**
     * Why a topic can't be subscribed to with its filter; null if it may.
     *
     * @param filterBytes of the connection's other filters.
     */
    @Nullable
    TopicResult refusalOf(Wish wish, long filterBytes) {
        TopicResult refusal = refusalOf(wish.topic(), true);
        Filter filter = wish.filter();
        if (refusal != null || filter == null) {
            return refusal;
        }
        if (!has(Feature.FILTER)) {
            return refusal(wish.topic(), ErrorCode.UNSUPPORTED, "filters were not agreed in HELLO and WELCOME");
        }
        int limitBytes = ground.filters().perConnectionLimitBytes();
        if (filterBytes + filter.getSerializedSize() > limitBytes) {
            return refusal(
                    wish.topic(),
                    ErrorCode.BAD_FILTER,
                    "the connection's filters have more bytes than they may: limit=" + limitBytes
                            + " (filter.per-connection-limit-bytes)");
        }
        try {
            EventFilter.compile(filter, ground.filters());
            return null;
        } catch (BadFilterException bad) {
            return refusal(wish.topic(), ErrorCode.BAD_FILTER, bad.sentence());
        }
    }

    /** The filter of a wish that {@link #refusalOf} found good; null for all events. */
    @Nullable
    EventFilter compiled(Wish wish) {
        try {
            return wish.filter() == null ? null : EventFilter.compile(wish.filter(), ground.filters());
        } catch (BadFilterException changed) {
            throw new IllegalStateException("a filter that was found good: " + changed.sentence(), changed);
        }
    }

    /** Bytes of the filters of all subscriptions, those that are asked for included, but those of some topics. */
    long filterBytes(Predicate<String> isLeftOut) {
        long bytes = 0;
        for (HeldTopic row : held.values()) {
            FeedFilter filter = row.feed == null ? null : row.feed.filter();
            EventFilter current = filter == null ? null : filter.current();
            if (current != null && !isLeftOut.test(row.topic().name().toString())) {
                bytes += current.bytes();
            }
        }
        for (PendingTopic each : pending.values()) {
            bytes += each.filter == null ? 0 : each.filter.bytes();
        }
        return bytes;
    }

    private boolean mayHold(boolean asSubscriber, String name) {
        Identity who = identity;
        return who != null
                && (asSubscriber
                        ? who.rights().maySubscribe(name)
                        : who.rights().mayPublish(name));
    }

    /** Asked at the limit only. */
    boolean isHeld(String name) {
        for (HeldTopic row : held.values()) {
            if (row.topic().name().toString().equals(name)) {
                return true;
            }
        }
        return false;
    }

    int topicsLimitCount() {
        Identity who = identity;
        return who == null ? 0 : topicsLimitCount(ground.config(), who);
    }

    TopicResult tooManyHeld(String name) {
        return refusal(
                name,
                ErrorCode.TOO_MANY_TOPICS_HELD,
                "the connection holds as many topics as it may: limit=" + topicsLimitCount());
    }

    /** Topics a connection of this identity may hold. */
    static int topicsLimitCount(SessionConfig config, Identity who) {
        int limitCount = config.topicsPerConnectionLimitCount();
        return who.rights().isService() ? Math.max(limitCount, SERVICE_TOPICS_LIMIT_COUNT) : limitCount;
    }

    static TopicResult refusal(String name, ErrorCode code, String sentence) {
        return TopicResult.newBuilder()
                .setTopic(name)
                .setCode(code.code())
                .setMessage(sentence)
                .build();
    }

    @Override
    public void onHeld(
            int correlation,
            @Nullable Topic topic,
            long nextOffset,
            long firstAvailable,
            int stateCount,
            @Nullable ErrorCode refusal) {
        Replacement replacing = replacement;
        if (replacing != null
                && state != State.CLOSED
                && replacing.onHeld(correlation, topic, nextOffset, stateCount, refusal)) {
            return;
        }
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
        } else if (!mayHold(request.asSubscriber(), wanted.name)) {
            // A REFRESH took the right away while the home was asked.
            dispatch.letGo(topic, request.asSubscriber());
            request.put(wanted.index, refusal(wanted.name, ErrorCode.FORBIDDEN, ErrorCode.FORBIDDEN.meaning()));
        } else if (isOff(topic.channel())) {
            dispatch.letGo(topic, request.asSubscriber());
            request.put(wanted.index, refusal(wanted.name, ErrorCode.NOT_ENABLED, ErrorCode.NOT_ENABLED.meaning()));
        } else {
            boolean isNew = isNewSubscription(topic);
            HeldTopic row = hold(topic, request.asSubscriber(), wanted.filter, nextOffset);
            Cursor cursor = wanted.cursor;
            Feed feed = row.feed;
            TopicResult result;
            if (cursor != null && feed != null) {
                boolean hasState = isNew && stateCount >= 0;
                long start = goOn(
                        request,
                        wanted.index,
                        feed,
                        isNew ? cursor : null,
                        topic,
                        nextOffset,
                        firstAvailable,
                        hasState);
                result = granted(wanted.name, row, start);
                if (hasState && request.isLost(wanted.index)) {
                    result = withState(result, feed, stateCount);
                }
            } else {
                result = granted(wanted.name, row, nextOffset);
                if (feed != null && request.asSubscriber() && isNew && stateCount >= 0) {
                    result = withState(result, feed, stateCount);
                }
            }
            request.put(wanted.index, result);
        }
        answerIfComplete(request);
    }

    /** Has a new subscription to a state topic begin with the snapshot that ends where its events begin. */
    private TopicResult withState(TopicResult result, Feed feed, int stateCount) {
        if (stateCount > 0) {
            outbox.beginState(feed, result.getNextOffset());
        }
        return result.toBuilder().setStateCount(stateCount).build();
    }

    /**
     * The same for a topic that is new in a replacement, which may have been granted some time before the switch: it goes on from there.
     *
     * @param grantedOffset the end of the snapshot.
     */
    TopicResult beginWithState(TopicResult result, Feed feed, long grantedOffset, int stateCount) {
        outbox.fallBehind(feed, grantedOffset);
        dispatch.flushes().add(outbox);
        return withState(result.toBuilder().setNextOffset(grantedOffset).build(), feed, stateCount);
    }

    private boolean isNewSubscription(Topic topic) {
        HeldTopic row = held.get(topic.handle());
        return row == null || row.feed == null;
    }

    /**
     * Has a subscription go on where a cursor stands, as far as that is kept.
     *
     * @param cursor null for a subscription that was there already, which stays where it is.
     * @param hasState whether the topic's state comes where the cursor means nothing.
     * @return the offset from which events follow.
     */
    private long goOn(
            TopicRequest request,
            int index,
            Feed feed,
            @Nullable Cursor cursor,
            Topic topic,
            long nextOffset,
            long firstAvailable,
            boolean hasState) {
        if (cursor == null) {
            request.outcome(index, ResumeResult.Outcome.OUTCOME_RESUMED, 0, 0);
            return feed.nextOffset();
        }
        long from = cursor.getOffset() + 1;
        boolean isKnown = cursor.getEpoch() == topic.epoch() && from > 0 && from <= nextOffset;
        if (isKnown && from == nextOffset) {
            request.outcome(index, ResumeResult.Outcome.OUTCOME_RESUMED, 0, 0);
            return nextOffset;
        }
        boolean isKept = isKnown && from >= firstAvailable;
        long start = isKept ? from : hasState ? nextOffset : firstAvailable;
        request.outcome(
                index,
                isKept ? ResumeResult.Outcome.OUTCOME_REPLAYING : ResumeResult.Outcome.OUTCOME_LOST,
                start,
                nextOffset - 1);
        if (start < nextOffset) {
            outbox.fallBehind(feed, start);
        }
        return start;
    }

    TopicResult granted(String name, HeldTopic row, long nextOffset) {
        return TopicResult.newBuilder()
                .setTopic(name)
                .setGranted(true)
                .setHandle(row.topic().handle())
                .setEpoch(row.topic().epoch())
                .setNextOffset(nextOffset)
                .setCanPublish(row.mayPublish)
                .build();
    }

    HeldTopic hold(Topic topic, boolean asSubscriber, @Nullable EventFilter filter, long nextOffset) {
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
            Feed feed = new Feed(
                    outbox,
                    topic.handle(),
                    channel.index(),
                    channel.policy().lane(),
                    device,
                    nextOffset,
                    has(Feature.LZ4));
            feed.filter(feedFilter(filter, nextOffset));
            row.feed = feed;
            dispatch.subscriptions().add(topic.handle(), feed);
        } else {
            row.isOpened = true;
        }
        return row;
    }

    @Nullable
    FeedFilter feedFilter(@Nullable EventFilter filter, long nextOffset) {
        return filter == null
                ? null
                : new FeedFilter(filter, nextOffset, dispatch.shard().clock().nowNs());
    }

    private void answerIfComplete(TopicRequest request) {
        if (!request.isComplete()) {
            return;
        }
        if (request.asSubscriber() && --unansweredSubscribes == 0) {
            outbox.holdBack(false);
        }
        answerNow(request);
        runWaiting();
    }

    private void answerNow(TopicRequest request) {
        switch (request.answer()) {
            case WELCOME -> welcome(request);
            case RESUMED ->
                answer(ControlCodec.encode(
                        ground.allocator(),
                        FrameType.RESUMED,
                        request.requestId(),
                        Resumed.newBuilder()
                                .addAllResults(request.resumeResults())
                                .build()));
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
            outbox.suspend(feed);
        } else {
            dispatch.subscriptions().add(row.topic().handle(), feed);
            // What came meanwhile is read as far as it is kept, and a GAP tells of the rest.
            outbox.fallBehind(feed, feed.nextOffset());
            dispatch.flushes().add(outbox);
            dispatch.shard().requestTurn();
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
        endFeed(row);
        if (row.isOpened) {
            dispatch.letGo(row.topic(), false);
        }
    }

    private void endFeed(HeldTopic row) {
        Feed feed = row.feed;
        if (feed != null) {
            dispatch.subscriptions().remove(row.topic().handle(), feed);
            outbox.discard(feed);
            // What is noted of it is not told any more.
            feed.filter(null);
            dispatch.letGo(row.topic(), true);
        }
    }

    // ---- replacing all subscriptions

    /**
     * Changes the subscriptions after the changes before it: at once where no replacement is under way. Answered with BACK_PRESSURED where too many wait.
     *
     * @param isReplacement whether it must also wait for the SUBSCRIBEs before it.
     */
    void inTurn(int requestId, boolean isReplacement, Runnable change) {
        if (waiting.size() >= ground.filters().waitingChangesLimitCount()) {
            error(
                    requestId,
                    ErrorCode.BACK_PRESSURED,
                    "too many changes of subscriptions wait for a REPLACE to end: limit="
                            + ground.filters().waitingChangesLimitCount());
            return;
        }
        waiting.addLast(new WaitingChange(isReplacement, change));
        runWaiting();
    }

    private void runWaiting() {
        WaitingChange next;
        while (state == State.OPEN
                && replacement == null
                && (next = waiting.peekFirst()) != null
                && !(next.isReplacement && unansweredSubscribes > 0)) {
            waiting.removeFirst();
            next.change.run();
        }
    }

    /** Replaces the set of subscriptions, as a client asks for it. */
    void replace(int requestId, List<Wish> wishes, boolean keepsOthers) {
        begin(new Replacement(this, wishes, keepsOthers, false, answer -> onReplaced(requestId, answer)));
    }

    /**
     * The same for an operator or a back-end service; the client is told unasked.
     *
     * @param onEnd called on the shard: with what the client was told, or null where that can't be: the client has not agreed to it, is going, or has too many changes waiting.
     */
    void replaceUnasked(List<Wish> wishes, boolean keepsOthers, Consumer<@Nullable Replaced> onEnd) {
        if (state != State.OPEN
                || !has(Feature.FILTER)
                || waiting.size() >= ground.filters().waitingChangesLimitCount()) {
            onEnd.accept(null);
            return;
        }
        inTurn(
                0,
                true,
                () -> begin(new Replacement(this, wishes, keepsOthers, true, answer -> {
                    onReplaced(0, answer);
                    onEnd.accept(answer);
                })));
    }

    private void begin(Replacement wanted) {
        replacement = wanted;
        wanted.start();
    }

    private void onReplaced(int requestId, Replaced answer) {
        replacement = null;
        metrics.add(Counter.SUBSCRIPTIONS_REPLACED, 1);
        answer(ControlCodec.encode(ground.allocator(), FrameType.REPLACED, requestId, answer));
        runWaiting();
    }

    int askFor(String name) {
        return ask(name, true);
    }

    /** Rows that are subscribed to, by their topics' names. */
    Map<String, HeldTopic> subscribedByName() {
        Map<String, HeldTopic> rows = new LinkedHashMap<>();
        for (HeldTopic row : held.values()) {
            if (row.feed != null) {
                rows.put(row.topic().name().toString(), row);
            }
        }
        return rows;
    }

    @Nullable
    HeldTopic heldOf(int handle) {
        return held.get(handle);
    }

    /** Topics held or asked for, subscribed or opened. */
    int heldCount() {
        return held.size() + pending.size();
    }

    /** Ends a subscription; the handle stays where the topic is opened too. */
    void unsubscribe(HeldTopic row) {
        endFeed(row);
        row.feed = null;
        if (!row.isOpened) {
            held.remove(row.topic().handle());
            lastHeld = null;
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

    public Dispatch dispatch() {
        return dispatch;
    }

    public SessionGround ground() {
        return ground;
    }

    // ---- questions about a topic's past

    /**
     * Admits a question about a topic's past, or answers it with ERROR.
     *
     * @param filter not checked; null for all events.
     * @param underWayLimit questions that may be without their answers.
     * @param perSecond questions that may be asked; not for services.
     * @return null where it was refused.
     */
    public @Nullable Inquiry inquire(
            int requestId, String topic, @Nullable Filter filter, int underWayLimit, int perSecond) {
        Identity who = identity;
        if (who == null) {
            throw new IllegalStateException("asked for a topic's past before the token was checked");
        }
        if (inquiriesUnderWay >= underWayLimit) {
            error(
                    requestId,
                    ErrorCode.BACK_PRESSURED,
                    "as many pages of history are under way as may be: limit=" + underWayLimit,
                    WINDOW_RETRY_AFTER_MS);
            return null;
        }
        int retryAfterMs = inquiryRetryAfterMs(who, perSecond);
        if (retryAfterMs > 0) {
            error(
                    requestId,
                    ErrorCode.RATE_LIMITED,
                    "pages of history are asked for faster than they may be",
                    retryAfterMs);
            return null;
        }
        Wish wish = new Wish(topic, filter);
        TopicResult refusal = refusalOf(wish, 0);
        if (refusal != null) {
            error(requestId, refusal);
            return null;
        }
        Channel channel = ground.channels().of(TopicName.of(topic).channel());
        if (channel == null) {
            throw new IllegalStateException("a topic that may be read has no channel: " + topic);
        }
        inquiriesUnderWay++;
        return new Inquiry(this, requestId, who.org(), topic, channel, compiled(wish), device);
    }

    private int inquiryRetryAfterMs(Identity who, int perSecond) {
        if (who.rights().isService()) {
            return 0;
        }
        long nowNs = dispatch.shard().clock().nowNs();
        PublishRate limit = inquiries;
        if (limit == null) {
            limit = new PublishRate(perSecond, PublishRate.PER_SECOND_MAX, nowNs);
            inquiries = limit;
        }
        return limit.retryAfterMs(nowNs, 1, 0);
    }

    /** @param frame given. */
    void onAnswered(Inquiry inquiry, ByteBuf frame, int expiredCount) {
        inquiriesUnderWay--;
        metrics.add(Counter.HISTORY_PAGES, 1);
        metrics.add(inquiry.channel().index(), ChannelCounter.EXPIRED, expiredCount);
        TopicResult refusal = state == State.OPEN ? refusalOf(inquiry.topic(), true) : null;
        if (state != State.OPEN) {
            frame.release();
        } else if (refusal != null) {
            // A REFRESH or an operator took the right away while the page was read.
            frame.release();
            error(inquiry.requestId(), refusal);
        } else if (outbox.answerBytes() > 0
                && outbox.answerBytes() + frame.readableBytes() > outbox.answerBytesReadLimit()) {
            frame.release();
            error(
                    inquiry.requestId(),
                    ErrorCode.BACK_PRESSURED,
                    "the answers before this page were not taken yet",
                    WINDOW_RETRY_AFTER_MS);
        } else {
            answer(frame);
        }
    }

    void onRefused(Inquiry inquiry, ErrorCode code, String sentence, int retryAfterMs) {
        inquiriesUnderWay--;
        if (state == State.OPEN) {
            error(inquiry.requestId(), code, sentence, retryAfterMs);
        }
    }

    private void error(int requestId, TopicResult refusal) {
        for (ErrorCode code : ErrorCode.values()) {
            if (code.code() == refusal.getCode()) {
                error(requestId, code, refusal.getMessage());
            }
        }
    }

    /** Runs something rare on the session's shard; any thread. */
    void execute(Runnable task) {
        dispatch.shard().execute(task);
    }

    // ---- events for later

    /**
     * Who the client is and what its events travel with, for what the broker does in its name later. Immutable.
     *
     * @param percentile in which a rollout reaches the user.
     */
    public record Authorship(
            String org, String user, long device, int percentile, Priority raisedTo, boolean mayPublishUrgent) {}

    /** Of a welcomed client. */
    public Authorship authorship() {
        Identity who = identity;
        if (who == null) {
            throw new IllegalStateException("asked for the author before the token was checked");
        }
        return new Authorship(
                who.org(),
                who.user(),
                device,
                percentile,
                who.raisedTo(),
                who.rights().isUrgent());
    }

    /**
     * Takes one event from the rates of the connection and its user, as a PUBLISH would.
     *
     * @param bytes of the frame.
     * @return 0 if taken, otherwise how long to wait.
     */
    public int publishRetryAfterMs(Channel channel, Priority priority, int bytes) {
        PublishRate own = rate;
        int retryAfterMs =
                own == null ? 0 : own.retryAfterMs(dispatch.shard().clock().nowNs(), 1, bytes);
        UserRates ofUser = rates;
        return retryAfterMs > 0 || ofUser == null
                ? retryAfterMs
                : ofUser.of(channel).retryAfterMs(priority);
    }

    // ---- answers and the end

    /** @param frame given. */
    public void answer(ByteBuf frame) {
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
    public void error(int requestId, ErrorCode code, String sentence) {
        error(requestId, code, sentence, 0);
    }

    public void error(int requestId, ErrorCode code, String sentence, int retryAfterMs) {
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
        return underWayEvents == 0
                && inquiriesUnderWay == 0
                && pending.isEmpty()
                && replacement == null
                && outcomes.isEmpty()
                && outbox.queuedBytes() == 0
                && outbox.behindCount() == 0;
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

    /** The client has said goodbye: it is told what becomes of what it has published, and then closed. */
    void onGoodbye() {
        publisher.sendBatch();
        if (underWayEvents == 0 || !goodbye.say(dispatch.shard().clock().nowNs())) {
            leave();
        }
    }

    private void leave() {
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
        replacement = null;
        waiting.clear();
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

    // ---- what its outbox asks

    @Override
    public void onRoom(Feed feed, int bytes) {
        HeldTopic row = held.get(feed.handle());
        if (row == null || row.feed != feed) {
            throw new IllegalStateException("a subscription that is over wants to read: handle=" + feed.handle());
        }
        dispatch.read(this, row.topic(), feed, bytes);
    }

    @Override
    public boolean knowsGaps() {
        return has(Feature.GAP);
    }

    @Override
    public void onLoss() {
        if (state != State.CLOSED) {
            metrics.add(Counter.CONNECTIONS_SLOW, 1);
            close(
                    CloseCode.SLOW_CONSUMER,
                    "events that were not sent yet are no longer kept, and the client does not know GAP");
        }
    }

    @Override
    public @Nullable Feed feed(int handle) {
        HeldTopic row = held.get(handle);
        return row == null ? null : row.feed;
    }

    /** Whether both ends agreed to a feature. */
    public boolean has(Feature feature) {
        return feature.isIn(features);
    }

    /** The client grants bytes of LOW to HIGH. */
    void grant(long bytes) throws ProtocolException {
        if (!outbox.grant(bytes)) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME, "CREDIT above 2^63 - 1: bytes=" + Long.toUnsignedString(bytes));
        }
        dispatch.flushes().add(outbox);
        dispatch.shard().requestTurn();
    }

    /** Checks the connection's deadlines; called every few hundred ms. */
    void onTick(long nowNs, long nowUs) {
        Identity who = identity;
        if (state == State.OPEN) {
            onLadder(nowNs);
        }
        if (state == State.OPEN && goodbye.isOver(nowNs)) {
            leave();
        }
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

    /** Takes the steps of a slow consumer's ladder. */
    private void onLadder(long nowNs) {
        Ladder.Rung before = ladder.rung();
        Ladder.Step step = ladder.look(nowNs, outbox);
        switch (step) {
            case STAY -> {}
            case QUARANTINE -> {
                metrics.add(Counter.QUARANTINES, 1);
                forEachFeed(this::relieve);
            }
            case PARK -> {
                metrics.add(Counter.CONNECTIONS_PARKED, 1);
                outbox.park();
            }
            case RELEASE -> {
                metrics.add(Counter.QUARANTINES_ENDED, 1);
                forEachFeed(outbox::restore);
            }
            case CLOSE -> {
                metrics.add(Counter.CONNECTIONS_SLOW, 1);
                close(
                        CloseCode.SLOW_CONSUMER,
                        "nothing was taken for " + outbox.config().closeAfterMs() + " ms: queuedBytes="
                                + outbox.queuedBytes());
            }
        }
        if (ladder.rung() != before || step == Ladder.Step.CLOSE) {
            LOG.info(
                    "slow consumer: connection={}, user={}, from={}, to={}, cause={}, queuedBytes={}, behind={}",
                    connectionId(),
                    identity == null ? "" : TopicName.shown(identity.user()),
                    before,
                    step == Ladder.Step.CLOSE ? "CLOSED" : ladder.rung(),
                    ladder.cause(),
                    outbox.queuedBytes(),
                    outbox.behindCount());
        }
        if (step != Ladder.Step.STAY && state == State.OPEN) {
            dispatch.flushes().add(outbox);
            dispatch.shard().requestTurn();
        }
    }

    /** Of a quarantined connection: sheddable channels send nothing, durable ones say that what is missing will follow. */
    private void relieve(Feed feed) {
        HeldTopic row = held.get(feed.handle());
        if (row == null || row.isOff || !knowsGaps()) {
            return;
        }
        ChannelPolicy policy = row.topic().channel().policy();
        if (policy.tier() >= outbox.config().shedFromTier()) {
            outbox.shed(feed);
        } else if (policy.durability().isOnDisk()) {
            outbox.announceFill(feed);
        }
    }

    private void forEachFeed(Consumer<Feed> task) {
        for (HeldTopic row : held.values()) {
            if (row.feed != null) {
                task.accept(row.feed);
            }
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
    public long author() {
        return author;
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
        if (goodbye.isSaid() && underWayEvents == 0) {
            // Not here: the outcomes are being told.
            dispatch.shard().execute(this::leave);
        }
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

    private SlowStats slowness() {
        return new SlowStats(
                ladder.rung().label(),
                ladder.cause().label(),
                (dispatch.shard().clock().nowNs() - ladder.sinceNs()) / 1_000,
                outbox.behindCount(),
                outbox.shedCount(),
                outbox.gapCount(),
                outbox.queuedBytes(Priority.LOW),
                outbox.queuedBytes(Priority.NORMAL),
                outbox.queuedBytes(Priority.HIGH),
                outbox.queuedBytes(Priority.URGENT),
                outbox.creditBytes());
    }

    /** What operators see; null before WELCOME. */
    public @Nullable SessionView view() {
        if (state != State.OPEN || identity == null || hello == null) {
            return null;
        }
        List<String> topics = new ArrayList<>();
        Map<String, String> filters = new LinkedHashMap<>();
        for (HeldTopic row : held.values()) {
            Feed feed = row.feed;
            if (feed != null) {
                topics.add(row.topic().name().toString());
                FeedFilter filter = feed.filter();
                EventFilter current = filter == null ? null : filter.current();
                if (current != null && current != EventFilter.NOTHING) {
                    filters.put(row.topic().name().toString(), current.toString());
                }
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
                filters,
                outbox.deliveredCount(),
                publishedCount,
                outbox.queuedBytes(),
                slowness());
    }
}
