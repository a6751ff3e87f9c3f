package hermod.client.internal;

import hermod.client.EventListener;
import hermod.client.Platform;
import hermod.client.ReconnectPolicy;
import hermod.client.Replacement;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A client's configuration, checked by its builder. Immutable.
 *
 * @param pingIntervalNs longest time between two PINGs; the broker's wish holds where it is shorter.
 * @param silenceTimeoutNs the broker's wish holds where it is shorter.
 * @param requestTimeoutNs of one request, and of a connection to answer HELLO and publishes.
 * @param features what is offered in HELLO, as bits.
 * @param receiveCreditBytes the credit window; of no effect where CREDIT is not among the features.
 * @param queuedEventsMax of what is not under credit, as {@code queuedBytesMax}.
 * @param publishWindow events sent and not answered, at most; the broker's limit holds where it is lower.
 * @param listenerForAdded of topics that the other side of the broker adds; null where they are not wanted.
 * @param onReplaced told when the other side of the broker has replaced the subscriptions.
 * @param publishRetries how often a publish that the broker back-pressured is sent again.
 */
public record Settings(
        List<ServerAddress> servers,
        @Nullable String token,
        @Nullable Supplier<CompletionStage<String>> tokenSource,
        String deviceId,
        Platform platform,
        String appVersion,
        Map<String, List<EventListener>> subscriptions,
        long pingIntervalNs,
        long silenceTimeoutNs,
        ReconnectPolicy reconnect,
        long requestTimeoutNs,
        LongSupplier wallClockUs,
        int publishWindow,
        boolean isLatencyReported,
        int pendingEventsMax,
        long pendingBytesMax,
        int queuedEventsMax,
        long queuedBytesMax,
        long features,
        long receiveCreditBytes,
        int publishRetries,
        @Nullable EventListener listenerForAdded,
        Consumer<Replacement> onReplaced) {}
