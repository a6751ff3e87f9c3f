package hermod.client.internal;

import com.google.protobuf.MessageLite;
import hermod.client.EventListener;
import hermod.client.HermodException;
import hermod.client.ServiceStatus;
import hermod.client.Subscription;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Unsubscribe;
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
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * All topics of a client, and the asking for what is wanted of them and not held.
 *
 * <p>What changes a topic's wants marks it; {@link #flush} then sends at most one SUBSCRIBE, one OPEN and one UNSUBSCRIBE for all that are marked. Loop
 * thread only.
 */
final class Topics {
    private static final long ASK_AGAIN_MS_MIN = 1_000;

    /** One frame's worth of names, so that it fits any frame limit. */
    private static final int NAME_BYTES_PER_REQUEST = 8 * 1024;

    /** HELLO has 16 KiB, and the token may take half of it. */
    private static final int NAME_BYTES_IN_HELLO = 6 * 1024;

    /** Of the topics a connection may hold, the part that is given back at a time when all are taken. */
    private static final int GIVE_BACK_SHARE = 10;

    private final Publications publications;
    private final Completions completions;
    private final Function<String, Topic> newTopic;
    private final BiFunction<Topic, ListenerHold, Subscription> newSubscription;
    private final Map<String, Topic> byName = new HashMap<>();
    private final IntObjectMap<Topic> byHandle = new IntObjectHashMap<>();
    private final Set<Topic> marked = new LinkedHashSet<>();
    private final Set<Topic> askingLater = new LinkedHashSet<>();

    /** Subscriptions of before whose channel is switched off: asked for again when the broker tells of a change, and not before. */
    private final Set<Topic> refusedForNow = new LinkedHashSet<>();

    private @Nullable Connection connection;

    Topics(
            Publications publications,
            Completions completions,
            Function<String, Topic> newTopic,
            BiFunction<Topic, ListenerHold, Subscription> newSubscription) {
        this.publications = publications;
        this.completions = completions;
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
        if (topic.canPublish && topic.waiting.isEmpty()) {
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
            if (!topic.isSubscriptionWanted()) {
                continue;
            }
            nameBytes += nameBytes(topic);
            if (nameBytes > NAME_BYTES_IN_HELLO || wanted.size() == ProtocolLimits.TOPICS_PER_REQUEST) {
                break;
            }
            topic.isAsking = true;
            wanted.add(topic);
        }
        return wanted;
    }

    void onConnected(Connection newConnection, List<Topic> inHello, List<TopicResult> results, long nowNs)
            throws ProtocolException {
        connection = newConnection;
        onResults(inHello, results, true, nowNs);
        for (Topic topic : byName.values()) {
            mark(topic);
        }
    }

    /** @param unanswered what has to be sent again, in order. */
    void onDisconnected(List<Publication> unanswered) {
        connection = null;
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

    /** What is on again is asked for again where it was refused, and goes on where it is held; what was accepted just before the switch may have been lost. */
    void onService(ServiceStatus before, ServiceStatus now) {
        for (Topic topic : refusedForNow) {
            topic.isAskingLater = false;
            mark(topic);
        }
        refusedForNow.clear();
        for (Topic topic : byHandle.values()) {
            String channel = ServiceNews.channelOf(topic.name);
            if (topic.isSubscribed && before.offReason(channel) != null && now.offReason(channel) == null) {
                Topic.Missed missed = topic.onSwitchedOn();
                topic.mailbox.tell(listener ->
                        listener.onMissed(topic.name, missed.fromOffset(), missed.toOffset(), missed.isEpochChanged()));
            }
        }
    }

    private void mark(Topic topic) {
        if (connection != null) {
            marked.add(topic);
        }
    }

    /** Sends the requests that close the gap between wants and holdings. The caller flushes the socket. */
    void flush(long nowNs) {
        Connection to = connection;
        if (to == null || marked.isEmpty()) {
            return;
        }
        List<Topic> toSubscribe = new ArrayList<>();
        List<Topic> toOpen = new ArrayList<>();
        List<Topic> toLeave = new ArrayList<>();
        for (Topic topic : marked) {
            if (topic.isAsking || topic.isAskingLater) {
                continue;
            }
            if (!topic.isSubscribed) {
                releaseLeavers(topic);
            }
            if (topic.isSubscriptionWanted() && !topic.isSubscribed) {
                toSubscribe.add(topic);
            } else if (!topic.isSubscriptionWanted() && topic.isSubscribed) {
                toLeave.add(topic);
            } else if (!topic.waiting.isEmpty() && !topic.canPublish) {
                toOpen.add(topic);
            }
        }
        marked.clear();
        giveBackUnused(to, toSubscribe.size() + toOpen.size(), toLeave);
        if (!toLeave.isEmpty()) {
            unsubscribe(to, toLeave, nowNs);
        }
        for (List<Topic> part : partsOf(toSubscribe)) {
            ask(to, FrameType.SUBSCRIBE, FrameType.SUBSCRIBED, part, nowNs);
        }
        for (List<Topic> part : partsOf(toOpen)) {
            ask(to, FrameType.OPEN, FrameType.OPENED, part, nowNs);
        }
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

    private void ask(Connection to, FrameType type, FrameType answerType, List<Topic> asked, long nowNs) {
        List<String> names = asked.stream().map(topic -> topic.name).toList();
        asked.forEach(topic -> topic.isAsking = true);
        boolean isSubscribe = type == FrameType.SUBSCRIBE;
        MessageLite message = isSubscribe
                ? Subscribe.newBuilder().addAllTopics(names).build()
                : Open.newBuilder().addAllTopics(names).build();
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
        if (asked.size() != results.size()) {
            throw new ProtocolException(
                    CloseCode.BAD_FRAME,
                    "not one result for each topic: asked=" + asked.size() + ", results=" + results.size());
        }
        for (int i = 0; i < asked.size(); i++) {
            TopicResult result = results.get(i);
            if (!result.getGranted()) {
                onRefused(asked.get(i), isSubscribe, refusal(result), nowNs);
            } else if (result.getHandle() == Topic.NO_HANDLE) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "granted without a handle");
            } else {
                onGranted(asked.get(i), result, isSubscribe);
            }
        }
    }

