package hermod.protocol.vectors;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Cancel;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Error;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Opened;
import hermod.protocol.control.wire.Refresh;
import hermod.protocol.control.wire.Refreshed;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Report;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Schedule;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.Scheduled;
import hermod.protocol.control.wire.Schedules;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.control.wire.Settled;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.control.wire.Unsubscribed;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.BatchFrame;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Turns a frame into the {@code fields} of a vector with the main code's readers, and back with its writers. */
final class FrameJson {
    private static final JsonMapper JSON = new JsonMapper();
    private static final Map<FrameType, Message> CONTROL = new EnumMap<>(Map.ofEntries(
            Map.entry(FrameType.HELLO, Hello.getDefaultInstance()),
            Map.entry(FrameType.WELCOME, Welcome.getDefaultInstance()),
            Map.entry(FrameType.REFRESH, Refresh.getDefaultInstance()),
            Map.entry(FrameType.REFRESHED, Refreshed.getDefaultInstance()),
            Map.entry(FrameType.CLOSE, Close.getDefaultInstance()),
            Map.entry(FrameType.ERROR, Error.getDefaultInstance()),
            Map.entry(FrameType.SERVICE, Service.getDefaultInstance()),
            Map.entry(FrameType.SUBSCRIBE, Subscribe.getDefaultInstance()),
            Map.entry(FrameType.SUBSCRIBED, Subscribed.getDefaultInstance()),
            Map.entry(FrameType.UNSUBSCRIBE, Unsubscribe.getDefaultInstance()),
            Map.entry(FrameType.UNSUBSCRIBED, Unsubscribed.getDefaultInstance()),
            Map.entry(FrameType.OPEN, Open.getDefaultInstance()),
            Map.entry(FrameType.OPENED, Opened.getDefaultInstance()),
            Map.entry(FrameType.RESUME, Resume.getDefaultInstance()),
            Map.entry(FrameType.RESUMED, Resumed.getDefaultInstance()),
            Map.entry(FrameType.REPLACE, Replace.getDefaultInstance()),
            Map.entry(FrameType.REPLACED, Replaced.getDefaultInstance()),
            Map.entry(FrameType.HISTORY, History.getDefaultInstance()),
            Map.entry(FrameType.SCHEDULE, Schedule.getDefaultInstance()),
            Map.entry(FrameType.SCHEDULED, Scheduled.getDefaultInstance()),
            Map.entry(FrameType.CANCEL, Cancel.getDefaultInstance()),
            Map.entry(FrameType.CANCELLED, Cancelled.getDefaultInstance()),
            Map.entry(FrameType.SCHEDULES, Schedules.getDefaultInstance()),
            Map.entry(FrameType.SCHEDULE_LIST, ScheduleList.getDefaultInstance()),
            Map.entry(FrameType.JOIN, Join.getDefaultInstance()),
            Map.entry(FrameType.JOINED, Joined.getDefaultInstance()),
            Map.entry(FrameType.FETCH, Fetch.getDefaultInstance()),
            Map.entry(FrameType.SETTLE, Settle.getDefaultInstance()),
            Map.entry(FrameType.SETTLED, Settled.getDefaultInstance()),
            Map.entry(FrameType.LEAVE, Leave.getDefaultInstance()),
            Map.entry(FrameType.LEFT, Left.getDefaultInstance()),
            Map.entry(FrameType.REPORT, Report.getDefaultInstance())));

    private FrameJson() {}

    /** The message of a control frame's body, empty; null for a frame with a fixed body. */
    static @Nullable Message controlOf(FrameType type) {
        return CONTROL.get(type);
    }

