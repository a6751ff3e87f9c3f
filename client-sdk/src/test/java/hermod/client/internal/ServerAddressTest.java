package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ServerAddressTest {
    @Test
    void hostPortAndBothAndSixAreRead() {
        assertThat(ServerAddress.parse("broker.example")).isEqualTo(new ServerAddress("broker.example", 7400));
        assertThat(ServerAddress.parse("10.0.0.1:9")).isEqualTo(new ServerAddress("10.0.0.1", 9));
        assertThat(ServerAddress.parse("[::1]:65535")).isEqualTo(new ServerAddress("::1", 65_535));
        assertThat(ServerAddress.parse("[::1]")).isEqualTo(new ServerAddress("::1", 7400));
        assertThat(ServerAddress.parse("[::1]:1")).hasToString("[::1]:1");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", ":7400", "host:", "host:x", "host:0", "host:65536", "[::1", "[::1]x:1", "::1", "host:1:2"})
    void anythingElseIsRefusedNamingTheForm(String text) {
        assertThatThrownBy(() -> ServerAddress.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("HOST:PORT");
    }
}
