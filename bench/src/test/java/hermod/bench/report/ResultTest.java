package hermod.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.bench.check.Verdict;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ResultTest {
    private static final Verdict CLEAN = new Verdict(10, 10, 0, 20, 20, 0, 0, 0, 0, 0, List.of());
    private static final Verdict LOST = new Verdict(10, 10, 0, 20, 19, 1, 0, 0, 0, 0, List.of("client 3 never got it"));
    private static final Origin ORIGIN =
            new Origin("127.0.0.1:7400", "pub:*", "hermod-bench rate", "VM 17", List.of("-Xmx1g"), "Linux", 2, "abc");

    private static RunResult result(Verdict verdict) {
        return new RunResult(
                "rate",
                2.0,
                verdict,
                10,
                new LatencyUs(1.5, 2, 3, 4, 5),
                Map.of("before", Map.of("p99Us", 7.5)),
                List.of("a note"),
                RunResult.faultsOf(verdict));
    }

    @Test
    void theJsonHasEveryKeyThatScriptsRelyOn() {
        JsonNode json = JsonMapper.builder().build().readTree(ResultJson.of(result(CLEAN), ORIGIN));

        for (String key : List.of(
                "workload",
                "seconds",
                "published",
                "acknowledged",
                "delivered",
                "lost",
                "duplicated",
                "disordered",
                "unaccounted",
                "perSecond",
                "latencyUs",
                "rights",
                "server",
                "jdk",
                "os",
                "commit",
                "command")) {
            assertThat(json.has(key)).as(key).isTrue();
        }
        for (String key : List.of("p50", "p90", "p99", "p999", "max")) {
            assertThat(json.get("latencyUs").get(key).isNumber()).as(key).isTrue();
        }
        assertThat(json.get("before").get("p99Us").doubleValue()).isEqualTo(7.5);
        assertThat(json.get("ok").booleanValue()).isTrue();
    }

    @Test
    void aRunWhoseCheckerFoundAFaultIsNotGoodAndSaysWhy() {
        RunResult result = result(LOST);

        assertThat(result.isGood()).isFalse();
        assertThat(ResultText.of(result, ORIGIN))
                .contains("FAILED")
                .contains("lost=1")
                .contains("client 3 never got it");
    }

    @Test
    void theTextTellsLatencyMachineAndCommand() {
        assertThat(ResultText.of(result(CLEAN), ORIGIN))
                .contains("p50 1.5")
                .contains("2 cores")
                .contains("hermod-bench rate")
                .contains("p99Us 7.5")
                .contains("a note");
    }

    @Test
    void percentilesAreToldInMicrosecondsToATenth() {
        Histogram histogram = new Histogram(1_000_000_000L, 3);
        histogram.recordValue(22_849);

        assertThat(LatencyUs.of(histogram).p50()).isBetween(22.8, 22.9);
    }

    @Test
    void aTokenNeverReachesTheResult() {
        assertThat(Origin.withoutToken(List.of("rate", "--token", "secret", "--token=secret", "--rate", "5")))
                .doesNotContain("secret", "--token=secret")
                .contains("rate", "--rate", "5");
    }

    @Test
    void thisProcessHasAnOrigin() {
        Origin origin = Origin.ofThisProcess("s", "r", List.of("rate"), null);

        assertThat(origin.commit()).isEqualTo("unknown");
        assertThat(origin.cores()).isPositive();
        assertThat(origin.command()).isEqualTo("hermod-bench rate");
    }
}
