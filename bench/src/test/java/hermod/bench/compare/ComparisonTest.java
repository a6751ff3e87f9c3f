package hermod.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** On two recorded runs: one of two quiet rounds, one with everything that can go wrong. */
class ComparisonTest {
    private final Comparison quiet = recorded("two-rounds.raw");
    private final Comparison faulty = recorded("faults.raw");

    static Comparison recorded(String name) {
        try (InputStream in = ComparisonTest.class.getResourceAsStream("/compare/" + name)) {
            return Comparison.parse(new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList());
        } catch (IOException unreadable) {
            throw new AssertionError(unreadable);
        }
    }

    @Test
    void aMedianOfTwoRoundsLiesBetweenThem() {
        assertThat(quiet.median("pingpong", "relay", "p50")).isEqualTo((56.4 + 57.6) / 2, within(1e-9));
        assertThat(quiet.median("flood-128", "hermod-25", "deliv_s")).isEqualTo((3472468 + 3378649) / 2.0);
    }

    @Test
    void aNoisyRoundCountsOnlyWhereThereIsNoQuietOne() {
        assertThat(faulty.median("pingpong", "relay", "p50")).isEqualTo(20.0);
        assertThat(faulty.median("pingpong", "hermod", "p50")).isEqualTo(22.0);
    }

    @Test
    void whatWasNotMeasuredIsNoNumber() {
        assertThat(quiet.median("pingpong", "nats", "p50")).isNaN();
        assertThat(quiet.median("rate5k", "relay", "p50")).isNaN();
    }

    @Test
    void theBestPeerIsNeitherARelayNorHermod() {
        assertThat(quiet.bestPeer("flood-128", "deliv_s", false))
                .isEqualTo(quiet.median("flood-128", "redis", "deliv_s"));
        assertThat(quiet.bestPeer("pingpong", "p50", true)).isEqualTo(quiet.median("pingpong", "redis", "p50"));
    }

    @Test
    void theTablesHaveMediansAndRatiosOfEachLane() {
        String tables = Tables.of(quiet);

        assertThat(tables).contains("**pingpong**", "**flood-128**");
        assertThat(tables)
                .contains(
                        "| hermod-a | 58.3 | 62.7 | 78.9 | 112.4 | 1.02 / 1.02 | – / – | 0.97 / 0.96 | 0 / 0 / 0 | 29 | 1 % | 2/2 |");
        assertThat(tables)
                .contains(
                        "| hermod-a | 3.69 M | 3.69 M | 0.33 | – | 2.42 | 206.1 | 0 / 0 / 0 | 0.320 | 1.15 | 0.43 | 22 % | 2/2 |");
        assertThat(tables).contains("| redis | 1.52 M | 1.52 M | 0.14 | – |  | 644.3 |");
    }

    @Test
    void lossesAndFailedRunsAreFaultsOfHermodOnly() {
        assertThat(quiet.faults()).isEmpty();
        assertThat(faulty.faults())
                .containsExactly("pingpong, hermod: a run failed, timeout-sub", "pingpong, hermod: unacked 2");
    }

    @Test
    void aNatsTooOldToCompareWithIsToldAndNoGoalRestsOnIt() {
        assertThat(quiet.oldNats()).isNull();
        assertThat(faulty.oldNats()).contains("v2.9.10", "too old");
        assertThat(GoalTable.of(faulty).text()).contains("| pingpong | p50 to NATS | < 1 × | – |");
    }

    @Test
    void noiseIsTold() {
        assertThat(Noise.of(quiet))
                .containsExactly(
                        "The machine was quiet: other jobs used less than 0.25 core in each of 20 runs.",
                        "Rounds lie more than 20 % apart: flood-128 hermod-a 22 %.");
        assertThat(Noise.of(faulty))
                .containsExactly(
                        "The machine was NOISY: other jobs used 0.25 core or more in 2 of 4 runs, which count only where a lane has no quiet one.",
                        "No quiet run, so do not rely on: pingpong hermod.",
                        "The time limit ended the run early: later workloads have fewer rounds.");
    }

    @Test
    void theGoalsTellWhatWasReachedForEachLaneOfHermod() {
        GoalTable table = GoalTable.of(quiet);

        assertThat(table.text())
                .contains("| workload | figure | goal | hermod-a | hermod-25 |")
                .contains("| pingpong | p50 to the C relay | ≤ 1.15 × | 1.02 ×, yes | 1.05 ×, yes |")
                .contains("| pingpong | p50 to the Netty relay | ≤ 1.1 × | – | – |")
                .contains("| flood-128 | deliveries/s to the best peer | ≥ 4 × | 2.42 ×, **no** | 2.25 ×, **no** |")
                .contains(
                        "| flood-128 | broker CPU per million deliveries | ≤ 0.22 s | 0.32 s, **no** | 0.35 s, **no** |")
                .doesNotContain("rate5k");
        assertThat(table.isAnyMissed()).isTrue();
    }

    @Test
    void theCrossingIsComparedWithTheLaneOfOneShard() {
        Comparison comparison = Comparison.parse(List.of(
                "workload=crossing lane=hermod-1shard round=1 RESULT p50=40.0 p99=80.0 foreign=0",
                "workload=crossing lane=hermod-2shards round=1 RESULT p50=52.5 p99=90.0 foreign=0"));

        assertThat(GoalTable.of(comparison).text())
                .contains("| crossing | p50 above one shard's | ≤ 10 µs | – | 12.50 µs, **no** |");
    }

    @Test
    void theResultsFileStandsByItselfAndNamesNoFolderOfThisMachine() {
        hermod.bench.report.Origin origin = hermod.bench.report.Origin.ofThisProcess(
                "a lane each",
                "pub:*",
                List.of(
                        "compare",
                        "--jdk",
                        "/some/where/jdk-25",
                        "--lane",
                        "hermod-x|HERMOD=/home/me/broker/bin/hermod"),
                null);

        String text = ResultsFile.text(quiet, origin, LocalDate.of(2026, 11, 21), "GOALS", List.of("a note"));

        assertThat(text)
                .contains("# Hermod beside others, 2026-11-21", "cores", "a note", "GOALS", "**pingpong**")
                .contains("| redis | Redis server v=7.0.15 |", "-XX:+UseG1GC", "commit ")
                .contains("compare --jdk …/jdk-25 --lane hermod-x|HERMOD=…/hermod")
                .doesNotContain("/some/", "/home/", "/usr/");
    }
}
