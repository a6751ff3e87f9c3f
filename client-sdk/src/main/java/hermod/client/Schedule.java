package hermod.client;

import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** An event that the broker publishes later, as it was when the broker was asked. Any thread. */
public interface Schedule {
    /** A ULID; with the user it names the event, also after a restart of this process. */
    String id();

    String topic();

    /** When it is due next, on the broker's clock. */
    Instant nextAt();

    /** As it was given; null for an event that is sent once. */
    @Nullable
    String rule();

    /** Name of the time zone of the rule; null for an event that is sent once. */
    @Nullable
    String zone();

    /** After which a rule is not due any more; null for none. */
    @Nullable
    Instant until();

    int payloadBytes();

    /**
     * Ends it.
     *
     * @return true where nothing of it comes from now on; false where there is none any more: it was sent, is over, or was cancelled before.
     */
    CompletableFuture<Boolean> cancel();
}
