package hermod.broker.topic;

import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import hermod.protocol.frame.Entry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import org.agrona.concurrent.UnsafeBuffer;

/** Topics and events as tests need them. */
final class TopicFixture {
    static final Channel CHAT = new Channel(0, "chat", ChannelPolicy.defaults());

    private TopicFixture() {}

    static TopicConfig config(int topics, int idleSeconds, int producersPerTopic, long dedupBytes) {
        return new TopicConfig(
                topics,
                idleSeconds,
                4_096,
                producersPerTopic,
                1_024,
                1_000,
                1_000,
                dedupBytes,
                10,
                64 * 1024,
                1024 * 1024);
    }

    static ReplayBudget replay() {
        return new ReplayBudget(config(1, 1, 1, 1), 1);
    }

    static Topic topic(int handle) {
        return new Topic(handle, "acme", TopicName.of("chat:" + handle), CHAT, 77, 0);
    }

    /** An event as {@code dispatch} hands it over. */
    static IncomingEvent event(byte[] fields, byte[] payload, String source) {
        ByteBuf in = Unpooled.buffer();
        // Something before it, so that a wrong index is noticed.
        in.writeZero(5);
        Entry.writeFixed(in, -1, 9, 3, fields.length);
        in.writeBytes(fields).writeBytes(payload);
        IncomingEvent event = new IncomingEvent();
        event.in = new UnsafeBuffer(in.array(), 0, in.writerIndex());
        event.type = 3;
        event.fieldsBytes = fields.length;
        event.entryAt = 5;
        event.entryBytes = in.writerIndex() - 5;
        event.priority = Priority.HIGH;
        event.timestampUs = 1_700_000_000_000_000L;
        event.ttlSeconds = 60;
        event.source = source.getBytes(StandardCharsets.UTF_8);
        event.device = 0x0102030405060708L;
        return event;
    }

    static IncomingEvent event(int payloadBytes) {
        return event(new byte[0], new byte[payloadBytes], "alice");
    }
}
