package hermod.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class TopicNameTest {
    private static final String FIFTEEN_LEVELS = "a:b:c:d:e:f:g:h:i:j:k:l:m:n:o";

    private static final String[] GOOD = {
        "a:b",
        "Z9_-:x",
        "c".repeat(64) + ":x",
        "chat:" + "x".repeat(250),
        "chat:" + "ü".repeat(125),
        "chat:ab" + "𝄞".repeat(62),
        "chat:" + FIFTEEN_LEVELS,
        "chat:room_7",
        "chat:~!#",
        "chat:\u00a0\u2028",
        "chat:𝄞"
    };

    private static final String[] BAD = {
        "",
        "chat",
        ":x",
        "a:",
        "a::b",
        "a:b:",
        "a:b::c",
        "9a:x",
        "_a:x",
        "-a:x",
        "ä:x",
        "aä:x",
        "a.b:x",
        " a:x",
        "c".repeat(65) + ":x",
        "chat:" + "x".repeat(251),
        "chat:x" + "ü".repeat(125),
        "chat:abc" + "𝄞".repeat(62),
        "chat:" + FIFTEEN_LEVELS + ":p",
        "chat:a b",
        "chat:*",
        "chat:a*",
        "chat:\0",
        "chat:\u001f",
        "chat:\u007f",
        "chat:\u009f",
        "chat:\n",
        "chat:\ud834",
        "chat:\udd1e",
        "chat:\udd1e\ud834"
    };

    @Test
    void aNameThatKeepsTheRulesIsTaken() {
        for (String name : GOOD) {
            assertThat(TopicName.faultOf(name)).as(name).isNull();
            assertThat(TopicName.of(name)).hasToString(name).isEqualTo(TopicName.of(name));
        }
    }

    @Test
    void aNameThatBreaksARuleIsRefusedWithASentence() {
        for (String name : BAD) {
            assertThat(TopicName.faultOf(name)).as(name).isNotBlank();
            assertThatThrownBy(() -> TopicName.of(name)).as(name).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void theChannelIsThePartBeforeTheFirstColon() {
        assertThat(TopicName.of("feed:a:b").channel()).isEqualTo("feed");
    }

    @Test
    void whatAStrangerSentIsShownWithoutControlCharactersAndNotAtLength() {
        assertThat(TopicName.shown("a\n\u007f\u2028b")).isEqualTo("a???b");
        assertThat(TopicName.shown("x".repeat(80))).hasSize(80);
        assertThat(TopicName.shown("x".repeat(81))).isEqualTo("x".repeat(80) + "…");
        assertThat(TopicName.faultOf("*".repeat(100_000))).hasSizeLessThan(300);
    }
}
