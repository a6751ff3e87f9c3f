package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.client.Platform;
import hermod.client.ReconnectPolicy;
import hermod.protocol.ProtocolLimits;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("CN-7")
class TokensTest {
    private static final long HOUR_US = TimeUnit.HOURS.toMicros(1);

    private final Queue<CompletionStage<String>> answers = new ArrayDeque<>();

    private Tokens tokens(String first, Supplier<CompletionStage<String>> source, long seed) {
        Settings settings = new Settings(
                List.of(),
                first,
                source,
                "device",
                Platform.SERVER,
                "",
                Map.of(),
                1,
                1,
                ReconnectPolicy.defaults(),
                TimeUnit.SECONDS.toNanos(10),
                () -> 0,
                1,
                true,
                1,
                1,
                1,
                1,
                0,
                1,
                0,
                null,
                any -> {});
        return new Tokens(settings, Runnable::run, new SplittableRandom(seed));
    }

    @Test
    void aRefreshIsDueAroundFourFifthsOfTheTokensLife() {
        for (long seed = 0; seed < 1_000; seed++) {
            Tokens tokens = tokens("a", answers::poll, seed);
            tokens.onAccepted("a", HOUR_US, 0);
            assertThat(tokens.isRefreshDue((long) (HOUR_US * 0.75) - 1))
                    .as("seed=%d", seed)
                    .isFalse();
            assertThat(tokens.isRefreshDue((long) (HOUR_US * 0.85) + 1))
                    .as("seed=%d", seed)
                    .isTrue();
        }
    }

    @Test
    void aTokenWithoutExpiryOrWithoutASourceIsNeverRefreshed() {
        Tokens endless = tokens("a", answers::poll, 1);
        endless.onAccepted("a", 0, 0);
        assertThat(endless.isRefreshDue(Long.MAX_VALUE - 1)).isFalse();
        Tokens alone = tokens("a", null, 1);
        alone.onAccepted("a", HOUR_US, 0);
        assertThat(alone.isRefreshDue(HOUR_US)).isFalse();
    }

    @Test
    void aGoodTokenIsUsedAgainAndADueOneIsReplaced() {
        answers.add(CompletableFuture.completedFuture("b"));
        Tokens tokens = tokens("a", answers::poll, 1);
        assertThat(tokens.forConnect(0)).isCompletedWithValue("a");
        tokens.onAccepted("a", HOUR_US, 0);
        assertThat(tokens.forConnect(HOUR_US / 2)).isCompletedWithValue("a");
        assertThat(tokens.forConnect(HOUR_US - 1)).isCompletedWithValue("b");
    }

    @Test
    void whereTheSourceFailsTheOldTokenServesWhileItLives() {
        answers.add(CompletableFuture.failedFuture(new IllegalStateException("down")));
        answers.add(CompletableFuture.failedFuture(new IllegalStateException("down")));
        Tokens tokens = tokens("a", answers::poll, 1);
        tokens.onAccepted("a", HOUR_US, 0);
        assertThat(tokens.forConnect(HOUR_US - 1)).isCompletedWithValue("a");
        assertThat(tokens.forConnect(HOUR_US + 1)).isCompletedExceptionally();
    }

    @Test
    void callersAtTheSameTimeShareOneCall() {
        CompletableFuture<String> answer = new CompletableFuture<>();
        answers.add(answer);
        Tokens tokens = tokens(null, answers::poll, 1);
        CompletableFuture<String> one = tokens.ask();
        CompletableFuture<String> two = tokens.forConnect(0);
        answer.complete("b");
        assertThat(one).isCompletedWithValue("b");
        assertThat(two).isCompletedWithValue("b");
        assertThat(answers).isEmpty();
    }

    @Test
    void aTokenTooLongForHelloIsNotSent() {
        answers.add(CompletableFuture.completedFuture("x".repeat(ProtocolLimits.TOKEN_BYTES)));
        answers.add(CompletableFuture.completedFuture("x".repeat(ProtocolLimits.TOKEN_BYTES + 1)));
        Tokens tokens = tokens(null, answers::poll, 1);
        assertThat(tokens.ask()).isCompleted();
        assertThat(tokens.ask()).isCompletedExceptionally();
    }

    @Test
    void withoutTokenAndSourceItIsEmptyAsInDevelopmentMode() {
        assertThat(tokens(null, null, 1).forConnect(0)).isCompletedWithValue("");
    }
}
