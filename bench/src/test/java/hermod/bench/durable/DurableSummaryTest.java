package hermod.bench.durable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import hermod.bench.durable.DurableSummary.Goal;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DurableSummaryTest {
    private final Sheet sheet = new Sheet();
    private final DurableSummary summary = new DurableSummary(sheet);

    private void p50s(String row, double... us) {
        for (double one : us) {
            sheet.add(row, new Figures(one, 2 * one, 1e6 / one));
        }
    }

    private void rates(String row, double... perSecond) {
        for (double one : perSecond) {
            sheet.add(row, new Figures(1, 2, one));
        }
    }

    private void measuredDisk(double... us) {
        p50s(DurableSummary.DISK, us);
        p50s(DurableSummary.DISK_PREPARED, us);
    }

    private void measuredDeliveries() {
        for (String row : List.of(
                DurableSummary.DELIVERY,
                DurableSummary.DELIVERY_ANSWER,
                DurableSummary.EARLY,
                DurableSummary.EARLY_ANSWER)) {
            p50s(row, 7);
        }
    }

    @Test
    void aRatioIsTakenRoundByRoundSoThatAMachineThatSlowsDownForAllChangesNothing() {
        measuredDisk(100, 1_000, 10_000);
        p50s(DurableSummary.RELAY, 20, 200, 2_000);
        p50s(DurableSummary.ONE, 144, 1_440, 14_400);

        Goal goal = summary.goals().get("inFlight1");

        assertThat(goal.ratio().ratio()).isCloseTo(1.2, within(1e-9));
        assertThat(goal.ratio().low()).isCloseTo(1.2, within(1e-9));
        assertThat(goal.isReached()).isTrue();
        assertThat(DurableSummary.sentence(goal))
                .contains("at most 1.30: 1.200", "reached")
                .doesNotContain("missed");
    }

    @Test
    void oneInFlightAboveTheLimitMissesTheGoal() {
        measuredDisk(100, 100);
        p50s(DurableSummary.RELAY, 20, 20);
        p50s(DurableSummary.ONE, 160, 160);

        assertThat(summary.goals().get("inFlight1").isReached()).isFalse();
        assertThat(summary.tables()).contains("**missed**");
    }

    @Test
    void withoutTheRelayTheMemoryChannelIsTheWire() {
        measuredDisk(100);
        p50s(DurableSummary.MEMORY, 50);
        p50s(DurableSummary.ONE, 150);

        assertThat(summary.goals().get("inFlight1").ratio().ratio()).isCloseTo(1, within(1e-9));
    }

    @Test
    void redisIsComparedInTheWayThatIsBetterForItInEachRound() {
        measuredDisk(100, 100);
        p50s(DurableSummary.ONE, 150, 150);
        rates(DurableSummary.HUNDRED, 100_000, 100_000);
        rates(DurableSummary.hundred(Store.REDIS), 200_000, 10_000);
        rates(DurableSummary.connections(Store.REDIS), 10_000, 50_000);

        Goal goal = summary.goals().get("inFlight100");

        assertThat(goal.ratio().ratio()).isCloseTo(1, within(1e-9)); // of 0.5 and 2
        assertThat(goal.isReached()).isTrue();
    }

    @Test
    void anAnswerFasterThanAnySyncReachesNoGoal() {
        measuredDisk(100);
        p50s(DurableSummary.MEMORY, 15);
        p50s(DurableSummary.ONE, 16);

        assertThat(summary.isFasterThanTheDisk()).isTrue();
        assertThat(summary.goals().get("inFlight1").isReached()).isFalse();
        assertThat(summary.tables()).contains("nothing was synced");
    }

    @Test
    void aPeerThatDidNotRunLeavesItsGoalAndItsKeysOut() {
        measuredDisk(100);
        p50s(DurableSummary.MEMORY, 15);
        p50s(DurableSummary.ONE, 116);
        p50s(DurableSummary.HUNDRED, 200);
        measuredDeliveries();

        Map<String, Object> json = summary.json(List.of());

        assertThat(summary.goals()).containsOnlyKeys("inFlight1");
        assertThat(json).doesNotContainKeys("relay").containsEntry("peers", Map.of());
        assertThat(json.get("disk"))
                .asInstanceOf(org.assertj.core.api.InstanceOfAssertFactories.MAP)
                .containsEntry("appendSyncP50Us", 100.0);
        assertThat(json.get("inFlight1"))
                .asInstanceOf(org.assertj.core.api.InstanceOfAssertFactories.MAP)
                .containsEntry("p50Us", 116.0);
        assertThat(json.get("inFlight100"))
                .asInstanceOf(org.assertj.core.api.InstanceOfAssertFactories.MAP)
                .containsEntry("perSecond", 5_000.0);
    }

    @Test
    void theTableHasAMedianOfEachFigure() {
        measuredDisk(100, 900, 200);

        assertThat(sheet.medians(DurableSummary.DISK)).isEqualTo(new Figures(200, 400, 5_000));
        assertThat(summary.tables()).contains("| " + DurableSummary.DISK + " | 200.0 | 400.0 | 5,000 | – | – |");
    }

    @Test
    void theMedianOfAnEvenNumberIsTheMeanOfTheTwoInTheMiddle() {
        assertThat(Sheet.median(new double[] {4, 1, 3, 100})).isEqualTo(3.5);
    }
}
