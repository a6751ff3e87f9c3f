package hermod.broker.admin;

import hermod.protocol.EventType;
import hermod.protocol.TopicName;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** EVENT frames as text for a terminal or a pipe. A frame starts at index 0 and ends with its buffer. Stateless. */
final class EventText {
    private static final JsonFactory JSON = new JsonFactory();

    private EventText() {}

    static String of(String topic, ByteBuf frame, boolean isJson) {
        return isJson ? json(topic, frame) : line(topic, frame);
    }

    private static String line(String topic, ByteBuf frame) {
        return TopicName.shown(topic) + " " + EventFrame.offset(frame, 0) + " " + TopicName.shown(source(frame)) + " "
                + escaped(payload(frame));
    }

    private static String json(String topic, ByteBuf frame) {
        int entryAt = EventFrame.entryAt(frame, 0);
        StringWriter text = new StringWriter();
        try (JsonGenerator out = JSON.createGenerator(ObjectWriteContext.empty(), text)) {
            out.writeStartObject();
            out.writeStringProperty("topic", topic);
            out.writeNumberProperty("offset", EventFrame.offset(frame, 0));
            out.writeNumberProperty("timestampUs", Entry.timestampUs(frame, entryAt));
            out.writeNumberProperty("ttlSeconds", Entry.ttlSeconds(frame, entryAt));
            out.writeStringProperty("type", type(frame, entryAt));
            out.writeStringProperty("priority", FrameHeader.priority(frame, 0).name());
            out.writeStringProperty("source", source(frame));
            out.writeStringProperty("payload", payload(frame));
            out.writeEndObject();
        }
        return text.toString();
    }

    private static String type(ByteBuf frame, int entryAt) {
        int type = Entry.type(frame, entryAt);
        if (type != EventType.CUSTOM) {
            return EventType.nameOf(type);
        }
        String own = field(frame, EventFields.TAG_TYPE_NAME);
        return own == null ? "" : own;
    }

    private static String source(ByteBuf frame) {
        String source = field(frame, EventFields.TAG_SOURCE);
        return source == null ? "-" : source;
    }

    private static @Nullable String field(ByteBuf frame, int tag) {
        int entryAt = EventFrame.entryAt(frame, 0);
        int fieldsBytes = Entry.fieldsBytes(frame, entryAt);
        if (EventFields.structureFaultOf(frame, entryAt + Entry.FIELDS_AT, fieldsBytes) != null) {
            return null;
        }
        return EventFields.text(frame, entryAt + Entry.FIELDS_AT, fieldsBytes, tag);
    }

    private static String payload(ByteBuf frame) {
        int payloadAt = Entry.payloadAt(frame, EventFrame.entryAt(frame, 0));
        return frame.toString(payloadAt, frame.writerIndex() - payloadAt, StandardCharsets.UTF_8);
    }

    /** A payload is a stranger's; a terminal must not obey it, and a line stays one. */
    private static String escaped(String text) {
        StringBuilder safe = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\n') {
                safe.append("\\n");
            } else {
                safe.append(c < ' ' || (c >= 0x7f && c <= 0x9f) || c == '\u2028' || c == '\u2029' ? '?' : c);
            }
        }
        return safe.toString();
    }
}
