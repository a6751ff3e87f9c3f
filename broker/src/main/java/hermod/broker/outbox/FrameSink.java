package hermod.broker.outbox;

import io.netty.buffer.ByteBuf;

/** Where an outbox writes to: a socket. {@code transport} implements it. Called on the connection's shard only. */
public interface FrameSink {
    /** Whether the socket takes more now; when it turns true again the owner is told. */
    boolean isWritable();

    /** @param frames given: released when written, or when the socket is gone. */
    void write(ByteBuf frames);

    /**
     * Writes a copy of a small piece, joined with those written just before and after it in the same way: many small pieces cost less as one large one.
     *
     * @param memory borrowed.
     */
    default void writeCopy(ByteBuf memory, int from, int bytes) {
        write(memory.retainedSlice(from, bytes));
    }

    /** Hands what was written to the kernel, as far as it takes it. */
    void flush();

    /**
     * Writes a last frame, if there is one, and closes the socket behind it.
     *
     * @param last given.
     */
    void close(ByteBuf last);

    /**
     * The same, for a peer that shall get all that was written: the socket is closed when the peer has closed its end, and what it still sends is read until then and forgotten.
     *
     * @param lastFrame given.
     * @param withinMs the socket is closed after this long in any case.
     */
    default void closeGently(ByteBuf lastFrame, int withinMs) {
        close(lastFrame);
    }

    /** Stops or resumes reading from the socket. */
    void readEnabled(boolean enabled);
}
