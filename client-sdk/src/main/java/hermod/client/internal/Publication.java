package hermod.client.internal;

import hermod.client.HermodException;
import hermod.client.PublishReceipt;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** One event on its way to the broker, from publish() to its outcome. The final fields any thread, the others the loop. */
final class Publication {
    final String topicName;
    final OutgoingEntry entry;
    final byte @Nullable [] eventId;

    /** On this client's clock; translated to the broker's when it is encoded. */
    final long localTimeUs;

    final CompletableFuture<PublishReceipt> future = new CompletableFuture<>();

    /** The same on every try. 0 until the loop has seen it. */
    long sequence;

    /** Of the handle it was last sent with. */
    int epoch;

    /** What it takes of the publish window while it has no outcome: its part of the frame it was last sent in, the head counted with the first. */
    int sentBytes;

    /** The broker's last word, where it refused it for now. */
    @Nullable
    HermodException refusal;

    int refusalCount;

    @Nullable
    Topic topic;

    @Nullable
    Priority clampedTo;

    Publication(String topicName, OutgoingEntry entry, byte @Nullable [] eventId, long localTimeUs) {
        this.topicName = topicName;
        this.entry = entry;
        this.eventId = eventId;
        this.localTimeUs = localTimeUs;
    }

    int fieldsBytes() {
        return (eventId == null ? 0 : OutgoingEntry.EVENT_ID_FIELD_BYTES) + entry.fields().length;
    }

    /** Bytes of the entry in a PUBLISH frame; also what it weighs against the bound of pending bytes. */
    int entryBytes() {
        return Entry.FIXED_BYTES + fieldsBytes() + entry.payload().length;
    }
}
