package hermod.bench.stress;

import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Brings a state's two actors to the same moment, give or take what the race needs.
 *
 * <p>jcstress lets its actors start together once for hundreds of states and then run free; actors of unlike length drift apart and never race. What happens before the meeting is ordered by it, what comes after is not.
 */
final class Meeting {
    private static final int ACTORS = 2;

    /** An actor whose partner was taken off its core goes on alone. */
    private static final int LOOKS_MAX = 10_000;

    /** A look costs about a nanosecond: the stretch in which a store may still lie in its core's buffer. */
    private static final int DELAY_LOOKS_MAX = 512;

    private final AtomicInteger arrived = new AtomicInteger();

    void arrive() {
        int delay = ThreadLocalRandom.current().nextInt(DELAY_LOOKS_MAX);
        arrived.incrementAndGet();
        for (int looks = LOOKS_MAX; looks > 0 && arrived.get() < ACTORS; looks--) {
            // Until the other one is here.
        }
        for (int looks = delay; looks > 0 && arrived.get() > 0; looks--) {
            // A little later than the other one, or earlier.
        }
    }
}
