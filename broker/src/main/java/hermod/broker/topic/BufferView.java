package hermod.broker.topic;

import io.netty.buffer.ByteBuf;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Lays an Agrona buffer over a piece of a Netty buffer, for the bytes that are touched once per event.
 *
 * <p>A read through Netty checks a reference count and a capacity that several classes stand in front of; through the view it is one comparison with the piece's own bounds, so that what is read of a frame can't lie outside of it. The ADR
 * on the hot path has the numbers. A view owns nothing: it is good for as long as the Netty buffer is held.
 */
public final class BufferView {
    private BufferView() {}

    /**
     * @param view to be laid.
     * @param in borrowed for as long as the view is used.
     * @param at index in {@code in} that becomes the view's index 0.
     * @param bytes the view's capacity.
     */
    public static void lay(UnsafeBuffer view, ByteBuf in, int at, int bytes) {
        if (in.hasMemoryAddress()) {
            if (at < 0 || bytes < 0 || at > in.capacity() - bytes) {
                throw new IndexOutOfBoundsException("view past its buffer: at=" + at + ", bytes=" + bytes);
            }
            view.wrap(in.memoryAddress() + at, bytes);
        } else if (in.hasArray()) {
            view.wrap(in.array(), in.arrayOffset() + at, bytes);
        } else {
            view.wrap(in.nioBuffer(at, bytes));
        }
    }
}
