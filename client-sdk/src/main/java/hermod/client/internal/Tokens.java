package hermod.client.internal;

import hermod.client.HermodException;
import hermod.protocol.ProtocolLimits;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The token to connect with, and when to ask the source for another: at some 80 % of its life, spread, so that clients that came together do not ask together.
 *
 * <p>Loop thread only; the source runs on a lookup thread.
 */
final class Tokens {
    private static final double REFRESH_SHARE_MIN = 0.75;
    private static final double REFRESH_SHARE_SPREAD = 0.10;
    private static final long ASK_AGAIN_US_MIN = 1_000_000;

    private final @Nullable Supplier<CompletionStage<String>> source;
    private final Executor lookups;
    private final long timeoutNs;
    private final RandomGenerator random;
    private @Nullable String current;
    private @Nullable CompletableFuture<String> asking;
    private long expiresAtUs = Long.MAX_VALUE;
    private long refreshAtUs = Long.MAX_VALUE;

    Tokens(Settings settings, Executor lookups, RandomGenerator random) {
        source = settings.tokenSource();
        current = settings.token();
        timeoutNs = settings.requestTimeoutNs();
        this.lookups = lookups;
        this.random = random;
    }

    boolean hasSource() {
        return source != null;
    }

    /** The token that is held while it is good for a while, otherwise a new one; empty where the client has none and no source. Completes on any thread. */
    CompletableFuture<String> forConnect(long brokerNowUs) {
        if (current != null && brokerNowUs < refreshAtUs) {
            return CompletableFuture.completedFuture(current);
        }
        if (source == null) {
            return CompletableFuture.completedFuture(current == null ? "" : current);
        }
        String fallback = brokerNowUs < expiresAtUs ? current : null;
        return fallback == null ? ask() : ask().exceptionally(failure -> fallback);
    }

    /** A new token from the source; callers at the same time share one call. Completes on any thread. */
    CompletableFuture<String> ask() {
        if (asking != null && !asking.isDone()) {
            return asking;
        }
        Supplier<CompletionStage<String>> from = source;
        if (from == null) {
            return CompletableFuture.failedFuture(
                    new HermodException(HermodException.TOKEN_SOURCE_FAILED, "the client has no token source"));
        }
        asking = CompletableFuture.supplyAsync(from, lookups)
                .thenCompose(stage -> stage)
                .thenApply(Tokens::checked)
                .orTimeout(timeoutNs, TimeUnit.NANOSECONDS);
        return asking;
    }

    private static String checked(String token) {
        int bytes = token.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > ProtocolLimits.TOKEN_BYTES) {
            throw new IllegalArgumentException(
                    "token too long: bytes=" + bytes + ", limit=" + ProtocolLimits.TOKEN_BYTES);
        }
        return token;
    }

    /** The broker has taken this token, for so long. */
    void onAccepted(String token, long newExpiresAtUs, long brokerNowUs) {
        current = token;
        if (newExpiresAtUs <= 0) {
            expiresAtUs = Long.MAX_VALUE;
            refreshAtUs = Long.MAX_VALUE;
            return;
        }
        expiresAtUs = newExpiresAtUs;
        double share = REFRESH_SHARE_MIN + REFRESH_SHARE_SPREAD * random.nextDouble();
        refreshAtUs = brokerNowUs + (long) (Math.max(0, newExpiresAtUs - brokerNowUs) * share);
    }

    /** The token is no longer good for connecting. */
    void onRejected() {
        current = null;
    }

    /** Whether it is time to refresh, if there is a source to do it with. */
    boolean isRefreshDue(long brokerNowUs) {
        return source != null && brokerNowUs >= refreshAtUs;
    }

    /** Tries again after half of what is left. */
    void onRefreshFailed(long brokerNowUs) {
        refreshAtUs = brokerNowUs + Math.max(ASK_AGAIN_US_MIN, (expiresAtUs - brokerNowUs) / 2);
    }
}