    /** Decodes a frame that {@link Receiver} has found whole. */
    static JsonNode decode(ByteBuf in, int at) throws ProtocolException {
        ObjectNode fields = JSON.createObjectNode();
        int extensionBytes = FrameHeader.extensionBytes(in, at);
        fields.put("type", FrameHeader.type(in, at));
        fields.put("flags", FrameHeader.flags(in, at));
        fields.put("extensions", hex(in, at + FrameHeader.LENGTH, extensionBytes));
        fields.put("handle", u32(FrameHeader.handle(in, at)));
        fields.put("requestId", u32(FrameHeader.requestId(in, at)));
        FrameType type = FrameType.ofCode(FrameHeader.type(in, at));
        fields.set(
                "body",
                type == null
                        ? JSON.createObjectNode()
                                .put("bytes", hex(in, FrameHeader.bodyAt(in, at), FrameHeader.bodyBytes(in, at)))
                        : body(type, in, at));
        return JSON.readTree(JSON.writeValueAsString(fields));
    }

    private static ObjectNode body(FrameType type, ByteBuf in, int at) throws ProtocolException {
        Message control = CONTROL.get(type);
        if (control != null) {
            return json((Message) ControlCodec.decode(control.getParserForType(), in, at));
        }
        ObjectNode body = JSON.createObjectNode();
        switch (type) {
            case PING -> body.put("sentUs", i64(ClockFrames.pingSentUs(in, at)));
            case PONG ->
                body.put("pingSentUs", i64(ClockFrames.pingSentUs(in, at)))
                        .put("receivedUs", i64(ClockFrames.receivedUs(in, at)))
                        .put("sentUs", i64(ClockFrames.sentUs(in, at)));
            case PUBLISH -> publish(body, in, at);
            case PUBLISHED -> published(body, new PublishedFrame().wrap(in, at));
            case BATCH -> batch(body, in, at);
            case HISTORY_PAGE -> historyPage(body, in, at);
            case FETCHED -> fetched(body, in, at);
            case EVENT -> {
                body.put("offset", u64(EventFrame.offset(in, at)));
                int entryAt = EventFrame.entryAt(in, at);
                entry(body, in, entryAt, at + FrameHeader.frameBytes(in, at) - entryAt);
            }
            case GAP -> {
                body.put("from", u64(FlowFrames.first(in, at)))
                        .put("to", u64(FlowFrames.last(in, at)))
                        .put("reason", FlowFrames.gapReason(in, at));
                if (FlowFrames.isFillComing(in, at)) {
                    body.put("fill", true);
                }
            }
            case GAP_CLOSED -> body.put("from", u64(FlowFrames.first(in, at))).put("to", u64(FlowFrames.last(in, at)));
            case PROGRESS, ACK -> body.put("offset", u64(FlowFrames.first(in, at)));
            case CREDIT -> body.put("bytes", u64(FlowFrames.first(in, at)));
            default -> throw new AssertionError("no body for " + type);
        }
        return body;
    }

    private static void batch(ObjectNode body, ByteBuf in, int at) throws ProtocolException {
        body.put("uncompressedLength", u32(BatchFrame.uncompressedBytes(in, at)));
        body.put("count", u32(BatchFrame.count(in, at)));
        ByteBuf frames = Unpooled.buffer(0);
        BatchFrame.unpack(in, at, frames);
        ArrayNode events = body.putArray("events");
        for (int next = 0; next < frames.writerIndex(); next += FrameHeader.frameBytes(frames, next)) {
            events.add(decode(frames, next));
        }
    }

    private static void historyPage(ObjectNode body, ByteBuf in, int at) throws ProtocolException {
        HistoryPageFrame.Head head = HistoryPageFrame.head(in, at);
        body.put("epoch", u32(head.epoch()))
                .put("count", u32(head.count()))
                .put("leftOut", u32(head.leftOut()))
                .put("hasMore", head.hasMore())
                .put("epochChanged", head.isEpochChanged())
                .put("firstOffset", u64(head.firstOffset()))
                .put("nextOffset", u64(head.nextOffset()))
                .put("forwardsFrom", u64(head.forwardsFrom()))
                .put("backwardsFrom", u64(head.backwardsFrom()))
                .put("lostFrom", u64(head.lostFrom()))
                .put("lostTo", u64(head.lostTo()));
        ArrayNode events = body.putArray("events");
        int end = at + FrameHeader.frameBytes(in, at);
        for (int next = HistoryPageFrame.eventsAt(in, at); next < end; next += FrameHeader.frameBytes(in, next)) {
            events.add(decode(in, next));
        }
    }

