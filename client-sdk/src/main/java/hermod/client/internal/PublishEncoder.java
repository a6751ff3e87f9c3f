package hermod.client.internal;

import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import java.util.List;

/** Writes publications as PUBLISH frames. Stateless, any thread. */
final class PublishEncoder {
    /** Bytes of a frame before its entries. */
    static final int HEAD_BYTES = FrameHeader.LENGTH + PublishFrame.SEQUENCE_BYTES;

    /** What each entry of several costs beside its own bytes. */
    static final int ENTRY_LENGTH_BYTES = PublishFrame.ENTRY_LENGTH_BYTES;

    private PublishEncoder() {}

    /**
     * Writes one frame.
     *
     * @param out borrowed; its writer index moves.
     * @param run at least one publication of one topic with the same flags and consecutive sequences.
     * @param firstRequestId the others have the ids that follow.
     * @param clockOffsetUs the broker's clock minus ours.
     */
    static void write(ByteBuf out, List<Publication> run, int handle, int firstRequestId, long clockOffsetUs) {
        Publication first = run.get(0);
        if (run.size() == 1) {
            int bodyBytes = PublishFrame.SEQUENCE_BYTES + first.entryBytes();
            writeHead(out, first.entry.flags(), handle, firstRequestId, bodyBytes, first.sequence);
            writeEntry(out, first, clockOffsetUs);
            return;
        }
        int bodyBytes = PublishFrame.SEQUENCE_BYTES;
        for (Publication next : run) {
            bodyBytes += PublishFrame.ENTRY_LENGTH_BYTES + next.entryBytes();
        }
        int flags = first.entry.flags() | FrameHeader.FLAG_MANY;
        writeHead(out, flags, handle, firstRequestId, bodyBytes, first.sequence);
        for (Publication next : run) {
            out.writeIntLE(next.entryBytes());
            writeEntry(out, next, clockOffsetUs);
        }
    }

    private static void writeHead(ByteBuf out, int flags, int handle, int requestId, int bodyBytes, long sequence) {
        FrameHeader.write(out, FrameType.PUBLISH, flags, handle, requestId, bodyBytes);
        out.writeLongLE(sequence);
    }

    private static void writeEntry(ByteBuf out, Publication publication, long clockOffsetUs) {
        OutgoingEntry entry = publication.entry;
        long timestampUs = publication.localTimeUs + clockOffsetUs;
        Entry.writeFixed(out, timestampUs, entry.ttlSeconds(), entry.type(), publication.fieldsBytes());
        if (publication.eventId != null) {
            EventFields.write(out, EventFields.TAG_EVENT_ID, publication.eventId);
        }
        out.writeBytes(entry.fields());
        out.writeBytes(entry.payload());
    }
}
