package hermod.broker.group;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;

/**
 * What is stored of a group, little-endian.
 *
 * <pre>
 *  0         1      2        3
 *  +---------+------+--------+------------------------------
 *  | layout  | mode | isLive | floor u64, runs ({@link Settled})
 *  +---------+------+--------+------------------------------
 * </pre>
 *
 * <p>A group that is not live is being made or deleted: what was begun for it is ended at the next start. So a log without a group is never left behind.
 */
record GroupRecord(Mode mode, boolean isLive, Settled settled) {
    private static final int LAYOUT = 1;

    static byte[] bytes(Mode mode, boolean isLive, Settled settled) {
        ByteBuf out = Unpooled.buffer();
        out.writeByte(LAYOUT).writeByte(mode.code()).writeBoolean(isLive);
        settled.write(out);
        return ByteBufUtil.getBytes(out);
    }

    /** @throws IllegalArgumentException for what {@link #bytes} did not make. */
    static GroupRecord of(byte[] bytes) {
        ByteBuf in = Unpooled.wrappedBuffer(bytes);
        try {
            int layout = in.readByte();
            if (layout != LAYOUT) {
                throw new IllegalArgumentException("a group of another layout: layout=" + layout);
            }
            return new GroupRecord(Mode.of(in.readByte()), in.readBoolean(), Settled.read(in));
        } catch (IndexOutOfBoundsException cut) {
            throw new IllegalArgumentException("a group's record is cut off", cut);
        }
    }
}
