package hermod.broker.outbox;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/** A piece of a chunk that waits in an outbox, or a frame about missing events; a link of its lane and of its feed's row, or of {@link RunPool}. */
final class QueuedRun {
    /** Behind it in its lane; in the pool and among the written the next one. */
    @Nullable
    QueuedRun next;

    @Nullable
    QueuedRun previous;

    /** Behind it in its feed's row. */
    @Nullable
    QueuedRun nextOfFeed;

    @Nullable
    QueuedRun previousOfFeed;

    @Nullable
    Feed feed;

    ByteBuf memory = Unpooled.EMPTY_BUFFER;
    int from;
    int to;

    /** Of a compressed run the first event's offset, of a frame about missing events that of the event behind it; 0 for any other, whose frames tell. */
    long position;

    /** Events; 0 for a frame about missing ones. */
    int count;

    int lane;
    long expiresAtUs;
    long queuedNs;

    /** The offset from which its feed reads again if it is taken back. */
    long firstOffset() {
        return position > 0 ? position : Outbox.firstOffset(memory, from);
    }

    int bytes() {
        return to - from;
    }
}
