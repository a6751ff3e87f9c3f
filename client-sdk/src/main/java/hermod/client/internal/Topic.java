package hermod.client.internal;

import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.GapReason;
import hermod.client.Subscription;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Filter;
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

    /** Of the subscription; null for all events. */
    @Nullable
    Filter filter;

    /** Back-pressured, to be sent again before anything that waits; while there are any, nothing else of the topic is sent. */
    final List<Publication> refused = new ArrayList<>();

    long retryAtNs;

    /** Sent, without an outcome. */
    int inFlight;

    /** Highest that the broker has accepted. */
    long acceptedSequence;

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

    /** Of the last event received, or where the subscription began: what comes again is dropped. */
    private long seenOffset;

    /** Up to here nothing is awaited any more, so here a later connection goes on. At least the one above. */
    private long cursorOffset;

    /** Of a state topic; null for any other, and until it is subscribed to. */
    @Nullable
    StateTable state;

    /** Where the broker wants to know what is handled; null elsewhere. */
    @Nullable
    HandledOffsets handled;

    /** Gives up resuming on this connection: the broker does not take it. */
    boolean isResumeRefused;

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

    /** Whether the broker wants to know what is handled from now on; what is known of it stays, over connections. */
    void acknowledge(boolean isWanted, Runnable onTellable) {
        if (isWanted && handled == null) {
            handled = new HandledOffsets(onTellable);
        } else if (!isWanted) {
            handled = null;
        }
        mailbox.handled(handled);
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
        isResumeRefused = false;
        if (state != null) {
            state.onLost();
        }
    }

    /** Whether the state has not come whole: then it is asked for anew, and what was seen of it is no place to go on from. */
    boolean isStateLoading() {
        return state != null && state.isLoading();
    }

    /** The subscription begins with the topic's state. @return keys that are gone, where that is known at once. */
    List<String> beginState(long nextOffset, int count) {
        if (state == null) {
            state = new StateTable();
        }
        return state.begin(nextOffset, count);
    }

    /** Where a later connection goes on; to be asked for a topic that is followed only. */
    Cursor cursor() {
        Cursor.Builder cursor = Cursor.newBuilder()
                .setTopic(name)
                .setEpoch(seenEpoch)
                .setOffset(handled == null ? cursorOffset : handled.cursor(cursorOffset));
        if (filter != null) {
            cursor.setFilter(filter);
        }
        return cursor.build();
    }

    /**
     * The subscription begins, or begins again, with the event {@code nextOffset} or a later one.
     *
     * @param reason why what lies between is missing, in the same epoch.
     * @param hasState whether events below {@code nextOffset} come first.
     * @return what was missed since it was followed last; null for nothing.
     */
    @Nullable
    Gap onSubscribed(int newEpoch, long nextOffset, GapReason reason, boolean hasState) {
        isSubscribed = true;
        Gap gap = null;
        if (isFollowed && newEpoch != seenEpoch) {
            long unknown = EventListener.UNKNOWN_OFFSET;
            gap = new Gap(name, seenEpoch, cursorOffset + 1, unknown, GapReason.EPOCH_CHANGED, false);
        } else if (isFollowed && nextOffset > cursorOffset + 1) {
            gap = new Gap(name, seenEpoch, cursorOffset + 1, nextOffset - 1, reason, false);
        }
        if (!isFollowed || newEpoch != seenEpoch) {
            if (handled != null) {
                handled.clear();
            }
            seenOffset = hasState ? 0 : nextOffset - 1;
            cursorOffset = nextOffset - 1;
        } else {
            onProgress(nextOffset - 1);
        }
        isFollowed = true;
        seenEpoch = newEpoch;
        return gap;
    }

    /** Whether the offsets seen so far can be compared with those of this epoch. */
    boolean isOfEpoch(int other) {
        return isFollowed && seenEpoch == other;
    }

    /** The subscription goes on where it was left: what follows is above the cursor. */
    void onResumed() {
        isSubscribed = true;
        if (state != null) {
            state.onResumed();
        }
    }

    /** Nobody listens any more; what comes until somebody does is not missed. */
    void onAbandoned() {
        isFollowed = false;
        if (!isSubscribed) {
            state = null;
        }
    }

    /** @return whether the event is a new one, and not one that was seen already. */
    boolean onEvent(long offset) {
        if (offset <= seenOffset) {
            return false;
        }
        seenOffset = offset;
        cursorOffset = Math.max(cursorOffset, offset);
        return true;
    }

    /** Nothing up to and including this offset is awaited any more. */
    void onProgress(long offset) {
        cursorOffset = Math.max(cursorOffset, offset);
    }

    /** Events are missing; those of a gap that is filled are still awaited. */
    void onGap(long from, long to, boolean isFillComing) {
        onProgress(isFillComing ? from - 1 : to);
    }
}
