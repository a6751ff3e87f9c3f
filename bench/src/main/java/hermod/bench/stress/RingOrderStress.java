package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** {@code PriorityRings}: one shard offers, the owner drains. */
@JCStressTest
@Description("Two records are offered to a ring while its owner drains it.")
@Outcome(id = "(0|1|12), 12", expect = ACCEPTABLE, desc = "Both came, whole, once and in order.")
@Outcome(expect = FORBIDDEN, desc = "A record was lost, doubled, out of order or in pieces (9).")
@State
public class RingOrderStress {
    private final Meeting meeting = new Meeting();
    private final RecordingShard shard = RecordingShard.take();

    @Actor
    public void other() {
        meeting.arrive();
        shard.offer(1);
        shard.offer(2);
    }

    @Actor
    public void owner(II_Result result) {
        meeting.arrive();
        shard.shard().turnNow();
        result.r1 = shard.seen();
    }

    @Arbiter
    public void after(II_Result result) {
        shard.runTasks();
        result.r2 = shard.seen();
        shard.giveBack();
    }
}
