package hermod.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.bench.load.BenchFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CompareOptionsTest {
    private static CompareOptions options(List<String> workloads, String peers, LaneSpec... lanes) {
        return CompareOptions.of(false, workloads, peers, List.of(lanes), null, null, 60);
    }

    @Test
    void withoutAWordEveryPeerTakesTurnsWithHermodOnTheNineUsualWorkloads() {
        CompareOptions options = options(List.of(), "");

        assertThat(options.lanes()).containsExactly("relay", "netty", "hermod", "nats", "redis", "mosquitto:0");
        assertThat(options.workloads()).hasSize(9).doesNotContain(Workload.CROSSING, Workload.TOPICS_ONE);
        assertThat(options.script("f.raw"))
                .startsWith("bash", "compare.sh", "full", "-p", "relay netty hermod nats redis mosquitto:0", "-r", "3")
                .containsSequence("-o", "f.raw", "pingpong");
    }

    @Test
    void lanesOfHermodTakeThePlaceOfThePlainOneUnlessItIsNamed() {
        LaneSpec g1 = LaneSpec.parse("hermod-g1|HERMOD_JAVA_OPTS=-XX:+UseG1GC -Xmx1g|--config f.yaml");

        assertThat(options(List.of(), "", g1).lanes())
                .containsExactly("relay", "netty", "hermod-g1", "nats", "redis", "mosquitto:0");
        assertThat(options(List.of(), "relay,hermod", g1).lanes()).containsExactly("relay", "hermod", "hermod-g1");
        assertThat(options(List.of(), "relay", g1).lanes()).containsExactly("relay", "hermod-g1");
        assertThat(options(List.of(), "", g1).environment())
                .containsEntry("HERMOD_LANES", "hermod-g1|HERMOD_JAVA_OPTS=-XX:+UseG1GC -Xmx1g|--config f.yaml");
    }

    @Test
    void aLaneOnAJdkIsCalledAfterItsVersion(@TempDir Path home) throws IOException {
        Files.createDirectories(home.resolve("bin"));
        Files.createFile(home.resolve("bin/java")).toFile().setExecutable(true);
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"25.0.3\"\n");

        assertThat(LaneSpec.onJdk(home))
                .isEqualTo(new LaneSpec("hermod-25", "hermod-25|JAVA_HOME=" + home.toAbsolutePath()));
    }

    @Test
    void aFolderWithoutAJdkOrWithOneTooOldIsUsage(@TempDir Path home) throws IOException {
        assertThatThrownBy(() -> LaneSpec.onJdk(home)).isInstanceOf(BenchFailure.class);
        Files.createDirectories(home.resolve("bin"));
        Files.createFile(home.resolve("bin/java")).toFile().setExecutable(true);
        Files.writeString(home.resolve("release"), "JAVA_VERSION=\"11.0.2\"\n");

        assertThatThrownBy(() -> LaneSpec.onJdk(home)).hasMessageContaining("JDK 17 or newer");
    }

    @Test
    void crossingBringsItsTwoLanesAndNoOtherBroker() {
        CompareOptions alone = options(List.of("crossing"), "");

        assertThat(alone.lanes()).containsExactly("hermod-1shard", "hermod-2shards");
        assertThat(alone.environment())
                .containsEntry("HERMOD_LANES", "hermod-1shard|SHARDS=1\nhermod-2shards|SHARDS=2");
        assertThat(options(List.of("crossing", "pingpong"), "relay").lanes())
                .containsExactly("relay", "hermod-1shard", "hermod-2shards");
    }

    @ParameterizedTest
    @ValueSource(strings = {"g1|A=b", "hermod-G1|A=b", "hermod-a b|A=b", "hermod-a|word", "hermod-a|a=b", ""})
    void aLaneThatMakesNoSenseIsUsage(String line) {
        assertThatThrownBy(() -> LaneSpec.parse(line))
                .isInstanceOfSatisfying(
                        BenchFailure.class,
                        failure -> assertThat(failure.kind()).isEqualTo(BenchFailure.Kind.USAGE));
    }

    @ParameterizedTest
    @ValueSource(strings = {"kafka", "relay,relay", "hermod-25", "mosquitto:2", ","})
    void aPeerThatIsNoneOrComesTwiceIsUsage(String peers) {
        assertThatThrownBy(() -> options(List.of(), peers)).isInstanceOf(BenchFailure.class);
    }

    @Test
    void anUnknownWorkloadIsToldWithThoseThatAre() {
        assertThatThrownBy(() -> options(List.of("fan7"), "")).hasMessageContaining("there are pingpong, rate5k");
    }

    @Test
    void everyWorkloadIsKnownToTheScript() throws IOException {
        String script = Files.readString(
                Path.of(System.getProperty("hermod.root", "..")).resolve("bench/interop/compare.sh"));

        for (String label : Workload.labels()) {
            assertThat(script).containsPattern("[ |]" + label + "[|)]");
        }
    }

    @Test
    void whatIsNotInstalledIsToldWithHowToGetIt(@TempDir Path folder) throws IOException {
        Tools bare = new Tools(folder, List.of(folder));
        assertThat(bare.missingForBuild()).contains("no C compiler and no make", "apt-get install");
        assertThat(bare.missingFor("nats")).contains("current one", "README.md");
        assertThat(bare.missingFor("mosquitto:0")).contains("apt-get install mosquitto");
        assertThat(bare.missingFor("redis")).contains("apt-get install redis-server");
        assertThat(bare.missingFor("netty")).contains("no mvn");
        assertThat(bare.missingFor("relay")).isNull();

        for (String program : List.of("cc", "make", "bash", "nats-server")) {
            Files.createFile(folder.resolve(program)).toFile().setExecutable(true);
        }
        assertThat(bare.missingForBuild()).isNull();
        assertThat(bare.missingFor("nats")).isNull();
    }
}