    private static void writeHistoryPage(ByteBuf out, int requestId, JsonNode body) {
        ByteBuf events = Unpooled.buffer();
        body.get("events").forEach(event -> events.writeBytes(encode(event, null)));
        HistoryPageFrame.writeHead(
                out,
                requestId,
                new HistoryPageFrame.Head(
                        (int) number(body, "epoch"),
                        (int) number(body, "count"),
                        (int) number(body, "leftOut"),
                        body.get("hasMore").asBoolean(),
                        body.get("epochChanged").asBoolean(),
                        number(body, "firstOffset"),
                        number(body, "nextOffset"),
                        number(body, "forwardsFrom"),
                        number(body, "backwardsFrom"),
                        number(body, "lostFrom"),
                        number(body, "lostTo")),
                events.readableBytes());
        out.writeBytes(events);
    }

    private static void fetched(ObjectNode body, ByteBuf in, int at) throws ProtocolException {
        FetchedFrame.Head head = FetchedFrame.head(in, at);
        body.put("count", u32(head.count()))
                .put("lostFrom", u64(head.lostFrom()))
                .put("lostTo", u64(head.lostTo()));
        ArrayNode items = body.putArray("items");
        int end = at + FrameHeader.frameBytes(in, at);
        for (int next = FetchedFrame.itemsAt(in, at); next < end; next += FetchedFrame.itemBytes(in, next)) {
            items.addObject()
                    .put("position", u64(FetchedFrame.position(in, next)))
                    .put("attempt", FetchedFrame.attempt(in, next))
                    .put("epoch", u32(FetchedFrame.epoch(in, next)))
                    .put("topic", FetchedFrame.topic(in, next))
                    .set("event", decode(in, FetchedFrame.eventAt(in, next)));
        }
    }

    private static void writeFetched(ByteBuf out, int requestId, JsonNode body) {
        ByteBuf items = Unpooled.buffer();
        body.get("items").forEach(item -> {
            FetchedFrame.writeItemHead(
                    items,
                    number(item, "position"),
                    (int) number(item, "attempt"),
                    (int) number(item, "epoch"),
                    item.get("topic").asString());
            items.writeBytes(encode(item.get("event"), null));
        });
        FetchedFrame.writeHead(
                out,
                requestId,
                new FetchedFrame.Head((int) number(body, "count"), number(body, "lostFrom"), number(body, "lostTo")),
                items.readableBytes());
        out.writeBytes(items);
    }

    private static void publish(ObjectNode body, ByteBuf in, int at) throws ProtocolException {
        long sequence = PublishFrame.sequence(in, at);
        body.put("sequence", u64(sequence));
        ArrayNode events = body.putArray("events");
        int count = PublishFrame.countEntries(in, at);
        int end = at + FrameHeader.frameBytes(in, at);
        int next = FrameHeader.bodyAt(in, at) + PublishFrame.SEQUENCE_BYTES;
        for (int i = 0; i < count; i++) {
            int entryBytes = end - next;
            if (PublishFrame.isMany(in, at)) {
                entryBytes = in.getIntLE(next);
                next += PublishFrame.ENTRY_LENGTH_BYTES;
            }
            ObjectNode event = events.addObject();
            event.put("requestId", u32(FrameHeader.requestId(in, at) + i));
            event.put("sequence", u64(sequence == 0 ? 0 : sequence + i));
            entry(event, in, next, entryBytes);
            next += entryBytes;
        }
    }

    private static void entry(ObjectNode event, ByteBuf in, int at, int entryBytes) {
        event.put("timestampUs", i64(Entry.timestampUs(in, at)));
        event.put("ttl", Entry.ttlSeconds(in, at));
        event.put("type", Entry.type(in, at));
        fields(event.putObject("fields"), in, at + Entry.FIELDS_AT, Entry.fieldsBytes(in, at));
        int payloadAt = Entry.payloadAt(in, at);
        event.put("payload", hex(in, payloadAt, at + entryBytes - payloadAt));
    }

