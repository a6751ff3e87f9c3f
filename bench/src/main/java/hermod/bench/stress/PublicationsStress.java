package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.client.internal.PublicationsDoor;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;

/**
 * The SDK's {@code Publications}: one wake-up of the loop for many publishes, and never none.
 *
 * <p>Catches {@code pollIncoming} without its second look behind the flag, a flag that is put down after that look, and one that is put down without a fence between it and the look ({@code lazySet}): each leaves {@code 0, 0, 1}.
 */
@JCStressTest
@Description(
        "An application publishes while the loop finds that nothing more has come in, and puts its wake flag down.")
@Outcome(id = "1, [01], 0", expect = ACCEPTABLE, desc = "The loop took it; if it was woken as well, it finds nothing.")
@Outcome(id = "0, 1, 1", expect = ACCEPTABLE, desc = "The loop was woken for it.")
@Outcome(expect = FORBIDDEN, desc = "It lies there and the loop sleeps, or was taken twice.")
@State
public class PublicationsStress {
    private final Meeting meeting = new Meeting();
    private final AtomicInteger wakes = new AtomicInteger();
    private final PublicationsDoor publications = new PublicationsDoor(wakes::incrementAndGet);

    public PublicationsStress() {
        // The loop has been woken for this one and begins to look only now.
        publications.publish();
        wakes.set(0);
    }

    @Actor
    public void application() {
        meeting.arrive();
        publications.publish();
    }

    @Actor
    public void loop(III_Result result) {
        meeting.arrive();
        result.r1 = publications.takeIncoming() - 1;
    }

    @Arbiter
    public void after(III_Result result) {
        result.r2 = wakes.get();
        result.r3 = publications.takeIncoming();
    }
}
