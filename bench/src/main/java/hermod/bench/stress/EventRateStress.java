package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.broker.admission.EventRateDoor;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * {@code admission.EventRate}: the shards together let through what a user may publish, and no more.
 *
 * <p>Catches a bucket that is written without looking whether another shard has written it meanwhile ({@code 1, 1}).
 */
@JCStressTest
@Description("A user's connections on two shards publish, and one event is left of the burst.")
@Outcome(
        id = {"1, 0", "0, 1"},
        expect = ACCEPTABLE,
        desc = "One was let through.")
@Outcome(expect = FORBIDDEN, desc = "Both were, or none.")
@State
public class EventRateStress {
    private final Meeting meeting = new Meeting();
    private final EventRateDoor rate = new EventRateDoor(1);

    @Actor
    public void first(II_Result result) {
        meeting.arrive();
        result.r1 = rate.take() ? 1 : 0;
    }

    @Actor
    public void second(II_Result result) {
        meeting.arrive();
        result.r2 = rate.take() ? 1 : 0;
    }
}
