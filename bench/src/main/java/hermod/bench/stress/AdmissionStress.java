package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.broker.transport.AdmissionDoor;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.IIII_Result;

/**
 * {@code transport.Admission}: the shards' common counts of sockets never go over their limit and end where they began.
 *
 * <p>Catches a limit that is looked at before it is counted ({@code 1, 1, …}: both come in), and a count that is read and written in two steps ({@code …, r3, r4} off).
 */
@JCStressTest
@Description("A socket comes on each of two shards, and there is room for one.")
@Outcome(
        id = {"1, 0, 1, 0", "0, 1, 1, 0"},
        expect = ACCEPTABLE,
        desc = "One was welcomed and is counted, the other was turned away and is not.")
@Outcome(expect = FORBIDDEN, desc = "Both came in or none did, or a count is off.")
@State
public class AdmissionStress {
    private final Meeting meeting = new Meeting();
    private final AdmissionDoor[] shards = AdmissionDoor.pair(1);

    @Actor
    public void first(IIII_Result result) {
        meeting.arrive();
        result.r1 = shards[0].accept() ? 1 : 0;
    }

    @Actor
    public void second(IIII_Result result) {
        meeting.arrive();
        result.r2 = shards[1].accept() ? 1 : 0;
    }

    @Arbiter
    public void after(IIII_Result result) {
        result.r3 = shards[0].connections();
        result.r4 = shards[0].unauthenticated();
    }
}
