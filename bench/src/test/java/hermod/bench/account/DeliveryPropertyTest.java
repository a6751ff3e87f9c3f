package hermod.bench.account;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Any interleaving of lanes, evictions, gaps, filters, conflation and credit keeps order per topic and accounts for every event: delivered + filtered + conflated + excluded + expired + announced as shed = published.
 *
 * <p>Seen red with an outbox that does not lift (56 of 60 scripts), evicts without falling behind (39), does not say its gaps (41), queues what is read behind a raised event with it (7), takes the answer to an old question (9), or selects
 * earlier events by a later filter (3).
 *
 * <p>{@code -Dhermod.seed=N} plays one script again; {@code -Dhermod.scripts=N} plays so many.
 */
@Tag("FL-1")
@Tag("EV-8")
class DeliveryPropertyTest {
    private static final int SCRIPT_COUNT = 60;

    @Test
    void everyEventOfEverySubscriptionIsAccountedFor() {
        Script.Totals totals = new Script.Totals();
        Long only = Long.getLong("hermod.seed");
        if (only != null) {
            play(only, totals);
            return;
        }
        // Other scripts in each build: a failure prints its seed.
        long first = System.nanoTime();
        int count = Integer.getInteger("hermod.scripts", SCRIPT_COUNT);
        for (int i = 0; i < count; i++) {
            play(first + i, totals);
        }
        System.out.println(totals);
        assertThat(totals.sums.delivered())
                .as("scripts that deliver nothing prove nothing")
                .isPositive();
        assertThat(totals.sums.filtered()).isPositive();
        assertThat(totals.sums.shed()).isPositive();
        assertThat(totals.sums.excluded()).isPositive();
        assertThat(totals.sums.expired()).isPositive();
    }

    private static void play(long seed, Script.Totals totals) {
        try {
            new Script(seed).play(totals);
        } catch (RuntimeException | AssertionError failed) {
            throw new AssertionError("play it again with -Dhermod.seed=" + seed, failed);
        }
    }
}
