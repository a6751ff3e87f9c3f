package hermod.broker.engine.embedded;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A channel's log as the store knows it.
 *
 * @param start positions below are of earlier lives, which were ended.
 */
record ChannelInfo(boolean isBegun, long start, String org, String channel) {
    private static final int HEAD_BYTES = 1 + Long.BYTES + Short.BYTES;

    static ChannelInfo of(byte[] stored) {
        ByteBuffer in = ByteBuffer.wrap(stored);
        boolean isBegun = in.get() != 0;
        long start = in.getLong();
        int orgBytes = in.getShort() & 0xFFFF;
        return new ChannelInfo(
                isBegun,
                start,
                new String(stored, HEAD_BYTES, orgBytes, StandardCharsets.UTF_8),
                new String(
                        stored, HEAD_BYTES + orgBytes, stored.length - HEAD_BYTES - orgBytes, StandardCharsets.UTF_8));
    }

    byte[] bytes() {
        byte[] orgBytes = org.getBytes(StandardCharsets.UTF_8);
        byte[] channelBytes = channel.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(HEAD_BYTES + orgBytes.length + channelBytes.length)
                .put((byte) (isBegun ? 1 : 0))
                .putLong(start)
                .putShort((short) orgBytes.length)
                .put(orgBytes)
                .put(channelBytes)
                .array();
    }
}
