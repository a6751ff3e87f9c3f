package hermod.client.internal;

import hermod.client.EventListener;
import hermod.protocol.Priority;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What one topic's listeners are still to be told, in order, and the turn-taking on the handler threads. It waits in the lane of the most urgent letter in it,
 * so that letter lifts those before it and overtakes none of them.
 *
 * <pre>
 *   loop: offer ──▶ filling ──(swapped under the lock)──▶ draining ──▶ listeners     at most one handler thread at a time
 * </pre>
 *
 * <p>A turn is bounded, and ends early where a more urgent mailbox waits, so that a busy topic does not keep others waiting; the client's
 * {@link DeliveryBudget} bounds the contents.
 */
final class Mailbox implements Runnable {
    private static final int LETTERS_PER_TURN = 64;

    /** What slow handlers took is to show in the credit before the turn ends. */
    private static final int LETTERS_PER_RELEASE = 8;

    private final String topic;
    private final ChannelMeter meter;
    private final DeliveryBudget budget;
    private final ListenerFaults faults;
    private final LaneQueue queue;
    private final LaneQueue.Place place = new LaneQueue.Place(this);
    private final LongSupplier brokerNowUs;
    private volatile ListenerHold[] listeners = {};

    /** Where the broker wants to know what is handled; null elsewhere. Written by the loop. */
    private volatile @Nullable HandledOffsets handledOffsets;

    /** Guards filling, queued, lane, isScheduled, the swap, and writes to listeners; no other lock is taken inside. */
    private final Object lock = new Object();

    private ArrayDeque<Letter> filling = new ArrayDeque<>();

    /** Letters in filling and draining by priority, those of the turn under way included. */
    private final int[] queued = new int[Priority.COUNT];

    private int lane;
    private boolean isScheduled;

    // Of the thread whose turn it is.
    private ArrayDeque<Letter> draining = new ArrayDeque<>();
    private final int[] taken = new int[Priority.COUNT];
    private final HandledTally handled = new HandledTally();

    Mailbox(
            String topic,
            ChannelMeter meter,
            DeliveryBudget budget,
            ListenerFaults faults,
            LaneQueue queue,
            LongSupplier brokerNowUs) {
        this.topic = topic;
        this.meter = meter;
        this.budget = budget;
        this.faults = faults;
        this.queue = queue;
        this.brokerNowUs = brokerNowUs;
    }

    /** Null where nobody wants to know what is handled. */
    void handled(@Nullable HandledOffsets offsets) {
        handledOffsets = offsets;
    }

    /** Idempotent. Any thread, as is {@link #detach}. */
    void attach(ListenerHold hold) {
        synchronized (lock) {
            if (List.of(listeners).contains(hold)) {
                return;
            }
            List<ListenerHold> next = new ArrayList<>(List.of(listeners));
            next.add(hold);
            listeners = next.toArray(new ListenerHold[0]);
        }
    }

    void detach(ListenerHold hold) {
        synchronized (lock) {
            List<ListenerHold> next = new ArrayList<>(List.of(listeners));
            next.remove(hold);
            listeners = next.toArray(new ListenerHold[0]);
        }
    }

    /** Queues a letter behind all before it; the caller has added it to the budget. Loop thread only, as are all that tell. */
    void offer(Letter letter) {
        int priority = letter.priority().ordinal();
        boolean isFirst;
        boolean isRaised;
        synchronized (lock) {
            filling.addLast(letter);
            queued[priority]++;
            isFirst = !isScheduled;
            isRaised = isScheduled && priority > lane;
            if (isFirst || isRaised) {
                lane = priority;
            }
            isScheduled = true;
        }
        if (isFirst) {
            queue.schedule(place, priority);
        } else if (isRaised) {
            queue.raise(place, priority);
        }
    }

    /** Word for those who listen now; it weighs as much as a small event, and is the caller's to queue. */
    Letter word(Consumer<EventListener> word) {
        return new Notice(List.of(listeners), word, false, List.of());
    }

