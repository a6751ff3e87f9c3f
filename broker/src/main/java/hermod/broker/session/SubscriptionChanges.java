package hermod.broker.session;

import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.frame.FrameType;
import java.util.ArrayDeque;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The changes of a connection's subscriptions, one after the other: a {@link Replacement} must see those before it, and those behind it wait for its end.
 *
 * <p>The session's shard's. Holds no buffers. A change is refused with BACK_PRESSURED where {@code filter.waiting-changes-limit-count} wait.
 */
@RunsOn(Owner.SHARD)
final class SubscriptionChanges {
    private final Session session;
    private final SessionGround ground;
    private final ShardMetrics metrics;
    private final Client client;
    private final TopicGate gate;
    private final HeldTopics held;
    private final TopicRequests requests;
    private final Answers answers;

    /** The replacement of the subscriptions that is under way, and what waits for its end; null and empty mostly. */
    private @Nullable Replacement replacement;

    private final ArrayDeque<WaitingChange> waiting = new ArrayDeque<>(1);

    /** @param isReplacement whether it must also wait for the SUBSCRIBEs before it. */
    private record WaitingChange(boolean isReplacement, Runnable change) {}

    SubscriptionChanges(
            Session session, Client client, TopicGate gate, HeldTopics held, TopicRequests requests, Answers answers) {
        this.session = session;
        this.ground = session.ground();
        this.metrics = session.dispatch().metrics();
        this.client = client;
        this.gate = gate;
        this.held = held;
        this.requests = requests;
        this.answers = answers;
    }

    /**
     * Changes the subscriptions after the changes before it: at once where no replacement is under way. Answered with BACK_PRESSURED where too many wait.
     *
     * @param isReplacement whether it must also wait for the SUBSCRIBEs before it.
     */
    void inTurn(int requestId, boolean isReplacement, Runnable change) {
        if (waiting.size() >= ground.filters().waitingChangesLimitCount()) {
            answers.error(
                    requestId,
                    ErrorCode.BACK_PRESSURED,
                    "too many changes of subscriptions wait for a REPLACE to end: limit="
                            + ground.filters().waitingChangesLimitCount());
            return;
        }
        waiting.addLast(new WaitingChange(isReplacement, change));
        runWaiting();
    }

    void runWaiting() {
        WaitingChange next;
        while (session.isOpen()
                && replacement == null
                && (next = waiting.peekFirst()) != null
                && !(next.isReplacement && requests.hasUnansweredSubscribes())) {
            waiting.removeFirst();
            next.change.run();
        }
    }

    /** Replaces the set of subscriptions, as a client asks for it. */
    void replace(int requestId, List<Wish> wishes, boolean keepsOthers) {
        begin(replacement(wishes, keepsOthers, false, answer -> onReplaced(requestId, answer)));
    }

    /**
     * The same for an operator or a back-end service; the client is told unasked.
     *
     * @param onEnd called on the shard: with what the client was told, or null where that can't be: the client has not agreed to it, is going, or has too many changes waiting.
     */
    void replaceUnasked(List<Wish> wishes, boolean keepsOthers, Consumer<@Nullable Replaced> onEnd) {
        if (!session.isOpen()
                || !client.has(Feature.FILTER)
                || waiting.size() >= ground.filters().waitingChangesLimitCount()) {
            onEnd.accept(null);
            return;
        }
        inTurn(
                0,
                true,
                () -> begin(replacement(wishes, keepsOthers, true, answer -> {
                    onReplaced(0, answer);
                    onEnd.accept(answer);
                })));
    }

    private Replacement replacement(
            List<Wish> wishes, boolean keepsOthers, boolean tellsFilters, Consumer<Replaced> onDone) {
        return new Replacement(session.dispatch(), gate, held, requests, wishes, keepsOthers, tellsFilters, onDone);
    }

    private void begin(Replacement wanted) {
        replacement = wanted;
        wanted.start();
    }

    private void onReplaced(int requestId, Replaced answer) {
        replacement = null;
        metrics.add(Counter.SUBSCRIPTIONS_REPLACED, 1);
        answers.answer(ControlCodec.encode(ground.allocator(), FrameType.REPLACED, requestId, answer));
        runWaiting();
    }

    /** @return false where the answer is not to a question of a replacement. */
    boolean onHeld(
            int correlation, @Nullable Topic topic, long nextOffset, int stateCount, @Nullable ErrorCode refusal) {
        Replacement replacing = replacement;
        return replacing != null
                && !session.isClosed()
                && replacing.onHeld(correlation, topic, nextOffset, stateCount, refusal);
    }

    boolean isReplacing() {
        return replacement != null;
    }

    /** The connection has ended. */
    void clear() {
        replacement = null;
        waiting.clear();
    }
}
