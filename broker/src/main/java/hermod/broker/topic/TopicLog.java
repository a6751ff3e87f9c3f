package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import org.agrona.collections.Long2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What the home shard keeps of a topic: the next offset, the chunk that is being written, who is interested, and which sequences were seen.
 *
 * <p>An event is written once, as the EVENT frame every subscriber is sent; what was appended since the last hand-over is the current {@link Run}. In this version a topic keeps the chunk it writes and no
 * older one: what a subscriber's outbox does not hold is gone.
 */
@RunsOn(Owner.SHARD)
public final class TopicLog {
    private static final int SOURCE_TAG_BYTES = EventFields.HEAD_BYTES;
    private static final int EXCLUDED_FIELD_BYTES = EventFields.HEAD_BYTES + Long.BYTES;

    /** The events appended and not handed on: one contiguous piece of the current chunk. */
    public static final class Run {
        int from;
        int count;
        long firstOffset;
        long expiresAtUs;
        boolean hasExclusions;
        long arrivedNs;

        public int from() {
            return from;
        }

        /** Events in it. */
        public int count() {
            return count;
        }

        public long firstOffset() {
            return firstOffset;
        }

        /** When the first of them expires, in microseconds since 1970; {@code Long.MAX_VALUE} for never. */
        public long expiresAtUs() {
            return expiresAtUs;
        }

        /** Whether any of them leaves a device out. */
        public boolean hasExclusions() {
            return hasExclusions;
        }

        /** When the first of them came from its socket, on the monotonic clock. */
        public long arrivedNs() {
            return arrivedNs;
        }

        private void clear(int at, long offset) {
            from = at;
            count = 0;
            firstOffset = offset;
            expiresAtUs = Long.MAX_VALUE;
            hasExclusions = false;
        }
    }

    private final Topic topic;
    private final ChunkPool chunks;
    private final Long2ObjectHashMap<SequenceWindow> producers = new Long2ObjectHashMap<>();
    private final int[] subscriberCounts;
    private final Run run = new Run();
    private @Nullable Chunk chunk;
    private long nextOffset = 1;
    private int holderCount;
    private long idleSinceNs;
    private boolean isQueuedForHandOver;

    TopicLog(Topic topic, ChunkPool chunks, int shardCount, long nowNs) {
        this.topic = topic;
        this.chunks = chunks;
        this.subscriberCounts = new int[shardCount];
        this.idleSinceNs = nowNs;
        run.clear(0, nextOffset);
    }

    public Topic topic() {
        return topic;
    }

    /** The offset the next event will get, from 1. */
    public long nextOffset() {
        return nextOffset;
    }

    /**
     * Writes an event as the topic's next EVENT frame.
     *
     * @param event borrowed.
     * @param sink is handed the current run first where the event needs a new chunk.
     * @return the event's offset.
     */
    public long append(IncomingEvent event, long arrivedNs, RunSink sink) {
        ByteBuf in = event.in;
        int fieldsAt = event.entryAt + Entry.FIELDS_AT;
        int fieldsBytes = Entry.fieldsBytes(in, event.entryAt);
        int addedBytes = SOURCE_TAG_BYTES + event.source.length + (event.excludesDevice ? EXCLUDED_FIELD_BYTES : 0);
        int frameBytes = EventFrame.FIXED_BYTES + event.entryBytes - Entry.FIXED_BYTES + addedBytes;
        Chunk into = chunkFor(frameBytes, sink);
        int at = into.tail();
        ByteBuf out = into.memory;
        out.setIntLE(at, frameBytes - FrameHeader.LENGTH_FIELD_BYTES);
        out.setByte(at + FrameHeader.TYPE_AT, FrameType.EVENT.code());
        out.setByte(
                at + FrameHeader.FLAGS_AT,
                event.priority.code() | (event.excludesDevice ? FrameHeader.FLAG_EXCLUDE_DEVICE : 0));
        out.setShortLE(at + FrameHeader.EXTENSION_LENGTH_AT, 0);
        out.setIntLE(at + FrameHeader.HANDLE_AT, topic.handle());
        out.setIntLE(at + FrameHeader.REQUEST_ID_AT, 0);
        out.setLongLE(at + EventFrame.OFFSET_AT, nextOffset);
        int entryAt = at + EventFrame.ENTRY_AT;
        out.setLongLE(entryAt + Entry.TIMESTAMP_AT, event.timestampUs);
        out.setIntLE(entryAt + Entry.TTL_AT, (int) event.ttlSeconds);
        out.setShortLE(entryAt + Entry.TYPE_AT, Entry.type(in, event.entryAt));
        out.setShortLE(entryAt + Entry.FIELDS_LENGTH_AT, fieldsBytes + addedBytes);
        int next = entryAt + Entry.FIELDS_AT;
        // Tags rise: the event id (1) stands before the source (2), the excluded device (7) before what is passed
        // through (128 and above).
        int beforeSource = fieldsBytes > 0 && in.getByte(fieldsAt) == EventFields.TAG_EVENT_ID
                ? EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES
                : 0;
        out.setBytes(next, in, fieldsAt, beforeSource);
        next = setField(out, next + beforeSource, EventFields.TAG_SOURCE, event.source);
        int copied = beforeSource;
        if (event.excludesDevice) {
            int beforeDevice = passedThroughAt(in, fieldsAt, fieldsBytes) - fieldsAt - copied;
            out.setBytes(next, in, fieldsAt + copied, beforeDevice);
            next = setDevice(out, next + beforeDevice, event.device);
            copied += beforeDevice;
        }
        out.setBytes(next, in, fieldsAt + copied, event.entryBytes - Entry.FIXED_BYTES - copied);
        into.advance(frameBytes);
        return noteInRun(event, arrivedNs);
    }

