package hermod.protocol.frame;

import io.netty.buffer.ByteBuf;

/**
 * PING (0x08) and PONG (0x09): a sign of life that carries both clocks, in microseconds.
 *
 * <pre>
 *  PING  16 sentUs i64
 *  PONG  16 pingSentUs i64 | 24 receivedUs i64 | 32 sentUs i64
 * </pre>
 */
public final class ClockFrames {
    public static final int PING_BODY_BYTES = 8;
    public static final int PONG_BODY_BYTES = 24;

    private ClockFrames() {}

    /** When the PING, or the PING that this PONG answers, was sent, on the pinging side's clock. */
    public static long pingSentUs(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at));
    }

    /** When the PING arrived, on the answering side's clock. */
    public static long receivedUs(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at) + 8);
    }

    /** When the PONG was written, on the answering side's clock. */
    public static long sentUs(ByteBuf in, int at) {
        return in.getLongLE(FrameHeader.bodyAt(in, at) + 16);
    }

    public static void writePing(ByteBuf out, int requestId, long sentUs) {
        FrameHeader.write(out, FrameType.PING, 0, 0, requestId, PING_BODY_BYTES);
        out.writeLongLE(sentUs);
    }

    public static void writePong(ByteBuf out, int requestId, long pingSentUs, long receivedUs, long sentUs) {
        FrameHeader.write(out, FrameType.PONG, 0, 0, requestId, PONG_BODY_BYTES);
        out.writeLongLE(pingSentUs);
        out.writeLongLE(receivedUs);
        out.writeLongLE(sentUs);
    }
}
