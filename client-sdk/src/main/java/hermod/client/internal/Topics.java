package hermod.client.internal;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.GapReason;
import hermod.client.HermodException;
import hermod.client.Replacement;
import hermod.client.Subscription;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.util.collection.IntObjectHashMap;
import io.netty.util.collection.IntObjectMap;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * All topics of a client, and the asking for what is wanted of them and not held.
 *
 * <p>What changes a topic's wants marks it; {@link #flush} then sends at most one SUBSCRIBE, one RESUME, one OPEN and one UNSUBSCRIBE for all that are marked.
 * A topic that was followed on an earlier connection is resumed where the broker has that, and subscribed to anew elsewhere. Loop thread only.
 */
final class Topics {
    private static final long ASK_AGAIN_MS_MIN = 1_000;

    /** One frame's worth of names, so that it fits any frame limit. */
    private static final int NAME_BYTES_PER_REQUEST = 8 * 1024;

    /** Of a cursor beside its name: epoch, offset, tags and lengths. */
    private static final int CURSOR_BYTES = 24;

    /** HELLO has 16 KiB, and the token may take half of it. */
    private static final int NAME_BYTES_IN_HELLO = 6 * 1024;

    /** As results come: those of topics without a filter before the others. */
    private static final Comparator<Topic> PLAIN_FIRST = Comparator.comparing(topic -> topic.filter != null);

    /** Of the topics a connection may hold, the part that is given back at a time when all are taken. */
    private static final int GIVE_BACK_SHARE = 10;

    private final Publications publications;
    private final Completions completions;
    private final Replacements replacements;
    private final Function<String, Topic> newTopic;
    private final BiFunction<Topic, ListenerHold, Subscription> newSubscription;
    private final Map<String, Topic> byName = new HashMap<>();
    private final IntObjectMap<Topic> byHandle = new IntObjectHashMap<>();
    private final Set<Topic> marked = new LinkedHashSet<>();
    private final Set<Topic> askingLater = new LinkedHashSet<>();

    /** Subscriptions of before whose channel is switched off: asked for again when the broker tells of a change, and not before. */
    private final Set<Topic> refusedForNow = new LinkedHashSet<>();

    /** Runs something on the loop; from any thread. */
    private final Consumer<Runnable> onLoop;

    private @Nullable Connection connection;

    /** Of the connection before this one; empty where that had none to give. */
    private ByteString resumeToken = ByteString.EMPTY;

    /** Of this connection, for the next one. */
    private ByteString nextResumeToken = ByteString.EMPTY;

    private List<Topic> resumedBehindHello = List.of();
    private int resumeRequestId;

    Topics(
            Publications publications,
            Completions completions,
            Function<String, Topic> newTopic,
            BiFunction<Topic, ListenerHold, Subscription> newSubscription,
            @Nullable EventListener listenerForAdded,
            Consumer<Replacement> onUnasked,
            Consumer<Runnable> onLoop) {
        this.onLoop = onLoop;
        this.publications = publications;
        this.completions = completions;
        replacements = new Replacements(this, completions, listenerForAdded, onUnasked);
        this.newTopic = newTopic;
        this.newSubscription = newSubscription;
    }

    /** The topic of this name, made where it is new. */
    Topic of(String name) {
        return byName.computeIfAbsent(name, newTopic);
    }

    @Nullable
    Topic ofHandle(int handle) {
        return byHandle.get(handle);
    }

    Iterable<Topic> all() {
        return byName.values();
    }

    // ---- what the application wants

    void subscribe(Topic topic, EventListener listener, CompletableFuture<Subscription> future) {
        subscribe(topic, topic.isSubscriptionWanted() ? topic.filter : null, listener, future);
    }

