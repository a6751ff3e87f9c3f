package hermod.client.internal;

/** Lets the bench's stress tests at {@link Credit}, with the whole window received and waiting for its handlers. It holds nothing of its own. */
public final class CreditDoor {
    private final Credit credit;

    /** @param onGrantable on any thread. */
    public CreditDoor(int windowBytes, Runnable onGrantable) {
        credit = new Credit(windowBytes, onGrantable);
        long granted = credit.start();
        credit.onFrame(granted);
        credit.hold(granted);
    }

    /** A handler is done with this much. */
    public void release(int bytes) {
        credit.release(bytes);
    }

    /** What the loop does when it is woken. @return bytes granted. */
    public int takeGrant() {
        return (int) credit.takeGrant(false);
    }
}
