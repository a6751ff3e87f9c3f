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

/**
 * {@code Shard.wake} against the turn that begins: sleeper and waker never miss each other.
 *
 * <p>Two things see to it, and on x86 each is enough: the fence in {@code wake}, and the turn's last look at the rings, which finds a record that is claimed and not committed. Without both, one state in ten thousand is the
 * forbidden one.
 */
@JCStressTest
@Description("A record is offered to a shard that is just waking up and looks at its rings.")
@Outcome(id = "1", expect = ACCEPTABLE, desc = "The turn took the record, or another wake-up is on its way.")
@Outcome(id = "0", expect = FORBIDDEN, desc = "The record lies in its ring and nobody is woken for it.")
@Outcome(expect = FORBIDDEN, desc = "The record was handed on twice, or in pieces.")
@State
public class WakeStress {
    private final Meeting meeting = new Meeting();
    private final RecordingShard shard = RecordingShard.take();

    public WakeStress() {
        shard.shard().wake();
    }

    @Actor
    public void other() {
        meeting.arrive();
        shard.offer(1);
    }

    @Actor
    public void owner() {
        meeting.arrive();
        shard.runOneTask();
    }

    @Arbiter
    public void after(I_Result result) {
        shard.runTasks();
        result.r1 = shard.seen();
        shard.giveBack();
    }
}
