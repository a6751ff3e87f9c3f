package hermod.broker.safety;

import com.github.f4b6a3.ulid.Ulid;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * An event that waits to be acknowledged, as it is kept in the engine too. Immutable.
 *
 * <pre>
 *  key    org 0 topic 0 offset u64                                    big-endian, the names in UTF-8
 *  value  version u8 | device u64 | takenUs u64 | eventId 16 bytes    big-endian
 * </pre>
 *
 * @param device the publisher's: its acknowledgement does not count.
 * @param takenUs when the broker took it, in microseconds since 1970.
 * @param eventId the event's own, or the derived one.
 */
record WatchedEvent(String org, String topic, long offset, long device, long takenUs, Ulid eventId) {
    private static final byte VERSION = 1;
    private static final int VALUE_BYTES = 1 + 2 * Long.BYTES + Ulid.ULID_BYTES;

    /** @throws IllegalArgumentException for bytes that are none. */
    static WatchedEvent read(byte[] key, byte[] value) {
        int orgEnd = indexOfZero(key, 0);
        int topicEnd = orgEnd < 0 ? -1 : indexOfZero(key, orgEnd + 1);
        if (topicEnd < 0
                || key.length != topicEnd + 1 + Long.BYTES
                || value.length != VALUE_BYTES
                || value[0] != VERSION) {
            throw new IllegalArgumentException("no event that waits to be acknowledged: keyBytes=" + key.length
                    + ", valueBytes=" + value.length + ", version=" + (value.length == 0 ? "" : value[0]));
        }
        ByteBuffer in = ByteBuffer.wrap(value, 1, value.length - 1);
        long device = in.getLong();
        long takenUs = in.getLong();
        return new WatchedEvent(
                new String(key, 0, orgEnd, StandardCharsets.UTF_8),
                new String(key, orgEnd + 1, topicEnd - orgEnd - 1, StandardCharsets.UTF_8),
                ByteBuffer.wrap(key).getLong(topicEnd + 1),
                device,
                takenUs,
                new Ulid(in.getLong(), in.getLong()));
    }

    private static int indexOfZero(byte[] in, int from) {
        for (int at = from; at < in.length; at++) {
            if (in[at] == 0) {
                return at;
            }
        }
        return -1;
    }

    byte[] key() {
        byte[] orgBytes = org.getBytes(StandardCharsets.UTF_8);
        byte[] topicBytes = topic.getBytes(StandardCharsets.UTF_8);
        byte[] key = Arrays.copyOf(orgBytes, orgBytes.length + topicBytes.length + 2 + Long.BYTES);
        System.arraycopy(topicBytes, 0, key, orgBytes.length + 1, topicBytes.length);
        ByteBuffer.wrap(key).putLong(key.length - Long.BYTES, offset);
        return key;
    }

    byte[] value() {
        return ByteBuffer.allocate(VALUE_BYTES)
                .put(VERSION)
                .putLong(device)
                .putLong(takenUs)
                .putLong(eventId.getMostSignificantBits())
                .putLong(eventId.getLeastSignificantBits())
                .array();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof WatchedEvent event
                && event.offset == offset
                && event.topic.equals(topic)
                && event.org.equals(org);
    }

    /** An event is one by its place in its topic. */
    @Override
    public int hashCode() {
        return 31 * (31 * org.hashCode() + topic.hashCode()) + Long.hashCode(offset);
    }
}
