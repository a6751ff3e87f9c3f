package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.admission.PublishRate;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.filter.EventFilter;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.TopicName;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import java.util.List;
import java.util.function.Predicate;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The requests for topics whose homes have not all answered: asks the homes, says where each subscription begins, and writes the answer of a request when it is complete.
 *
 * <p>The session's shard's. Holds no buffers. While a SUBSCRIBE is without its answer the outbox holds events back; a topic beyond the limit is refused alone, and requests come no faster than {@code session.topics-asked-per-second}.
 */
@RunsOn(Owner.SHARD)
final class TopicRequests {
    /** @param cursor where a RESUME wants to go on; null for other requests. */
    private record PendingTopic(
            TopicRequest request,
            int index,
            String name,
            @Nullable EventFilter filter,
            @Nullable Cursor cursor) {}

    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Client client;
    private final TopicGate gate;
    private final HeldTopics held;
    private final Outbox outbox;
    private final Answers answers;
    private final Int2ObjectHashMap<PendingTopic> pending = new Int2ObjectHashMap<>();
    private @Nullable PublishRate asked;
    private int lastCorrelation;

    /** SUBSCRIBEs, and HELLO's wishes, whose answer is not written: no event may come before it. */
    private int unansweredSubscribes;

    TopicRequests(Session session, Client client, TopicGate gate, HeldTopics held, Outbox outbox, Answers answers) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.client = client;
        this.gate = gate;
        this.held = held;
        this.outbox = outbox;
        this.answers = answers;
    }

    /** The token is good: from now on it may be asked for topics, as fast as the client may. */
    void begin(Identity who) {
        asked = who.rights().isService()
                ? null
                : new PublishRate(
                        ground.config().topicsAskedPerSecond(),
                        PublishRate.PER_SECOND_MAX,
                        dispatch.shard().clock().nowNs());
    }

    /** Takes a request for so many topics: a name that is refused costs its answer too. @return 0 if it may be asked now, otherwise how long to wait. */
    int askRetryAfterMs(int topics) {
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
        boolean isOurs = wanted.getResumeToken().equals(client.resumeToken());
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

    private void holdTopic(TopicRequest request, int index, Wish wish, @Nullable Cursor cursor) {
        String name = wish.topic();
        TopicResult refusal = request.asSubscriber()
                ? gate.refusalOf(wish, wish.filter() == null ? 0 : filterBytes(any -> false))
                : gate.refusalOf(name, false);
        if (refusal != null) {
            request.put(index, refusal);
            return;
        }
        if (held.size() + pending.size() >= gate.topicsLimitCount() && !held.isHeld(name)) {
            request.put(index, gate.tooManyHeld(name));
            return;
        }
        pending.put(lastCorrelation + 1, new PendingTopic(request, index, name, gate.compiled(wish), cursor));
        ask(name, request.asSubscriber());
    }

    private int ask(String name, boolean asSubscriber) {
        Identity who = client.identity();
        if (who == null) {
            throw new IllegalStateException("asked for a topic before the token was checked");
        }
        dispatch.hold(
                session,
                ++lastCorrelation,
                who.org(),
                TopicName.of(name),
                asSubscriber,
                who.rights().mayPublish(name),
                asSubscriber && client.has(Feature.STATE));
        return lastCorrelation;
    }

    int askFor(String name) {
        return ask(name, true);
    }

    /** Bytes of the filters of all subscriptions, those that are asked for included, but those of some topics. */
    long filterBytes(Predicate<String> isLeftOut) {
        long bytes = held.filterBytes(isLeftOut);
        for (PendingTopic each : pending.values()) {
            bytes += each.filter == null ? 0 : each.filter.bytes();
        }
        return bytes;
    }

    /** Topics held or asked for, subscribed or opened. */
    int heldCount() {
        return held.size() + pending.size();
    }

    /** Whether a SUBSCRIBE, or HELLO, waits for its answer. */
    boolean hasUnansweredSubscribes() {
        return unansweredSubscribes > 0;
    }

    /** Whether no home is asked. */
    boolean isEmpty() {
        return pending.isEmpty();
    }

    /** The connection has ended: answers that still come find nobody. */
    void clear() {
        pending.clear();
    }

    /** A home has answered. */
    void onHeld(
            int correlation,
            @Nullable Topic topic,
            long nextOffset,
            long firstAvailable,
            int stateCount,
            @Nullable ErrorCode refusal) {
        PendingTopic wanted = pending.remove(correlation);
        if (wanted == null || session.isClosed()) {
            if (topic != null) {
                throw new IllegalStateException("answer to a hold that nobody waits for: topic=" + topic.name());
            }
            return;
        }
        TopicRequest request = wanted.request;
        if (topic == null) {
            ErrorCode code = refusal == null ? ErrorCode.UNAVAILABLE : refusal;
            request.put(wanted.index, TopicGate.refusal(wanted.name, code, code.meaning()));
        } else if (!gate.mayHold(request.asSubscriber(), wanted.name)) {
            // A REFRESH took the right away while the home was asked.
            dispatch.letGo(topic, request.asSubscriber());
            request.put(
                    wanted.index, TopicGate.refusal(wanted.name, ErrorCode.FORBIDDEN, ErrorCode.FORBIDDEN.meaning()));
        } else if (gate.isOff(topic.channel())) {
            dispatch.letGo(topic, request.asSubscriber());
            request.put(
                    wanted.index,
                    TopicGate.refusal(wanted.name, ErrorCode.NOT_ENABLED, ErrorCode.NOT_ENABLED.meaning()));
        } else {
            boolean isNew = held.isNewSubscription(topic);
            HeldTopic row = held.hold(topic, request.asSubscriber(), wanted.filter, nextOffset);
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
                .setAcknowledged(row.feed != null && held.isAcknowledged(row.topic()))
                .build();
    }

    private void answerIfComplete(TopicRequest request) {
        if (!request.isComplete()) {
            return;
        }
        if (request.asSubscriber() && --unansweredSubscribes == 0) {
            outbox.holdBack(false);
        }
        answerNow(request);
        session.onTopicsAnswered();
    }

    private void answerNow(TopicRequest request) {
        switch (request.answer()) {
            case WELCOME -> session.onWishesAnswered(request);
            case RESUMED ->
                answers.answer(ControlCodec.encode(
                        ground.allocator(),
                        FrameType.RESUMED,
                        request.requestId(),
                        Resumed.newBuilder()
                                .addAllResults(request.resumeResults())
                                .build()));
            case SUBSCRIBED ->
                answers.answer(ControlCodec.encode(
                        ground.allocator(),
                        FrameType.SUBSCRIBED,
                        request.requestId(),
                        Subscribed.newBuilder().addAllResults(request.results()).build()));
            default ->
                answers.answer(ControlCodec.encode(
                        ground.allocator(),
                        FrameType.OPENED,
                        request.requestId(),
                        Opened.newBuilder().addAllResults(request.results()).build()));
        }
    }
}
