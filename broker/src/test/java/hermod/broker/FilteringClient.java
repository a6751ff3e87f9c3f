package hermod.broker;

import hermod.broker.filter.BadFilterException;
import hermod.broker.filter.FilterText;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** A raw client that has agreed to FILTER, and what tests of it say often. */
public final class FilteringClient {
    private final RawClient raw;

    private FilteringClient(RawClient raw) {
        this.raw = raw;
    }

    public static FilteringClient of(BrokerUnderTest broker, String user) throws IOException {
        RawClient raw = broker.socket();
        raw.connect(RawClient.hello(broker.token(user, BrokerUnderTest.ORDINARY))
                .setDeviceId(user + "-phone")
                .setFeatures(Feature.FILTER.bit()));
        return new FilteringClient(raw);
    }

    public RawClient raw() {
        return raw;
    }

    public static FilteredTopic filtered(String topic, String filter) throws BadFilterException {
        return FilteredTopic.newBuilder()
                .setTopic(topic)
                .setFilter(FilterText.parse(filter))
                .build();
    }

    public TopicResult subscribe(String topic, String filter) throws Exception {
        raw.send(
                FrameType.SUBSCRIBE,
                1,
                Subscribe.newBuilder().addFiltered(filtered(topic, filter)).build());
        return Subscribed.parseFrom(RawClient.body(raw.read(FrameType.SUBSCRIBED)))
                .getResults(0);
    }

    /** Replaces and reads the answer, which must be the next frame. */
    public Replaced replace(Replace.Builder wanted) throws IOException {
        raw.send(FrameType.REPLACE, 9, wanted.build());
        ByteBuf answer = raw.read(FrameType.REPLACED);
        if (FrameHeader.requestId(answer, 0) != 9) {
            throw new IOException("the answer to another request: " + FrameHeader.requestId(answer, 0));
        }
        return Replaced.parseFrom(RawClient.body(answer));
    }

    /** Publishes an event with these attributes and does not read its outcome. */
    public static void publish(RawClient publisher, int handle, int requestId, String text, String... keysAndValues)
            throws IOException {
        Map<String, String> attributes = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            attributes.put(keysAndValues[i], keysAndValues[i + 1]);
        }
        ByteBuf fields = Unpooled.buffer();
        if (!attributes.isEmpty()) {
            EventFields.writeAttributes(fields, attributes);
        }
        publisher.publish(
                handle, requestId, 0, 0, 0, 0, 0, ByteBufUtil.getBytes(fields), text.getBytes(StandardCharsets.UTF_8));
    }
}
