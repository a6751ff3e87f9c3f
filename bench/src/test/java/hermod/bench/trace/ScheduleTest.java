package hermod.bench.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    private static List<TraceEvent> at(long... ms) {
        return LongStream.of(ms).mapToObj(t -> new TraceEvent(t, "r", "u", "x")).toList();
    }

    @Test
    void aSpeedDividesTheTracesTimeAndTheFirstEventGoesAtOnce() {
        assertThat(Schedule.atSpeed(at(1_000, 1_010, 3_000), 10).atNs()).containsExactly(0, 1_000_000, 200_000_000);
    }

    @Test
    void aGapCapKeepsShortGapsAndCutsLongOnes() {
        assertThat(Schedule.withGapCap(at(0, 5, 6, 1_000), 5).atNs())
                .containsExactly(0, 5_000_000, 6_000_000, 11_000_000);
    }

    @Test
    void withNothingAskedTwentyThousandEventsTakeAboutAMinute() {
        List<TraceEvent> events = SyntheticTrace.generate(20_000, 1);

        Schedule schedule = Schedule.of(events, null, null);

        assertThat(schedule.atNs()[19_999] / 1e9).isBetween(59.0, 60.0);
    }

    @Test
    void aTraceThatIsFastAlreadyIsNotSlowedDown() {
        assertThat(Schedule.defaultSpeed(at(0, 1))).isEqualTo(1);
    }
}
