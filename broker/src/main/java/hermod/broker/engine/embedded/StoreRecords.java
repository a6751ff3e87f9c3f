package hermod.broker.engine.embedded;

import hermod.broker.engine.StoredEntry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * What the engine writes into its journal, by kind. Little-endian.
 *
 * <pre>
 * EVENTS   stream u64 | StoredEntries
 * STREAM   number u64 | epoch i32 | orgBytes u16 | org | topic
 * RESERVE  stream u64 | end u64
 * CHANNEL  number u64 | isBegun u8 | zero u8 | orgBytes u16 | org | channel
 * STATE    version u64 | expiresAtUs i64 | isDeleted u8 | spaceBytes u8 | keyBytes u16 | space | key | value
 * </pre>
 */
final class StoreRecords {
    static final int EVENTS = 1;
    static final int STREAM = 2;
    static final int RESERVE = 3;
    static final int STATE = 4;
    static final int CHANNEL = 5;

    static final int EVENTS_HEAD_BYTES = 8;

    /** An EVENT frame's, up to the end of its offset: what is looked at here. */
    private static final int FRAME_BYTES_MIN = 24;

    static final int STREAM_HEAD_BYTES = 14;
    static final int STATE_HEAD_BYTES = 20;
    static final int STATE_DELETED_AT = 16;
    static final int STATE_SPACE_BYTES_AT = 17;
    static final int STATE_KEY_BYTES_AT = 18;

    static final int CHANNEL_HEAD_BYTES = 12;
    static final int CHANNEL_BEGUN_AT = 8;
    static final int CHANNEL_ORG_BYTES_AT = 10;

    private StoreRecords() {}

    static void writeStream(ByteBuf out, long number, int epoch, String org, String topic) {
        out.writeLongLE(number).writeIntLE(epoch).writeShortLE(ByteBufUtil.utf8Bytes(org));
        ByteBufUtil.writeUtf8(out, org);
        ByteBufUtil.writeUtf8(out, topic);
    }

    /** @param isBegun false where it ends. */
    static void writeChannel(ByteBuf out, long number, boolean isBegun, String org, String channel) {
        out.writeLongLE(number).writeByte(isBegun ? 1 : 0).writeByte(0).writeShortLE(ByteBufUtil.utf8Bytes(org));
        ByteBufUtil.writeUtf8(out, org);
        ByteBufUtil.writeUtf8(out, channel);
    }

    static void writeState(
            ByteBuf out, long version, long expiresAtUs, String space, byte[] key, byte @Nullable [] value) {
        byte[] spaceBytes = space.getBytes(StandardCharsets.UTF_8);
        out.writeLongLE(version)
                .writeLongLE(expiresAtUs)
                .writeByte(value == null ? 1 : 0)
                .writeByte(spaceBytes.length)
                .writeShortLE(key.length)
                .writeBytes(spaceBytes)
                .writeBytes(key);
        if (value != null) {
            out.writeBytes(value);
        }
    }

    /** @throws IllegalArgumentException if the bytes are not whole entries, one behind the other. */
    static void checkEntries(ByteBuf entries) {
        int at = entries.readerIndex();
        int end = entries.writerIndex();
        while (at < end) {
            if (end - at < StoredEntry.FIXED_BYTES
                    || StoredEntry.bytes(entries, at) > end - at
                    || StoredEntry.frameBytes(entries, at) < FRAME_BYTES_MIN) {
                throw new IllegalArgumentException("no stored entry at " + at + " of " + end);
            }
            at += StoredEntry.bytes(entries, at);
        }
    }
}
