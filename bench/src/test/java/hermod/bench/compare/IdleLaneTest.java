package hermod.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** On recorded lines of {@code idle.sh} and {@code jcmd}. */
class IdleLaneTest {
    private static IdleLane lane(String line) {
        return new IdleLane("hermod", Objects.requireNonNull(Run.parse("workload=idle " + line)));
    }

    @Test
    void aConnectionCostsTheGrowthDividedByTheConnections() {
        IdleLane lane = lane(
                "lane=hermod heap_before=10678160 rss_before=201768 heap_after=61294328 rss_after=333724 RESULT mode=idle"
                        + " conns=15000 open_s=4.83 conn_s=3108 open_cpu_us=482.0 idle_cpu_pct=11.5");

        assertThat(lane.residentKib()).isEqualTo(8.797, within(0.001));
        assertThat(lane.liveHeapKib()).isEqualTo(3.295, within(0.001));
        assertThat(lane.row()).isEqualTo("| hermod | 15,000 | 8.8 | 3.3 | 197 | 325 | 3,108 | 482 | 11.5 |");
    }

    @Test
    void aProgramThatIsNoJvmHasNoHeap() {
        IdleLane lane = lane("lane=relay rss_before=1228 rss_after=2872 RESULT mode=idle conns=15000 conn_s=8722"
                + " open_cpu_us=28.7 idle_cpu_pct=0.0");

        assertThat(lane.liveHeapKib()).isNaN();
        assertThat(lane.row()).contains("| 0.1 | – |");
    }

    @Test
    void aRunThatFailedSaysWhy() {
        IdleLane lane = lane("lane=hermod rss_before=1 RESULT error=timeout-sub");

        assertThat(lane.isGood()).isFalse();
        assertThat(lane.row()).contains("failed: timeout-sub");
    }

    @Test
    void whatGrewIsToldWithTheLargestFirst() {
        List<String> before = List.of(
                " num     #instances         #bytes  class name (module)",
                "   1:         21479        6314752  [B (java.base@17.0.15)",
                "   2:          4404         532824  java.lang.Class (java.base@17.0.15)");
        List<String> after = List.of(
                "   1:        126859       12934624  [B (java.base@17.0.15)",
                "   2:         15000        2520000  hermod.broker.session.Session",
                "   3:          4413         533888  java.lang.Class (java.base@17.0.15)");

        List<IdleLane.Growth> classes = IdleLane.classes(before, after, 15_000, 10);

        assertThat(classes).extracting(IdleLane.Growth::what).containsExactly("[B", "hermod.broker.session.Session");
        assertThat(classes.get(0).kibPerConnection()).isEqualTo(0.431, within(0.001));
        assertThat(classes.get(1).kibPerConnection()).isEqualTo(168 / 1024.0, within(0.001));
    }

    @Test
    void thePartsOfTheJvmsMemoryAreReadFromItsSummary() {
        List<String> before = List.of(
                "Total: reserved=1KB, committed=1KB",
                "-                     Other (reserved=5000KB, committed=5000KB)",
                "-                 Java Heap (reserved=524288KB, committed=524288KB)");
        List<String> after = List.of(
                "-                     Other (reserved=35000KB, committed=35000KB)",
                "-                 Java Heap (reserved=524288KB, committed=524288KB)");

        assertThat(IdleLane.parts(before, after, 15_000, 10)).containsExactly(new IdleLane.Growth("Other", 2.0));
    }
}
