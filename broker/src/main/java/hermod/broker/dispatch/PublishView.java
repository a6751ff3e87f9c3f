package hermod.broker.dispatch;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.BufferView;
import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteOrder;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * A PUBLISH frame as the hot path reads it: each word once, within the frame's own bounds.
 *
 * <p>One per shard, laid over one frame after the other; what it says holds until the next {@link #wrap}. {@link PublishFrame} draws the layout.
 */
@RunsOn(Owner.SHARD)
public final class PublishView {
    private final UnsafeBuffer frame = new UnsafeBuffer(0, 0);
    private ByteBuf source = Unpooled.EMPTY_BUFFER;
    private int sourceAt;
    private int flags;
    private int handle;
    private int requestId;
    private int entriesAt;
    private long sequence;
    private int count;

    /**
     * Reads a frame's head and walks its entries.
     *
     * @param in borrowed until the next call; has a whole frame at {@code at}, whose extensions have been checked.
     * @throws ProtocolException BAD_FRAME if the entries do not add up.
     */
    public void wrap(ByteBuf in, int at, int frameBytes) throws ProtocolException {
        BufferView.lay(frame, in, at, frameBytes);
        source = in;
        sourceAt = at;
        long lengthTypeFlags = frame.getLong(0, ByteOrder.LITTLE_ENDIAN);
        long handleRequestId = frame.getLong(FrameHeader.HANDLE_AT, ByteOrder.LITTLE_ENDIAN);
        flags = (int) (lengthTypeFlags >>> 40) & 0xff;
        handle = (int) handleRequestId;
        requestId = (int) (handleRequestId >>> 32);
        int bodyAt = FrameHeader.LENGTH + (int) (lengthTypeFlags >>> 48);
        if (frameBytes - bodyAt < PublishFrame.SEQUENCE_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "publish too short: bodyBytes=" + (frameBytes - bodyAt));
        }
        sequence = frame.getLong(bodyAt, ByteOrder.LITTLE_ENDIAN);
        entriesAt = bodyAt + PublishFrame.SEQUENCE_BYTES;
        if (isMany()) {
            count = countMany();
        } else {
            checkEntry(entriesAt, frameBytes - entriesAt);
            count = 1;
        }
    }

    private int countMany() throws ProtocolException {
        int next = entriesAt;
        int end = frame.capacity();
        int entries = 0;
        while (next < end) {
            if (end - next < PublishFrame.ENTRY_LENGTH_BYTES) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "entry length past the frame");
            }
            long entryBytes = frame.getInt(next, ByteOrder.LITTLE_ENDIAN) & 0xffff_ffffL;
            next += PublishFrame.ENTRY_LENGTH_BYTES;
            if (entryBytes > end - next) {
                throw new ProtocolException(CloseCode.BAD_FRAME, "entry past the frame: entryBytes=" + entryBytes);
            }
            checkEntry(next, (int) entryBytes);
            next += (int) entryBytes;
            entries++;
        }
        if (entries == 0) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "publish without an event");
        }
        return entries;
    }

    private void checkEntry(int at, int entryBytes) throws ProtocolException {
        if (entryBytes < Entry.FIXED_BYTES
                || (frame.getShort(at + Entry.FIELDS_LENGTH_AT, ByteOrder.LITTLE_ENDIAN) & 0xffff)
                        > entryBytes - Entry.FIXED_BYTES) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "entry too short: entryBytes=" + entryBytes);
        }
    }

    /** Bytes of the whole frame. */
    public int frameBytes() {
        return frame.capacity();
    }

    public int flags() {
        return flags;
    }

    public int handle() {
        return handle;
    }

    public int requestId() {
        return requestId;
    }

    /** The first event's sequence; 0 for none. */
    public long sequence() {
        return sequence;
    }

    /** Events in the frame, at least 1. */
    public int count() {
        return count;
    }

    boolean isMany() {
        return (flags & FrameHeader.FLAG_MANY) != 0;
    }

    /** Index of the first entry, or with MANY of its length. */
    int entriesAt() {
        return entriesAt;
    }

    /** The frame from index 0. */
    UnsafeBuffer frame() {
        return frame;
    }

    /** The buffer that the frame lies in, at {@link #sourceAt}: for checks that are not on the common way. */
    ByteBuf source() {
        return source;
    }

    int sourceAt() {
        return sourceAt;
    }
}
