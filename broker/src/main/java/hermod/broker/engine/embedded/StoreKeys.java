package hermod.broker.engine.embedded;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The keys of the column families: numbers are big-endian, so that their bytes are ordered as they are.
 *
 * <pre>
 * event     stream | offset                   → entry, as it was appended
 * producer  stream | producer | sequence      → offset
 * author    stream | author                   → authorOrdinal of the last countable entry
 * last      stream | key                      → offset | entry, a tombstone too
 * stream    number | INFO                     → epoch i32 | orgBytes u16 | org | topic
 *           number | RESERVED                 → end of the offsets given out before their events are stored
 *           number | RETAINED                 → first offset kept | end, ordinal and storedAtUs of what was removed
 * name      org | 0 | topic                   → number
 * place     channel | position             → (stream | offset), one or more: from that position on
 * channel   INFO u8 | channel              → isBegun u8 | start | orgBytes u16 | org | channel's name
 *           NEXT | channel                 → above the last position
 *           FIRST | channel                → first position kept
 *           STREAM | stream                → start | first and last offset of what has positions since
 *           LATE | stream | offset         → position of what was appended again and is below that first offset
 *           NAME | org | 0 | channel's name → channel
 * state     spaceBytes u8 | space | key       → version | expiresAtUs | value
 * meta      "applied" → batch; "version" → the highest a value has
 * </pre>
 */
final class StoreKeys {
    static final byte INFO = 0;
    static final byte RESERVED = 1;
    static final byte RETAINED = 2;

    static final byte CHANNEL_INFO = 1;
    static final byte CHANNEL_NEXT = 2;
    static final byte CHANNEL_FIRST = 3;
    static final byte CHANNEL_STREAM = 4;
    static final byte CHANNEL_LATE = 5;
    static final byte CHANNEL_NAME = 6;

    static final byte[] APPLIED = "applied".getBytes(StandardCharsets.US_ASCII);
    static final byte[] VERSION = "version".getBytes(StandardCharsets.US_ASCII);

    private StoreKeys() {}

    static byte[] of(long number) {
        return ByteBuffer.allocate(Long.BYTES).putLong(number).array();
    }

    static byte[] of(long first, long second) {
        return ByteBuffer.allocate(2 * Long.BYTES)
                .putLong(first)
                .putLong(second)
                .array();
    }

    static byte[] of(long first, long second, long third) {
        return ByteBuffer.allocate(3 * Long.BYTES)
                .putLong(first)
                .putLong(second)
                .putLong(third)
                .array();
    }

    static byte[] of(long stream, byte[] key) {
        return ByteBuffer.allocate(Long.BYTES + key.length)
                .putLong(stream)
                .put(key)
                .array();
    }

    static byte[] stream(long number, byte what) {
        return ByteBuffer.allocate(Long.BYTES + 1).putLong(number).put(what).array();
    }

    static byte[] name(String org, String topic) {
        return (org + '\0' + topic).getBytes(StandardCharsets.UTF_8);
    }

    static byte[] channel(byte what, long number) {
        return ByteBuffer.allocate(1 + Long.BYTES).put(what).putLong(number).array();
    }

    static byte[] channelLate(long stream, long offset) {
        return ByteBuffer.allocate(1 + 2 * Long.BYTES)
                .put(CHANNEL_LATE)
                .putLong(stream)
                .putLong(offset)
                .array();
    }

    static byte[] channelName(String org, String channel) {
        byte[] text = name(org, channel);
        return ByteBuffer.allocate(1 + text.length).put(CHANNEL_NAME).put(text).array();
    }

    static byte[] state(String space, byte[] key) {
        byte[] spaceBytes = space.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(1 + spaceBytes.length + key.length)
                .put((byte) spaceBytes.length)
                .put(spaceBytes)
                .put(key)
                .array();
    }

    /** Above all keys of a space; its first byte is below 255, since a space has 192 bytes at most. */
    static byte[] stateEnd(String space) {
        byte[] end = state(space, new byte[0]);
        for (int i = end.length - 1; i >= 0; i--) {
            if (++end[i] != 0) {
                return java.util.Arrays.copyOf(end, i + 1);
            }
        }
        throw new AssertionError(space);
    }

    static long asLong(byte[] bytes) {
        return ByteBuffer.wrap(bytes).getLong();
    }
}
