package hermod.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CodesTest {
    @Test
    void noCodeIsUsedTwice() {
        assertThat(IntStream.concat(
                                Arrays.stream(ErrorCode.values()).mapToInt(ErrorCode::code),
                                Arrays.stream(CloseCode.values()).mapToInt(CloseCode::code))
                        .boxed())
                .doesNotHaveDuplicates()
                .allMatch(code -> code >= 1000 && code <= 3999);
    }

    @Test
    void aRequestMayBeRepeatedFrom2000On() {
        assertThat(ErrorCode.isRetryable(1999)).isFalse();
        assertThat(ErrorCode.isRetryable(2000)).isTrue();
        assertThat(ErrorCode.isRetryable(2999)).isTrue();
        assertThat(ErrorCode.UNAVAILABLE.isRetryable()).isTrue();
        assertThat(ErrorCode.NOT_ENABLED.isRetryable()).isFalse();
    }

    @Test
    void aClientReconnectsBelow3500AndWithANewTokenFrom3400On() {
        assertThat(CloseCode.mayReconnect(3000)).isTrue();
        assertThat(CloseCode.needsNewToken(3399)).isFalse();
        assertThat(CloseCode.needsNewToken(3400)).isTrue();
        assertThat(CloseCode.mayReconnect(3499)).isTrue();
        assertThat(CloseCode.needsNewToken(3499)).isTrue();
        assertThat(CloseCode.needsNewToken(3500)).isFalse();
        assertThat(CloseCode.mayReconnect(3500)).isFalse();
        assertThat(CloseCode.mayReconnect(3999)).isFalse();
    }

    @Test
    void theCodesKeepTheVerdictOfTheirRange() {
        assertThat(Arrays.stream(CloseCode.values()).filter(code -> CloseCode.needsNewToken(code.code())))
                .containsExactly(CloseCode.TOKEN_EXPIRED);
        assertThat(Arrays.stream(CloseCode.values()).filter(code -> !CloseCode.mayReconnect(code.code())))
                .containsExactly(
                        CloseCode.NORMAL,
                        CloseCode.BAD_FRAME,
                        CloseCode.FRAME_TOO_LONG,
                        CloseCode.VERSION_NOT_SUPPORTED,
                        CloseCode.UNAUTHORIZED,
                        CloseCode.HANDSHAKE_EXPECTED,
                        CloseCode.DISCONNECTED,
                        CloseCode.TOO_MANY_ERRORS);
    }

    @Test
    void aCodeIsShownByItsNameAndAnUnknownOneByItsNumber() {
        assertThat(CloseCode.nameOf(3501)).isEqualTo("BAD_FRAME");
        assertThat(CloseCode.nameOf(3999)).isEqualTo("3999");
        assertThat(ErrorCode.nameOf(1011)).isEqualTo("BAD_EVENT");
        assertThat(ErrorCode.nameOf(1999)).isEqualTo("1999");
    }

    @Test
    void aMeaningIsOneSentenceThatFitsATableCell() {
        assertThat(Arrays.stream(ErrorCode.values()).map(ErrorCode::meaning)).allMatch(CodesTest::isSentence);
        assertThat(Arrays.stream(CloseCode.values()).map(CloseCode::meaning)).allMatch(CodesTest::isSentence);
    }

    private static boolean isSentence(String text) {
        return text.endsWith(".") && !text.contains("|") && !text.contains("\n");
    }
}
