package hermod.client;

import hermod.protocol.Priority;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An event as it was received. Immutable, may be kept, any thread.
 *
 * <p>An application implements this only to test its listeners; methods may be added.
 */
public interface Event {
    String topic();

    /** The topic's epoch; offsets can be compared only inside one. */
    int epoch();

    /** Place in the topic: rises, with holes. */
    long offset();

    /** A ULID: the publisher's, or derived from time, epoch and offset where it gave none. */
    String eventId();

    /** A known type's name, the application's own name for a type, or the empty string. */
    String type();

    /** User id of the publisher. */
    String source();

    /** User id of the one it is meant for, where the publisher named one. */
    @Nullable
    String target();

    /** When it was meant to be sent: microseconds since 1970 on the broker's clock. */
    long timestampUs();

    /** When this client read it from the socket: microseconds since 1970 on the broker's clock, by this client's estimate of it. */
    long receivedAtUs();

    /** Seconds from {@link #timestampUs} for which it is worth anything; 0 for ever. */
    long ttlSeconds();

    Priority priority();

    /** Which value of a state topic it sets or deletes; null for an event that is none of a state. */
    default @Nullable String key() {
        return null;
    }

    /** Whether it deletes its key. */
    default boolean isDeletion() {
        return false;
    }

    /** In the publisher's order; empty where there are none. */
    Map<String, String> attributes();

    /** What the publisher passed through; a copy, empty where there is none. */
    byte[] metadata();

    /** A copy. */
    byte[] payload();

    /** The payload without copying it; read-only. */
    ByteBuffer payloadBuffer();

    /** The payload read as UTF-8. */
    default String text() {
        return StandardCharsets.UTF_8.decode(payloadBuffer()).toString();
    }
}
