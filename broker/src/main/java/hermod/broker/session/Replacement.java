package hermod.broker.session;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.filter.EventFilter;
import hermod.broker.filter.FeedFilter;
import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.RemovedTopic;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.TopicResult;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One replacement of a connection's subscriptions that is under way: asks the homes of the topics that are new, and switches when all have answered.
 *
 * <pre>
 *   homes        HELD a ──┐   ┌── HELD b
 *   shard        ─────────┴───┴──■ switch: kept topics get their filter, new ones begin, removed ones end; REPLACED
 *   feed of a              no event ──│── events from its switch offset on
 *   feed of a kept one  old filter ───│── new filter
 * </pre>
 *
 * <p>Each feed's switch offset is where it stands at that moment: all below was selected by the old set, none from it on. So nothing is missed or sent twice, whatever waits in the outbox, and nothing is held back meanwhile.
 */
@RunsOn(Owner.SHARD)
final class Replacement {
    private static final int RETRY_AFTER_MS = 1_000;

    private static final int NO_STATE = -1;

    private static final class Want {
        final Wish wish;

        @Nullable
        EventFilter filter;

        int handle;

        /** Of a new subscription to a state topic: where its snapshot ends, and how many keys are in it. */
        long grantedOffset;

        int stateCount = NO_STATE;

        @Nullable
        TopicResult refusal;

        Want(Wish wish) {
            this.wish = wish;
        }
    }

    private final Dispatch dispatch;
    private final TopicGate gate;
    private final HeldTopics held;
    private final TopicRequests requests;
    private final boolean keepsOthers;
    private final boolean tellsFilters;
    private final Consumer<Replaced> onDone;
    private final List<Want> wants = new ArrayList<>();
    private final Set<String> named = new HashSet<>();
    private final Map<Integer, Want> asked = new HashMap<>();
    private int missingCount;

    /**
     * @param tellsFilters whether the answer repeats the filters: the client has not asked.
     * @param onDone called once on the shard, at the switch, with the answer; not when the connection ends before.
     */
    Replacement(
            Dispatch dispatch,
            TopicGate gate,
            HeldTopics held,
            TopicRequests requests,
            List<Wish> wishes,
            boolean keepsOthers,
            boolean tellsFilters,
            Consumer<Replaced> onDone) {
        this.dispatch = dispatch;
        this.gate = gate;
        this.held = held;
        this.requests = requests;
        this.keepsOthers = keepsOthers;
        this.tellsFilters = tellsFilters;
        this.onDone = onDone;
        for (Wish wish : wishes) {
            wants.add(new Want(wish));
            named.add(wish.topic());
        }
    }

    /** The first topic that is named twice, or null. */
    static @Nullable String namedTwice(List<Wish> wishes) {
        Set<String> names = new HashSet<>();
        for (Wish wish : wishes) {
            if (!names.add(wish.topic())) {
                return wish.topic();
            }
        }
        return null;
    }

    void start() {
        Map<String, HeldTopic> subscribed = held.subscribedByName();
        long filterBytes = keepsOthers ? requests.filterBytes(named::contains) : 0;
        int heldCount = requests.heldCount();
        if (!keepsOthers) {
            for (HeldTopic row : subscribed.values()) {
                heldCount -= row.isOpened || named.contains(row.topic().name().toString()) ? 0 : 1;
            }
        }
        missingCount = 1;
        for (Want want : wants) {
            want.refusal = gate.refusalOf(want.wish, filterBytes);
            if (want.refusal != null) {
                continue;
            }
            want.filter = gate.compiled(want.wish);
            filterBytes += want.filter == null ? 0 : want.filter.bytes();
            HeldTopic row = subscribed.get(want.wish.topic());
            if (row != null) {
                want.handle = row.topic().handle();
            } else if (!held.isHeld(want.wish.topic()) && ++heldCount > gate.topicsLimitCount()) {
                want.refusal = gate.tooManyHeld(want.wish.topic());
            } else {
                missingCount++;
                asked.put(requests.askFor(want.wish.topic()), want);
            }
        }
        onAnswer();
    }

