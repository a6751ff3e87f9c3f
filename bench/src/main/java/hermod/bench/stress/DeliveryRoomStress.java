package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.client.internal.DeliveryBudgetDoor;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * The SDK's {@code DeliveryBudget}: for each time the loop stops reading it is told once to go on.
 *
 * <p>Catches a loop that does not look again behind its stop ({@code 1, 0}: it never reads again), and a pause that is ended by a look and a write instead of one compare-and-set ({@code 1, 2}).
 */
@JCStressTest
@Description("The loop adds the event that fills the budget while a handler makes room.")
@Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "The loop stopped reading and was told to go on.")
@Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "The room was there before; the loop read on.")
@Outcome(
        expect = FORBIDDEN,
        desc = "The loop stopped and nobody tells it to go on, or it was told when it had not stopped.")
@State
public class DeliveryRoomStress {
    private final Meeting meeting = new Meeting();
    private final AtomicInteger rooms = new AtomicInteger();
    private final DeliveryBudgetDoor budget = new DeliveryBudgetDoor(2, rooms::incrementAndGet, () -> {});

    public DeliveryRoomStress() {
        budget.add();
    }

    @Actor
    public void loop(II_Result result) {
        meeting.arrive();
        result.r1 = budget.add() ? 1 : 0;
    }

    @Actor
    public void handler() {
        meeting.arrive();
        budget.release();
    }

    @Arbiter
    public void after(II_Result result) {
        result.r2 = rooms.get();
    }
}