    /** @param filter of the subscription; null for all events. */
    void subscribe(
            Topic topic, @Nullable Filter filter, EventListener listener, CompletableFuture<Subscription> future) {
        if (!Objects.equals(filter, topic.filter) && topic.isSubscriptionWanted()) {
            completions.fail(
                    future,
                    new HermodException(
                            ErrorCode.BAD_REQUEST,
                            "the topic is subscribed to with another filter, which setFilter replaces: topic="
                                    + topic.name));
            return;
        }
        if (topic.isSubscribed || topic.isAsking) {
            if (!Objects.equals(filter, topic.filter)) {
                // The last listener has just gone, and the broker still knows its filter.
                ReplaceOrder.Wish wish = new ReplaceOrder.Wish(filter, List.of());
                replace(new ReplaceOrder(Map.of(topic.name, wish), true, new CompletableFuture<>()));
            }
        } else {
            topic.filter = filter;
        }
        ListenerHold hold = topic.holdOf(listener);
        if (hold == null || !hold.share()) {
            hold = new ListenerHold(listener);
            topic.holds.add(hold);
            if (topic.isSubscribed) {
                topic.mailbox.attach(hold);
            }
        }
        if (topic.isSubscribed) {
            completions.complete(future, newSubscription.apply(topic, hold));
        } else {
            topic.waiters.add(new Topic.Waiter(hold, future));
            mark(topic);
        }
    }

    /** Replaces the subscriptions when the broker has switched. */
    void replace(ReplaceOrder order) {
        replacements.add(order);
    }

    void onUnaskedReplaced(Replaced answer) throws ProtocolException {
        replacements.onUnasked(answer);
    }

    /** These listeners and no others; none leaves those there are. The others are let go when they have had what was received. */
    void setListeners(Topic topic, List<EventListener> listeners) {
        if (listeners.isEmpty()) {
            return;
        }
        List<ListenerHold> others = topic.holds.stream()
                .filter(hold -> !listeners.contains(hold.listener()))
                .toList();
        List<ListenerHold> added = new ArrayList<>();
        for (EventListener listener : listeners) {
            if (topic.holdOf(listener) == null) {
                ListenerHold hold = new ListenerHold(listener);
                topic.holds.add(hold);
                added.add(hold);
            }
        }
        topic.holds.removeAll(others);
        topic.mailbox.handOver(others, added);
    }

    /** A replacement has granted the topic. */
    void onReplaced(Topic topic, TopicResult result) throws ProtocolException {
        if (topic.isSubscribed && topic.handle == result.getHandle()) {
            return;
        }
        onGranted(topic, result, true, ResumeResult.getDefaultInstance());
    }

    /** A replacement has ended the subscription. */
    void onRemoved(Topic topic, boolean isOpen, boolean isToldWhy) {
        if (isOpen) {
            topic.isSubscribed = false;
            topic.canPublish = true;
            sendWaiting(topic);
        } else {
            recallPublications(topic);
            byHandle.remove(topic.handle);
            topic.onHandleLost();
        }
        if (isToldWhy) {
            HermodException why =
                    new HermodException(HermodException.REPLACED, "an operator has replaced the subscriptions");
            topic.mailbox.tellTheEnd(listener -> listener.onEnded(topic.name, why));
        } else {
            topic.mailbox.handOver(topic.holds, List.of());
        }
        topic.holds.clear();
        topic.filter = null;
        topic.onAbandoned();
        mark(topic);
        forgetIfIdle(topic);
    }

    /** What is ready to be sent waits until the topic has a handle again. */
    void recallPublications(Topic topic) {
        List<Publication> recalled = publications.recall(topic);
        for (int i = recalled.size() - 1; i >= 0; i--) {
            topic.waiting.addFirst(recalled.get(i));
        }
        topic.canPublish = false;
    }

    /** The last subscription of a listener is gone. */
    void leave(Topic topic, ListenerHold hold, CompletableFuture<Void> left) {
        topic.mailbox.detach(hold);
        topic.holds.remove(hold);
        if (!topic.isSubscriptionWanted()) {
            topic.onAbandoned();
        }
        if (connection == null || topic.isSubscriptionWanted() || !(topic.isSubscribed || topic.isAsking)) {
            completions.done(left);
            forgetIfIdle(topic);
            return;
        }
        topic.leavers.add(left);
        mark(topic);
    }

    /** Gives a publication its place in its topic. */
    void accept(Publication publication, long nowNs) {
        Topic topic = of(publication.topicName);
        publication.topic = topic;
        publication.sequence = topic.nextSequence();
        topic.unanswered++;
        topic.lastUsedNs = nowNs;
        if (topic.canPublish && topic.waiting.isEmpty() && !publications.isHeld(topic)) {
            publications.ready(publication);
        } else {
            topic.waiting.addLast(publication);
            mark(topic);
        }
    }

