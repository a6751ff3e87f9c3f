package hermod.broker.config;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.BrokerConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ConfigDocumentTest {
    private static final Path PAGE = Path.of(System.getProperty("hermod.root", ".."), "broker", "docs", "CONFIG.md");

    @Test
    void thePageSaysWhatTheCodeDoes() throws Exception {
        String markdown = ConfigDocument.markdown(BrokerConfig.defaults());
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
    void itNamesEverySettingAndNoPathOfThisMachine() {
        String markdown = ConfigDocument.markdown(BrokerConfig.defaults());
        assertThat(markdown)
                .contains("`payload-limit-bytes` | bytes | 256KiB | 1KiB to 8MiB")
                .contains("`data-dir` |  | `~/.hermod`")
                .contains("`aiChat`")
                .doesNotContain("`dev`")
                .doesNotContain(System.getProperty("user.home") + "/");
    }
}
