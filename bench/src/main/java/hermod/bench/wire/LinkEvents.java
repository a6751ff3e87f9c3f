package hermod.bench.wire;

import io.netty.buffer.ByteBuf;

/** What a {@link Link} reads from its broker. Called on the thread that reads; lanes are the codes of {@link hermod.protocol.Priority}. */
public interface LinkEvents {
    /**
     * @param wireBytes of the whole message.
     * @param in borrowed for the call.
     * @param payloadAt index of the payload's first byte.
     */
    default void event(int lane, int wireBytes, ByteBuf in, int payloadAt, int payloadBytes) {}

    /** Events the broker says it leaves out (GAP); negative where it takes that back (GAP_CLOSED). */
    default void shed(int lane, long count) {}

    default void accepted(int lane, long count) {}

    /** @param code of {@link hermod.protocol.ErrorCode}. */
    default void refused(int lane, int code) {}

    /** An event was accepted with a lower priority than it was published with. */
    default void clamped() {}

    /** The broker says why it ends the connection; the end of the stream follows. */
    default void closing(String why) {}
}
