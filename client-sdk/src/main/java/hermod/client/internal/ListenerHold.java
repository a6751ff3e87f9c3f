package hermod.client.internal;

import hermod.client.EventListener;
import java.util.concurrent.atomic.AtomicInteger;

/** A listener on a topic and how many subscriptions hold it there; called once for an event however many do. Any thread. */
final class ListenerHold {
    private final EventListener listener;
    private final AtomicInteger holds = new AtomicInteger(1);

    ListenerHold(EventListener listener) {
        this.listener = listener;
    }

    EventListener listener() {
        return listener;
    }

    boolean isActive() {
        return holds.get() > 0;
    }

    /** One more subscription of the same listener; false if the last one has just gone. */
    boolean share() {
        return holds.getAndUpdate(count -> count > 0 ? count + 1 : 0) > 0;
    }

    /** @return whether that was the last one. */
    boolean release() {
        return holds.decrementAndGet() == 0;
    }
}
