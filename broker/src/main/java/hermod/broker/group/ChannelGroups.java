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
    private boolean isBusy;

    ChannelGroups(String org, String name) {
        this.org = org;
        this.name = name;
    }

    /** Whether a group of it is being made or deleted. */
    boolean isBusy() {
        return isBusy;
    }

    /** Does something with its groups when all before it has called {@link #endTurn}. */
    void inTurn(Runnable work) {
        if (isBusy) {
            turns.addLast(work);
        } else {
            isBusy = true;
            work.run();
        }
    }

    void endTurn() {
        if (!isBusy) {
            throw new IllegalStateException("the end of a turn that nobody had: channel=" + name);
        }
        Runnable next = turns.pollFirst();
        if (next == null) {
            isBusy = false;
        } else {
            next.run();
        }
    }
}
