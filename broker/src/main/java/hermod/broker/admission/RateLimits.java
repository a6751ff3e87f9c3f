package hermod.broker.admission;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;

/**
 * The rates of all users, one for each channel they publish to and one for URGENT. Any thread: a short lock when a connection first publishes to a channel, and when it ends, never for an event.
 *
 * <p>A rate outlives its user's connections until its bucket is full again, so that reconnecting wins nothing. Beyond the limit of those kept for nobody, the one that was let go first is forgotten: its user starts with a full bucket.
 */
public final class RateLimits {
    private static final int URGENT = -1;

    /** Looked at when one is taken or given back; more than are added, so the queue shrinks. */
    private static final int LOOKS = 4;

    /** @param channel its index, or −1 for URGENT on all of them. */
    record Key(String org, String user, int channel) {}

    private final int idleLimitCount;
    private final Map<Key, EventRate> rates = new HashMap<>();
    private final ArrayDeque<EventRate> idle = new ArrayDeque<>();

    /** @param idleLimitCount rates kept that no connection has. */
    public RateLimits(int idleLimitCount) {
        this.idleLimitCount = idleLimitCount;
    }

    /** The user's rate on a channel, to be given back. */
    public EventRate ofChannel(String org, String user, int channel, int perMinute, int burst, long nowNs) {
        return take(new Key(org, user, channel), perMinute, burst, nowNs);
    }

    /** The user's rate of URGENT events, to be given back. */
    public EventRate ofUrgent(String org, String user, int perMinute, int burst, long nowNs) {
        return take(new Key(org, user, URGENT), perMinute, burst, nowNs);
    }

    private synchronized EventRate take(Key key, int perMinute, int burst, long nowNs) {
        EventRate rate = rates.computeIfAbsent(key, none -> new EventRate(key, perMinute, burst, nowNs));
        rate.holderCount++;
        forgetSome(nowNs);
        return rate;
    }

    /** A connection that took it has ended. */
    public synchronized void giveBack(EventRate rate, long nowNs) {
        if (--rate.holderCount == 0 && !rate.isQueued) {
            rate.isQueued = true;
            idle.addLast(rate);
        }
        forgetSome(nowNs);
    }

    private void forgetSome(long nowNs) {
        for (int i = 0; i < LOOKS && !idle.isEmpty(); i++) {
            EventRate oldest = idle.getFirst();
            boolean isIdle = oldest.holderCount == 0;
            if (isIdle && !oldest.isFull(nowNs) && idle.size() <= idleLimitCount) {
                return;
            }
            idle.removeFirst();
            oldest.isQueued = false;
            if (isIdle) {
                rates.remove(oldest.key);
            }
        }
    }

    /** Rates there are, of users with a connection and without. */
    public synchronized int count() {
        return rates.size();
    }
}
