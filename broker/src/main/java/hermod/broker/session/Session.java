package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Party;
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
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameCutter;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
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
 *
 * <p>What it does is with its parts; it routes frames to them, holds the state, and ends the connection:
 *
 * <pre>
 *   Intake       bytes come, reading stops    Client               who it is, what was agreed
 *   Handshake    HELLO to WELCOME             TopicGate            what it may hold
 *   TokenRefresh REFRESH                      HeldTopics           what it holds
 *   Publishing   PUBLISH, window, outcomes    TopicRequests        SUBSCRIBE, OPEN, RESUME: asks homes
 *   Inquiries    questions about the past     SubscriptionChanges  one after the other; REPLACE
 *   Answers      answers and errors           Liveness, Slowness   deadlines; the ladder
 * </pre>
 *
 * <p>Frames that come are borrowed; what is sent is given to the outbox, which frees it, and is closed with the session. When it is full of answers, the connection ends.
 */
@RunsOn(Owner.SHARD)
public final class Session implements Party, Outbox.Owner, FrameCutter.Sink {
    enum State {
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

    private final long key;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final ShardMetrics metrics;
    private final FrameSink sink;
    private final String address;
    private final Outbox outbox;
    private final Intake intake;
    private final Answers answers;
    private final Client client;
    private final TopicGate gate;
    private final HeldTopics held;
    private final Publishing publishing;
    private final TopicRequests requests;
    private final SubscriptionChanges changes;
    private final Inquiries inquiries;
    private final Handshake handshake;
    private final TokenRefresh tokenRefresh;
    private final Liveness liveness;
    private final Slowness slowness;
    private final LatencyReports reports = new LatencyReports();
    private State state = State.HELLO_EXPECTED;
    private boolean isDraining;
    private final Goodbye goodbye;

    private @Nullable Companion companion;

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
        this.metrics = dispatch.metrics();
        this.sink = sink;
        this.address = address;
        this.outbox = outboxes.make(this, sink);
        this.intake = new Intake(this, sink, outbox);
        this.answers = new Answers(this, outbox, intake);
        this.client = new Client();
        this.gate = new TopicGate(ground, client);
        this.held = new HeldTopics(ground, dispatch, client, gate, outbox, answers);
        this.publishing = new Publishing(this, client, held, answers);
        this.requests = new TopicRequests(this, client, gate, held, outbox, answers);
        this.changes = new SubscriptionChanges(this, client, gate, held, requests, answers);
        this.inquiries = new Inquiries(this, client, gate, outbox, answers);
        this.handshake = new Handshake(this, client, address, intake, outbox, answers, publishing, requests);
        this.tokenRefresh = new TokenRefresh(this, client, answers);
        this.liveness = new Liveness(this, client, intake, answers);
        this.slowness = new Slowness(this, client, held, outbox);
        this.goodbye = new Goodbye(ground.publish().goodbyeOutcomesMs());
        outbox.holdBack(true);
        dispatch.add(this);
    }

    /** To be called once, before the first bytes. */
    public void reader(Reader connection) {
        intake.reader(connection);
    }

    // ---- what the socket brings

    /** Bytes have come; before they are cut. */
    public void onBytes(int bytes) {
        intake.onBytes(bytes);
    }

    /** The bytes that came have been cut. */
    public void onBytesEnd() {
        intake.onBytesEnd();
    }

    /** The socket has nothing more for now. */
    public void onReadEnd() {
        intake.onReadEnd();
    }

