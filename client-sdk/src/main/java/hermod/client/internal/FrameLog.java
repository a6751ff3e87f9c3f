package hermod.client.internal;

import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One line for each frame at DEBUG, logger {@code hermod.client.frames}: heads only, so that neither a payload nor a token is ever in it. Any thread.
 */
final class FrameLog {
    private static final Logger LOG = LoggerFactory.getLogger("hermod.client.frames");

    private FrameLog() {}

    static boolean isOn() {
        return LOG.isDebugEnabled();
    }

    /**
     * @param way {@code "→"} to the broker, {@code "←"} from it.
     * @param in borrowed, with the whole frame at {@code at}.
     */
    static void frame(String way, ByteBuf in, int at) {
        FrameType type = FrameType.ofCode(FrameHeader.type(in, at));
        LOG.debug(
                "{} {} flags=0x{} handle={} requestId={} bytes={}{}",
                way,
                type == null ? "type " + FrameHeader.type(in, at) : type.name(),
                Integer.toHexString(FrameHeader.flags(in, at)),
                Integer.toUnsignedString(FrameHeader.handle(in, at)),
                Integer.toUnsignedString(FrameHeader.requestId(in, at)),
                FrameHeader.frameBytes(in, at),
                placeOf(type, in, at));
    }

    /** @param out borrowed; holds whole frames between its indices. */
    static void frames(String way, ByteBuf out) {
        for (int at = out.readerIndex(); at < out.writerIndex(); at += FrameHeader.frameBytes(out, at)) {
            frame(way, out, at);
        }
    }

    private static String placeOf(@Nullable FrameType type, ByteBuf in, int at) {
        if (FrameHeader.bodyBytes(in, at) < Long.BYTES) {
            return "";
        }
        if (type == FrameType.EVENT) {
            return " offset=" + EventFrame.offset(in, at);
        }
        return type == FrameType.PUBLISH ? " sequence=" + PublishFrame.sequence(in, at) : "";
    }
}
