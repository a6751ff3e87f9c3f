package hermod.broker.schedule;

import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * An event for later, as it is stored: little-endian, a version first, texts and the entry behind the numbers, each with its length. Immutable by agreement: nobody writes to the entry.
 *
 * @param createdAtUs with the key, what tells it from an earlier one of the same id.
 * @param dueUs when it is due next.
 * @param rule empty for an event that is sent once; {@code zone} and {@code untilUs} (0 for no end) go with it.
 * @param flags of a PUBLISH.
 * @param entry of a PUBLISH, without an event id.
 */
@SuppressWarnings("ArrayRecordComponent") // Compared by isSame only.
record ScheduledEvent(
        String topic,
        Author author,
        long createdAtUs,
        long dueUs,
        String rule,
        String zone,
        long untilUs,
        int flags,
        byte[] entry) {
    private static final int VERSION = 1;
    private static final int BIT_URGENT = 1;
    private static final int EVENT_ID_FIELD_BYTES = EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES;
    private static final int TIME_BYTES_OF_ID = 6;

    /**
     * What of its author an event is published with: the rights at the time of scheduling.
     *
     * @param number the user's, the same over restarts.
     * @param percentile in which a rollout reaches the user.
     */
    record Author(long number, long device, int percentile, Priority raisedTo, boolean mayPublishUrgent) {}

    boolean isRecurring() {
        return !rule.isEmpty();
    }

    ScheduledEvent at(long nextDueUs) {
        return new ScheduledEvent(topic, author, createdAtUs, nextDueUs, rule, zone, untilUs, flags, entry);
    }

    /** Whether a request asks for this event. */
    boolean isSame(ScheduledEvent asked) {
        return topic.equals(asked.topic)
                && rule.equals(asked.rule)
                && zone.equals(asked.zone)
                && untilUs == asked.untilUs
                && (isRecurring() || dueUs == asked.dueUs)
                && flags == asked.flags
                && Arrays.equals(entry, asked.entry);
    }

    int payloadBytes() {
        return entry.length - Entry.FIXED_BYTES - Entry.fieldsBytes(Unpooled.wrappedBuffer(entry), 0);
    }

    byte[] write() {
        ByteBuf out = Unpooled.buffer(104 + entry.length);
        out.writeByte(VERSION)
                .writeByte(author.mayPublishUrgent ? BIT_URGENT : 0)
                .writeByte(author.raisedTo.code())
                .writeByte(flags)
                .writeIntLE(author.percentile)
                .writeLongLE(author.number)
                .writeLongLE(author.device)
                .writeLongLE(createdAtUs)
                .writeLongLE(dueUs)
                .writeLongLE(untilUs);
        writeText(out, topic);
        writeText(out, rule);
        writeText(out, zone);
        out.writeIntLE(entry.length).writeBytes(entry);
        byte[] bytes = new byte[out.readableBytes()];
        out.readBytes(bytes);
        return bytes;
    }

    /** @throws IllegalArgumentException for what is none. */
    static ScheduledEvent read(byte[] bytes) {
        ByteBuf in = Unpooled.wrappedBuffer(bytes);
        try {
            int version = in.readUnsignedByte();
            if (version != VERSION) {
                throw new IllegalArgumentException("scheduled event of another version: version=" + version);
            }
            boolean mayPublishUrgent = (in.readByte() & BIT_URGENT) != 0;
            Priority raisedTo = Priority.ofCode(in.readByte());
            int flags = in.readUnsignedByte();
            int percentile = in.readIntLE();
            Author author = new Author(in.readLongLE(), in.readLongLE(), percentile, raisedTo, mayPublishUrgent);
            long createdAtUs = in.readLongLE();
            long dueUs = in.readLongLE();
            long untilUs = in.readLongLE();
            String topic = readText(in);
            String rule = readText(in);
            String zone = readText(in);
            byte[] entry = new byte[in.readIntLE()];
            in.readBytes(entry);
            return new ScheduledEvent(topic, author, createdAtUs, dueUs, rule, zone, untilUs, flags, entry);
        } catch (IndexOutOfBoundsException | NegativeArraySizeException damaged) {
            throw new IllegalArgumentException("scheduled event is cut short: bytes=" + bytes.length, damaged);
        }
    }

    private static void writeText(ByteBuf out, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeShortLE(bytes.length).writeBytes(bytes);
    }

    private static String readText(ByteBuf in) {
        byte[] bytes = new byte[in.readUnsignedShortLE()];
        in.readBytes(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** The entry as it is published: with its time, and its event id in front of its fields. */
    byte[] entryAt(long occurrenceUs, byte[] key) {
        ByteBuf own = Unpooled.wrappedBuffer(entry);
        int fieldsBytes = Entry.fieldsBytes(own, 0);
        ByteBuf out = Unpooled.buffer(entry.length + EVENT_ID_FIELD_BYTES);
        Entry.writeFixed(
                out, occurrenceUs, Entry.ttlSeconds(own, 0), Entry.type(own, 0), fieldsBytes + EVENT_ID_FIELD_BYTES);
        EventFields.write(
                out, EventFields.TAG_EVENT_ID, isRecurring() ? idOfOccurrence(occurrenceUs, key) : DueKey.idOf(key));
        out.writeBytes(entry, Entry.FIXED_BYTES, entry.length - Entry.FIXED_BYTES);
        byte[] bytes = new byte[out.readableBytes()];
        out.readBytes(bytes);
        return bytes;
    }

    private byte[] idOfOccurrence(long occurrenceUs, byte[] key) {
        byte[] id = Arrays.copyOf(hash("occurrence", occurrenceUs, key), EventFields.EVENT_ID_BYTES);
        byte[] time =
                ByteBuffer.allocate(Long.BYTES).putLong(occurrenceUs / 1_000).array();
        System.arraycopy(time, Long.BYTES - TIME_BYTES_OF_ID, id, 0, TIME_BYTES_OF_ID);
        return id;
    }

    /** Who publishes it, as a topic's home tells producers apart: the same over restarts, and another for another event of the same id. */
    long producer(byte[] key) {
        long producer = ByteBuffer.wrap(hash("producer", createdAtUs, key)).getLong();
        return producer == 0 ? 1 : producer;
    }

    private static byte[] hash(String what, long number, byte[] key) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(("hermod schedule " + what).getBytes(StandardCharsets.UTF_8));
            digest.update(ByteBuffer.allocate(Long.BYTES).putLong(0, number));
            return digest.digest(key);
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every JDK has SHA-256", impossible);
        }
    }
}
