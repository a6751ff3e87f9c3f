package hermod.broker.metrics;

/**
 * A consumer group as it is now. Immutable.
 *
 * @param floor the position of the first event that is not settled.
 * @param lag events of the channel that it has not settled.
 * @param inFlight events in its members' hands.
 * @param oldestAgeUs since when the first event that is not settled is stored; 0 where there is none, or it is not known.
 */
public record GroupStats(
        String org,
        String channel,
        String name,
        String mode,
        int members,
        long floor,
        long lag,
        int inFlight,
        long oldestAgeUs) {}