    /** The socket takes more again. */
    public void onWritable() {
        intake.onWritable();
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
        intake.countFrame();
        if (state == State.HELLO_EXPECTED) {
            handshake.onFirstFrame(in, at);
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
            publishing.onPublish(in, at, frameBytes, false);
            return goesOn();
        }
        int type = FrameHeader.type(in, at);
        boolean isBeyondUs = FrameCheck.hasCriticalExtension(in, at, false);
        if (type == FrameType.PUBLISH.code()) {
            publishing.onPublish(in, at, frameBytes, isBeyondUs);
        } else if (isBeyondUs) {
            answers.error(
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
        return state == State.OPEN && !intake.isReadStopped();
    }

    private void onOtherFrame(int code, ByteBuf in, int at) throws ProtocolException {
        int requestId = FrameHeader.requestId(in, at);
        FrameType type = FrameType.ofCode(code);
        if (type == FrameType.PING) {
            FrameCheck.bodyIs(ClockFrames.PING_BODY_BYTES, in, at);
            liveness.onPing(requestId, ClockFrames.pingSentUs(in, at));
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
            answers.error(
                    requestId, ErrorCode.UNKNOWN_FRAME, "unknown frame type: type=0x" + Integer.toHexString(code));
        }
    }

    // ---- its state

    State state() {
        return state;
    }

    /** Of the {@link Handshake}. */
    void state(State next) {
        state = next;
    }

    boolean isOpen() {
        return state == State.OPEN;
    }

    public boolean isClosed() {
        return state == State.CLOSED;
    }

    /** Whether frames must wait: HELLO was taken and WELCOME has not been sent, or the client does not take its answers. */
    public boolean isWaiting() {
        return state == State.AUTHENTICATING || state == State.SUBSCRIBING || intake.isReadStopped();
    }

    /** Checks the connection's deadlines; called every few hundred ms. */
    void onTick(long nowNs, long nowUs) {
        if (state == State.OPEN) {
            slowness.onLadder(nowNs);
        }
        if (state == State.OPEN) {
            held.redeliver(nowNs, intake.receivedNs());
        }
        if (state == State.OPEN && goodbye.isOver(nowNs)) {
            leave();
        }
        liveness.onTick(nowNs, nowUs);
    }

    /** The homes of the topics that HELLO wishes for have answered. */
    void onWishesAnswered(TopicRequest wishes) {
        handshake.welcome(wishes);
    }

    /** A request for topics is answered, and another may have waited for it. */
    void onTopicsAnswered() {
        changes.runWaiting();
    }

    void tellService(ServiceNotice notice) {
        Service now = notice.of(client.percentile());
        if (state == State.OPEN && !now.equals(client.told())) {
            client.told(now);
            answers.answer(ServiceNotice.frame(ground.allocator(), now));
        }
    }

    // ---- its parts

    public Dispatch dispatch() {
        return dispatch;
    }

    public SessionGround ground() {
        return ground;
    }

    HeldTopics held() {
        return held;
    }

    TopicRequests requests() {
        return requests;
    }

    SubscriptionChanges changes() {
        return changes;
    }

    TokenRefresh tokenRefresh() {
        return tokenRefresh;
    }

    LatencyReports reports() {
        return reports;
    }

    long deliveredCount() {
        return outbox.deliveredCount();
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

    /** The switches have changed. */
    void applyService() {
        held.applyService();
        if (companion != null) {
            companion.onRights();
        }
    }

    /** The token's rights have changed. */
    void applyRights(Identity now) {
        held.applyRights(now);
        if (companion != null) {
            companion.onRights();
        }
    }

    // ---- what the handlers of other packages ask

    /** Whether both ends agreed to a feature. */
    public boolean has(Feature feature) {
        return client.has(feature);
    }

    /** Takes a request for so many topics: a name that is refused costs its answer too. @return 0 if it may be asked now, otherwise how long to wait. */
    public int askRetryAfterMs(int topics) {
        return requests.askRetryAfterMs(topics);
    }

    /** Why a topic can't be held now, by its name, the token and what is switched off; null if it may. */
    public @Nullable TopicResult refusalOf(String name, boolean asSubscriber) {
        return gate.refusalOf(name, asSubscriber);
    }

    /** Whether an operator has switched a channel off for the client. */
    public boolean isOff(Channel channel) {
        return gate.isOff(channel);
    }

    /** Whether the token gives the right to read a whole channel in a group. */
    public boolean mayJoin(String channel) {
        Identity identity = client.identity();
        return identity != null && identity.rights().mayJoin(channel);
    }

    public @Nullable Companion companion() {
        return companion;
    }

    /** To be set once. */
    public void companion(Companion wanted) {
        companion = wanted;
    }

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
        return inquiries.inquire(requestId, topic, filter, underWayLimit, perSecond);
    }

    /**
     * Who the client is and what its events travel with, for what the broker does in its name later. Immutable.
     *
     * @param percentile in which a rollout reaches the user.
     */
    public record Authorship(
            String org, String user, long device, int percentile, Priority raisedTo, boolean mayPublishUrgent) {}

    /** Of a welcomed client. */
    public Authorship authorship() {
        return client.authorship();
    }

    /**
     * Takes one event from the rates of the connection and its user, as a PUBLISH would.
     *
     * @param bytes of the frame.
     * @return 0 if taken, otherwise how long to wait.
     */
    public int publishRetryAfterMs(Channel channel, Priority priority, int bytes) {
        return publishing.publishRetryAfterMs(channel, priority, bytes);
    }

    /** @param frame given. */
    public void answer(ByteBuf frame) {
        answers.answer(frame);
    }

    /** Refuses one request; the connection goes on, unless it has caused as many errors as it may. */
    public void error(int requestId, ErrorCode code, String sentence) {
        answers.error(requestId, code, sentence);
    }

    public void error(int requestId, ErrorCode code, String sentence, int retryAfterMs) {
        answers.error(requestId, code, sentence, retryAfterMs);
    }

    // ---- the end

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
        ByteBuf outcomes = publishing.lastOutcomes();
        if (outcomes != null) {
            // Straight into the outbox: where it is full, the client learns by sending again.
            outbox.offerAnswer(outcomes);
        }
        outbox.flush();
        end();
        return last;
    }

    /** The broker stops: nothing more is taken from the client, and what it has been taken from is finished. What comes now gets no outcome, so the client sends it again elsewhere. */
    void beginDrain() {
        if (state == State.OPEN) {
            isDraining = true;
            if (companion != null) {
                companion.onDrain();
            }
        } else {
            close(CloseCode.GOING_AWAY, "the broker is stopping");
        }
    }

    /** Whether all it has published is answered and all it is owed is written. */
    boolean isDrained() {
        return publishing.isDone()
                && inquiries.isEmpty()
                && (companion == null || !companion.isBusy())
                && requests.isEmpty()
                && !changes.isReplacing()
                && outbox.queuedBytes() == 0
                && outbox.behindCount() == 0;
    }

    /** Sends the client elsewhere, and waits up to the time given for it to take what was written. */
    void goAway(Departure departure) {
        if (state == State.CLOSED) {
            return;
        }
        boolean isWebSocket = intake.isWebSocket();
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
        dispatch.publisher().sendBatch();
        if (publishing.isAnswered() || !goodbye.say(dispatch.shard().clock().nowNs())) {
            leave();
        } else if (companion != null) {
            // What others can do meanwhile does not wait for the outcomes.
            companion.onEnd();
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
        held.letGoAll();
        requests.clear();
        changes.clear();
        if (companion != null) {
            companion.onEnd();
        }
        dispatch.remove(this);
        handshake.end();
        publishing.end();
    }

    // ---- what its outbox asks

    @Override
    public void onRoom(Feed feed, int bytes) {
        HeldTopic row = held.heldOf(feed.handle());
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

    // ---- what dispatch and operators see

    @Override
    public long key() {
        return key;
    }

    @Override
    public byte[] source() {
        return client.source();
    }

    @Override
    public long producer() {
        return client.producer();
    }

    @Override
    public long author() {
        return client.author();
    }

    @Override
    public long device() {
        return client.device();
    }

    @Override
    public boolean mayPublishUrgent() {
        return client.mayPublishUrgent();
    }

    @Override
    public PublishedWriter outcomes() {
        return publishing.outcomes();
    }

    @Override
    public void onUnderWay(int entryBytes) {
        publishing.onUnderWay(entryBytes);
    }

    @Override
    public void onAnswered(int events, int entryBytes) {
        publishing.onAnswered(events, entryBytes);
        if (goodbye.isSaid() && publishing.isAnswered()) {
            // Not here: the outcomes are being told.
            dispatch.shard().execute(this::leave);
        }
    }

    @Override
    public boolean markOutcomes() {
        return publishing.markOutcomes();
    }

    @Override
    public void writeOutcomes() {
        publishing.writeOutcomes();
    }

    @Override
    public void onHeld(
            int correlation,
            @Nullable Topic topic,
            long nextOffset,
            long firstAvailable,
            int stateCount,
            @Nullable ErrorCode refusal) {
        if (!changes.onHeld(correlation, topic, nextOffset, stateCount, refusal)) {
            requests.onHeld(correlation, topic, nextOffset, firstAvailable, stateCount, refusal);
        }
    }

    @Override
    public @Nullable Feed feed(int handle) {
        return held.feed(handle);
    }

    public String connectionId() {
        return Long.toString(key, Character.MAX_RADIX);
    }

    /** What operators see; null before WELCOME. */
    public @Nullable SessionView view() {
        Identity identity = client.identity();
        Hello hello = client.hello();
        if (state != State.OPEN || identity == null || hello == null) {
            return null;
        }
        return new SessionView(
                connectionId(),
                identity,
                hello.getDeviceId(),
                Welcoming.platformName(hello),
                address,
                handshake.connectedAtUs(),
                liveness.lastPingUs(),
                held.subscriptions(),
                held.filters(),
                outbox.deliveredCount(),
                publishing.publishedCount(),
                outbox.queuedBytes(),
                slowness.stats());
    }
}