    /** @return false where the answer is to another question. */
    boolean onHeld(
            int correlation, @Nullable Topic topic, long nextOffset, int stateCount, @Nullable ErrorCode refusal) {
        Want want = asked.remove(correlation);
        if (want == null) {
            return false;
        }
        if (topic == null) {
            ErrorCode code = refusal == null ? ErrorCode.UNAVAILABLE : refusal;
            want.refusal = TopicGate.refusal(want.wish.topic(), code, code.meaning());
        } else if ((want.refusal = gate.refusalOf(want.wish.topic(), true)) != null) {
            // A REFRESH took the right away while the home was asked, or an operator switched the channel off.
            dispatch.letGo(topic, true);
        } else {
            want.handle = topic.handle();
            want.grantedOffset = nextOffset;
            want.stateCount = stateCount;
            held.hold(topic, true, EventFilter.NOTHING, nextOffset);
        }
        onAnswer();
        return true;
    }

    private void onAnswer() {
        if (--missingCount == 0) {
            onDone.accept(switchAll());
        }
    }

    private Replaced switchAll() {
        Replaced.Builder answer = Replaced.newBuilder();
        Map<String, HeldTopic> subscribed = held.subscribedByName();
        for (Want want : wants) {
            answer.addResults(switchOne(want));
            subscribed.remove(want.wish.topic());
        }
        if (!keepsOthers) {
            for (HeldTopic row : subscribed.values()) {
                answer.addRemoved(remove(row));
            }
        }
        return answer.build();
    }

    private TopicResult switchOne(Want want) {
        TopicResult refused = want.refusal;
        if (refused != null) {
            return refused;
        }
        HeldTopic row = held.heldOf(want.handle);
        Feed feed = row == null ? null : row.feed;
        if (row == null || feed == null) {
            // A REFRESH took the right away while the homes were asked.
            return TopicGate.refusal(want.wish.topic(), ErrorCode.FORBIDDEN, ErrorCode.FORBIDDEN.meaning());
        }
        if (!switchFilter(feed, want.filter)) {
            return TopicGate.refusal(
                            want.wish.topic(),
                            ErrorCode.BACK_PRESSURED,
                            "the topic's filter was replaced " + FeedFilter.EARLIER_MAX
                                    + " times while events that go by the first still wait; it stays as it is")
                    .toBuilder()
                    .setRetryAfterMs(RETRY_AFTER_MS)
                    .build();
        }
        FeedFilter filter = feed.filter();
        // A feed that fell behind since its filter was set reads what came before by the one before.
        long switchOffset = Math.max(feed.nextOffset(), filter == null ? 0 : filter.since());
        TopicResult result = requests.granted(want.wish.topic(), row, switchOffset);
        if (want.stateCount >= 0) {
            result = requests.beginWithState(result, feed, want.grantedOffset, want.stateCount);
        }
        return tellsFilters && want.wish.filter() != null
                ? result.toBuilder().setFilter(want.wish.filter()).build()
                : result;
    }

    private boolean switchFilter(Feed feed, @Nullable EventFilter wanted) {
        FeedFilter filter = feed.filter();
        EventFilter current = filter == null ? null : filter.current();
        if (filter != null && filter.isStarting()) {
            // Nothing of it was ever selected.
            feed.filter(held.feedFilter(wanted, feed.nextOffset()));
            return true;
        }
        if (Objects.equals(messageOf(current), messageOf(wanted))) {
            return true;
        }
        if (filter == null) {
            filter = new FeedFilter(
                    null, feed.nextOffset(), dispatch.shard().clock().nowNs());
        } else if (filter.isFull(feed.firstUnsent())) {
            return false;
        }
        filter.switchTo(wanted, feed.nextOffset());
        feed.filter(filter);
        dispatch.noteFilter(feed);
        return true;
    }

    private static @Nullable Object messageOf(@Nullable EventFilter filter) {
        return filter == null ? null : filter.message();
    }

    private RemovedTopic remove(HeldTopic row) {
        Feed feed = row.feed;
        long end = feed == null ? 0 : feed.firstUnsent();
        held.unsubscribe(row);
        return RemovedTopic.newBuilder()
                .setHandle(row.topic().handle())
                .setEndOffset(end)
                .setIsOpen(row.isOpened)
                .build();
    }
}
