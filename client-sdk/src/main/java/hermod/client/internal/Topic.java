package hermod.client.internal;

import hermod.client.EventListener;
import hermod.client.Subscription;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * All the client knows of one topic: who listens, what waits to be published, and what the connection holds on it.
 *
 * <p>{@link Topics} compares what is wanted with what is held and asks the broker for the difference, one request of a topic at a time. Loop thread only.
 */
final class Topic {
    /** A call of subscribe() that is not answered yet. */
    record Waiter(ListenerHold hold, CompletableFuture<Subscription> future) {}

    static final int NO_HANDLE = 0;

    final String name;
    final Mailbox mailbox;
    final ChannelMeter meter;

    // What the application wants.
    final List<ListenerHold> holds = new ArrayList<>();
    final List<Waiter> waiters = new ArrayList<>();
    final List<CompletableFuture<Void>> leavers = new ArrayList<>();
    final Deque<Publication> waiting = new ArrayDeque<>();

    // What the connection holds; forgotten with it.
    int handle = NO_HANDLE;
    int epoch;
    boolean isSubscribed;
    boolean canPublish;
    boolean isAsking;
    long askAgainAtNs;
    boolean isAskingLater;

    // What outlives a connection.
    private long nextSequence;
    int unanswered;
    long lastUsedNs;
    private boolean isFollowed;
    private int seenEpoch;
    private long seenOffset;

    /** @param firstSequence above all that an earlier object for the topic has given out. */
    Topic(String name, Mailbox mailbox, ChannelMeter meter, long firstSequence) {
        this.name = name;
        this.mailbox = mailbox;
        this.meter = meter;
        nextSequence = firstSequence;
    }

    boolean isSubscriptionWanted() {
        return !holds.isEmpty();
    }

    long nextSequence() {
        return nextSequence++;
    }

    /** Neither wanted nor held, so that the object may be forgotten. */
    boolean isIdle() {
        return holds.isEmpty() && leavers.isEmpty() && unanswered == 0 && !isAsking && handle == NO_HANDLE;
    }

    @Nullable
    ListenerHold holdOf(EventListener listener) {
        for (ListenerHold hold : holds) {
            if (hold.listener().equals(listener)) {
                return hold;
            }
        }
        return null;
    }

    /** Whether somebody has listened without a break, so that what is not seen is missed. */
    boolean isFollowed() {
        return isFollowed;
    }

    void onHandle(int newHandle, int newEpoch) {
        handle = newHandle;
        epoch = newEpoch;
    }

    /** The connection, or its hold on the topic, is gone. */
    void onHandleLost() {
        handle = NO_HANDLE;
        isSubscribed = false;
        canPublish = false;
        isAsking = false;
        isAskingLater = false;
    }

    /**
     * The subscription begins, or begins again, before {@code nextOffset}.
     *
     * @return word of what was missed since it was followed last; null for nothing.
     */
    @Nullable
    Missed onSubscribed(int newEpoch, long nextOffset) {
        isSubscribed = true;
        Missed missed = null;
        if (isFollowed && newEpoch != seenEpoch) {
            missed = new Missed(seenOffset + 1, EventListener.UNKNOWN_OFFSET, true);
        } else if (isFollowed && nextOffset > seenOffset + 1) {
            missed = new Missed(seenOffset + 1, nextOffset, false);
        }
        if (!isFollowed || newEpoch != seenEpoch || nextOffset - 1 > seenOffset) {
            seenOffset = nextOffset - 1;
        }
        isFollowed = true;
        seenEpoch = newEpoch;
        return missed;
    }

    /** Its channel was switched off for a while: what came last before it may not have been sent. */
    Missed onSwitchedOn() {
        return new Missed(seenOffset + 1, EventListener.UNKNOWN_OFFSET, false);
    }

    /** Nobody listens any more; what comes until somebody does is not missed. */
    void onAbandoned() {
        isFollowed = false;
    }

    /** @return whether the event is a new one, and not one that was seen already. */
    boolean onEvent(long offset) {
        if (offset <= seenOffset) {
            return false;
        }
        seenOffset = offset;
        return true;
    }

    /** Events from one offset to another, or to an unknown one, may have been missed. */
    record Missed(long fromOffset, long toOffset, boolean isEpochChanged) {}
}