    // ---- the connection

    /** Topics to subscribe to in HELLO: as many as fit. They count as asked for. */
    List<Topic> takeForHello() {
        List<Topic> wanted = new ArrayList<>();
        int nameBytes = 0;
        for (Topic topic : byName.values()) {
            if (!topic.isSubscriptionWanted() || mayResume(topic)) {
                continue;
            }
            nameBytes += nameBytes(topic);
            if (nameBytes > NAME_BYTES_IN_HELLO || wanted.size() == ProtocolLimits.TOPICS_PER_REQUEST) {
                break;
            }
            topic.isAsking = true;
            wanted.add(topic);
        }
        wanted.sort(PLAIN_FIRST);
        return wanted;
    }

    /**
     * Asks to resume as many topics as fit in one frame, without waiting for WELCOME. They count as asked for; the others follow after WELCOME, since a broker
     * bounds what comes before it.
     */
    void resumeBehindHello(Connection to, long nowNs) {
        List<Topic> all = byName.values().stream()
                .filter(topic -> topic.isSubscriptionWanted() && mayResume(topic))
                .toList();
        if (!all.isEmpty()) {
            resumedBehindHello = partsOf(all).get(0);
            resumeRequestId = resume(to, resumedBehindHello, nowNs);
        }
    }

    private boolean mayResume(Topic topic) {
        return topic.isFollowed() && !resumeToken.isEmpty() && !topic.isResumeRefused && !topic.isStateLoading();
    }

    void onConnected(Connection newConnection, List<Topic> inHello, Welcome welcome, long nowNs)
            throws ProtocolException {
        connection = newConnection;
        nextResumeToken = newConnection.has(Feature.RESUME) ? welcome.getResumeToken() : ByteString.EMPTY;
        if (!newConnection.has(Feature.RESUME)) {
            newConnection.requests().forget(resumeRequestId);
            resumedBehindHello.forEach(topic -> topic.isAsking = false);
            resumeToken = ByteString.EMPTY;
        }
        resumedBehindHello = List.of();
        onResults(answeredIn(welcome, inHello), welcome.getSubscriptionsList(), true, nowNs);
        for (Topic topic : byName.values()) {
            mark(topic);
        }
    }

    /** A broker without filters has not seen the wishes that have one. */
    private List<Topic> answeredIn(Welcome welcome, List<Topic> inHello) {
        if (Feature.FILTER.isIn(welcome.getFeatures())) {
            return inHello;
        }
        inHello.stream().filter(topic -> topic.filter != null).forEach(topic -> topic.isAsking = false);
        return inHello.stream().filter(topic -> topic.filter == null).toList();
    }

    /** @param unanswered what has to be sent again, in order. */
    void onDisconnected(List<Publication> unanswered) {
        if (connection != null) {
            // A connection that did not come to WELCOME leaves things as they were.
            resumeToken = nextResumeToken;
        }
        connection = null;
        replacements.onDisconnected();
        resumedBehindHello = List.of();
        byHandle.clear();
        marked.clear();
        askingLater.clear();
        refusedForNow.clear();
        for (int i = unanswered.size() - 1; i >= 0; i--) {
            Publication publication = unanswered.get(i);
            if (publication.topic != null) {
                publication.topic.waiting.addFirst(publication);
            }
        }
        for (Topic topic : byName.values()) {
            topic.onHandleLost();
            releaseLeavers(topic);
        }
        byName.values().removeIf(Topic::isIdle);
    }

    /** The client is closed: nothing will be answered any more. */
    void onClosed(HermodException why) {
        for (Topic topic : byName.values()) {
            failWaiting(topic, why);
            for (Topic.Waiter waiter : topic.waiters) {
                completions.fail(waiter.future(), why);
            }
            topic.waiters.clear();
            for (ListenerHold hold : topic.holds) {
                topic.mailbox.detach(hold);
            }
            topic.holds.clear();
        }
        byName.clear();
        replacements.onClosed(why);
    }

