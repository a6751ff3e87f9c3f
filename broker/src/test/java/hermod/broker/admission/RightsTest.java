package hermod.broker.admission;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RightsTest {
    @Test
    void whatIsNotNamedIsDenied() {
        Rights none = Rights.of(List.of());
        assertThat(none.mayPublish("chat:1")).isFalse();
        assertThat(none.maySubscribe("chat:1")).isFalse();
        assertThat(none.isUrgent() || none.isService() || none.isRateUnlimited())
                .isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "*, chat:1, true",
        "chat:*, chat:1, true",
        "chat:*, chat:1:thread:2, true",
        "chat:*, chatter:1, false",
        "chat*, chatter:1, true",
        "chat:1, chat:1, true",
        "chat:1, chat:10, false",
        "chat:1*, chat:10, true",
        "chat:10, chat:1, false",
        "chat:*, Chat:1, false",
        "user:abc, user:abc, true",
        "user:abc, user:abd, false",
    })
    void aPatternIsAWholeNameOrABeginning(String pattern, String topic, boolean allowed) {
        Rights rights = Rights.of(List.of("pub:" + pattern));
        assertThat(rights.mayPublish(topic)).isEqualTo(allowed);
        assertThat(rights.maySubscribe(topic)).isFalse();
        assertThat(Rights.of(List.of("sub:" + pattern)).maySubscribe(topic)).isEqualTo(allowed);
    }

    @Tag("EV-12")
    @Test
    void aGroupsPatternIsOfChannelsAndGivesNothingElse() {
        Rights rights = Rights.of(List.of("group:chat", "group:sup*"));
        assertThat(rights.mayJoin("chat")).isTrue();
        assertThat(rights.mayJoin("support")).isTrue();
        assertThat(rights.mayJoin("chatter")).isFalse();
        assertThat(rights.maySubscribe("chat:1") || rights.mayPublish("chat:1")).isFalse();
        assertThat(Rights.of(List.of("sub:*", "pub:*", "limits:service")).mayJoin("chat"))
                .isFalse();
        assertThat(Rights.isKnown("group:*")).isTrue();
        assertThat(Rights.isKnown("group:")).isFalse();
        assertThat(Rights.isKnown("group:a*b")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "pub", "pub:", "pub:a*b", "pub:**", "*", "PUB:*", "sub", " pub:*", "URGENT", "admin:*"})
    void whatIsNoRightGivesNothing(String entry) {
        Rights rights = Rights.of(List.of(entry));
        assertThat(rights.mayPublish("a:b")).isFalse();
        assertThat(rights.maySubscribe("a:b")).isFalse();
        assertThat(rights.isUrgent()).isFalse();
        assertThat(Rights.isKnown(entry)).isFalse();
    }

    @Test
    void theWordsGiveWhatTheySay() {
        assertThat(Rights.of(List.of("urgent")).isUrgent()).isTrue();
        assertThat(Rights.of(List.of("limits:service")).isService()).isTrue();
        assertThat(Rights.of(List.of("rate:unlimited")).isRateUnlimited()).isTrue();
        assertThat(Rights.all().isUrgent()
                        && Rights.all().mayPublish("a:b")
                        && Rights.all().maySubscribe("a:b"))
                .isTrue();
    }

    @Test
    void entriesAreBoundedInNumberAndLength() {
        assertThat(Rights.of(Collections.nCopies(Rights.COUNT_MAX, "pub:a:b")).mayPublish("a:b"))
                .isTrue();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Rights.of(Collections.nCopies(Rights.COUNT_MAX + 1, "pub:a:b")));
        Rights.of(List.of("p".repeat(Rights.LENGTH_MAX)));
        assertThatIllegalArgumentException().isThrownBy(() -> Rights.of(List.of("p".repeat(Rights.LENGTH_MAX + 1))));
    }

    /** A million pairs of rights and topic, decided by trying every pattern one after the other. */
    @Test
    void itDecidesAsTryingEveryPatternWould() {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        for (int round = 0; round < 20_000; round++) {
            List<String> patterns = new ArrayList<>();
            for (int i = random.nextInt(8); i > 0; i--) {
                patterns.add(word(random) + (random.nextInt(3) == 0 ? "*" : ""));
            }
            Rights rights =
                    Rights.of(patterns.stream().map(pattern -> "sub:" + pattern).toList());
            for (int i = 0; i < 50; i++) {
                String topic = word(random);
                assertThat(rights.maySubscribe(topic))
                        .as("seed=%d patterns=%s topic=%s", seed, patterns, topic)
                        .isEqualTo(slowly(patterns, topic));
            }
        }
    }

    private static boolean slowly(List<String> patterns, String topic) {
        for (String pattern : patterns) {
            boolean matches = pattern.endsWith("*")
                    ? topic.startsWith(pattern.substring(0, pattern.length() - 1))
                    : topic.equals(pattern);
            if (matches) {
                return true;
            }
        }
        return false;
    }

    /** Few letters and short, so that beginnings overlap. */
    private static String word(Random random) {
        StringBuilder word = new StringBuilder();
        for (int i = 1 + random.nextInt(5); i > 0; i--) {
            word.append("ab:é\ud83d".charAt(random.nextInt(4)));
        }
        return word.toString();
    }
}
