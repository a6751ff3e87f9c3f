package hermod.bench.account;

import hermod.bench.account.Truth.Published;
import hermod.bench.micro.BareBroker;
import hermod.broker.outbox.FrameSink;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A publisher: sends events and writes down in the {@link Truth} which were accepted, at which offsets. One thread. */
final class Author implements FrameSink {
    /** An event before it has an offset. */
    record Draft(
            int payloadBytes,
            long timestampUs,
            long ttlSeconds,
            boolean isOwnDeviceExcluded,
            Map<String, String> attributes,
            @Nullable String conflationKey) {}

    private record Asked(int handle, Published event) {}

    private final String user;
    private final int shard;
    private final Truth truth;
    private final Map<Integer, Asked> unanswered = new HashMap<>();
    private final PublishedFrame outcomes = new PublishedFrame();
    private BareBroker.@Nullable Client connection;
    private long lastNumber;
    private int lastRequestId;
    private long refusedCount;

    /** @param firstNumber numbers of its events begin here. */
    Author(String user, int shard, Truth truth, long firstNumber) {
        this.user = user;
        this.shard = shard;
        this.truth = truth;
        this.lastNumber = firstNumber;
    }

    String user() {
        return user;
    }

    /** Whose thread its socket belongs to. */
    int shard() {
        return shard;
    }

    void connection(BareBroker.Client client) {
        connection = client;
    }

    /** @return the topic's handle. */
    int open(String topic) {
        BareBroker.Client client = connection;
        if (client == null) {
            throw new IllegalStateException("not connected");
        }
        return client.open(topic);
    }

    long refusedCount() {
        return refusedCount;
    }

    int unansweredCount() {
        return unanswered.size();
    }

    /**
     * Publishes events in one frame.
     *
     * @param given the priority asked for; null for the channel's.
     * @param effective the priority they will have.
     */
    void publish(int handle, @Nullable Priority given, Priority effective, List<Draft> drafts) {
        BareBroker.Client client = connection;
        if (client == null) {
            throw new IllegalStateException("not connected");
        }
        int flags = FrameHeader.FLAG_MANY | (given == null ? 0 : FrameHeader.FLAG_PRIORITY_GIVEN | given.code());
        if (drafts.get(0).isOwnDeviceExcluded) {
            flags |= FrameHeader.FLAG_EXCLUDE_DEVICE;
        }
        ByteBuf body = Unpooled.buffer();
        body.writeLongLE(0);
        int firstRequestId = lastRequestId + 1;
        for (Draft draft : drafts) {
            Published event = new Published(
                    ++lastNumber,
                    effective,
                    draft.ttlSeconds == 0 ? Long.MAX_VALUE : draft.timestampUs + draft.ttlSeconds * 1_000_000,
                    draft.isOwnDeviceExcluded ? user : null,
                    draft.attributes,
                    draft.conflationKey);
            unanswered.put(++lastRequestId, new Asked(handle, event));
            writeEntry(body, draft, lastNumber);
        }
        ByteBuf frame = Unpooled.buffer();
        FrameHeader.write(frame, FrameType.PUBLISH, flags, handle, firstRequestId, body.readableBytes());
        frame.writeBytes(body);
        client.receive(frame);
    }

    private static void writeEntry(ByteBuf out, Draft draft, long number) {
        ByteBuf fields = Unpooled.buffer();
        if (!draft.attributes.isEmpty()) {
            EventFields.writeAttributes(fields, draft.attributes);
        }
        out.writeIntLE(Entry.FIXED_BYTES + fields.readableBytes() + draft.payloadBytes);
        Entry.writeFixed(out, draft.timestampUs, draft.ttlSeconds, 0, fields.readableBytes());
        out.writeBytes(fields).writeLongLE(number).writeZero(draft.payloadBytes - Long.BYTES);
    }

    @Override
    public void write(ByteBuf frames) {
        try {
            for (int at = frames.readerIndex(); at < frames.writerIndex(); at += FrameHeader.frameBytes(frames, at)) {
                int type = FrameHeader.type(frames, at);
                if (type == FrameType.PUBLISHED.code()) {
                    outcomes.wrap(frames, at);
                    takeOutcomes();
                } else if (type == FrameType.ERROR.code()) {
                    throw new AssertionError("the broker refused a request of a publisher");
                }
            }
        } catch (ProtocolException bad) {
            throw new AssertionError("outcomes that do not add up", bad);
        } finally {
            frames.release();
        }
    }

    private void takeOutcomes() {
        for (int i = 0; i < outcomes.rangeCount(); i++) {
            for (int k = 0; k < outcomes.rangeLength(i); k++) {
                Asked asked = answered(outcomes.rangeFirstRequestId(i) + k);
                truth.accepted(asked.handle, outcomes.rangeFirstOffset(i) + k, asked.event);
            }
        }
        for (int i = 0; i < outcomes.exceptionCount(); i++) {
            if (outcomes.exceptionKind(i) == PublishedFrame.KIND_REFUSED) {
                answered(outcomes.exceptionRequestId(i));
                refusedCount++;
            }
        }
    }

    private Asked answered(int requestId) {
        Asked asked = unanswered.remove(requestId);
        if (asked == null) {
            throw new AssertionError("an outcome for nothing that was asked: requestId=" + requestId);
        }
        return asked;
    }

    @Override
    public boolean isWritable() {
        return true;
    }

    @Override
    public void flush() {}

    @Override
    public void close(ByteBuf last) {
        write(last);
    }

    @Override
    public void readEnabled(boolean enabled) {}
}