    /** Asks again for what was refused for a while. */
    void onTick(long nowNs) {
        if (askingLater.isEmpty()) {
            return;
        }
        askingLater.removeIf(topic -> {
            boolean isDue = nowNs - topic.askAgainAtNs >= 0;
            if (isDue) {
                topic.isAskingLater = false;
                mark(topic);
            }
            return isDue;
        });
    }

    /** Something is on again: what was refused is asked for again. What is held goes on by itself, and the broker tells what is missing. */
    void onService() {
        for (Topic topic : refusedForNow) {
            topic.isAskingLater = false;
            mark(topic);
        }
        refusedForNow.clear();
    }

    void mark(Topic topic) {
        if (connection != null) {
            marked.add(topic);
        }
    }

    /** Sends the requests that close the gap between wants and holdings. The caller flushes the socket. */
    void flush(long nowNs) {
        Connection to = connection;
        if (to == null) {
            return;
        }
        while (replacements.isWaiting(nowNs)) {
            if (isAskingForSubscriptions()) {
                return;
            }
            replacements.send(to, nowNs);
        }
        if (marked.isEmpty()) {
            return;
        }
        List<Topic> toSubscribe = new ArrayList<>();
        List<Topic> toResume = new ArrayList<>();
        List<Topic> toOpen = new ArrayList<>();
        List<Topic> toLeave = new ArrayList<>();
        List<Topic> unsupported = new ArrayList<>();
        for (Topic topic : marked) {
            if (topic.isAsking || topic.isAskingLater) {
                continue;
            }
            if (!topic.isSubscribed) {
                releaseLeavers(topic);
            }
            if (topic.isSubscriptionWanted()
                    && !topic.isSubscribed
                    && topic.filter != null
                    && !to.has(Feature.FILTER)) {
                unsupported.add(topic);
            } else if (topic.isSubscriptionWanted() && !topic.isSubscribed) {
                (mayResume(topic) ? toResume : toSubscribe).add(topic);
            } else if (!topic.isSubscriptionWanted() && topic.isSubscribed) {
                toLeave.add(topic);
            } else if (!topic.waiting.isEmpty() && !topic.canPublish) {
                toOpen.add(topic);
            }
        }
        marked.clear();
        HermodException why = new HermodException(ErrorCode.UNSUPPORTED, "the broker does not have filters");
        unsupported.forEach(topic -> onRefused(topic, true, why, nowNs));
        giveBackUnused(to, toSubscribe.size() + toResume.size() + toOpen.size(), toLeave);
        if (!toLeave.isEmpty()) {
            unsubscribe(to, toLeave, nowNs);
        }
        for (List<Topic> part : partsOf(toSubscribe)) {
            ask(to, FrameType.SUBSCRIBE, FrameType.SUBSCRIBED, part, nowNs);
        }
        for (List<Topic> part : partsOf(toResume)) {
            resume(to, part, nowNs);
        }
        for (List<Topic> part : partsOf(toOpen)) {
            ask(to, FrameType.OPEN, FrameType.OPENED, part, nowNs);
        }
    }

    private boolean isAskingForSubscriptions() {
        for (Topic topic : byName.values()) {
            if (topic.isAsking) {
                return true;
            }
        }
        return false;
    }

    /** Where the connection would hold more topics than it may, those that were only published to, and longest ago, go first. */
    private void giveBackUnused(Connection to, int wantedCount, List<Topic> toLeave) {
        int limit = to.limits().topicsPerConnection();
        if (byHandle.size() + wantedCount <= limit) {
            return;
        }
        byHandle.values().stream()
                .filter(topic -> !topic.isSubscribed && !topic.isAsking && topic.unanswered == 0)
                .sorted(Comparator.comparingLong(topic -> topic.lastUsedNs))
                .limit(Math.max(wantedCount, limit / GIVE_BACK_SHARE))
                .forEach(toLeave::add);
    }

