package hermod.broker.safety;

import com.github.f4b6a3.ulid.Ulid;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * An event escalates: what its subscribers, the webhook and the operators are told. Immutable.
 *
 * @param escalatedUs when, in microseconds since 1970.
 */
record Escalation(WatchedEvent event, Reason reason, long escalatedUs) {
    static final String TYPE = "safety.escalated";

    private static final JsonFactory JSON = new JsonFactory();

    /** The same for the same event, over restarts: who is told twice can know it. */
    Ulid id() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update("hermod escalation".getBytes(StandardCharsets.UTF_8));
            digest.update(event.key());
            ByteBuffer hash = ByteBuffer.wrap(digest.digest(event.value()));
            return new Ulid(event.takenUs() / 1_000 << 16 | hash.getShort() & 0xffffL, hash.getLong());
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every JDK has SHA-256", impossible);
        }
    }

    /** As it is published: an entry of a PUBLISH. */
    byte[] entry() {
        Map<String, String> attributes = new LinkedHashMap<>();
        attributes.put("eventId", event.eventId().toString());
        attributes.put("offset", Long.toString(event.offset()));
        attributes.put("reason", reason.label());
        attributes.put("topic", event.topic());
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_EVENT_ID, id().toBytes());
        EventFields.write(fields, EventFields.TAG_TYPE_NAME, TYPE.getBytes(StandardCharsets.UTF_8));
        EventFields.writeAttributes(fields, attributes);
        ByteBuf entry = Unpooled.buffer();
        Entry.writeFixed(entry, escalatedUs, 0, 0, fields.readableBytes());
        entry.writeBytes(fields);
        byte[] bytes = new byte[entry.readableBytes()];
        entry.readBytes(bytes);
        return bytes;
    }

    /** As the webhook has it. Keys are only ever added. */
    byte[] json() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            out.writeStartObject();
            out.writeStringProperty("type", TYPE);
            out.writeStringProperty("id", id().toString());
            out.writeStringProperty("reason", reason.label());
            out.writeStringProperty("org", event.org());
            out.writeStringProperty("topic", event.topic());
            out.writeNumberProperty("offset", event.offset());
            out.writeStringProperty("eventId", event.eventId().toString());
            out.writeNumberProperty("takenAtUs", event.takenUs());
            out.writeNumberProperty("escalatedAtUs", escalatedUs);
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }
}
