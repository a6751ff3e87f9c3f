package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import hermod.bench.crash.CrashCommand;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Short runs of {@code hermod-bench crash}; the long ones are in the bench's results. */
@Tag("long")
class CrashAcceptanceTest {
    private static final String SEED = Long.toString(System.nanoTime() & 0xffff);

    @TempDir
    private Path folder;

    private record Outcome(int exitCode, JsonNode json, String all) {}

    private Outcome crash(String... options) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        Path json = folder.resolve("crash.json");
        List<String> arguments = new ArrayList<>(List.of(options));
        arguments.addAll(List.of("--json", json.toString()));
        int exitCode = CrashCommand.commandLine(
                        CommandLines.root(), () -> AcceptanceBroker.builder(), arguments, out, out)
                .execute(arguments.toArray(String[]::new));
        String all = bytes.toString(StandardCharsets.UTF_8);
        assertThat(json).as(all).exists();
        return new Outcome(exitCode, new ObjectMapper().readTree(Files.readString(json)), all);
    }

    private static void assertNothingWrong(Outcome outcome) {
        assertThat(outcome.exitCode()).as(outcome.all()).isZero();
        assertThat(outcome.json().get("acknowledged").asLong()).isGreaterThan(500);
        for (String violation : new String[] {
            "lost", "duplicated", "disordered", "phantom", "offsetReused", "epochChanged", "announced", "unaccounted"
        }) {
            assertThat(outcome.json().get(violation).asLong()).as(violation).isZero();
        }
    }

    @Test
    @Tag("DL-4")
    @Tag("HR-2")
    @Tag("EV-6")
    void nothingAcknowledgedIsLostDoubledOrReorderedByKillNine() throws Exception {
        Outcome outcome = crash("--kills", "4", "--seed", SEED);

        assertNothingWrong(outcome);
        assertThat(outcome.json().get("kills").asInt()).isEqualTo(4);
    }

    @Test
    @Tag("DL-4")
    void norByAnEndBeforeOrAfterTheSync() throws Exception {
        Outcome outcome = crash(
                "--points=journal-before-write,journal-after-write,journal-after-sync", "--kills", "1", "--seed", SEED);

        assertNothingWrong(outcome);
        for (JsonNode times : outcome.json().get("points")) {
            assertThat(times.asInt()).isOne();
        }
    }

    @Test
    @Tag("DL-4")
    void norByAPowerCut() throws Exception {
        assumePowerCutsArePossible();
        assertNothingWrong(crash("--power-cut", "--rounds", "2", "--seed", SEED));
    }

    /** Without it the test above could pass with cuts that cut nothing. */
    @Test
    @Tag("DL-4")
    void aBrokerThatNeverSyncsLosesAcknowledgedEventsByPowerCutsAndTheCheckerFindsThem() throws Exception {
        assumePowerCutsArePossible();
        Outcome outcome = crash("--power-cut", "--rounds", "2", "--no-sync", "--seed", SEED);

        assertThat(outcome.exitCode()).as(outcome.all()).isEqualTo(1);
        assertThat(outcome.json().get("lost").asLong()).as(outcome.all()).isPositive();
    }

    @Test
    @Tag("DL-4")
    void thereIsASyncForEachAcknowledgedBatch() throws Exception {
        assumeOrFail(Files.isExecutable(Path.of("/usr/bin/strace")), "strace is not installed");
        Outcome outcome = crash("--syncs");

        assertThat(outcome.exitCode()).as(outcome.all()).isZero();
        assertThat(outcome.json().get("acknowledged").asLong()).isEqualTo(200);
        assertThat(outcome.json().get("syncs").asLong()).isGreaterThanOrEqualTo(200);
    }

    private static void assumePowerCutsArePossible() {
        assumeOrFail("root".equals(System.getProperty("user.name")), "power cuts need root");
        assumeOrFail(Files.exists(Path.of("/dev/loop-control")), "power cuts need a loop device");
    }

    /** What can't be proved must not look proved: with CI=true it fails. */
    private static void assumeOrFail(boolean isPossible, String why) {
        if (!isPossible && "true".equals(System.getenv("CI"))) {
            fail(why);
        }
        Assumptions.assumeTrue(isPossible, why);
    }
}