    private void ask(Connection to, FrameType type, FrameType answerType, List<Topic> part, long nowNs) {
        boolean isSubscribe = type == FrameType.SUBSCRIBE;
        List<Topic> asked = isSubscribe ? part.stream().sorted(PLAIN_FIRST).toList() : part;
        asked.forEach(topic -> topic.isAsking = true);
        MessageLite message = isSubscribe
                ? subscribe(asked)
                : Open.newBuilder()
                        .addAllTopics(asked.stream().map(topic -> topic.name).toList())
                        .build();
        to.request(type, message, answerType, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) throws ProtocolException {
                List<TopicResult> results = isSubscribe
                        ? ControlCodec.decode(Subscribed.parser(), in, at).getResultsList()
                        : ControlCodec.decode(Opened.parser(), in, at).getResultsList();
                onResults(asked, results, isSubscribe, System.nanoTime());
            }

            @Override
            public void onFailure(HermodException why) {
                asked.forEach(topic -> onRefused(topic, isSubscribe, why, System.nanoTime()));
            }
        });
    }

    private static Subscribe subscribe(List<Topic> asked) {
        Subscribe.Builder message = Subscribe.newBuilder();
        for (Topic topic : asked) {
            if (topic.filter == null) {
                message.addTopics(topic.name);
            } else {
                message.addFiltered(filtered(topic));
            }
        }
        return message.build();
    }

    /** A wish for a topic that has a filter. */
    static FilteredTopic filtered(Topic topic) {
        FilteredTopic.Builder wish = FilteredTopic.newBuilder().setTopic(topic.name);
        return topic.filter == null
                ? wish.build()
                : wish.setFilter(topic.filter).build();
    }

    /** @return the request's id. */
    private int resume(Connection to, List<Topic> asked, long nowNs) {
        Resume.Builder message = Resume.newBuilder().setResumeToken(resumeToken);
        for (Topic topic : asked) {
            topic.isAsking = true;
            message.addCursors(topic.cursor());
        }
        return to.request(FrameType.RESUME, message.build(), FrameType.RESUMED, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) throws ProtocolException {
                onResumed(asked, ControlCodec.decode(Resumed.parser(), in, at).getResultsList(), System.nanoTime());
            }

            @Override
            public void onFailure(HermodException why) {
                boolean isForNow = why.is(ErrorCode.RATE_LIMITED) || why.is(ErrorCode.BACK_PRESSURED);
                for (Topic topic : asked) {
                    topic.isAsking = false;
                    if (isForNow) {
                        askLater(topic, why, System.nanoTime());
                    } else {
                        // The token is of no use to this broker: what was missed will be told by SUBSCRIBE.
                        topic.isResumeRefused = true;
                        mark(topic);
                    }
                }
            }
        });
    }

    private void onResumed(List<Topic> asked, List<ResumeResult> results, long nowNs) throws ProtocolException {
        checkCount(asked, results);
        for (int i = 0; i < asked.size(); i++) {
            ResumeResult result = results.get(i);
            if (result.getTopic().getGranted()) {
                onGranted(asked.get(i), result.getTopic(), true, result);
            } else {
                onRefused(asked.get(i), true, refusal(result.getTopic()), nowNs);
            }
        }
    }

    private static void checkCount(List<Topic> asked, List<?> results) throws ProtocolException {
        if (asked.size() != results.size()) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "not one result for each topic: asked=" + asked.size() + ", results=" + results.size());
        }
    }

    private void unsubscribe(Connection to, List<Topic> left, long nowNs) {
        List<Integer> handles = new ArrayList<>();
        for (Topic topic : left) {
            // UNSUBSCRIBE ends the right to publish by this handle too; what comes after it needs a new one.
            List<Publication> recalled = publications.recall(topic);
            for (int i = recalled.size() - 1; i >= 0; i--) {
                topic.waiting.addFirst(recalled.get(i));
            }
            handles.add(topic.handle);
            byHandle.remove(topic.handle);
            topic.onHandleLost();
            topic.isAsking = true;
        }
        Unsubscribe message = Unsubscribe.newBuilder().addAllHandles(handles).build();
        to.request(FrameType.UNSUBSCRIBE, message, FrameType.UNSUBSCRIBED, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) {
                left.forEach(Topics.this::onLeft);
            }

            @Override
            public void onFailure(HermodException why) {
                left.forEach(Topics.this::onLeft);
            }
        });
    }

    /** The broker has ended what these handles stood for, unasked: a new token no longer gives the right. */
    void onTakenAway(List<Integer> handles) {
        HermodException why = new HermodException(
                ErrorCode.FORBIDDEN.code(), "the token no longer gives the right to subscribe", 0, null);
        for (int handle : handles) {
            Topic topic = byHandle.remove(handle);
            if (topic == null) {
                continue;
            }
            List<Publication> recalled = publications.recall(topic);
            for (int i = recalled.size() - 1; i >= 0; i--) {
                topic.waiting.addFirst(recalled.get(i));
            }
            topic.onHandleLost();
            topic.mailbox.tellTheEnd(listener -> listener.onEnded(topic.name, why));
            topic.holds.clear();
            topic.onAbandoned();
            mark(topic);
            forgetIfIdle(topic);
        }
    }

    private void onLeft(Topic topic) {
        topic.isAsking = false;
        releaseLeavers(topic);
        mark(topic);
        forgetIfIdle(topic);
    }

    private void onResults(List<Topic> asked, List<TopicResult> results, boolean isSubscribe, long nowNs)
            throws ProtocolException {
        checkCount(asked, results);
        for (int i = 0; i < asked.size(); i++) {
            TopicResult result = results.get(i);
            if (!result.getGranted()) {
                onRefused(asked.get(i), isSubscribe, refusal(result), nowNs);
            } else {
                onGranted(asked.get(i), result, isSubscribe, ResumeResult.getDefaultInstance());
            }
        }
    }

    static HermodException refusal(TopicResult result) {
        return new HermodException(
                result.getCode(),
                result.getMessage() + " (topic " + result.getTopic() + ")",
                Integer.toUnsignedLong(result.getRetryAfterMs()),
                null);
    }

    /** @param resume of a RESUME; empty for a SUBSCRIBE or OPEN. */
    private void onGranted(Topic topic, TopicResult result, boolean isSubscribe, ResumeResult resume)
            throws ProtocolException {
        if (result.getHandle() == Topic.NO_HANDLE) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "granted without a handle");
        }
        topic.isAsking = false;
        if (topic.handle != result.getHandle()) {
            byHandle.remove(topic.handle);
        }
        topic.onHandle(result.getHandle(), result.getEpoch());
        byHandle.put(result.getHandle(), topic);
        if (isSubscribe) {
            onSubscribed(topic, result, resume);
        }
        if (!isSubscribe || result.getCanPublish()) {
            topic.canPublish = true;
            sendWaiting(topic);
        }
        mark(topic);
    }

    private void sendWaiting(Topic topic) {
        if (!publications.isHeld(topic)) {
            topic.waiting.forEach(publications::ready);
            topic.waiting.clear();
        }
    }

    /** Sends again what was refused for a while. */
    void retry(long nowNs) {
        for (Topic topic : publications.takeDue(nowNs)) {
            if (topic.canPublish) {
                sendWaiting(topic);
            }
            mark(topic);
        }
    }

    /** Tells the broker what the topic's listeners have handled. */
    private void tellHandled(Topic topic) {
        HandledOffsets handled = topic.handled;
        if (connection != null && topic.isSubscribed && handled != null) {
            long offset = handled.take();
            if (offset > 0) {
                connection.acknowledge(topic.handle, offset);
                connection.flush();
            }
        }
    }

    private void onSubscribed(Topic topic, TopicResult result, ResumeResult resume) {
        topic.acknowledge(
                result.getAcknowledged() && connection != null && connection.has(Feature.ACK),
                () -> onLoop.accept(() -> tellHandled(topic)));
        if (topic.isFollowed()) {
            topic.meter.onResubscribed();
        }
        ResumeResult.Outcome outcome = resume.getOutcome();
        boolean isLost = outcome == ResumeResult.Outcome.OUTCOME_LOST;
        boolean isResumed =
                outcome == ResumeResult.Outcome.OUTCOME_RESUMED || outcome == ResumeResult.Outcome.OUTCOME_REPLAYING;
        long firstOffset = isLost && resume.getFromOffset() > 0 ? resume.getFromOffset() : result.getNextOffset();
        List<String> gone = List.of();
        if (result.hasStateCount()) {
            gone = topic.beginState(result.getNextOffset(), result.getStateCount());
        }
        Gap gap = null;
        if (isResumed && topic.isOfEpoch(result.getEpoch())) {
            topic.onResumed();
        } else {
            gap = topic.onSubscribed(
                    result.getEpoch(),
                    firstOffset,
                    isLost ? GapReason.EXPIRED : GapReason.DISCONNECTED,
                    result.hasStateCount());
        }
        if (gap != null) {
            Gap told = gap;
            topic.meter.onGap(told.missedAtMost());
            topic.mailbox.tell(listener -> listener.onGap(told));
            topic.mailbox.tell(listener -> listener.onFreshStart(topic.name, result.getEpoch(), firstOffset));
        }
        tellGone(topic, gone);
        if (!topic.isSubscriptionWanted()) {
            topic.onAbandoned();
        }
        for (Topic.Waiter waiter : topic.waiters) {
            topic.mailbox.attach(waiter.hold());
            completions.complete(waiter.future(), newSubscription.apply(topic, waiter.hold()));
        }
        topic.waiters.clear();
    }

    /** Keys of a state topic that went while the client was away. */
    static void tellGone(Topic topic, List<String> keys) {
        if (!keys.isEmpty()) {
            topic.mailbox.tell(listener -> {
                if (listener instanceof TopicState state) {
                    state.onGone(keys);
                }
            });
        }
    }

    private void onRefused(Topic topic, boolean isSubscribe, HermodException why, long nowNs) {
        topic.isAsking = false;
        if (!isSubscribe) {
            failWaiting(topic, why);
            forgetIfIdle(topic);
            mark(topic);
            return;
        }
        for (Topic.Waiter waiter : topic.waiters) {
            if (waiter.hold().release()) {
                topic.holds.remove(waiter.hold());
            }
            completions.fail(waiter.future(), why);
        }
        topic.waiters.clear();
        if (topic.isSubscriptionWanted() && why.isRetryable()) {
            askLater(topic, why, nowNs);
        } else if (topic.isSubscriptionWanted() && why.is(ErrorCode.NOT_ENABLED)) {
            topic.isAskingLater = true;
            refusedForNow.add(topic);
            failWaiting(topic, why);
        } else if (topic.isSubscriptionWanted()) {
            topic.mailbox.tellTheEnd(listener -> listener.onEnded(topic.name, why));
            topic.holds.clear();
            topic.onAbandoned();
        }
        releaseLeavers(topic);
        mark(topic);
        forgetIfIdle(topic);
    }

    private void askLater(Topic topic, HermodException why, long nowNs) {
        long waitMs = Math.max(ASK_AGAIN_MS_MIN, why.retryAfter().toMillis());
        topic.askAgainAtNs = nowNs + TimeUnit.MILLISECONDS.toNanos(waitMs);
        topic.isAskingLater = true;
        askingLater.add(topic);
    }

    private void failWaiting(Topic topic, HermodException why) {
        publications.failRefused(topic, why);
        for (Publication next = topic.waiting.pollFirst(); next != null; next = topic.waiting.pollFirst()) {
            publications.fail(next, why);
        }
    }

    private void releaseLeavers(Topic topic) {
        topic.leavers.forEach(completions::done);
        topic.leavers.clear();
    }

    void forgetIfIdle(Topic topic) {
        if (topic.isIdle()) {
            byName.remove(topic.name, topic);
        }
    }

    private static List<List<Topic>> partsOf(List<Topic> topics) {
        List<List<Topic>> parts = new ArrayList<>();
        List<Topic> part = new ArrayList<>();
        int nameBytes = 0;
        for (Topic topic : topics) {
            nameBytes += nameBytes(topic) + CURSOR_BYTES;
            if (part.size() == ProtocolLimits.TOPICS_PER_REQUEST || nameBytes > NAME_BYTES_PER_REQUEST) {
                parts.add(part);
                part = new ArrayList<>();
                nameBytes = nameBytes(topic) + CURSOR_BYTES;
            }
            part.add(topic);
        }
        if (!part.isEmpty()) {
            parts.add(part);
        }
        return parts;
    }

    /** At most: a character has up to three bytes of UTF-8, and tag and length come before the name. */
    private static int nameBytes(Topic topic) {
        return topic.name.length() * 3 + 4 + (topic.filter == null ? 0 : topic.filter.getSerializedSize() + 8);
    }
}
