package hermod.client.internal;

import hermod.client.EventListener;

/** Lets the bench's stress tests at {@link DeliveryBudget}, of one letter a byte that is not under credit. It holds nothing of its own. */
public final class DeliveryBudgetDoor {
    private static final Letter LETTER = new Letter() {
        @Override
        public void deliverTo(EventListener listener) {}

        @Override
        public int bytes() {
            return 1;
        }
    };

    private final DeliveryBudget budget;

    /** @param onRoom and {@code onEmpty} on any thread. */
    public DeliveryBudgetDoor(int eventsMax, Runnable onRoom, Runnable onEmpty) {
        budget = new DeliveryBudget(eventsMax, Long.MAX_VALUE, new Credit(0, () -> {}), onRoom, onEmpty);
    }

    /** What the loop does with an event, but for stopping to read. @return whether it stops. */
    public boolean add() {
        if (budget.add(LETTER)) {
            budget.recheck();
            return true;
        }
        return false;
    }

    /** A handler is done with one. */
    public void release() {
        HandledTally handled = new HandledTally();
        handled.add(LETTER);
        budget.release(handled);
    }

    /** What a closing client does. @return whether it sees that nothing is left. */
    public boolean awaitEmpty() {
        budget.awaitEmpty();
        return budget.events() == 0;
    }
}
