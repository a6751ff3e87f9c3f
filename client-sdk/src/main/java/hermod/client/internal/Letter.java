package hermod.client.internal;

import hermod.client.EventListener;

/** What a mailbox carries to listeners, in order: an event, or word of a hole or of the end. */
interface Letter {
    void deliverTo(EventListener listener);

    /** Whether it is meant for this one of the mailbox's listeners. */
    default boolean isFor(ListenerHold hold) {
        return true;
    }

    /** What it weighs against the bound of undelivered bytes. */
    default int bytes() {
        return 0;
    }
}
