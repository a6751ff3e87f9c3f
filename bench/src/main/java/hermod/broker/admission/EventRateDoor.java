package hermod.broker.admission;

/** Lets the bench's stress tests at an {@link EventRate} of a given burst. It holds nothing of its own. */
public final class EventRateDoor {
    private final EventRate rate;

    public EventRateDoor(int burst) {
        rate = new EventRate(new RateLimits.Key("acme", "alice", 0), 1, burst, 0);
    }

    /** What a shard does with an event. @return whether it is let through. */
    public boolean take() {
        return rate.retryAfterMs(0) == 0;
    }
}
