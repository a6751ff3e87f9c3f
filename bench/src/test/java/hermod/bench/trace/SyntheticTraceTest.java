package hermod.bench.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

class SyntheticTraceTest {
    private static final int COUNT = SyntheticTrace.FITTED_MESSAGES;
    private static final double[] PROBABILITIES = {0.1, 0.25, 0.5, 0.75, 0.9};

    private final List<TraceEvent> synthetic = SyntheticTrace.generate(COUNT, 42);

    @Test
    void theSameSeedMakesTheSameTraceAndAnotherSeedAnother() {
        assertThat(SyntheticTrace.generate(1_000, 42)).isEqualTo(synthetic.subList(0, 1_000));
        assertThat(SyntheticTrace.generate(1_000, 43)).isNotEqualTo(synthetic.subList(0, 1_000));
    }

    @Test
    void timeNeverFalls() {
        for (int i = 1; i < COUNT; i++) {
            assertThat(synthetic.get(i).atMs())
                    .isGreaterThanOrEqualTo(synthetic.get(i - 1).atMs());
        }
    }

    @Test
    void itsStatisticsAreNearThoseOfTheFittedTraceAsDocumented() {
        double[] sizes = sizes(synthetic);
        assertThat(quantile(sizes, 0.5)).isCloseTo(47, Percentage.withPercentage(10));
        assertThat(quantile(sizes, 0.99)).isCloseTo(619, Percentage.withPercentage(15));
        double[] gaps = gaps(synthetic);
        assertThat(quantile(gaps, 0.25)).isCloseTo(8_744, Percentage.withPercentage(30));
        assertThat(quantile(gaps, 0.5)).isCloseTo(25_301, Percentage.withPercentage(30));
        assertThat(quantile(gaps, 0.75)).isCloseTo(94_529, Percentage.withPercentage(40));
        assertThat(topShare(roomCounts(synthetic).values(), 1)).isBetween(0.08, 0.18);
        assertThat(topShare(roomCounts(synthetic).values(), 10)).isCloseTo(0.551, Percentage.withPercentage(15));
        assertThat(topShare(userCounts(synthetic).values(), 66)).isCloseTo(0.510, Percentage.withPercentage(30));
        assertThat((double) userCounts(synthetic).size()).isCloseTo(6_589, Percentage.withPercentage(30));
        assertThat((double) roomCounts(synthetic).size()).isCloseTo(520, Percentage.withPercentage(20));
        assertThat(sameRoomShare(synthetic)).isCloseTo(0.709, Percentage.withPercentage(5));
        assertThat(medianUsersPerRoom(synthetic)).isBetween(3.0, 9.0);
    }

    @Test
    @EnabledIfEnvironmentVariable(named = "HERMOD_TRACE", matches = ".+")
    void itsStatisticsAreNearThoseOfTheRealTraceItself() {
        List<TraceEvent> real = TraceReader.read(Path.of(System.getenv("HERMOD_TRACE")), COUNT);
        for (double p : PROBABILITIES) {
            assertThat(quantile(sizes(synthetic), p))
                    .isCloseTo(quantile(sizes(real), p), Percentage.withPercentage(15));
            assertThat(quantile(gaps(synthetic), p)).isCloseTo(quantile(gaps(real), p), Percentage.withPercentage(60));
        }
        assertThat(topShare(roomCounts(synthetic).values(), 10))
                .isCloseTo(topShare(roomCounts(real).values(), 10), Percentage.withPercentage(15));
        assertThat(topShare(userCounts(synthetic).values(), 66))
                .isCloseTo(topShare(userCounts(real).values(), 66), Percentage.withPercentage(30));
        assertThat(sameRoomShare(synthetic)).isCloseTo(sameRoomShare(real), Percentage.withPercentage(5));
    }

    private static double[] sizes(List<TraceEvent> events) {
        return events.stream()
                .mapToDouble(event -> event.textBytes().length)
                .sorted()
                .toArray();
    }

    private static double[] gaps(List<TraceEvent> events) {
        double[] gaps = new double[events.size() - 1];
        for (int i = 0; i < gaps.length; i++) {
            gaps[i] = events.get(i + 1).atMs() - events.get(i).atMs();
        }
        Arrays.sort(gaps);
        return gaps;
    }

    private static double quantile(double[] sorted, double p) {
        return sorted[(int) (p * sorted.length)];
    }

    private static Map<String, Integer> roomCounts(List<TraceEvent> events) {
        Map<String, Integer> counts = new HashMap<>();
        events.forEach(event -> counts.merge(event.room(), 1, Integer::sum));
        return counts;
    }

    private static Map<String, Integer> userCounts(List<TraceEvent> events) {
        Map<String, Integer> counts = new HashMap<>();
        events.forEach(event -> counts.merge(event.user(), 1, Integer::sum));
        return counts;
    }

    private static double topShare(Collection<Integer> counts, int first) {
        int[] sorted = counts.stream().mapToInt(count -> -count).sorted().toArray();
        return (double) Arrays.stream(sorted, 0, first).sum()
                / Arrays.stream(sorted).sum();
    }

    private static double sameRoomShare(List<TraceEvent> events) {
        int same = 0;
        for (int i = 1; i < events.size(); i++) {
            same += events.get(i).room().equals(events.get(i - 1).room()) ? 1 : 0;
        }
        return (double) same / (events.size() - 1);
    }

    private static double medianUsersPerRoom(List<TraceEvent> events) {
        Map<String, Set<String>> users = new HashMap<>();
        events.forEach(event ->
                users.computeIfAbsent(event.room(), room -> new HashSet<>()).add(event.user()));
        double[] counts =
                users.values().stream().mapToDouble(Set::size).sorted().toArray();
        return counts[counts.length / 2];
    }
}
