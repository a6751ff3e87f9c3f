package hermod.client;

import hermod.client.internal.EventIds;
import hermod.client.internal.OutgoingEntry;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An event to publish. Immutable, any thread; may be published more than once, and is a new event each time unless it was given an id.
 *
 * <p>A setter that is given something the protocol does not allow throws {@link IllegalArgumentException} saying what is allowed.
 */
public final class OutgoingEvent {
    private final OutgoingEntry entry;

    private OutgoingEvent(OutgoingEntry entry) {
        this.entry = entry;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** An event of no type with these bytes and the channel's defaults. */
    public static OutgoingEvent of(byte[] payload) {
        return builder().payload(payload).build();
    }

    /** The same with a text as UTF-8. */
    public static OutgoingEvent of(String text) {
        return builder().text(text).build();
    }

    OutgoingEntry entry() {
        return entry;
    }

    /** Collects what an event says. One thread at a time. */
    public static final class Builder {
        private static final byte[] NOTHING = {};

        private byte[] payload = NOTHING;
        private int typeCode = EventType.CUSTOM;
        private @Nullable String typeName;
        private @Nullable Priority priority;
        private long ttlSeconds;
        private @Nullable String target;
        private final Map<String, String> attributes = new LinkedHashMap<>();
        private byte[] metadata = NOTHING;
        private byte @Nullable [] eventId;
        private boolean isWithoutEventId;
        private boolean isOwnDeviceExcluded;
        private long intendedAtUs;
        private @Nullable String key;
        private long expectedVersion = OutgoingEntry.ANY_VERSION;
        private boolean isDeletion;

        private Builder() {}

        /** @param bytes copied. */
        public Builder payload(byte[] bytes) {
            if (bytes.length > ProtocolLimits.PAYLOAD_BYTES_CEILING) {
                throw new IllegalArgumentException("payload too long for any broker: bytes=" + bytes.length + ", limit="
                        + ProtocolLimits.PAYLOAD_BYTES_CEILING);
            }
            payload = bytes.clone();
            return this;
        }

        /** A payload of UTF-8. */
        public Builder text(String text) {
            return payload(text.getBytes(StandardCharsets.UTF_8));
        }

        /** A type that Hermod knows, by its name in {@link EventType}, or a name of the application's own. */
        public Builder type(String name) {
            typeCode = EventType.codeOf(name);
            typeName = typeCode == EventType.CUSTOM
                    ? checkedText("type name", name, 1, ProtocolLimits.TYPE_NAME_BYTES)
                    : null;
            return this;
        }

        public Builder type(EventType type) {
            typeCode = type.code();
            typeName = null;
            return this;
        }

        /** Without it the channel's default holds; above the channel's ceiling the broker lowers it and says so in the receipt. */
        public Builder priority(Priority wanted) {
            priority = wanted;
            return this;
        }

        /** @param life rounded up to whole seconds, at least one. Without it the type's default holds. */
        public Builder ttl(Duration life) {
            if (life.isZero() || life.isNegative() || life.getSeconds() >= 0xffff_fffeL) {
                throw new IllegalArgumentException(
                        "ttl must be above zero and below 4294967294 s: ttl=" + life + "; see neverExpires()");
            }
            ttlSeconds = life.getSeconds() + (life.getNano() > 0 ? 1 : 0);
            return this;
        }

        /** Also where the type has a default time to live. */
        public Builder neverExpires() {
            ttlSeconds = Entry.TTL_NONE;
            return this;
        }

        /** @param user id of the user it is meant for. */
        public Builder target(String user) {
            target = checkedText("target", user, 1, ProtocolLimits.USER_ID_BYTES);
            return this;
        }

        public Builder attribute(String key, String value) {
            checkedText("attribute key", key, 1, ProtocolLimits.ATTRIBUTE_KEY_BYTES);
            checkedText("attribute value", value, 0, ProtocolLimits.ATTRIBUTE_VALUE_BYTES);
            if (!attributes.containsKey(key) && attributes.size() == ProtocolLimits.ATTRIBUTE_COUNT) {
                throw new IllegalArgumentException(
                        "too many attributes: limit=" + ProtocolLimits.ATTRIBUTE_COUNT + ", key=" + key);
            }
            attributes.put(key, value);
            return this;
        }

        /** @param bytes copied; passed through untouched. */
        public Builder metadata(byte[] bytes) {
            if (bytes.length > ProtocolLimits.METADATA_BYTES) {
                throw new IllegalArgumentException(
                        "metadata too long: bytes=" + bytes.length + ", limit=" + ProtocolLimits.METADATA_BYTES);
            }
            metadata = bytes.clone();
            return this;
        }

        /** @param ulid 26 characters. Without it the client makes one, rising with each publish. */
        public Builder eventId(String ulid) {
            return eventId(EventIds.parse(ulid));
        }

        /** @param ulid its 16 bytes; copied. */
        public Builder eventId(byte[] ulid) {
            if (ulid.length != EventIds.BYTES) {
                throw new IllegalArgumentException("event id must have 16 bytes: bytes=" + ulid.length);
            }
            eventId = ulid.clone();
            isWithoutEventId = false;
            return this;
        }

        /** Saves 19 bytes on the wire; receivers then see an id derived from time, epoch and offset. */
        public Builder withoutEventId() {
            eventId = null;
            isWithoutEventId = true;
            return this;
        }

        /** The publisher's own device gets no copy; the user's other devices do. */
        public Builder excludeOwnDevice() {
            isOwnDeviceExcluded = true;
            return this;
        }

        /** Which value of a state topic the event sets. Other topics refuse it with {@code BAD_EVENT}. */
        public Builder key(String name) {
            key = checkedText("key", name, 1, ProtocolLimits.KEY_BYTES);
            return this;
        }

        /** Has the broker refuse the event with a {@link ConflictException} where the key has another version; {@link State#NO_VERSION} where it must not exist. Needs a key. */
        public Builder expectedVersion(long version) {
            if (version < 0) {
                throw new IllegalArgumentException("a version is 0 or more: version=" + version);
            }
            expectedVersion = version;
            return this;
        }

        /** Deletes the key instead of setting it. Needs a key. */
        public Builder deletesKey() {
            isDeletion = true;
            return this;
        }

        /**
         * When the event was meant to be sent; without it, when publish is called. A load generator gives its schedule here, so that what it was late counts.
         *
         * @param localWallClockUs microseconds since 1970 on this client's clock; translated to the broker's clock on the way out.
         */
        public Builder intendedAtUs(long localWallClockUs) {
            if (localWallClockUs <= 0) {
                throw new IllegalArgumentException("intended time must be after 1970: us=" + localWallClockUs);
            }
            intendedAtUs = localWallClockUs;
            return this;
        }

        /** @throws IllegalArgumentException if the fields together are longer than the protocol allows. */
        public OutgoingEvent build() {
            if (key == null && (isDeletion || expectedVersion != OutgoingEntry.ANY_VERSION)) {
                throw new IllegalArgumentException("an expected version and a deletion need a key");
            }
            byte[] fields =
                    OutgoingEntry.fieldsOf(target, typeName, attributes, metadata, key, expectedVersion, isDeletion);
            int fieldsBytesMax = ProtocolLimits.FIELDS_BYTES - OutgoingEntry.EVENT_ID_FIELD_BYTES;
            if (fields.length > fieldsBytesMax) {
                throw new IllegalArgumentException(
                        "attributes, metadata, target and type name are too long together: bytes=" + fields.length
                                + ", limit=" + fieldsBytesMax);
            }
            return new OutgoingEvent(new OutgoingEntry(
                    typeCode, ttlSeconds, flags(), isWithoutEventId, eventId, fields, payload, intendedAtUs));
        }

        private int flags() {
            int flags = priority == null ? 0 : FrameHeader.FLAG_PRIORITY_GIVEN | priority.code();
            return isOwnDeviceExcluded ? flags | FrameHeader.FLAG_EXCLUDE_DEVICE : flags;
        }

        private static String checkedText(String what, String text, int bytesMin, int bytesMax) {
            int bytes = text.getBytes(StandardCharsets.UTF_8).length;
            if (bytes < bytesMin || bytes > bytesMax) {
                throw new IllegalArgumentException(
                        what + " must have " + bytesMin + " to " + bytesMax + " bytes: bytes=" + bytes);
            }
            return text;
        }
    }
}