    private static void fields(ObjectNode json, ByteBuf in, int at, int bytes) {
        for (Map.Entry<String, Integer> tag : TAGS.entrySet()) {
            int valueAt = EventFields.find(in, at, bytes, tag.getValue());
            if (valueAt < 0) {
                continue;
            }
            switch (tag.getValue()) {
                case EventFields.TAG_EVENT_ID, EventFields.TAG_METADATA ->
                    json.put(tag.getKey(), hex(in, valueAt, EventFields.valueBytes(in, valueAt)));
                case EventFields.TAG_ATTRIBUTES -> {
                    ObjectNode attributes = json.putObject(tag.getKey());
                    EventFields.attributes(in, at, bytes).forEach(attributes::put);
                }
                case EventFields.TAG_EXCLUDED_DEVICE, EventFields.TAG_EXPECTED_VERSION ->
                    json.put(tag.getKey(), u64(in.getLongLE(valueAt)));
                case EventFields.TAG_DELETED -> json.put(tag.getKey(), true);
                default -> json.put(tag.getKey(), EventFields.text(in, at, bytes, tag.getValue()));
            }
        }
        ObjectNode passedThrough = JSON.createObjectNode();
        for (int tag = EventFields.TAG_FIRST_PASSED_THROUGH; tag < 256; tag++) {
            int valueAt = EventFields.find(in, at, bytes, tag);
            if (valueAt >= 0) {
                passedThrough.put(Integer.toString(tag), hex(in, valueAt, EventFields.valueBytes(in, valueAt)));
            }
        }
        if (!passedThrough.isEmpty()) {
            json.set("passedThrough", passedThrough);
        }
    }

    private static void published(ObjectNode body, PublishedFrame frame) {
        ArrayNode ranges = body.putArray("ranges");
        for (int i = 0; i < frame.rangeCount(); i++) {
            ranges.addObject()
                    .put("firstRequestId", u32(frame.rangeFirstRequestId(i)))
                    .put("count", u32(frame.rangeLength(i)))
                    .put("handle", u32(frame.rangeHandle(i)))
                    .put("firstOffset", u64(frame.rangeFirstOffset(i)));
        }
        ArrayNode exceptions = body.putArray("exceptions");
        for (int i = 0; i < frame.exceptionCount(); i++) {
            exceptions
                    .addObject()
                    .put("requestId", u32(frame.exceptionRequestId(i)))
                    .put("code", frame.exceptionCode(i))
                    .put("kind", frame.exceptionKind(i))
                    .put("priority", frame.exceptionPriority(i).code())
                    .put("retryAfterMs", frame.exceptionRetryAfterMs(i))
                    .put("handle", u32(frame.exceptionHandle(i)))
                    .put("offset", u64(frame.exceptionOffset(i)));
        }
    }

    /** A message by the names of control.proto; what stands at its default is left out. */
    private static ObjectNode json(Message message) {
        ObjectNode json = JSON.createObjectNode();
        message.getAllFields().forEach((field, value) -> {
            if (field.isRepeated()) {
                ArrayNode array = json.putArray(field.getName());
                ((List<?>) value).forEach(element -> array.add(json(field, element)));
            } else {
                json.set(field.getName(), json(field, value));
            }
        });
        return json;
    }

    private static JsonNode json(FieldDescriptor field, Object value) {
        return switch (field.getType()) {
            case MESSAGE -> json((Message) value);
            case UINT32, FIXED32 -> JSON.valueToTree(u32((Integer) value));
            case UINT64, FIXED64 -> JSON.valueToTree(u64((Long) value));
            case INT64 -> JSON.valueToTree(i64((Long) value));
            case ENUM -> JSON.valueToTree(((EnumValueDescriptor) value).getName());
            case BYTES -> JSON.valueToTree(HexFormat.of().formatHex(((ByteString) value).toByteArray()));
            default -> JSON.valueToTree(value);
        };
    }

    private static final Map<String, Integer> TAGS = new LinkedHashMap<>();

