package hermod.client.internal;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An event with its own copy of fields and payload; the fields are decoded when asked for. Immutable. */
final class ReceivedEvent implements Event, Letter {
    private static final byte[] NOTHING = {};

    private final String topic;
    private final int epoch;
    private final long offset;
    private final long timestampUs;
    private final long receivedAtUs;
    private final long ttlSeconds;
    private final int type;
    private final int flags;
    private final int connectionNumber;
    private final int creditBytes;
    private final int fieldsBytes;
    private final byte[] bytes;

    private ReceivedEvent(
            String topic,
            int epoch,
            int connectionNumber,
            int creditBytes,
            long receivedAtUs,
            ByteBuf in,
            int at,
            int entryAt) {
        this.topic = topic;
        this.epoch = epoch;
        this.connectionNumber = connectionNumber;
        this.creditBytes = creditBytes;
        this.receivedAtUs = receivedAtUs;
        offset = EventFrame.offset(in, at);
        flags = FrameHeader.flags(in, at);
        timestampUs = Entry.timestampUs(in, entryAt);
        ttlSeconds = Entry.ttlSeconds(in, entryAt);
        type = Entry.type(in, entryAt);
        fieldsBytes = Entry.fieldsBytes(in, entryAt);
        int from = entryAt + Entry.FIELDS_AT;
        bytes = new byte[at + FrameHeader.frameBytes(in, at) - from];
        in.getBytes(from, bytes);
    }

    /**
     * @param in borrowed; holds an EVENT at {@code at} that was checked.
     * @param creditBytes what it holds of the credit window; 0 where it came outside credit.
     * @param receivedAtUs on the broker's clock.
     */
    static ReceivedEvent of(
            String topic, int epoch, int connectionNumber, int creditBytes, long receivedAtUs, ByteBuf in, int at) {
        int entryAt = EventFrame.entryAt(in, at);
        return new ReceivedEvent(topic, epoch, connectionNumber, creditBytes, receivedAtUs, in, at, entryAt);
    }

    /** Which of the client's connections it came by; a report may only count events of its own connection. */
    int connectionNumber() {
        return connectionNumber;
    }

    @Override
    public void deliverTo(EventListener listener) {
        listener.onEvent(this);
    }

    @Override
    public int bytes() {
        return bytes.length;
    }

    @Override
    public int creditBytes() {
        return creditBytes;
    }

    @Override
    public String topic() {
        return topic;
    }

    @Override
    public int epoch() {
        return epoch;
    }

    @Override
    public long offset() {
        return offset;
    }

    @Override
    public String eventId() {
        byte[] own = field(EventFields.TAG_EVENT_ID);
        return own.length == EventIds.BYTES ? EventIds.text(own) : EventIds.derived(timestampUs, epoch, offset);
    }

    @Override
    public String type() {
        if (type != EventType.CUSTOM) {
            return EventType.nameOf(type);
        }
        String own = fieldText(EventFields.TAG_TYPE_NAME);
        return own == null ? "" : own;
    }

    @Override
    public String source() {
        String source = fieldText(EventFields.TAG_SOURCE);
        return source == null ? "" : source;
    }

    @Override
    public @Nullable String target() {
        return fieldText(EventFields.TAG_TARGET);
    }

    @Override
    public long timestampUs() {
        return timestampUs;
    }

    @Override
    public long receivedAtUs() {
        return receivedAtUs;
    }

    @Override
    public long ttlSeconds() {
        return ttlSeconds;
    }

    @Override
    public Priority priority() {
        return Priority.ofCode(flags);
    }

    @Override
    public @Nullable String key() {
        return fieldText(EventFields.TAG_KEY);
    }

    @Override
    public boolean isDeletion() {
        return EventFields.find(Unpooled.wrappedBuffer(bytes), 0, fieldsBytes, EventFields.TAG_DELETED) >= 0;
    }

    @Override
    public Map<String, String> attributes() {
        return Collections.unmodifiableMap(EventFields.attributes(Unpooled.wrappedBuffer(bytes), 0, fieldsBytes));
    }

    @Override
    public byte[] metadata() {
        return field(EventFields.TAG_METADATA);
    }

    @Override
    public byte[] payload() {
        return Arrays.copyOfRange(bytes, fieldsBytes, bytes.length);
    }

    @Override
    public ByteBuffer payloadBuffer() {
        return ByteBuffer.wrap(bytes, fieldsBytes, bytes.length - fieldsBytes)
                .slice()
                .asReadOnlyBuffer();
    }

    @Override
    public String text() {
        return new String(bytes, fieldsBytes, bytes.length - fieldsBytes, StandardCharsets.UTF_8);
    }

    private byte[] field(int tag) {
        ByteBuf in = Unpooled.wrappedBuffer(bytes);
        int at = EventFields.find(in, 0, fieldsBytes, tag);
        return at < 0 ? NOTHING : Arrays.copyOfRange(bytes, at, at + EventFields.valueBytes(in, at));
    }

    private @Nullable String fieldText(int tag) {
        return EventFields.text(Unpooled.wrappedBuffer(bytes), 0, fieldsBytes, tag);
    }

    /** For logs: where it stands and how large it is, never what is in it. */
    @Override
    public String toString() {
        return "Event[topic=" + topic + ", epoch=" + Integer.toUnsignedString(epoch) + ", offset=" + offset
                + ", payloadBytes=" + (bytes.length - fieldsBytes) + "]";
    }
}
