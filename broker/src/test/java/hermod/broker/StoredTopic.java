package hermod.broker;

import hermod.broker.engine.Answer;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A topic whose events a test puts into the engine itself. One thread. */
public final class StoredTopic {
    /** An event to be stored, to be changed by the test. */
    public static final class Stored {
        String text = "";
        long timestampUs = ShardClock.wallUs();
        long storedAtUs = timestampUs;
        long ttlSeconds;
        long excludedDevice;
        int payloadBytes;
        Map<String, String> attributes = Map.of();
    }

    private final EventLog log;
    private final EventLog.Appender appender;
    private final long stream;
    private volatile CompletableFuture<Void> stored = new CompletableFuture<>();

    public StoredTopic(Engine engine, String topic, int epoch) throws Exception {
        log = engine.events();
        CompletableFuture<EventLog.Opened> opened = new CompletableFuture<>();
        log.open("acme", topic, epoch, completing(opened));
        stream = opened.get(60, TimeUnit.SECONDS).stream();
        appender = log.appender(new EventLog.Completion() {
            @Override
            public void onStored(boolean isUrgent, long ticket) {
                stored.complete(null);
            }

            @Override
            public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
                stored.completeExceptionally(new AssertionError(fault));
            }
        });
    }

    /** Stores events with texts e1, e2 … at these offsets. */
    public StoredTopic store(long from, long to) throws Exception {
        for (long offset = from; offset <= to; offset++) {
            String text = "e" + offset;
            store(offset, event -> event.text = text);
        }
        return this;
    }

    /** Stores one, and waits until it is. */
    public StoredTopic store(long offset, Consumer<Stored> change) throws Exception {
        Stored event = new Stored();
        change.accept(event);
        ByteBuf frame = frame(offset, event);
        ByteBuf entry = Unpooled.buffer();
        StoredEntry.writeHead(entry, 0, 0, frame.readableBytes(), 0, 0, 0, 0, 0, event.storedAtUs);
        stored = new CompletableFuture<>();
        appender.append(false, stream, entry.writeBytes(frame));
        appender.flush();
        stored.get(60, TimeUnit.SECONDS);
        return this;
    }

    /** Says that offsets below may be given out. */
    public StoredTopic reserve(long end) throws Exception {
        stored = new CompletableFuture<>();
        appender.reserve(false, stream, end);
        appender.flush();
        stored.get(60, TimeUnit.SECONDS);
        return this;
    }

    /** Whether the engine has a stream of the topic. */
    public static boolean exists(Engine engine, String topic) throws Exception {
        CompletableFuture<EventLog.Opened> found = new CompletableFuture<>();
        engine.events().find("acme", topic, completing(found));
        return found.get(60, TimeUnit.SECONDS) != null;
    }

    private static ByteBuf frame(long offset, Stored event) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, "ada".getBytes(StandardCharsets.UTF_8));
        if (!event.attributes.isEmpty()) {
            EventFields.writeAttributes(fields, event.attributes);
        }
        if (event.excludedDevice != 0) {
            byte[] device = new byte[Long.BYTES];
            Unpooled.wrappedBuffer(device).setLongLE(0, event.excludedDevice);
            EventFields.write(fields, EventFields.TAG_EXCLUDED_DEVICE, device);
        }
        byte[] payload =
                event.payloadBytes > 0 ? new byte[event.payloadBytes] : event.text.getBytes(StandardCharsets.UTF_8);
        int flags = Priority.NORMAL.code() | (event.excludedDevice == 0 ? 0 : FrameHeader.FLAG_EXCLUDE_DEVICE);
        ByteBuf frame = Unpooled.buffer();
        FrameHeader.write(
                frame,
                FrameType.EVENT,
                flags,
                999,
                0,
                Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes() + payload.length);
        frame.writeLongLE(offset);
        Entry.writeFixed(frame, event.timestampUs, event.ttlSeconds, 0, fields.readableBytes());
        return frame.writeBytes(fields).writeBytes(payload);
    }

    private static <T> Answer<T> completing(CompletableFuture<T> future) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                future.complete(result);
            }

            @Override
            public void onFault(EngineFault fault) {
                future.completeExceptionally(new AssertionError(fault));
            }
        };
    }
}
