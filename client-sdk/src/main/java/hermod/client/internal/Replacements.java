package hermod.client.internal;

import hermod.client.EventListener;
import hermod.client.HermodException;
import hermod.client.Replacement;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.RemovedTopic;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Replaces the client's subscriptions with the broker, one order at a time, in the order given. Loop thread only.
 *
 * <p>What the application wants changes when the broker has switched and not before, so the old listeners have all that the old set sends. An order outlives its connection: the next one subscribes to the old set, resumes, and switches
 * then.
 */
final class Replacements {
    private static final long RETRY_MS_MIN = 100;

    private final Topics topics;
    private final Completions completions;
    private final @Nullable EventListener listenerForAdded;
    private final Consumer<Replacement> onUnasked;
    private final ArrayDeque<ReplaceOrder> orders = new ArrayDeque<>();

    /** What the order under way has marked as asked for. */
    private final List<Topic> concerned = new ArrayList<>();

    private boolean isUnderWay;
    private long retryAtNs;
    private boolean isWaitingForRetry;

    /**
     * @param listenerForAdded of topics that the other side of the broker adds; null where the application does not want them.
     * @param onUnasked told of each replacement that was not asked for, off the loop.
     */
    Replacements(
            Topics topics,
            Completions completions,
            @Nullable EventListener listenerForAdded,
            Consumer<Replacement> onUnasked) {
        this.topics = topics;
        this.completions = completions;
        this.listenerForAdded = listenerForAdded;
        this.onUnasked = onUnasked;
    }

    void add(ReplaceOrder order) {
        orders.addLast(order);
    }

    /** Whether an order waits to be sent, ahead of other changes of subscriptions. */
    boolean isWaiting(long nowNs) {
        if (isWaitingForRetry && nowNs - retryAtNs >= 0) {
            isWaitingForRetry = false;
        }
        return !orders.isEmpty() && !isUnderWay && !isWaitingForRetry;
    }

    /** Sends the next order; no other question about a topic is open. */
    void send(Connection to, long nowNs) {
        ReplaceOrder order = orders.getFirst();
        if (!to.has(Feature.FILTER)) {
            fail(order, new HermodException(ErrorCode.UNSUPPORTED, "the broker does not replace subscriptions"));
            return;
        }
        for (Map.Entry<String, ReplaceOrder.Wish> wish : order.wishes().entrySet()) {
            Topic topic = topics.of(wish.getKey());
            if (wish.getValue().listeners().isEmpty() && !topic.isSubscriptionWanted()) {
                String name = topic.name;
                topics.forgetIfIdle(topic);
                fail(order, new HermodException(ErrorCode.BAD_REQUEST, "nobody listens to the topic " + name));
                return;
            }
        }
        isUnderWay = true;
        Replace.Builder message = Replace.newBuilder().setKeepOthers(order.keepsOthers());
        order.wishes().forEach((name, wish) -> {
            concern(topics.of(name));
            FilteredTopic.Builder filtered = FilteredTopic.newBuilder().setTopic(name);
            message.addFiltered(wish.filter() == null ? filtered : filtered.setFilter(wish.filter()));
        });
        if (!order.keepsOthers()) {
            for (Topic topic : topics.all()) {
                if (topic.isSubscribed && !order.wishes().containsKey(topic.name)) {
                    concern(topic);
                    // Its handle may go; what is published from here on needs a new one.
                    topics.recallPublications(topic);
                }
            }
        }
        to.request(FrameType.REPLACE, message.build(), FrameType.REPLACED, nowNs, new Requests.Answer() {
            @Override
            public void onAnswer(ByteBuf in, int at) throws ProtocolException {
                onSwitched(order, ControlCodec.decode(Replaced.parser(), in, at));
            }

            @Override
            public void onFailure(HermodException why) {
                onRefused(order, why, System.nanoTime());
            }
        });
    }

    private void concern(Topic topic) {
        topic.isAsking = true;
        concerned.add(topic);
    }

    private void unconcern() {
        for (Topic topic : concerned) {
            topic.isAsking = false;
            topics.mark(topic);
            topics.forgetIfIdle(topic);
        }
        concerned.clear();
        isUnderWay = false;
    }

    private void onRefused(ReplaceOrder order, HermodException why, long nowNs) {
        unconcern();
        if (why.isRetryable()) {
            isWaitingForRetry = true;
            retryAtNs = nowNs
                    + TimeUnit.MILLISECONDS.toNanos(
                            Math.max(RETRY_MS_MIN, why.retryAfter().toMillis()));
        } else {
            fail(order, why);
        }
    }

    private void fail(ReplaceOrder order, HermodException why) {
        orders.remove(order);
        completions.fail(order.future(), why);
    }

    private void onSwitched(ReplaceOrder order, Replaced answer) throws ProtocolException {
        if (answer.getResultsCount() != order.wishes().size()) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "not one result for each topic that was named");
        }
        for (TopicResult result : answer.getResultsList()) {
            ReplaceOrder.Wish wish = order.wishes().get(result.getTopic());
            if (wish == null) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "a result of a topic that was not named");
            }
            if (result.getGranted()) {
                topics.of(result.getTopic()).filter = wish.filter();
            }
        }
        Replacement told = apply(answer, false, topic -> {
            ReplaceOrder.Wish wish = order.wishes().get(topic.name);
            return wish == null ? List.of() : wish.listeners();
        });
        unconcern();
        orders.remove(order);
        completions.complete(order.future(), told);
    }

    /** The other side of the broker has replaced the set. */
    void onUnasked(Replaced answer) throws ProtocolException {
        for (TopicResult result : answer.getResultsList()) {
            if (result.getGranted()) {
                topics.of(result.getTopic()).filter = result.hasFilter() ? result.getFilter() : null;
            }
        }
        Replacement told = apply(
                answer,
                true,
                topic -> listenerForAdded == null || topic.isSubscriptionWanted()
                        ? List.of()
                        : List.of(listenerForAdded));
        completions.add(() -> onUnasked.accept(told));
    }

    private interface ListenersOf {
        List<EventListener> of(Topic topic);
    }

    private Replacement apply(Replaced answer, boolean isFromServer, ListenersOf listeners) throws ProtocolException {
        Map<String, Long> switched = new LinkedHashMap<>();
        Map<String, Long> ended = new LinkedHashMap<>();
        Map<String, HermodException> refused = new LinkedHashMap<>();
        for (TopicResult result : answer.getResultsList()) {
            if (result.getGranted()) {
                Topic topic = topics.of(result.getTopic());
                topics.setListeners(topic, listeners.of(topic));
                topics.onReplaced(topic, result);
                switched.put(topic.name, result.getNextOffset());
            } else {
                refused.put(result.getTopic(), Topics.refusal(result));
            }
        }
        for (RemovedTopic gone : answer.getRemovedList()) {
            Topic topic = topics.ofHandle(gone.getHandle());
            if (topic != null) {
                topics.onRemoved(topic, gone.getIsOpen(), isFromServer);
                ended.put(topic.name, gone.getEndOffset());
            }
        }
        return new Replacement(Map.copyOf(switched), Map.copyOf(ended), Map.copyOf(refused), isFromServer);
    }

    /** The orders stay; the one that was under way is sent again. */
    void onDisconnected() {
        concerned.clear();
        isUnderWay = false;
        isWaitingForRetry = false;
    }

    void onClosed(HermodException why) {
        orders.forEach(order -> completions.fail(order.future(), why));
        orders.clear();
    }
}
