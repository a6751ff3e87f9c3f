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
 * The SDK's {@code DeliveryBudget}: a client that closes learns that its handlers are done.
 *
 * <p>Catches a flag that is not volatile, or put up without a fence before the count is read ({@code 0, 0}: the client waits for nothing).
 */
@JCStressTest
@Description("A client begins to wait for its handlers to be done while the last of them is.")
@Outcome(id = "0, 1", expect = ACCEPTABLE, desc = "It was told.")
@Outcome(id = "1, [01]", expect = ACCEPTABLE, desc = "It saw for itself, and may have been told as well.")
@Outcome(expect = FORBIDDEN, desc = "It was neither told nor saw it.")
@State
public class DeliveryEndStress {
    private final Meeting meeting = new Meeting();
    private final AtomicInteger ends = new AtomicInteger();
    private final DeliveryBudgetDoor budget = new DeliveryBudgetDoor(8, () -> {}, ends::incrementAndGet);

    public DeliveryEndStress() {
        budget.add();
    }

    @Actor
    public void client(II_Result result) {
        meeting.arrive();
        result.r1 = budget.awaitEmpty() ? 1 : 0;
    }

    @Actor
    public void handler() {
        meeting.arrive();
        budget.release();
    }

    @Arbiter
    public void after(II_Result result) {
        result.r2 = ends.get();
    }
}
