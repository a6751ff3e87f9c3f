package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What the encoder writes is what the protocol's own classes read. */
@Tag("EV-1")
class PublishEncoderTest {
    private static final byte[] ID = EventIds.parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");

    private static Publication publication(long sequence, String payload, byte[] eventId, byte[] fields) {
        OutgoingEntry entry = new OutgoingEntry(
                EventType.CUSTOM,
                30,
                FrameHeader.FLAG_PRIORITY_GIVEN | Priority.HIGH.code(),
                eventId == null,
                eventId,
                fields,
                payload.getBytes(StandardCharsets.UTF_8),
                0);
        Publication publication = new Publication("chat:room_7", entry, eventId, 1_000_000);
        publication.sequence = sequence;
        return publication;
    }

    @Test
    void oneEventIsReadBackFieldByField() throws Exception {
        Map<String, String> attributes = new LinkedHashMap<>();
        attributes.put("b", "2");
        attributes.put("ä", "");
        byte[] fields = OutgoingEntry.fieldsOf(
                "bob", "dice.rolled", attributes, new byte[] {1, 2, 3}, null, OutgoingEntry.ANY_VERSION, false);
        ByteBuf out = Unpooled.buffer();

        PublishEncoder.write(out, List.of(publication(77, "hello", ID, fields)), 9, 4, 500);

        int entryAt = FrameHeader.LENGTH + PublishFrame.SEQUENCE_BYTES;
        int fieldsAt = entryAt + Entry.FIELDS_AT;
        int fieldsBytes = Entry.fieldsBytes(out, entryAt);
        assertThat(FrameHeader.frameBytes(out, 0)).isEqualTo(out.readableBytes());
        assertThat(FrameHeader.type(out, 0)).isEqualTo(FrameType.PUBLISH.code());
        assertThat(FrameHeader.handle(out, 0)).isEqualTo(9);
        assertThat(FrameHeader.requestId(out, 0)).isEqualTo(4);
        assertThat(FrameHeader.priority(out, 0)).isEqualTo(Priority.HIGH);
        assertThat(PublishFrame.isMany(out, 0)).isFalse();
        assertThat(PublishFrame.countEntries(out, 0)).isEqualTo(1);
        assertThat(PublishFrame.sequence(out, 0)).isEqualTo(77);
        assertThat(Entry.timestampUs(out, entryAt)).isEqualTo(1_000_500);
        assertThat(Entry.ttlSeconds(out, entryAt)).isEqualTo(30);
        assertThat(EventFields.publishedFaultOf(out, fieldsAt, fieldsBytes, EventType.CUSTOM))
                .isNull();
        assertThat(EventFields.text(out, fieldsAt, fieldsBytes, EventFields.TAG_TARGET))
                .isEqualTo("bob");
        assertThat(EventFields.text(out, fieldsAt, fieldsBytes, EventFields.TAG_TYPE_NAME))
                .isEqualTo("dice.rolled");
        assertThat(EventFields.attributes(out, fieldsAt, fieldsBytes)).isEqualTo(attributes);
        assertThat(EventFields.find(out, fieldsAt, fieldsBytes, EventFields.TAG_EVENT_ID))
                .isPositive();
        assertThat(EventFields.find(out, fieldsAt, fieldsBytes, EventFields.TAG_METADATA))
                .isPositive();
        assertThat(out.toString(Entry.payloadAt(out, entryAt), 5, StandardCharsets.UTF_8))
                .isEqualTo("hello");
    }

    @Test
    void severalEventsShareOneFrame() throws Exception {
        ByteBuf out = Unpooled.buffer();
        List<Publication> run = List.of(
                publication(5, "a", ID, new byte[0]),
                publication(6, "", null, new byte[0]),
                publication(7, "ccc", null, new byte[0]));

        PublishEncoder.write(out, run, 9, 100, 0);

        assertThat(FrameHeader.frameBytes(out, 0)).isEqualTo(out.readableBytes());
        assertThat(PublishFrame.isMany(out, 0)).isTrue();
        assertThat(PublishFrame.countEntries(out, 0)).isEqualTo(3);
        assertThat(PublishFrame.sequence(out, 0)).isEqualTo(5);
        int firstAt = FrameHeader.LENGTH + PublishFrame.SEQUENCE_BYTES;
        int secondAt = firstAt + PublishFrame.ENTRY_LENGTH_BYTES + out.getIntLE(firstAt);
        assertThat(out.getIntLE(secondAt)).isEqualTo(Entry.FIXED_BYTES);
        assertThat(out.toString(out.writerIndex() - 3, 3, StandardCharsets.UTF_8))
                .isEqualTo("ccc");
    }

    @Test
    void anEventWithoutFieldsHasNone() {
        assertThat(OutgoingEntry.fieldsOf(null, null, Map.of(), new byte[0], null, OutgoingEntry.ANY_VERSION, false))
                .isEmpty();
    }

    @Test
    void aReceivedEventGivesBackWhatWasPublished() {
        byte[] fields = OutgoingEntry.fieldsOf(
                "bob", "dice.rolled", Map.of("k", "v"), new byte[] {4}, null, OutgoingEntry.ANY_VERSION, false);
        ByteBuf out = Unpooled.buffer();
        int fieldsBytes = OutgoingEntry.EVENT_ID_FIELD_BYTES + fields.length;
        FrameHeader.write(out, FrameType.EVENT, Priority.URGENT.code(), 3, 0, 8 + 16 + fieldsBytes + 2);
        out.writeLongLE(12);
        Entry.writeFixed(out, 5_000, 60, EventType.CUSTOM, fieldsBytes);
        EventFields.write(out, EventFields.TAG_EVENT_ID, ID);
        out.writeBytes(fields).writeBytes(new byte[] {'h', 'i'});

        ReceivedEvent event = ReceivedEvent.of("chat:room_7", 8, 1, 0, 6_000, out, 0);

        assertThat(event.eventId()).isEqualTo("01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assertThat(event.type()).isEqualTo("dice.rolled");
        assertThat(event.source()).isEmpty();
        assertThat(event.target()).isEqualTo("bob");
        assertThat(event.attributes()).isEqualTo(Map.of("k", "v"));
        assertThat(event.metadata()).containsExactly(4);
        assertThat(event.priority()).isEqualTo(Priority.URGENT);
        assertThat(event.text()).isEqualTo("hi");
        assertThat(event.offset()).isEqualTo(12);
        assertThat(event.timestampUs()).isEqualTo(5_000);
        assertThat(event.receivedAtUs()).isEqualTo(6_000);
        assertThat(event.toString()).doesNotContain("hi").contains("offset=12");
    }
}
