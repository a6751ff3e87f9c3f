package hermod.broker.group;

import java.util.ArrayDeque;
import java.util.Map;
import java.util.TreeMap;

/** The groups of one channel of an org, and what is known of its log. The groups' thread's. */
final class ChannelGroups {
    static final long NOT_BEGUN = -1;

    final String org;
    final String name;
    final Map<String, Group> groups = new TreeMap<>();

    /** Of the log; {@link #NOT_BEGUN} until it is known. */
    long number = NOT_BEGUN;

    /** Above all positions that can be read. */
    long next = 1;

    /** What the log was told that it need not keep. */
    long released;

    private final ArrayDeque<Runnable> turns = new ArrayDeque<>(1);
    private boolean isTaken;
    private boolean isTaking;

    ChannelGroups(String org, String name) {
        this.org = org;
        this.name = name;
    }

    /** Whether a group of it is being made or deleted, or will be. */
    boolean isBusy() {
        return isTaken || !turns.isEmpty();
    }

    /** Does something with its groups when all before it has called {@link #endTurn}. */
    void inTurn(Runnable work) {
        turns.addLast(work);
        takeTurns();
    }

    void endTurn() {
        if (!isTaken) {
            throw new IllegalStateException("the end of a turn that nobody had: channel=" + name);
        }
        isTaken = false;
        takeTurns();
    }

    /** One after the other and not one within the other: of those that wait many may end at once. */
    private void takeTurns() {
        if (isTaking) {
            return;
        }
        isTaking = true;
        try {
            Runnable next;
            while (!isTaken && (next = turns.pollFirst()) != null) {
                isTaken = true;
                next.run();
            }
        } finally {
            isTaking = false;
        }
    }
}
