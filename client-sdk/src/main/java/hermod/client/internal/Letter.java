package hermod.client.internal;

import hermod.client.EventListener;
import hermod.protocol.Priority;

/** What a mailbox carries to listeners, in order: an event, or word of a gap or of the end. */
interface Letter {
    void deliverTo(EventListener listener);

    /** Whether it is meant for this one of the mailbox's listeners. */
    default boolean isFor(ListenerHold hold) {
        return true;
    }

    /** Which lane its mailbox is to wait in, at least. */
    default Priority priority() {
        return Priority.NORMAL;
    }

    /** What it weighs against the bound of undelivered bytes. */
    default int bytes() {
        return 0;
    }

    /** What it holds of the credit window until it is handled; 0 for a letter outside credit. */
    default int creditBytes() {
        return 0;
    }
}
