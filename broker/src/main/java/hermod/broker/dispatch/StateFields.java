package hermod.broker.dispatch;

import hermod.broker.topic.IncomingEvent;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** What an event of a state topic says of its key. The fields were checked. Stateless. */
final class StateFields {
    /** Of a writer that expects nothing. */
    static final long ANY_VERSION = -1;

    private StateFields() {}

    /** @return index of the value in {@link IncomingEvent#in}, or −1. */
    private static int find(IncomingEvent event, int tag) {
        int next = event.entryAt + Entry.FIELDS_AT;
        int end = next + event.fieldsBytes;
        while (next < end) {
            int found = event.in.getByte(next) & 0xff;
            if (found >= tag) {
                return found == tag ? next + EventFields.HEAD_BYTES : -1;
            }
            next += EventFields.HEAD_BYTES + valueBytes(event, next + EventFields.HEAD_BYTES);
        }
        return -1;
    }

    private static int valueBytes(IncomingEvent event, int valueAt) {
        return event.in.getShort(valueAt - Short.BYTES, ByteOrder.LITTLE_ENDIAN) & 0xffff;
    }

    static boolean hasKey(IncomingEvent event) {
        return find(event, EventFields.TAG_KEY) >= 0;
    }

    /** Null for an event without one. */
    static @Nullable String key(IncomingEvent event) {
        byte[] bytes = keyBytes(event);
        return bytes.length == 0 ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    /** Empty for an event without one. */
    static byte[] keyBytes(IncomingEvent event) {
        int at = find(event, EventFields.TAG_KEY);
        byte[] bytes = new byte[at < 0 ? 0 : valueBytes(event, at)];
        if (at >= 0) {
            event.in.getBytes(at, bytes);
        }
        return bytes;
    }

    static long expectedVersion(IncomingEvent event) {
        int at = find(event, EventFields.TAG_EXPECTED_VERSION);
        return at < 0 ? ANY_VERSION : event.in.getLong(at, ByteOrder.LITTLE_ENDIAN);
    }

    static boolean isDeleted(IncomingEvent event) {
        return find(event, EventFields.TAG_DELETED) >= 0;
    }
}
