package hermod.client.internal;

import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An event to publish as bytes, ready to be written behind a frame's head. Immutable by agreement: nobody writes to the arrays.
 *
 * @param flags of the frame: priority and excluded device.
 * @param isWithoutEventId whether no id is to be made where {@code eventId} is null.
 * @param fields all fields but the event id, which stands before them.
 * @param intendedAtUs on the client's clock; 0 for the moment of publishing.
 */
@SuppressWarnings("ArrayRecordComponent") // Compared by nobody, and copied by the builder.
public record OutgoingEntry(
        int type,
        long ttlSeconds,
        int flags,
        boolean isWithoutEventId,
        byte @Nullable [] eventId,
        byte[] fields,
        byte[] payload,
        long intendedAtUs) {
    /** Bytes of the event id as a field. */
    public static final int EVENT_ID_FIELD_BYTES = EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES;

    /** In place of an expected version. */
    public static final long ANY_VERSION = -1;

    private static final byte[] NOTHING = {};

    /** Encodes the fields that a publisher may set, without the event id; what is null or empty is left out. */
    public static byte[] fieldsOf(
            @Nullable String target,
            @Nullable String typeName,
            Map<String, String> attributes,
            byte[] metadata,
            @Nullable String key,
            long expectedVersion,
            boolean isDeletion) {
        if (target == null && typeName == null && attributes.isEmpty() && metadata.length == 0 && key == null) {
            return NOTHING;
        }
        ByteBuf out = Unpooled.buffer();
        if (target != null) {
            EventFields.write(out, EventFields.TAG_TARGET, target.getBytes(StandardCharsets.UTF_8));
        }
        if (typeName != null) {
            EventFields.write(out, EventFields.TAG_TYPE_NAME, typeName.getBytes(StandardCharsets.UTF_8));
        }
        if (!attributes.isEmpty()) {
            EventFields.writeAttributes(out, attributes);
        }
        if (metadata.length > 0) {
            EventFields.write(out, EventFields.TAG_METADATA, metadata);
        }
        if (key != null) {
            EventFields.write(out, EventFields.TAG_KEY, key.getBytes(StandardCharsets.UTF_8));
            if (expectedVersion != ANY_VERSION) {
                byte[] version = new byte[Long.BYTES];
                Unpooled.wrappedBuffer(version).setLongLE(0, expectedVersion);
                EventFields.write(out, EventFields.TAG_EXPECTED_VERSION, version);
            }
            if (isDeletion) {
                EventFields.write(out, EventFields.TAG_DELETED, NOTHING);
            }
        }
        byte[] fields = new byte[out.readableBytes()];
        out.readBytes(fields);
        return fields;
    }
}
