package hermod.broker.session;

import java.util.concurrent.ConcurrentHashMap;

/**
 * How many connections each address and each user has. Any thread: a short lock on one entry when a connection opens or closes, never per event.
 *
 * <p>An entry goes when its last connection does, so the map is bounded by the connections there are.
 */
public final class ConnectionLimits {
    private final ConcurrentHashMap<String, Integer> counts = new ConcurrentHashMap<>();

    /** Counts one more for a key, unless it has as many as it may. */
    boolean take(String key, int limitCount) {
        int[] after = new int[1];
        counts.compute(key, (same, count) -> {
            int now = count == null ? 0 : count;
            after[0] = now < limitCount ? now + 1 : -1;
            return now < limitCount ? Integer.valueOf(now + 1) : count;
        });
        return after[0] > 0;
    }

    /** The reverse of a {@link #take} that said yes. */
    void giveBack(String key) {
        counts.computeIfPresent(key, (same, count) -> count == 1 ? null : count - 1);
    }
}