    private static HermodException refusal(TopicResult result) {
        return new HermodException(
                result.getCode(),
                result.getMessage() + " (topic " + result.getTopic() + ")",
                Integer.toUnsignedLong(result.getRetryAfterMs()),
                null);
    }

    private void onGranted(Topic topic, TopicResult result, boolean isSubscribe) {
        topic.isAsking = false;
        if (topic.handle != result.getHandle()) {
            byHandle.remove(topic.handle);
        }
        topic.onHandle(result.getHandle(), result.getEpoch());
        byHandle.put(result.getHandle(), topic);
        if (isSubscribe) {
            onSubscribed(topic, result);
        }
        if (!isSubscribe || result.getCanPublish()) {
            topic.canPublish = true;
            topic.waiting.forEach(publications::ready);
            topic.waiting.clear();
        }
        mark(topic);
    }

    private void onSubscribed(Topic topic, TopicResult result) {
        if (topic.isFollowed()) {
            topic.meter.onResubscribed();
        }
        Topic.Missed missed = topic.onSubscribed(result.getEpoch(), result.getNextOffset());
        if (missed != null) {
            topic.mailbox.tell(listener ->
                    listener.onMissed(topic.name, missed.fromOffset(), missed.toOffset(), missed.isEpochChanged()));
        }
        if (!topic.isSubscriptionWanted()) {
            topic.onAbandoned();
        }
        for (Topic.Waiter waiter : topic.waiters) {
            topic.mailbox.attach(waiter.hold());
            completions.complete(waiter.future(), newSubscription.apply(topic, waiter.hold()));
        }
        topic.waiters.clear();
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
            long waitMs = Math.max(ASK_AGAIN_MS_MIN, why.retryAfter().toMillis());
            topic.askAgainAtNs = nowNs + TimeUnit.MILLISECONDS.toNanos(waitMs);
            topic.isAskingLater = true;
            askingLater.add(topic);
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

    private void failWaiting(Topic topic, HermodException why) {
        for (Publication next = topic.waiting.pollFirst(); next != null; next = topic.waiting.pollFirst()) {
            publications.fail(next, why);
        }
    }

    private void releaseLeavers(Topic topic) {
        topic.leavers.forEach(completions::done);
        topic.leavers.clear();
    }

    private void forgetIfIdle(Topic topic) {
        if (topic.isIdle()) {
            byName.remove(topic.name, topic);
        }
    }

    private static List<List<Topic>> partsOf(List<Topic> topics) {
        List<List<Topic>> parts = new ArrayList<>();
        List<Topic> part = new ArrayList<>();
        int nameBytes = 0;
        for (Topic topic : topics) {
            nameBytes += nameBytes(topic);
            if (part.size() == ProtocolLimits.TOPICS_PER_REQUEST || nameBytes > NAME_BYTES_PER_REQUEST) {
                parts.add(part);
                part = new ArrayList<>();
                nameBytes = nameBytes(topic);
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
        return topic.name.length() * 3 + 4;
    }
}
