package hermod.protocol.frame;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.EventType;
import hermod.protocol.ProtocolLimits;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class EventFieldsTest {
    private static final int OWN = EventType.CUSTOM;
    private static final int CHAT = EventType.CHAT_MESSAGE.code();

    private final ByteBuf area = Unpooled.buffer();

    @Test
    void aFieldIsFoundByItsTagAndAnAbsentOneIsNot() {
        EventFields.write(area, EventFields.TAG_EVENT_ID, new byte[16]);
        EventFields.write(area, EventFields.TAG_TARGET, "user_2".getBytes(StandardCharsets.UTF_8));
        EventFields.write(area, 255, new byte[] {9});

        int valueAt = find(255);
        assertThat(valueAt).isEqualTo(area.writerIndex() - 1);
        assertThat(EventFields.valueBytes(area, valueAt)).isEqualTo(1);
        assertThat(text(EventFields.TAG_TARGET)).isEqualTo("user_2");
        assertThat(text(EventFields.TAG_SOURCE)).isNull();
        assertThat(find(254)).isEqualTo(-1);
        assertThat(EventFields.find(area, 0, 0, EventFields.TAG_EVENT_ID)).isEqualTo(-1);
    }

    @Test
    void fieldsBehindTheAreaAreNotFound() {
        EventFields.write(area, EventFields.TAG_TARGET, new byte[] {'u'});
        int bytes = area.writerIndex();
        EventFields.write(area, EventFields.TAG_METADATA, new byte[] {1});

        assertThat(EventFields.find(area, 0, bytes, EventFields.TAG_METADATA)).isEqualTo(-1);
    }

    @Test
    void attributesAreReadInTheOrderWritten() {
        Map<String, String> attributes = new LinkedHashMap<>();
        attributes.put("z", "1");
        attributes.put("ключ", "𝄞");
        attributes.put("a", "");
        EventFields.writeAttributes(area, attributes);

        assertThat(fault(OWN)).isNull();
        assertThat(EventFields.attributes(area, 0, area.writerIndex())).containsExactlyEntriesOf(attributes);
        assertThat(EventFields.attributes(area, 0, 0)).isEmpty();
    }

    @Tag("SE-6")
    @Test
    void eachValueIsTakenAtItsBoundAndRefusedOnePastIt() {
        assertBounds(EventFields.TAG_EVENT_ID, 16, 16);
        assertBounds(EventFields.TAG_TARGET, 1, ProtocolLimits.USER_ID_BYTES);
        assertBounds(EventFields.TAG_TYPE_NAME, 1, ProtocolLimits.TYPE_NAME_BYTES);
        assertBounds(EventFields.TAG_METADATA, 0, ProtocolLimits.METADATA_BYTES);
    }

    @Tag("SE-6")
    @Test
    void allFieldsTogetherAreTakenAtTheirBoundAndRefusedOnePastIt() {
        EventFields.write(area, 128, new byte[ProtocolLimits.FIELDS_BYTES - EventFields.HEAD_BYTES]);
        assertThat(area.writerIndex()).isEqualTo(8192);
        assertThat(fault(OWN)).isNull();
        area.clear();
        EventFields.write(area, 128, new byte[ProtocolLimits.FIELDS_BYTES - EventFields.HEAD_BYTES + 1]);
        assertThat(fault(OWN)).contains("bytes=8193");
        assertThat(EventFields.structureFaultOf(area, 0, area.writerIndex())).isNull();
    }

    @Tag("SE-6")
    @Test
    void attributesAreTakenAtTheirBoundsAndRefusedOnePastThem() {
        assertThat(attributeFault("k".repeat(64), "v".repeat(1024))).isNull();
        assertThat(attributeFault("k".repeat(65), "v")).isNotNull();
        assertThat(attributeFault("k", "v".repeat(1025))).isNotNull();
        assertThat(attributeFault("", "v")).isNotNull();
        assertThat(attributeFault("k", "")).isNull();
        assertThat(attributeCountFault(32)).isNull();
        assertThat(attributeCountFault(33)).contains("limit=32");
    }

    @Tag("SE-6")
    @Test
    void aKeyTwiceIsRefusedAndAPrefixOfAKeyIsNot() {
        byte[] twice = {1, 'a', 0, 0, 2, 'a', 'a', 0, 0, 1, 'a', 0, 0};
        EventFields.write(area, EventFields.TAG_ATTRIBUTES, twice);
        assertThat(fault(OWN)).isEqualTo("attribute key twice");
        area.clear();
        EventFields.write(area, EventFields.TAG_ATTRIBUTES, new byte[] {1, 'a', 0, 0, 2, 'a', 'a', 0, 0});
        assertThat(fault(OWN)).isNull();
    }

    @Tag("SE-6")
    @Test
    void anAreaCutOffAnywhereIsRefused() {
        EventFields.write(area, EventFields.TAG_TARGET, new byte[] {'u', 's'});
        EventFields.writeAttributes(area, Map.of("key", "value"));
        int firstEnds = 5;
        for (int bytes = 1; bytes < area.writerIndex(); bytes++) {
            ByteBuf cutOff = area.copy(0, bytes);
            assertThat(EventFields.structureFaultOf(cutOff, 0, bytes) == null)
                    .as("bytes=%d", bytes)
                    .isEqualTo(bytes == firstEnds);
        }
    }

    @Test
    void theBrokersFieldsAreRefusedFromAPublisherAndTakenFromTheBroker() {
        EventFields.write(area, EventFields.TAG_SOURCE, new byte[] {'u'});
        EventFields.write(area, EventFields.TAG_EXCLUDED_DEVICE, new byte[8]);

        assertThat(fault(OWN)).isNotNull();
        assertThat(EventFields.structureFaultOf(area, 0, area.writerIndex())).isNull();
    }

    @Test
    void aTypeNameGoesWithAnOwnTypeOnly() {
        EventFields.write(area, EventFields.TAG_TYPE_NAME, new byte[] {'t'});

        assertThat(fault(OWN)).isNull();
        assertThat(fault(CHAT)).isNotNull();
    }

    @Test
    void aTypeThatIsNotKnownIsRefusedEvenWithoutFields() {
        assertThat(fault(8)).isNull();
        assertThat(fault(9)).contains("type=9");
        assertThat(fault(0xffff)).isNotNull();
    }

    private void assertBounds(int tag, int bytesMin, int bytesMax) {
        assertThat(valueFault(tag, bytesMin)).as("tag=%d", tag).isNull();
        assertThat(valueFault(tag, bytesMax)).as("tag=%d", tag).isNull();
        assertThat(valueFault(tag, bytesMax + 1)).as("tag=%d", tag).isNotNull();
        if (bytesMin > 0) {
            assertThat(valueFault(tag, bytesMin - 1)).as("tag=%d", tag).isNotNull();
        }
    }

    private String valueFault(int tag, int bytes) {
        area.clear();
        EventFields.write(area, tag, "x".repeat(bytes).getBytes(StandardCharsets.UTF_8));
        return fault(OWN);
    }

    private String attributeFault(String key, String value) {
        area.clear();
        EventFields.writeAttributes(area, Map.of(key, value));
        return fault(OWN);
    }

    private String attributeCountFault(int count) {
        area.clear();
        Map<String, String> attributes = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            attributes.put("k" + i, "");
        }
        EventFields.writeAttributes(area, attributes);
        return fault(OWN);
    }

    private String fault(int type) {
        return EventFields.publishedFaultOf(area, 0, area.writerIndex(), type);
    }

    private int find(int tag) {
        return EventFields.find(area, 0, area.writerIndex(), tag);
    }

    private String text(int tag) {
        return EventFields.text(area, 0, area.writerIndex(), tag);
    }
}
