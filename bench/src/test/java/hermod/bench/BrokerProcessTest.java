package hermod.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.bench.load.BenchFailure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(300)
class BrokerProcessTest {
    private static BrokerProcess.Builder standIn(String manner) {
        return BrokerProcess.builder()
                .classPath(System.getProperty("java.class.path"))
                .mainClass(StandInBroker.class.getName())
                .jvmFlags("-Xmx64m", "-XX:TieredStopAtLevel=1")
                .arguments(manner);
    }

    @Test
    void aBrokerIsReadyWhenItSaysSoAndGoneWithItsDataWhenClosed() {
        BrokerProcess broker = standIn("good").start();
        Path data = broker.data();

        assertThat(broker.tcp()).isEqualTo("127.0.0.1:1");
        assertThat(broker.ws()).isEqualTo("127.0.0.1:2");
        assertThat(broker.admin()).isEqualTo("127.0.0.1:3");
        assertThat(broker.isAlive()).isTrue();
        assertThat(data).isDirectory();

        broker.close();

        assertThat(broker.isAlive()).isFalse();
        assertThat(data).doesNotExist();
    }

    @Test
    void aFolderThatWasGivenStays(@TempDir Path folder) {
        standIn("good").data(folder).start().close();

        assertThat(Files.isDirectory(folder)).isTrue();
    }

    @Test
    void aBrokerThatEndsAtOnceIsToldWithTheLastOfWhatItWrote() {
        assertThatThrownBy(() -> standIn("fail").start())
                .asInstanceOf(InstanceOfAssertFactories.type(BenchFailure.class))
                .satisfies(failure -> assertThat(failure.kind()).isEqualTo(BenchFailure.Kind.NO_BROKER))
                .satisfies(failure -> assertThat(failure)
                        .hasMessageContaining("exit code 7")
                        .hasMessageContaining("line 999")
                        .hasMessageNotContaining("line 900"));
    }

    @Test
    void aBrokerThatNeverGetsReadyIsEndedAtTheDeadline() {
        assertThatThrownBy(() ->
                        standIn("silent").readyDeadline(Duration.ofSeconds(2)).start())
                .hasMessageContaining("was not ready in 2 s")
                .hasMessageContaining("nothing to stderr");
    }

    @Test
    void aBrokerThatDoesNotEndOnRequestIsKilled() {
        BrokerProcess broker =
                standIn("stubborn").stopDeadline(Duration.ofMillis(300)).start();

        broker.close();

        assertThat(broker.isAlive()).isFalse();
    }

    @Test
    void aKilledBrokerIsGoneAndClosingItAgainIsHarmless() {
        BrokerProcess broker = standIn("good").start();

        broker.kill();
        broker.close();
        broker.close();

        assertThat(broker.isAlive()).isFalse();
    }

    @Test
    void aTokenIsWhatTheToolPrints() {
        try (BrokerProcess broker = standIn("good").start()) {
            assertThat(broker.mintToken("u", "o", List.of("pub:*", "sub:*"))).isEqualTo("token-for-u-with-2-rights");
        }
    }

    @Test
    void onlyAReadyLineIsOneAndADataFolderMayHoldBlanks() {
        assertThat(ReadyLine.parse("reading tcp=x")).isEmpty();
        assertThat(ReadyLine.parse("ready tcp=h:1 ws=h:2 admin=h:3 data=/a b/c=d"))
                .containsEntry("tcp", "h:1")
                .containsEntry("admin", "h:3")
                .containsEntry("data", "/a b/c=d");
    }
}
