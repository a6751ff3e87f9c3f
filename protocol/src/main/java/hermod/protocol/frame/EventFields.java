package hermod.protocol.frame;

import hermod.protocol.EventType;
import hermod.protocol.ProtocolLimits;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The optional fields of an event: {@code u8 tag, u16 length, value}, tags strictly rising.
 *
 * <p>Reading allocates only what it returns; checking a good area allocates nothing.
 */
public final class EventFields {
    public static final int TAG_EVENT_ID = 1;
    public static final int TAG_SOURCE = 2;
    public static final int TAG_TARGET = 3;
    public static final int TAG_TYPE_NAME = 4;
    public static final int TAG_ATTRIBUTES = 5;
    public static final int TAG_METADATA = 6;
    public static final int TAG_EXCLUDED_DEVICE = 7;

    /** Which value of a state topic the event sets or deletes. */
    public static final int TAG_KEY = 8;

    /** The key's version as the writer knows it. */
    public static final int TAG_EXPECTED_VERSION = 9;

    /** The key is deleted. */
    public static final int TAG_DELETED = 10;

    /** Tags from here on pass through untouched. */
    public static final int TAG_FIRST_PASSED_THROUGH = 128;

    /** Bytes before a value. */
    public static final int HEAD_BYTES = 3;

    public static final int EVENT_ID_BYTES = 16;

    private EventFields() {}

    /**
     * Index of the value of a field, or −1. The area must have been checked.
     *
     * @param at index of the first field.
     * @param bytes size of the area.
     */
    public static int find(ByteBuf in, int at, int bytes, int tag) {
        int next = at;
        int end = at + bytes;
        while (next < end) {
            int found = in.getUnsignedByte(next);
            if (found >= tag) {
                return found == tag ? next + HEAD_BYTES : -1;
            }
            next += HEAD_BYTES + in.getUnsignedShortLE(next + 1);
        }
        return -1;
    }

    /** Bytes of the value at an index that {@link #find} returned. */
    public static int valueBytes(ByteBuf in, int valueAt) {
        return in.getUnsignedShortLE(valueAt - 2);
    }

    /** The text of a field, or null where it is absent. */
    public static @Nullable String text(ByteBuf in, int at, int bytes, int tag) {
        int valueAt = find(in, at, bytes, tag);
        return valueAt < 0 ? null : in.toString(valueAt, valueBytes(in, valueAt), StandardCharsets.UTF_8);
    }

    /** The attributes in the order published; empty where there are none. The area must have been checked. */
    public static Map<String, String> attributes(ByteBuf in, int at, int bytes) {
        int valueAt = find(in, at, bytes, TAG_ATTRIBUTES);
        if (valueAt < 0) {
            return Map.of();
        }
        Map<String, String> attributes = new LinkedHashMap<>();
        int next = valueAt;
        int end = valueAt + valueBytes(in, valueAt);
        while (next < end) {
            int keyBytes = in.getUnsignedByte(next);
            String key = in.toString(next + 1, keyBytes, StandardCharsets.UTF_8);
            next += 1 + keyBytes;
            int textBytes = in.getUnsignedShortLE(next);
            attributes.put(key, in.toString(next + 2, textBytes, StandardCharsets.UTF_8));
            next += 2 + textBytes;
        }
        return attributes;
    }

    /**
     * Checks that an area adds up, whoever wrote it: what a client does with an EVENT.
     *
     * @return a sentence on the first fault, or null.
     */
    public static @Nullable String structureFaultOf(ByteBuf in, int at, int bytes) {
        int next = at;
        int end = at + bytes;
        int last = 0;
        while (next < end) {
            if (end - next < HEAD_BYTES || in.getUnsignedShortLE(next + 1) > end - next - HEAD_BYTES) {
                return "field past the fields area";
            }
            int tag = in.getUnsignedByte(next);
            int valueBytes = in.getUnsignedShortLE(next + 1);
            if (tag <= last) {
                return "field tags do not rise: tag=" + tag;
            }
            String fault = valueFaultOf(in, tag, next + HEAD_BYTES, valueBytes);
            if (fault != null) {
                return fault;
            }
            last = tag;
            next += HEAD_BYTES + valueBytes;
        }
        return null;
    }

    /**
     * Checks the fields of a published event.
     *
     * @param type the entry's type code.
     * @return a sentence on the first fault, or null.
     */
    public static @Nullable String publishedFaultOf(ByteBuf in, int at, int bytes, int type) {
        if (!EventType.isKnown(type)) {
            return "unknown type code: type=" + type;
        }
        if (bytes == 0) {
            return null;
        }
        if (bytes > ProtocolLimits.FIELDS_BYTES) {
            return "fields too long: bytes=" + bytes + ", limit=" + ProtocolLimits.FIELDS_BYTES;
        }
        String fault = structureFaultOf(in, at, bytes);
        return fault != null ? fault : brokerFieldFaultOf(in, at, bytes, type);
    }

    /** Finds in one walk what only the broker may write, and a name where the type has one already. */
    private static @Nullable String brokerFieldFaultOf(ByteBuf in, int at, int bytes, int type) {
        int next = at;
        int end = at + bytes;
        boolean hasKey = false;
        while (next < end) {
            int tag = in.getUnsignedByte(next);
            if (tag == TAG_SOURCE || tag == TAG_EXCLUDED_DEVICE) {
                return "the fields source and excludedDevice are the broker's";
            }
            if (tag > TAG_DELETED && tag < TAG_FIRST_PASSED_THROUGH) {
                return "unknown field: tags from " + (TAG_DELETED + 1) + " to " + (TAG_FIRST_PASSED_THROUGH - 1)
                        + " are the broker's";
            }
            if (tag == TAG_KEY) {
                hasKey = true;
            } else if ((tag == TAG_EXPECTED_VERSION || tag == TAG_DELETED) && !hasKey) {
                return "expectedVersion and deleted need a key";
            }
            if (tag == TAG_TYPE_NAME && type != EventType.CUSTOM) {
                return "a known type has no typeName";
            }
            next += HEAD_BYTES + in.getUnsignedShortLE(next + 1);
        }
        return null;
    }

