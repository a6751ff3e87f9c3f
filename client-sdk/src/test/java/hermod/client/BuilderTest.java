package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.control.wire.Hello;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class BuilderTest extends ClientFixture {
    @Test
    @Tag("SD-6")
    void variablesConfigureAClient() throws Exception {
        HermodClient client = client(HermodClient.builder()
                .runtime(runtime)
                .environment(Map.of(
                        "HERMOD_SERVER", broker.hostPort(),
                        "HERMOD_TOKEN", "from-the-environment",
                        "HERMOD_DEVICE_ID", "d-9",
                        "HERMOD_PLATFORM", "cli",
                        "HERMOD_APP_VERSION", "7",
                        "HERMOD_REQUEST_TIMEOUT_MS", "5000")));
        CompletableFuture<ConnectionInfo> connected = client.connect();

        Hello hello = broker.accept().welcome();

        done(connected);
        assertThat(hello.getToken()).isEqualTo("from-the-environment");
        assertThat(hello.getDeviceId()).isEqualTo("d-9");
        assertThat(hello.getPlatform()).isEqualTo(hermod.protocol.control.wire.Platform.PLATFORM_CLI);
        assertThat(hello.getAppVersion()).isEqualTo("7");
    }

    @Test
    void whatIsOutOfRangeIsSaidByTheSetter() {
        HermodClient.Builder builder = HermodClient.builder();
        assertThatThrownBy(builder::build).hasMessageContaining("server");
        assertThatThrownBy(() -> builder.publishWindow(0)).hasMessageContaining("1 to 1024");
        assertThatThrownBy(() -> builder.publishWindow(1_025)).hasMessageContaining("1 to 1024");
        assertThatThrownBy(() -> builder.deviceId("")).hasMessageContaining("1 to 128");
        assertThatThrownBy(() -> builder.deviceId("d".repeat(129))).hasMessageContaining("1 to 128");
        assertThatThrownBy(() -> builder.token("t".repeat(8_193))).hasMessageContaining("limit=8192");
        assertThatThrownBy(() -> builder.pingInterval(Duration.ZERO)).hasMessageContaining("ping interval");
        assertThatThrownBy(() -> builder.subscriptions("nope", event -> {})).hasMessageContaining("chat:room_7");
        assertThatThrownBy(() -> builder.queuedEvents(0, 1)).hasMessageContaining("queued events");
        assertThatThrownBy(() -> ClientRuntime.builder().ioThreads(0)).hasMessageContaining("ioThreads=0");
        assertThat(builder.publishWindow(1_024)).isSameAs(builder);
    }
}
