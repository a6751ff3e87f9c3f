package hermod.broker.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-10")
class ScheduledEventTest {
    private static final byte[] ID = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    private static final byte[] KEY = DueKey.eventKey("acme", "alice", ID);

    private static ScheduledEvent event(String rule) {
        ByteBuf entry = Unpooled.buffer();
        Entry.writeFixed(entry, 0, 60, 1, 5);
        EventFields.write(entry, EventFields.TAG_TARGET, new byte[] {'b', 'o'});
        entry.writeBytes(new byte[] {7, 8, 9});
        byte[] bytes = new byte[entry.readableBytes()];
        entry.readBytes(bytes);
        return new ScheduledEvent(
                "chat:room_7",
                new ScheduledEvent.Author(-7, -5, 42, Priority.HIGH, true),
                11,
                2_000_000,
                rule,
                "Europe/Berlin",
                99,
                0x42,
                bytes);
    }

    @Test
    void whatIsStoredIsReadAsItWas() {
        ScheduledEvent stored = event("daily 08:30");
        ScheduledEvent read = ScheduledEvent.read(stored.write());
        assertThat(read).usingRecursiveComparison().isEqualTo(stored);
        assertThat(read.payloadBytes()).isEqualTo(3);
    }

    @Test
    void whatIsCutShortOrOfAnotherVersionIsNoEvent() {
        byte[] stored = event("").write();
        for (int length = 0; length < stored.length; length++) {
            byte[] cut = Arrays.copyOf(stored, length);
            assertThatThrownBy(() -> ScheduledEvent.read(cut)).isInstanceOf(IllegalArgumentException.class);
        }
        stored[0] = 2;
        assertThatThrownBy(() -> ScheduledEvent.read(stored)).hasMessageContaining("version");
    }

    @Test
    void anEventSentOnceHasItsScheduleIdAndOneThatRecursAnIdOfItsTime() {
        ByteBuf once = Unpooled.wrappedBuffer(event("").entryAt(2_000_000, KEY));
        assertThat(Entry.timestampUs(once, 0)).isEqualTo(2_000_000);
        assertThat(idIn(once)).isEqualTo(ID);
        assertThat(EventFields.text(once, Entry.FIELDS_AT, Entry.fieldsBytes(once, 0), EventFields.TAG_TARGET))
                .isEqualTo("bo");
        byte[] first = idIn(Unpooled.wrappedBuffer(event("daily 08:30").entryAt(2_000_000, KEY)));
        byte[] second = idIn(Unpooled.wrappedBuffer(event("daily 08:30").entryAt(3_000_000, KEY)));
        assertThat(first).startsWith(0, 0, 0, 0, 2_000 >> 8, 2_000 & 0xff).isNotEqualTo(second);
        assertThat(idIn(Unpooled.wrappedBuffer(event("daily 08:30").entryAt(2_000_000, KEY))))
                .isEqualTo(first);
    }

    private static byte[] idIn(ByteBuf entry) {
        byte[] id = new byte[EventFields.EVENT_ID_BYTES];
        entry.getBytes(
                EventFields.find(entry, Entry.FIELDS_AT, Entry.fieldsBytes(entry, 0), EventFields.TAG_EVENT_ID), id);
        return id;
    }

    @Test
    void keysOfTheIndexAreInTheOrderOfTheirTimesAndLeadBackToTheirEvents() {
        byte[] other = DueKey.eventKey("acme", "bob", ID);
        List<DueKey> keys = new ArrayList<>(List.of(
                DueKey.of(5, KEY),
                DueKey.of(5, other),
                DueKey.of(255, KEY),
                DueKey.of(256, KEY),
                DueKey.of(1L << 40, KEY)));
        List<DueKey> expected = List.copyOf(keys);
        Collections.shuffle(keys, new java.util.Random(7));
        Collections.sort(keys);
        assertThat(keys).isEqualTo(expected);
        DueKey key = DueKey.of(256, other);
        assertThat(new DueKey(key.bytes())).isEqualTo(key);
        assertThat(key.dueUs()).isEqualTo(256);
        assertThat(key.org()).isEqualTo("acme");
        assertThat(key.user()).isEqualTo("bob");
        assertThat(key.eventKey()).isEqualTo(other);
    }
}