    private static @Nullable String valueFaultOf(ByteBuf in, int tag, int at, int bytes) {
        return switch (tag) {
            case TAG_EVENT_ID -> bytes == EVENT_ID_BYTES ? null : "eventId is 16 bytes: bytes=" + bytes;
            case TAG_SOURCE, TAG_TARGET -> textFaultOf(in, at, bytes, ProtocolLimits.USER_ID_BYTES, "user id");
            case TAG_TYPE_NAME -> textFaultOf(in, at, bytes, ProtocolLimits.TYPE_NAME_BYTES, "typeName");
            case TAG_ATTRIBUTES -> attributesFaultOf(in, at, bytes);
            case TAG_METADATA ->
                bytes <= ProtocolLimits.METADATA_BYTES
                        ? null
                        : "metadata too long: bytes=" + bytes + ", limit=" + ProtocolLimits.METADATA_BYTES;
            case TAG_EXCLUDED_DEVICE -> bytes == Long.BYTES ? null : "excludedDevice is 8 bytes: bytes=" + bytes;
            case TAG_KEY -> textFaultOf(in, at, bytes, ProtocolLimits.KEY_BYTES, "key");
            case TAG_EXPECTED_VERSION ->
                bytes == Long.BYTES && in.getLongLE(at) >= 0
                        ? null
                        : "expectedVersion is 8 bytes and at most 2^63 - 1: bytes=" + bytes;
            case TAG_DELETED -> bytes == 0 ? null : "deleted has no bytes: bytes=" + bytes;
            // Tags up to 127 that we don't know are a later broker's; publishers may not use them.
            default -> null;
        };
    }

    private static @Nullable String textFaultOf(ByteBuf in, int at, int bytes, int limitBytes, String what) {
        if (bytes == 0 || bytes > limitBytes) {
            return what + " has 1 to " + limitBytes + " bytes: bytes=" + bytes;
        }
        return ByteBufUtil.isText(in, at, bytes, StandardCharsets.UTF_8) ? null : what + " is not UTF-8";
    }

    private static @Nullable String attributesFaultOf(ByteBuf in, int at, int bytes) {
        int next = at;
        int end = at + bytes;
        int count = 0;
        while (next < end) {
            int keyBytes = in.getUnsignedByte(next);
            if (end - next < 1 + keyBytes + 2
                    || in.getUnsignedShortLE(next + 1 + keyBytes) > end - next - 3 - keyBytes) {
                return "attribute past the attributes";
            }
            int valueBytes = in.getUnsignedShortLE(next + 1 + keyBytes);
            if (keyBytes == 0
                    || keyBytes > ProtocolLimits.ATTRIBUTE_KEY_BYTES
                    || valueBytes > ProtocolLimits.ATTRIBUTE_VALUE_BYTES) {
                return "attribute out of bounds: keyBytes=" + keyBytes + ", valueBytes=" + valueBytes;
            }
            if (!ByteBufUtil.isText(in, next + 1, keyBytes, StandardCharsets.UTF_8)
                    || !ByteBufUtil.isText(in, next + 3 + keyBytes, valueBytes, StandardCharsets.UTF_8)) {
                return "attribute is not UTF-8";
            }
            if (isKeyIn(in, at, next, keyBytes)) {
                return "attribute key twice";
            }
            if (++count > ProtocolLimits.ATTRIBUTE_COUNT) {
                return "too many attributes: limit=" + ProtocolLimits.ATTRIBUTE_COUNT;
            }
            next += 3 + keyBytes + valueBytes;
        }
        return null;
    }

    /** Whether the key of the attribute at {@code keyed} also stands before it; at most 32 attributes, so a scan does. */
    private static boolean isKeyIn(ByteBuf in, int from, int keyed, int keyBytes) {
        int next = from;
        while (next < keyed) {
            int otherBytes = in.getUnsignedByte(next);
            if (otherBytes == keyBytes && ByteBufUtil.equals(in, next + 1, in, keyed + 1, keyBytes)) {
                return true;
            }
            next += 3 + otherBytes + in.getUnsignedShortLE(next + 1 + otherBytes);
        }
        return false;
    }

    /** Writes a field at the writer index. Fields must be written with rising tags. */
    public static void write(ByteBuf out, int tag, byte[] value) {
        out.writeByte(tag);
        out.writeShortLE(value.length);
        out.writeBytes(value);
    }

    /** Writes the attributes as one field. */
    public static void writeAttributes(ByteBuf out, Map<String, String> attributes) {
        out.writeByte(TAG_ATTRIBUTES);
        int lengthAt = out.writerIndex();
        out.writeShortLE(0);
        for (Map.Entry<String, String> attribute : attributes.entrySet()) {
            byte[] key = attribute.getKey().getBytes(StandardCharsets.UTF_8);
            byte[] value = attribute.getValue().getBytes(StandardCharsets.UTF_8);
            out.writeByte(key.length).writeBytes(key).writeShortLE(value.length).writeBytes(value);
        }
        out.setShortLE(lengthAt, out.writerIndex() - lengthAt - 2);
    }
}
