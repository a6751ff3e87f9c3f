package hermod.bench.durable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import hermod.bench.durable.FaultRound.P99;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FaultRoundTest {
    private static FaultRound round(double calmUs, double memoryUs, double safetyUs, double resumedMs) {
        return new FaultRound(
                new P99(calmUs, calmUs), new P99(memoryUs, safetyUs), Map.of("STORE_FULL", 2L), 1, resumedMs);
    }

    @Test
    void harmInEveryPairIsMoreThanNoise() {
        List<FaultRound> rounds = List.of(
                round(100, 101, 200, 5), round(1_000, 990, 2_100, 7), round(300, 302, 610, 6), round(50, 50, 99, 6));

        assertThat(FaultRound.isWithinNoise(FaultRound.ratio(rounds, P99::memoryUs)))
                .isTrue();
        assertThat(FaultRound.isWithinNoise(FaultRound.ratio(rounds, P99::safetyUs)))
                .isFalse();
        assertThat(FaultRound.ratio(rounds, P99::safetyUs).ratio()).isCloseTo(2.03, within(0.02));
        assertThat(FaultRound.row("full", rounds, 0)).contains("{STORE_FULL=8}", "**no**", "| 7 |");
        assertThat(FaultRound.json(rounds, 3))
                .containsEntry("resumedMs", 7.0)
                .containsEntry("acknowledgedMeanwhile", 4L)
                .containsEntry("lost", 3L);
    }

    @Test
    void oneRoundThatDidNotResumeIsTold() {
        List<FaultRound> rounds = List.of(round(1, 1, 1, 5), round(1, 1, 1, Double.NaN), round(1, 1, 1, 6));

        assertThat(FaultRound.worstResumedMs(rounds)).isNaN();
        assertThat(FaultRound.json(rounds, 0))
                .containsEntry("hasResumed", false)
                .doesNotContainKey("resumedMs");
    }
}
