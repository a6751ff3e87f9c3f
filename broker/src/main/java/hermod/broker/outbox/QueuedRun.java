package hermod.broker.outbox;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/** A piece of a chunk that waits in an outbox; a link of its lane, or of {@link RunPool}. */
final class QueuedRun {
    @Nullable
    QueuedRun next;

    @Nullable
    Feed feed;

    ByteBuf memory = Unpooled.EMPTY_BUFFER;
    int from;
    int to;
    int count;
    long expiresAtUs;
    long queuedNs;

    int bytes() {
        return to - from;
    }
}
