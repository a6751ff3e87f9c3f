package hermod.client.internal;

/** Lets the bench's stress tests at {@link DeliveryBudget}, of one letter a byte. It holds nothing of its own. */
public final class DeliveryBudgetDoor {
    private final DeliveryBudget budget;

    /** @param onRoom and {@code onEmpty} on any thread. */
    public DeliveryBudgetDoor(int eventsMax, Runnable onRoom, Runnable onEmpty) {
        budget = new DeliveryBudget(eventsMax, Long.MAX_VALUE, onRoom, onEmpty);
    }

    /** What the loop does with an event, but for stopping to read. @return whether it stops. */
    public boolean add() {
        if (budget.add(1)) {
            budget.recheck();
            return true;
        }
        return false;
    }

    /** A handler is done with one. */
    public void release() {
        budget.release(1, 1);
    }

    /** What a closing client does. @return whether it sees that nothing is left. */
    public boolean awaitEmpty() {
        budget.awaitEmpty();
        return budget.events() == 0;
    }
}
