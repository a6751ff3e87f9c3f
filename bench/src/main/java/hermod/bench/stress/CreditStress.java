package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.client.internal.CreditDoor;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.I_Result;

/**
 * The SDK's {@code Credit}: what handlers are done with is granted again, by this wake-up of the loop or by another.
 *
 * <p>Catches a loop that puts the wake flag down after it has looked at what is to be granted, and a handler that looks before it has counted ({@code 2}: the broker sends no more).
 */
@JCStressTest
@Description("The loop, woken by a handler, grants while another handler is done with the rest of the window.")
@Outcome(id = "8", expect = ACCEPTABLE, desc = "The whole window was granted again.")
@Outcome(expect = FORBIDDEN, desc = "A part was not, and nobody will wake the loop for it, or it was granted twice.")
@State
public class CreditStress {
    private static final int WINDOW_BYTES = 8;

    private final Meeting meeting = new Meeting();
    private final AtomicInteger wakes = new AtomicInteger();
    private final CreditDoor credit = new CreditDoor(WINDOW_BYTES, wakes::incrementAndGet);
    private int granted;

    public CreditStress() {
        credit.release(2);
    }

    @Actor
    public void loop() {
        meeting.arrive();
        granted = credit.takeGrant();
    }

    @Actor
    public void handler() {
        meeting.arrive();
        credit.release(WINDOW_BYTES - 2);
    }

    @Arbiter
    public void after(I_Result result) {
        if (wakes.get() > 1) {
            granted += credit.takeGrant();
        }
        result.r1 = granted;
    }
}