    static {
        TAGS.put("eventId", EventFields.TAG_EVENT_ID);
        TAGS.put("source", EventFields.TAG_SOURCE);
        TAGS.put("target", EventFields.TAG_TARGET);
        TAGS.put("typeName", EventFields.TAG_TYPE_NAME);
        TAGS.put("attributes", EventFields.TAG_ATTRIBUTES);
        TAGS.put("metadata", EventFields.TAG_METADATA);
        TAGS.put("excludedDevice", EventFields.TAG_EXCLUDED_DEVICE);
        TAGS.put("key", EventFields.TAG_KEY);
        TAGS.put("expectedVersion", EventFields.TAG_EXPECTED_VERSION);
        TAGS.put("deleted", EventFields.TAG_DELETED);
    }

    /** Encodes the fields of a valid vector; a control message is taken from {@code control}. */
    static byte[] encode(JsonNode fields, @Nullable Message control) {
        JsonNode body = fields.get("body");
        int handle = (int) number(fields, "handle");
        int requestId = (int) number(fields, "requestId");
        FrameType type = FrameType.ofCode(fields.get("type").asInt());
        ByteBuf out = Unpooled.buffer();
        if (control != null) {
            out = ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, control);
        } else {
            switch (type) {
                case PING -> ClockFrames.writePing(out, requestId, number(body, "sentUs"));
                case PONG ->
                    ClockFrames.writePong(
                            out,
                            requestId,
                            number(body, "pingSentUs"),
                            number(body, "receivedUs"),
                            number(body, "sentUs"));
                case PUBLISH -> writePublish(out, fields, body);
                case PUBLISHED -> writePublished(out, body);
                case EVENT -> {
                    byte[] area = area(body.get("fields"));
                    byte[] payload = bytes(body.get("payload"));
                    FrameHeader.write(
                            out, type, 0, handle, requestId, 8 + Entry.FIXED_BYTES + area.length + payload.length);
                    out.writeLongLE(number(body, "offset"));
                    writeEntry(out, body, area, payload);
                }
                case GAP ->
                    FlowFrames.writeGap(
                            out,
                            handle,
                            number(body, "from"),
                            number(body, "to"),
                            (int) number(body, "reason"),
                            body.path("fill").asBoolean(false));
                case GAP_CLOSED -> FlowFrames.writeGapClosed(out, handle, number(body, "from"), number(body, "to"));
                case HISTORY_PAGE -> writeHistoryPage(out, requestId, body);
                case FETCHED -> writeFetched(out, requestId, body);
                case CREDIT -> FlowFrames.writeOneNumber(out, type, handle, number(body, "bytes"));
                case PROGRESS, ACK -> FlowFrames.writeOneNumber(out, type, handle, number(body, "offset"));
                default -> throw new AssertionError("no body for " + type);
            }
        }
        out.setByte(FrameHeader.FLAGS_AT, fields.get("flags").asInt());
        byte[] written = ByteBufUtil.getBytes(out);
        out.release();
        return withExtensions(written, bytes(fields.get("extensions")));
    }

    private static byte[] withExtensions(byte[] frame, byte[] extensions) {
        ByteBuf whole = Unpooled.buffer()
                .writeBytes(frame, 0, FrameHeader.LENGTH)
                .writeBytes(extensions)
                .writeBytes(frame, FrameHeader.LENGTH, frame.length - FrameHeader.LENGTH);
        whole.setIntLE(0, whole.getIntLE(0) + extensions.length);
        whole.setShortLE(FrameHeader.EXTENSION_LENGTH_AT, extensions.length);
        return ByteBufUtil.getBytes(whole);
    }

    private static void writePublish(ByteBuf out, JsonNode fields, JsonNode body) {
        int flags = fields.get("flags").asInt();
        int handle = (int) number(fields, "handle");
        int requestId = (int) number(fields, "requestId");
        long sequence = number(body, "sequence");
        JsonNode first = body.get("events").get(0);
        if ((flags & FrameHeader.FLAG_MANY) == 0) {
            byte[] area = area(first.get("fields"));
            byte[] payload = bytes(first.get("payload"));
            PublishFrame.writeHead(
                    out,
                    flags,
                    handle,
                    requestId,
                    sequence,
                    number(first, "timestampUs"),
                    number(first, "ttl"),
                    first.get("type").asInt(),
                    area.length,
                    payload.length);
            out.writeBytes(area).writeBytes(payload);
            return;
        }
        ByteBuf entries = Unpooled.buffer();
        body.get("events").forEach(event -> {
            byte[] area = area(event.get("fields"));
            byte[] payload = bytes(event.get("payload"));
            entries.writeIntLE(Entry.FIXED_BYTES + area.length + payload.length);
            writeEntry(entries, event, area, payload);
        });
        FrameHeader.write(out, FrameType.PUBLISH, flags, handle, requestId, 8 + entries.readableBytes());
        out.writeLongLE(sequence).writeBytes(entries);
    }

    private static void writeEntry(ByteBuf out, JsonNode event, byte[] area, byte[] payload) {
        Entry.writeFixed(
                out,
                number(event, "timestampUs"),
                number(event, "ttl"),
                event.get("type").asInt(),
                area.length);
        out.writeBytes(area).writeBytes(payload);
    }

    private static byte[] area(JsonNode fields) {
        ByteBuf out = Unpooled.buffer();
        TAGS.forEach((name, tag) -> {
            JsonNode value = fields.get(name);
            if (value == null) {
                return;
            }
            switch (tag) {
                case EventFields.TAG_EVENT_ID, EventFields.TAG_METADATA -> EventFields.write(out, tag, bytes(value));
                case EventFields.TAG_ATTRIBUTES -> {
                    Map<String, String> attributes = new LinkedHashMap<>();
                    value.properties()
                            .forEach(pair -> attributes.put(
                                    pair.getKey(), pair.getValue().asString()));
                    EventFields.writeAttributes(out, attributes);
                }
                case EventFields.TAG_DELETED -> EventFields.write(out, tag, new byte[0]);
                case EventFields.TAG_EXCLUDED_DEVICE, EventFields.TAG_EXPECTED_VERSION -> {
                    byte[] device = new byte[8];
                    Unpooled.wrappedBuffer(device).setLongLE(0, Long.parseUnsignedLong(value.asString()));
                    EventFields.write(out, tag, device);
                }
                default -> EventFields.write(out, tag, value.asString().getBytes(StandardCharsets.UTF_8));
            }
        });
        fields.path("passedThrough")
                .properties()
                .forEach(pair -> EventFields.write(out, Integer.parseInt(pair.getKey()), bytes(pair.getValue())));
        return ByteBufUtil.getBytes(out);
    }

    private static void writePublished(ByteBuf out, JsonNode body) {
        PublishedWriter writer = new PublishedWriter();
        body.get("ranges")
                .forEach(range -> writer.accepted(
                        (int) number(range, "firstRequestId"),
                        (int) number(range, "count"),
                        (int) number(range, "handle"),
                        number(range, "firstOffset")));
        body.get("exceptions")
                .forEach(exception -> writer.exception(
                        (int) number(exception, "requestId"),
                        (int) number(exception, "handle"),
                        (int) number(exception, "code"),
                        (int) number(exception, "kind"),
                        (int) number(exception, "priority"),
                        (int) number(exception, "retryAfterMs"),
                        number(exception, "offset")));
        writer.writeTo(out);
    }

    private static long number(JsonNode node, String key) {
        String text = node.get(key).asString();
        return text.startsWith("-") ? Long.parseLong(text) : Long.parseUnsignedLong(text);
    }

    private static byte[] bytes(JsonNode hex) {
        return HexFormat.of().parseHex(hex.asString());
    }

    private static String hex(ByteBuf in, int at, int bytes) {
        return ByteBufUtil.hexDump(in, at, bytes);
    }

    private static long u32(int value) {
        return Integer.toUnsignedLong(value);
    }

    private static String u64(long value) {
        return Long.toUnsignedString(value);
    }

    private static String i64(long value) {
        return Long.toString(value);
    }
}
