package hermod.bench.stress;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("long")
@Timeout(300)
class StressRunTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private boolean run(String pattern, boolean isListing) throws InterruptedException {
        PrintStream print = new PrintStream(out, true, StandardCharsets.UTF_8);
        return new StressRun(pattern, true, print).run(isListing, print);
    }

    /** A second for each test: it finds a missing fence, and less than a long run does. */
    @Test
    void whatTwoThreadsShareShowsNoForbiddenOutcome() throws InterruptedException {
        boolean hasPassed = run("", false);

        assertThat(hasPassed).as(out.toString(StandardCharsets.UTF_8)).isTrue();
    }

    @Test
    void theTestsAreListed() throws InterruptedException {
        assertThat(run("wake|crossing", true)).isTrue();
        assertThat(out.toString(StandardCharsets.UTF_8).lines()).containsExactly("CrossingStress", "WakeStress");
    }
}
