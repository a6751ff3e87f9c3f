package hermod.client.internal;

import hermod.client.EventListener;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * What one topic's listeners are still to be told, in order, and the turn-taking on the handler threads.
 *
 * <pre>
 *   loop: offer ──▶ filling ──(swapped under the lock)──▶ draining ──▶ listeners     at most one handler thread at a time
 * </pre>
 *
 * <p>A turn is bounded, so that a busy topic does not keep others waiting; the client's {@link DeliveryBudget} bounds the contents.
 */
final class Mailbox implements Runnable {
    private static final int LETTERS_PER_TURN = 64;

    private final String topic;
    private final ChannelMeter meter;
    private final DeliveryBudget budget;
    private final ListenerFaults faults;
    private final Executor handlers;
    private final LongSupplier brokerNowUs;
    private volatile ListenerHold[] listeners = {};

    /** Guards filling, isScheduled, the swap, and writes to listeners; no other lock is taken inside. */
    private final Object lock = new Object();

    private ArrayDeque<Letter> filling = new ArrayDeque<>();
    private boolean isScheduled;
    private ArrayDeque<Letter> draining = new ArrayDeque<>();

    Mailbox(
            String topic,
            ChannelMeter meter,
            DeliveryBudget budget,
            ListenerFaults faults,
            Executor handlers,
            LongSupplier brokerNowUs) {
        this.topic = topic;
        this.meter = meter;
        this.budget = budget;
        this.faults = faults;
        this.handlers = handlers;
        this.brokerNowUs = brokerNowUs;
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

    /** Queues a letter behind all before it; the caller has added it to the budget. Any thread, in practice the loop. */
    void offer(Letter letter) {
        boolean mustSchedule;
        synchronized (lock) {
            filling.addLast(letter);
            mustSchedule = !isScheduled;
            isScheduled = true;
        }
        if (mustSchedule) {
            handlers.execute(this);
        }
    }

    /** Queues word for those who listen now. */
    void tell(Consumer<EventListener> word) {
        offerNotice(new Notice(List.of(listeners), word, false));
    }

    /** Queues a last word for those who listen now; they are detached after it. */
    void tellTheEnd(Consumer<EventListener> word) {
        offerNotice(new Notice(List.of(listeners), word, true));
    }

    private void offerNotice(Notice notice) {
        budget.addNotice();
        offer(notice);
    }

    private record Notice(List<ListenerHold> to, Consumer<EventListener> word, boolean isLast) implements Letter {
        @Override
        public void deliverTo(EventListener listener) {
            word.accept(listener);
        }

        @Override
        public boolean isFor(ListenerHold hold) {
            return to.contains(hold);
        }
    }

    /** One turn on a handler thread. */
    @Override
    public void run() {
        if (draining.isEmpty()) {
            swap();
        }
        int count = 0;
        long bytes = 0;
        while (count < LETTERS_PER_TURN && !draining.isEmpty()) {
            Letter letter = draining.removeFirst();
            count++;
            bytes += letter.bytes();
            deliver(letter);
        }
        // Before the budget: when it says that all is handled, the counts are to be there.
        boolean mustGoOn = hasMore();
        budget.release(count, bytes);
        if (mustGoOn) {
            handlers.execute(this);
        }
    }

    private void swap() {
        synchronized (lock) {
            ArrayDeque<Letter> empty = draining;
            draining = filling;
            filling = empty;
        }
    }

    private boolean hasMore() {
        synchronized (lock) {
            isScheduled = !draining.isEmpty() || !filling.isEmpty();
            return isScheduled;
        }
    }

    private void deliver(Letter letter) {
        ListenerHold[] now = listeners;
        boolean isCounted = false;
        for (ListenerHold hold : now) {
            if (!hold.isActive() || !letter.isFor(hold)) {
                continue;
            }
            if (!isCounted && letter instanceof ReceivedEvent event) {
                meter.onDelivered(event, brokerNowUs.getAsLong());
                isCounted = true;
            }
            try {
                letter.deliverTo(hold.listener());
            } catch (Throwable fault) {
                faults.add(topic, fault);
            }
        }
        if (letter instanceof Notice notice && notice.isLast) {
            notice.to.forEach(this::detach);
        }
    }
}
