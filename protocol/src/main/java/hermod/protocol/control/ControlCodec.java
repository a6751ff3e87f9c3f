package hermod.protocol.control;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import hermod.protocol.CloseCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Reads and writes control messages. Stateless, any thread. */
public final class ControlCodec {
    /** Nesting a message may have; ours have two levels. */
    private static final int RECURSION_LIMIT = 8;

    private ControlCodec() {}

    /**
     * Encodes a message as a whole frame.
     *
     * @return a new buffer, given to the caller.
     */
    public static ByteBuf encode(ByteBufAllocator allocator, FrameType type, int requestId, MessageLite message) {
        return encode(allocator, type, 0, requestId, message);
    }

    /** @param flags of {@link FrameHeader}. */
    public static ByteBuf encode(
            ByteBufAllocator allocator, FrameType type, int flags, int requestId, MessageLite message) {
        int bodyBytes = message.getSerializedSize();
        ByteBuf out = allocator.buffer(FrameHeader.LENGTH + bodyBytes);
        FrameHeader.write(out, type, flags, 0, requestId, bodyBytes);
        try {
            CodedOutputStream body = CodedOutputStream.newInstance(out.nioBuffer(FrameHeader.LENGTH, bodyBytes));
            message.writeTo(body);
            body.flush();
        } catch (IOException impossible) {
            out.release();
            throw new UncheckedIOException("a buffer of the message's own size overflowed", impossible);
        }
        return out.writerIndex(FrameHeader.LENGTH + bodyBytes);
    }

    /**
     * Decodes the body of a frame. Strings are checked to be UTF-8; unknown fields are skipped.
     *
     * @param in borrowed.
     * @param at index of the frame's first byte.
     * @throws ProtocolException BAD_FRAME if the body is not such a message.
     */
    public static <M extends MessageLite> M decode(Parser<M> parser, ByteBuf in, int at) throws ProtocolException {
        int bodyBytes = FrameHeader.bodyBytes(in, at);
        try {
            CodedInputStream body = CodedInputStream.newInstance(in.nioBuffer(FrameHeader.bodyAt(in, at), bodyBytes));
            body.setRecursionLimit(RECURSION_LIMIT);
            M message = parser.parseFrom(body);
            body.checkLastTagWas(0);
            return message;
        } catch (InvalidProtocolBufferException bad) {
            throw new ProtocolException(CloseCode.BAD_FRAME, "body is no message of its type: " + bad.getMessage());
        }
    }
}
