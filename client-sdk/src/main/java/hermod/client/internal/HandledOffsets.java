package hermod.client.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the listeners of one topic have handled, where the broker wants to know it: up to which offset nothing is open, and which events are to be handled again.
 *
 * <pre>
 *   QUEUED ──handled──▶ HANDLED      over once all before it are
 *     │  ▲
 *     │  └─ comes again ─┐
 *     └──a listener threw──▶ FAILED
 * </pre>
 *
 * <p>Outlives connections. The loop receives, handler threads handle; the lock guards all, and no other is taken inside.
 */
final class HandledOffsets {
    /** As often as a broker sends an event by default: what failed each time is passed over then, or nothing behind it could ever be acknowledged. */
    static final int ATTEMPTS_MAX = 6;

    /** Beyond, the oldest that waits for nothing but to come again is passed over. */
    static final int OPEN_MAX = 4_096;

    private enum State {
        QUEUED,
        FAILED,
        HANDLED
    }

    private static final class Open {
        State state = State.QUEUED;
        int failures;

        /** Listeners that have handled it, where another has failed. */
        List<ListenerHold> done = List.of();
    }

    private final TreeMap<Long, Open> open = new TreeMap<>();
    private final Runnable onTellable;

    /** All that was received up to here is handled. */
    private long handledTo;

    /** The first that is handled and was not told; 0 for none. */
    private long untoldFrom;

    private boolean mustTell;

    /** @param onTellable called on any thread when {@link #take} has something; not again before that was called. */
    HandledOffsets(Runnable onTellable) {
        this.onTellable = onTellable;
    }

    /** A subscription begins anew: what was before is over. */
    synchronized void clear() {
        open.clear();
        handledTo = 0;
        untoldFrom = 0;
    }

    /** @return whether the event is to be handled: it is new, or failed before. */
    boolean onReceived(long offset) {
        boolean tells = false;
        boolean isWanted = false;
        synchronized (this) {
            Open known = open.get(offset);
            if (offset <= handledTo) {
                // The word of it was lost with a connection, or is on its way.
                tells = noteTellable(offset);
            } else if (known == null) {
                open.put(offset, new Open());
                isWanted = true;
                tells = open.size() > OPEN_MAX && passOldest();
            } else if (known.state == State.FAILED) {
                known.state = State.QUEUED;
                isWanted = true;
            }
        }
        if (tells) {
            onTellable.run();
        }
        return isWanted;
    }

    /** It has come again, and its time is over: what failed will not be handled any more. */
    void pass(long offset) {
        boolean tells = false;
        synchronized (this) {
            Open known = open.get(offset);
            if (known != null && known.state == State.FAILED) {
                known.state = State.HANDLED;
                tells = advance();
            }
        }
        if (tells) {
            onTellable.run();
        }
    }

    /** Who has handled an event that comes again. */
    synchronized List<ListenerHold> doneOf(long offset) {
        Open known = open.get(offset);
        return known == null ? List.of() : known.done;
    }

    /** @param done who has handled it, so far. */
    void onHandled(long offset, boolean isHandled, List<ListenerHold> done) {
        boolean tells;
        synchronized (this) {
            Open known = open.get(offset);
            if (known == null) {
                return;
            }
            if (isHandled || ++known.failures >= ATTEMPTS_MAX) {
                known.state = State.HANDLED;
            } else {
                known.state = State.FAILED;
                known.done = new ArrayList<>(done);
            }
            tells = advance();
        }
        if (tells) {
            onTellable.run();
        }
    }

    private boolean passOldest() {
        Open first = open.firstEntry().getValue();
        if (first.state == State.FAILED) {
            first.state = State.HANDLED;
        }
        return advance();
    }

    private boolean advance() {
        boolean tells = false;
        Map.Entry<Long, Open> first = open.firstEntry();
        while (first != null && first.getValue().state == State.HANDLED) {
            handledTo = first.getKey();
            tells |= noteTellable(handledTo);
            open.pollFirstEntry();
            first = open.firstEntry();
        }
        return tells;
    }

    private boolean noteTellable(long offset) {
        untoldFrom = untoldFrom == 0 ? offset : Math.min(untoldFrom, offset);
        boolean isFirst = !mustTell;
        mustTell = true;
        return isFirst;
    }

    /** What is to be told to the broker now: all up to this offset is handled. @return 0 for nothing. */
    synchronized long take() {
        if (!mustTell) {
            return 0;
        }
        mustTell = false;
        untoldFrom = 0;
        return handledTo;
    }

    /** Where a later connection is to go on, so that what is open or untold comes again. @param offset if there is no such thing. */
    synchronized long cursor(long offset) {
        long cursor = untoldFrom == 0 ? offset : Math.min(offset, untoldFrom - 1);
        return open.isEmpty() ? cursor : Math.min(cursor, open.firstKey() - 1);
    }
}