    /** Queues word for those who listen now. */
    void tell(Consumer<EventListener> word) {
        offerNotice(new Notice(List.of(listeners), word, false, List.of()));
    }

    /** Queues a last word for those who listen now; they are detached after it. */
    void tellTheEnd(Consumer<EventListener> word) {
        offerNotice(new Notice(List.of(listeners), word, true, List.of()));
    }

    /** Lets listeners go when they have had what is queued, and attaches others from there on: each event goes to either. */
    void handOver(List<ListenerHold> from, List<ListenerHold> to) {
        offerNotice(new Notice(List.copyOf(from), listener -> {}, true, List.copyOf(to)));
    }

    private void offerNotice(Notice notice) {
        budget.addNotice(notice);
        offer(notice);
    }

    private record Notice(List<ListenerHold> to, Consumer<EventListener> word, boolean isLast, List<ListenerHold> next)
            implements Letter {
        private static final int BYTES = 64;

        @Override
        public void deliverTo(EventListener listener) {
            word.accept(listener);
        }

        @Override
        public boolean isFor(ListenerHold hold) {
            return to.contains(hold);
        }

        @Override
        public int bytes() {
            return BYTES;
        }
    }

    /** One turn on a handler thread. */
    @Override
    public void run() {
        if (draining.isEmpty()) {
            swap();
        }
        int count = 0;
        do {
            if (handled.letters() == LETTERS_PER_RELEASE) {
                budget.release(handled);
            }
            Letter letter = draining.removeFirst();
            deliver(letter);
            count++;
            taken[letter.priority().ordinal()]++;
            handled.add(letter);
        } while (count < LETTERS_PER_TURN && !draining.isEmpty() && !queue.isWaitingBefore(place));
        // Before the budget: when it says that all is handled, the counts are to be there.
        int nextLane = laneOfTheRest();
        budget.release(handled);
        if (nextLane >= 0) {
            queue.schedule(place, nextLane);
        }
    }

    private void swap() {
        synchronized (lock) {
            ArrayDeque<Letter> empty = draining;
            draining = filling;
            filling = empty;
        }
    }

    /** Ends the turn: the lane to wait in for the next one, or -1 where nothing is left. */
    private int laneOfTheRest() {
        synchronized (lock) {
            lane = -1;
            for (int i = 0; i < queued.length; i++) {
                queued[i] -= taken[i];
                taken[i] = 0;
                if (queued[i] > 0) {
                    lane = i;
                }
            }
            isScheduled = lane >= 0;
            return lane;
        }
    }

    private void deliver(Letter letter) {
        HandledOffsets offsets = handledOffsets;
        if (offsets != null && letter instanceof ReceivedEvent event) {
            List<ListenerHold> done = new ArrayList<>(offsets.doneOf(event.offset()));
            boolean isHandled = deliver(letter, done) && !done.isEmpty();
            offsets.onHandled(event.offset(), isHandled, done);
        } else {
            deliver(letter, null);
        }
        if (letter instanceof Notice notice && notice.isLast) {
            notice.to.forEach(this::detach);
            notice.next.forEach(this::attach);
        }
    }

    /**
     * @param done who has handled it already, and is not to be called again; those who do now are added. Null where that matters to nobody.
     * @return false where a listener threw.
     */
    private boolean deliver(Letter letter, @Nullable List<ListenerHold> done) {
        ListenerHold[] now = listeners;
        boolean isCounted = false;
        boolean isWell = true;
        for (ListenerHold hold : now) {
            if (!hold.isActive() || !letter.isFor(hold) || (done != null && done.contains(hold))) {
                continue;
            }
            if (!isCounted && letter instanceof ReceivedEvent event) {
                meter.onDelivered(event, brokerNowUs.getAsLong());
                isCounted = true;
            }
            try {
                letter.deliverTo(hold.listener());
                if (done != null) {
                    done.add(hold);
                }
            } catch (Throwable fault) {
                isWell = false;
                faults.add(topic, fault);
            }
        }
        return isWell;
    }
}
