package hermod.broker.session;

import hermod.protocol.ProtocolException;
import io.netty.buffer.ByteBuf;

/** What one type of frame asks for, unless it is an event or a sign of life. Stateless; called on the session's shard. */
public interface CommandHandler {
    /**
     * Answers a request, now or later, through the session.
     *
     * @param in borrowed, valid until return; the frame starts at {@code at}.
     * @throws ProtocolException when the body is not what the type says; the connection ends.
     */
    void handle(Session session, int requestId, ByteBuf in, int at) throws ProtocolException;
}