    private static int setField(ByteBuf out, int at, int tag, byte[] value) {
        out.setByte(at, tag);
        out.setShortLE(at + 1, value.length);
        out.setBytes(at + EventFields.HEAD_BYTES, value);
        return at + EventFields.HEAD_BYTES + value.length;
    }

    private static int setDevice(ByteBuf out, int at, long device) {
        out.setByte(at, EventFields.TAG_EXCLUDED_DEVICE);
        out.setShortLE(at + 1, Long.BYTES);
        out.setLongLE(at + EventFields.HEAD_BYTES, device);
        return at + EXCLUDED_FIELD_BYTES;
    }

    private static int passedThroughAt(ByteBuf in, int fieldsAt, int fieldsBytes) {
        int next = fieldsAt;
        int end = fieldsAt + fieldsBytes;
        while (next < end && in.getUnsignedByte(next) < EventFields.TAG_FIRST_PASSED_THROUGH) {
            next += EventFields.HEAD_BYTES + in.getUnsignedShortLE(next + 1);
        }
        return next;
    }

    private long noteInRun(IncomingEvent event, long arrivedNs) {
        if (run.count++ == 0) {
            run.arrivedNs = arrivedNs;
        }
        if (event.ttlSeconds != 0) {
            run.expiresAtUs = Math.min(run.expiresAtUs, event.timestampUs + event.ttlSeconds * 1_000_000L);
        }
        run.hasExclusions |= event.excludesDevice;
        return nextOffset++;
    }

    private Chunk chunkFor(int frameBytes, RunSink sink) {
        Chunk current = chunk;
        if (current != null && current.freeBytes() >= frameBytes) {
            return current;
        }
        int lastBytes = 0;
        if (current != null) {
            handOver(sink);
            lastBytes = current.memory.capacity();
            // Not ours from here on, even if there is no memory for the next one.
            chunk = null;
            chunks.retire(current);
        }
        current = chunks.take(frameBytes, lastBytes);
        chunk = current;
        run.clear(0, nextOffset);
        return current;
    }

    /** Hands the current run on, if there is one, and starts the next behind it. */
    public void handOver(RunSink sink) {
        Chunk current = chunk;
        if (current != null && run.count > 0) {
            sink.onRun(this, current, run);
            run.clear(current.tail(), nextOffset);
        }
    }

    /** Index behind the last byte of the current run. */
    public int runEnd() {
        return chunk == null ? 0 : chunk.tail();
    }

    /** Marks the log as waiting for a hand-over; false if it was already. */
    public boolean queueForHandOver() {
        if (isQueuedForHandOver) {
            return false;
        }
        isQueuedForHandOver = true;
        return true;
    }

    public void unqueueForHandOver() {
        isQueuedForHandOver = false;
    }

    /** Subscribers on a shard. */
    public int subscriberCount(int shard) {
        return subscriberCounts[shard];
    }

    /** Subscribers on all shards. */
    public int subscriberCount() {
        int sum = 0;
        for (int count : subscriberCounts) {
            sum += count;
        }
        return sum;
    }

    /** One more connection of the shard holds the topic, as a subscriber or to publish. */
    public void hold(int shard, boolean asSubscriber) {
        holderCount++;
        if (asSubscriber) {
            subscriberCounts[shard]++;
        }
    }

    /** The reverse of {@link #hold}. */
    public void letGo(int shard, boolean asSubscriber, long nowNs) {
        holderCount--;
        if (asSubscriber) {
            subscriberCounts[shard]--;
        }
        assert holderCount >= 0 && subscriberCounts[shard] >= 0 : "let go more often than held: topic=" + topic.name();
        idleSinceNs = nowNs;
    }

    /** Whether nobody holds the topic. */
    public boolean isIdle() {
        return holderCount == 0;
    }

    long idleSinceNs() {
        return idleSinceNs;
    }

    Long2ObjectHashMap<SequenceWindow> producers() {
        return producers;
    }

    void close() {
        if (chunk != null) {
            chunks.retire(chunk);
            chunk = null;
        }
    }
}
