package hermod.broker.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class MetricsDocumentTest {
    private static final Path PAGE = Path.of(System.getProperty("hermod.root", ".."), "broker", "docs", "METRICS.md");

    @Test
    void thePageSaysWhatTheCodeDoes() throws Exception {
        String markdown = MetricsDocument.markdown();
        if (Boolean.getBoolean("hermod.docs.write")) {
            Files.createDirectories(PAGE.getParent());
            Files.writeString(PAGE, markdown);
        }
        assertThat(PAGE)
                .as("write it again with -Dhermod.docs.write=true")
                .exists()
                .content()
                .isEqualTo(markdown);
    }

    @Test
    void itNamesEveryNumberUnderBothItsNames() {
        assertThat(MetricsDocument.markdown())
                .contains("| `connections_slow` | `hermod_connections_slow_total` | connections |")
                .contains("| `published` | `hermod_channel_published_total` | events |")
                .contains("| `publishToHandler` | `publish_to_handler` | µs |");
    }
}
