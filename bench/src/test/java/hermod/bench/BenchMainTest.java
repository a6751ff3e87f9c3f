package hermod.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(180)
class BenchMainTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... arguments) {
        return BenchMain.run(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                arguments);
    }

    private String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    private String err() {
        return err.toString(StandardCharsets.UTF_8);
    }

    /** A mistake is one sentence or two, never a stack trace. */
    private void assertMistake(int exitCode, String sentence) {
        assertThat(err()).contains(sentence).doesNotContain("\tat ").doesNotContain("Exception");
        assertThat(err().lines().count()).isLessThanOrEqualTo(3);
        assertThat(out()).isEmpty();
        assertThat(exitCode).isNotZero();
    }

    @Test
    void helpListsEveryScenarioAndMarksThoseThatAreComing() {
        assertThat(run("--help")).isZero();

        assertThat(out())
                .contains(
                        "pingpong",
                        "rate",
                        "flood",
                        "fanout",
                        "topics",
                        "idle",
                        "priority",
                        "crash",
                        "durable",
                        "recovery",
                        "faults",
                        "compare",
                        "trace",
                        "fuzz",
                        "slow",
                        "micro",
                        "Exit codes");
        for (String coming : new String[] {"chaos"}) {
            assertThat(out()).containsPattern(coming + " +\\(coming\\)");
        }
    }

    @Test
    void aScenarioHasItsOwnHelp() {
        assertThat(run("trace", "--help")).isZero();

        assertThat(out()).contains("--file", "--speed", "--gap-cap", "--inject");
    }

    @Test
    void aComingScenarioAnswersWithOneSentenceWhateverItsOptions() {
        int exitCode = run("chaos", "--kills", "3");

        assertMistake(exitCode, "The scenario chaos is coming");
        assertThat(exitCode).isEqualTo(2);
    }

    @Test
    void noScenarioAnUnknownOneAndAnUnknownOptionAreUsage() {
        assertThat(run()).isEqualTo(2);
        assertThat(run("plingplong")).isEqualTo(2);
        assertThat(run("rate", "--colour", "red")).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "crash --kills 0",
                "crash --rounds 2",
                "crash --points=sometimes",
                "crash --points --power-cut",
                "rate --rate 0",
                "rate --rate x",
                "rate --size 23",
                "rate --seconds 0",
                "rate --inject drop",
                "rate --file t",
                "rate --channel 9",
                "flood --subscribers 3",
                "pingpong --rate 5",
                "trace --speed 0",
                "trace --speed 2 --gap-cap 5",
                "trace --inject explode",
                "trace --seconds 3",
                "trace --file /no/such/file",
                "fuzz --size 30",
                "slow --stalled 0",
                "slow --pairs 0",
                "slow --stalled 9 --subscribers 9",
                "slow --clients 3",
                "flood --stalled 3",
                "flood --churn",
                "topics --churn --subscribers 3",
                "fuzz --server 192.0.2.1:7400",
                "compare kafka",
                "compare --peers relay,kafka",
                "compare --rounds 0",
                "topics --rounds 0",
                "idle --clients 0",
                "priority --seconds 0",
                "priority --reader-rate 0",
                "priority --lanes sideways",
                "priority --peers kafka",
                "priority --token t",
                "priority --server 127.0.0.1:1 --lanes off",
                "idle --peers kafka",
                "compare --scale 0",
                "compare --minutes 0",
                "compare --jdk /no/such/jdk",
                "compare --lane fast",
                "compare --lane hermod",
                "rate --server nowhere",
                "rate --server host:99999"
            })
    void anOptionThatMakesNoSenseIsToldInASentence(String line) {
        String arguments = line.contains("--server")
                        || line.matches("(compare|topics|idle|priority) .*") && !line.contains("--churn")
                ? line
                : line + " --server 127.0.0.1:1";

        int exitCode = run(arguments.split(" "));

        assertMistake(exitCode, "");
        assertThat(exitCode).isEqualTo(2);
    }

    @Test
    void microListsItsBenchmarksAndMeasuresTheOneThatIsNamed() {
        assertThat(run("micro", "--list")).isZero();
        assertThat(out()).contains("ShardBench.eventAlone", "RingBench.recordOfABatch", "CodecBench.parsePublish");
        out.reset();

        assertThat(run("micro", "parsepublish", "--quick", "--gc")).isZero();
        assertThat(out())
                .containsPattern("CodecBench.parsePublish +[0-9,]+\\.[0-9]")
                .contains("B/op", "commit");
    }

    @ParameterizedTest
    @ValueSource(strings = {"micro nosuch", "micro (", "micro --colour", "micro --stress --gc", "micro --stress ("})
    void aMicroBenchmarkThatIsNotThereIsUsage(String line) {
        int exitCode = run(line.split(" "));

        assertMistake(exitCode, "");
        assertThat(exitCode).isEqualTo(2);
    }

    @Test
    void aTokenWithoutAServerIsUsage() {
        assertThat(run("rate", "--token", "t")).isEqualTo(2);
    }

    @Test
    void anUnparsableTraceFailsWithTheLinesNumber(@TempDir Path folder) throws IOException {
        Path trace = Files.writeString(
                folder.resolve("t.jsonl"), "{\"t\":0,\"room\":\"r\",\"user\":\"u\",\"text\":\"\"}\nno\n");

        int exitCode = run("trace", "--server", "127.0.0.1:1", "--file", trace.toString());

        assertMistake(exitCode, "line 2 is not JSON");
        assertThat(exitCode).isEqualTo(1);
    }

    @Test
    void aServerThatIsNotThereIsNoBroker() throws IOException {
        int port;
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = server.getLocalPort();
        }

        int exitCode = run("rate", "--server", "127.0.0.1:" + port);

        assertMistake(exitCode, "cannot connect to 127.0.0.1:" + port);
        assertThat(exitCode).isEqualTo(3);
    }

    @Test
    void theRightsOfAGivenTokenAreToldAndABrokenOneIsNoReasonToFail() {
        String claims = java.util.Base64.getUrlEncoder()
                .encodeToString("{\"rights\":[\"pub:*\",\"rate:unlimited\"]}".getBytes(StandardCharsets.UTF_8));

        assertThat(TokenRights.of("h." + claims + ".s")).isEqualTo("pub:*, rate:unlimited");
        assertThat(TokenRights.of("h.!.s")).contains("could not be read");
        assertThat(TokenRights.of("opaque")).contains("could not be read");
    }
}
