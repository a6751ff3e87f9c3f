package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE_INTERESTING;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** {@code Shard.wakeAfterTurn}: a shard that finds another's ring full, asks to be woken and looks again, as {@code dispatch.Outgoing} does. */
@JCStressTest
@Description("A shard finds a ring full and asks to be woken, while the ring's owner takes a turn.")
@Outcome(id = "1, [01]", expect = ACCEPTABLE, desc = "There was room, before or after the asking.")
@Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "The ring was full to the end, and the asker is woken.")
@Outcome(
        id = "0, 0",
        expect = ACCEPTABLE_INTERESTING,
        desc = "The asker came too late to be woken and too early to find room: its own tick helps.")
@Outcome(expect = FORBIDDEN, desc = "Something else.")
@State
public class AskerStress {
    private final Meeting meeting = new Meeting();
    private final RecordingShard owner = RecordingShard.take();
    private final RecordingShard asker = RecordingShard.take();

    public AskerStress() {
        owner.fill();
    }

    @Actor
    public void asker(II_Result result) {
        meeting.arrive();
        boolean isOffered = owner.offer(2);
        if (!isOffered) {
            owner.shard().wakeAfterTurn(asker.shard());
            isOffered = owner.offer(2);
        }
        result.r1 = isOffered ? 1 : 0;
    }

    @Actor
    public void owner() {
        meeting.arrive();
        owner.runOneTask();
    }

    @Arbiter
    public void after(II_Result result) {
        result.r2 = asker.hasTask() ? 1 : 0;
        owner.giveBack();
        asker.giveBack();
    }
}
