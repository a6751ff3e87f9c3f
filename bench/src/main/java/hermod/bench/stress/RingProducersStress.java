package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/** {@code PriorityRings}: two shards offer to one lane of a third, and both wake it. */
@JCStressTest
@Description("Two shards offer a record to one ring at once.")
@Outcome(id = "12|21", expect = ACCEPTABLE, desc = "Both came, whole and once, and the shard was woken.")
@Outcome(expect = FORBIDDEN, desc = "A record was lost, doubled or in pieces (9), or nobody was woken.")
@State
public class RingProducersStress {
    private final Meeting meeting = new Meeting();
    private final RecordingShard shard = RecordingShard.take();

    @Actor
    public void one() {
        meeting.arrive();
        shard.offer(1);
    }

    @Actor
    public void two() {
        meeting.arrive();
        shard.offer(2);
    }

    @Arbiter
    public void after(I_Result result) {
        shard.runTasks();
        result.r1 = shard.seen();
        shard.giveBack();
    }
}
