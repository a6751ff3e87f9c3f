package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import org.agrona.collections.Long2ObjectHashMap;
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What the home shard keeps of a topic: the next offset, the chunk that is being written, who is interested, and which sequences were seen.
 *
 * <p>An event is written once, as the EVENT frame every subscriber is sent; what was appended since the last hand-over is the current {@link Run}. Full chunks stay in the topic's replay window, for subscribers that fell behind or come
 * back, as long as its bytes, its age and the shard's {@link ReplayBudget} allow; at least the events that the channel declares.
 */
@RunsOn(Owner.SHARD)
public final class TopicLog {
    private static final int SOURCE_TAG_BYTES = EventFields.HEAD_BYTES;
    private static final int EVENT_ID_FIELD_BYTES = EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES;
    private static final int EXCLUDED_FIELD_BYTES = EventFields.HEAD_BYTES + Long.BYTES;

    /** A chunk that was full sooner is followed by one twice as large, one that lasted longer by one half as large. */
    private static final long CHUNK_SHORT_NS = TimeUnit.MILLISECONDS.toNanos(100);

    /** Chunks taken from windows for one new chunk, at most. */
    private static final int TAKE_ATTEMPTS = 16;

    /** What one conflated reading looks at: keeps the shard busy for some 0.2 ms. */
    private static final int CONFLATED_BYTES = 512 * 1024;

    private static final long CHUNK_LONG_NS = TimeUnit.SECONDS.toNanos(1);

    /** The events appended and not handed on: one contiguous piece of the current chunk. */
    public static final class Run {
        int from;
        int count;
        long firstOffset;
        long expiresAtUs;
        boolean hasExclusions;
        Priority priority = Priority.LOW;
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

        /** The highest among them. An event below it starts the next run, so that only what stands before a raised event is lifted with it. */
        public Priority priority() {
            return priority;
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
            priority = Priority.LOW;
        }
    }

    private final Topic topic;

    // Of the topic, here because each event needs them and ten thousand topics do not fit in the processor's cache.
    private final int handle;
    private final int channel;
    private final Priority lane;

    private final ChunkPool chunks;
    private final ReplayBudget replay;
    private final long keepsNs;
    private final ReplayWindow window = new ReplayWindow();
    private final Long2ObjectHashMap<SequenceWindow> producers = new Long2ObjectHashMap<>();

    /** The window found last: a topic's next event is mostly its last publisher's. {@link Deduplication}'s. */
    @Nullable
    SequenceWindow lastWindow;

    private final @Nullable BatchedTopic batched;
    private final @Nullable DurableTopic durable;
    private final int[] subscriberCounts;
    private final Run run = new Run();

    /** What {@link #read} has found. */
    private final Run piece = new Run();

    private @Nullable Chunk chunk;
    private long takenNs;
    private long nextOffset = 1;
    private int holderCount;
    private long idleSinceNs;
    private boolean isQueuedForHandOver;
    private int conflatedCount;
    private int lastFrameAt;

    /** Shards that missed a run and have not been sent one since. */
    private final boolean[] lagging;

    TopicLog(Topic topic, ChunkPool chunks, ReplayBudget replay, int shardCount, long nowNs) {
        this(topic, chunks, replay, shardCount, nowNs, null, 1);
    }

    /** @param durable null where its events are in memory only. */
    TopicLog(
            Topic topic,
            ChunkPool chunks,
            ReplayBudget replay,
            int shardCount,
            long nowNs,
            @Nullable DurableTopic durable,
            long nextOffset) {
        this.topic = topic;
        this.durable = durable;
        this.nextOffset = nextOffset;
        this.handle = topic.handle();
        this.channel = topic.channel().index();
        this.lane = topic.channel().policy().lane();
        this.chunks = chunks;
        this.batched = topic.channel().policy().batching() == Batching.ADAPTIVE ? new BatchedTopic(this) : null;
        this.replay = replay;
        this.keepsNs = topic.channel().policy().keepsNs(replay.windowNs());
        this.subscriberCounts = new int[shardCount];
        this.lagging = new boolean[shardCount];
        this.idleSinceNs = nowNs;
        run.clear(0, nextOffset);
    }

    public Topic topic() {
        return topic;
    }

    /** The topic's handle. */
    public int handle() {
        return handle;
    }

    /** What batching keeps of the topic; null where its channel does not batch adaptively. */
    @Nullable
    BatchedTopic batched() {
        return batched;
    }

    /** What is kept of it beside this where its events are stored; null where they are in memory only. */
    public @Nullable DurableTopic durable() {
        return durable;
    }

    /** Number of the topic's channel, for metrics. */
    public int channel() {
        return channel;
    }

    /** Lane of the topic's channel. */
    public Priority lane() {
        return lane;
    }

    /** The offset the next event will get, from 1. */
    public long nextOffset() {
        return nextOffset;
    }

    /** Behind the last event that subscribers may see: those behind it wait to be stored. */
    public long visibleEnd() {
        DurableTopic stored = durable;
        return stored == null || stored.isEarly() ? nextOffset : stored.visibleEnd();
    }

    /**
     * Writes an event as the topic's next EVENT frame.
     *
     * @param event borrowed.
     * @param sink is handed the current run first where the event needs a new chunk.
     * @return the event's offset.
     */
    public long append(IncomingEvent event, long arrivedNs, RunSink sink) {
        if (event.priority != run.priority) {
            changePriority(event.priority, sink);
        }
        int addedBytes = addedBytes(event);
        int frameBytes = frameBytes(event);
        Chunk into = chunkFor(frameBytes, arrivedNs, sink);
        int at = into.tail();
        writeFrame(into.buffer, at, event, nextOffset, frameBytes, addedBytes);
        lastFrameAt = at;
        into.advance(frameBytes);
        return noteInRun(event, arrivedNs);
    }

    /** Bytes of an event's EVENT frame. */
    public static int frameBytes(IncomingEvent event) {
        return EventFrame.FIXED_BYTES + event.entryBytes - Entry.FIXED_BYTES + addedBytes(event);
    }

    private static int addedBytes(IncomingEvent event) {
        return SOURCE_TAG_BYTES + event.source.length + (event.excludesDevice ? EXCLUDED_FIELD_BYTES : 0);
    }

    /**
     * Writes the EVENT frame of an event that got its offset before, and changes nothing in the topic.
     *
     * @param into has room for {@link #frameBytes}.
     */
    public void rewriteFrame(IncomingEvent event, long offset, UnsafeBuffer into, int at) {
        writeFrame(into, at, event, offset, frameBytes(event), addedBytes(event));
    }

    /** Copies the frame appended last. @param into has room for it. */
    public void copyLastFrame(byte[] into, int at, int frameBytes) {
        Chunk current = chunk;
        if (current == null) {
            throw new IllegalStateException("no frame was appended: topic=" + topic.name());
        }
        current.buffer.getBytes(lastFrameAt, into, at, frameBytes);
    }

    private void writeFrame(
            UnsafeBuffer out, int at, IncomingEvent event, long offset, int frameBytes, int addedBytes) {
        UnsafeBuffer in = event.in;
        int fieldsAt = event.entryAt + Entry.FIELDS_AT;
        int fieldsBytes = event.fieldsBytes;
        // The fixed part word by word, as FrameHeader and Entry draw it: no extensions, no request id.
        int flags = event.priority.code() | (event.excludesDevice ? FrameHeader.FLAG_EXCLUDE_DEVICE : 0);
        long lengthTypeFlags =
                (frameBytes - FrameHeader.LENGTH_FIELD_BYTES) | (long) (FrameType.EVENT.code() | flags << 8) << 32;
        long ttlTypeFields = event.ttlSeconds | (long) event.type << 32 | (long) (fieldsBytes + addedBytes) << 48;
        out.putLong(at, lengthTypeFlags, ByteOrder.LITTLE_ENDIAN);
        out.putLong(at + FrameHeader.HANDLE_AT, handle & 0xffff_ffffL, ByteOrder.LITTLE_ENDIAN);
        out.putLong(at + EventFrame.OFFSET_AT, offset, ByteOrder.LITTLE_ENDIAN);
        int entryAt = at + EventFrame.ENTRY_AT;
        out.putLong(entryAt + Entry.TIMESTAMP_AT, event.timestampUs, ByteOrder.LITTLE_ENDIAN);
        out.putLong(entryAt + Entry.TTL_AT, ttlTypeFields, ByteOrder.LITTLE_ENDIAN);
        int next = entryAt + Entry.FIELDS_AT;
        // Tags rise: the event id (1) stands before the source (2), the excluded device (7) before what is passed
        // through (128 and above).
        int copied = 0;
        if (fieldsBytes > 0 && in.getByte(fieldsAt) == EventFields.TAG_EVENT_ID) {
            putEventId(out, next, in, fieldsAt);
            copied = EVENT_ID_FIELD_BYTES;
            next += copied;
        }
        next = putSource(out, next, event.source);
        if (event.excludesDevice) {
            int beforeDevice = passedThroughAt(in, fieldsAt, fieldsBytes) - fieldsAt - copied;
            out.putBytes(next, in, fieldsAt + copied, beforeDevice);
            next = putDevice(out, next + beforeDevice, event.device);
            copied += beforeDevice;
        }
        out.putBytes(next, in, fieldsAt + copied, event.entryBytes - Entry.FIXED_BYTES - copied);
    }

    /** Nineteen bytes in three words that overlap: cheaper than a call to copy them. */
    private static void putEventId(UnsafeBuffer out, int at, UnsafeBuffer in, int from) {
        out.putLong(at, in.getLong(from));
        out.putLong(at + Long.BYTES, in.getLong(from + Long.BYTES));
        int last = EVENT_ID_FIELD_BYTES - Integer.BYTES;
        out.putInt(at + last, in.getInt(from + last));
    }

    private static int putSource(UnsafeBuffer out, int at, byte[] source) {
        out.putByte(at, (byte) EventFields.TAG_SOURCE);
        out.putShort(at + 1, (short) source.length, ByteOrder.LITTLE_ENDIAN);
        out.putBytes(at + EventFields.HEAD_BYTES, source);
        return at + EventFields.HEAD_BYTES + source.length;
    }

    private static int putDevice(UnsafeBuffer out, int at, long device) {
        out.putByte(at, (byte) EventFields.TAG_EXCLUDED_DEVICE);
        out.putShort(at + 1, (short) Long.BYTES, ByteOrder.LITTLE_ENDIAN);
        out.putLong(at + EventFields.HEAD_BYTES, device, ByteOrder.LITTLE_ENDIAN);
        return at + EXCLUDED_FIELD_BYTES;
    }

    private static int passedThroughAt(UnsafeBuffer in, int fieldsAt, int fieldsBytes) {
        int next = fieldsAt;
        int end = fieldsAt + fieldsBytes;
        while (next < end && (in.getByte(next) & 0xff) < EventFields.TAG_FIRST_PASSED_THROUGH) {
            next += EventFields.HEAD_BYTES + (in.getShort(next + 1, ByteOrder.LITTLE_ENDIAN) & 0xffff);
        }
        return next;
    }

    private long noteInRun(IncomingEvent event, long arrivedNs) {
        if (run.count++ == 0) {
            run.arrivedNs = arrivedNs;
            // A new chunk begins a new run.
            run.priority = event.priority;
        }
        if (event.ttlSeconds != 0) {
            run.expiresAtUs = Math.min(run.expiresAtUs, event.timestampUs + event.ttlSeconds * 1_000_000L);
        }
        run.hasExclusions |= event.excludesDevice;
        return nextOffset++;
    }

    private void changePriority(Priority next, RunSink sink) {
        if (run.count > 0 && next.compareTo(run.priority) < 0) {
            handOver(sink);
        }
        run.priority = next;
    }

    private Chunk chunkFor(int frameBytes, long nowNs, RunSink sink) {
        Chunk current = chunk;
        if (current != null && current.freeBytes() >= frameBytes) {
            return current;
        }
        int wantedBytes = 0;
        if (current != null) {
            handOver(sink);
            wantedBytes = nextChunkBytes(current.memory.capacity(), nowNs - takenNs);
            // Written no more from here on, even if there is no memory for the next one.
            chunk = null;
            keep(current, nowNs);
        }
        current = take(frameBytes, wantedBytes);
        current.firstOffset = nextOffset;
        chunk = current;
        takenNs = nowNs;
        run.clear(0, nextOffset);
        return current;
    }

    /** Where there is no memory left, windows give theirs: a new event matters more than old ones. */
    private Chunk take(int frameBytes, int wantedBytes) {
        for (int attempt = 0; ; attempt++) {
            try {
                return chunks.take(frameBytes, wantedBytes);
            } catch (OutOfMemoryError | IllegalStateException noMemory) {
                if (attempt == TAKE_ATTEMPTS || !replay.dropOne()) {
                    throw noMemory;
                }
            }
        }
    }

    /** A chunk is to last about as long as a few turns: a busy topic's are large, and ten thousand slow ones do not hold the memory of busy ones. */
    private static int nextChunkBytes(int bytes, long filledInNs) {
        if (filledInNs < CHUNK_SHORT_NS) {
            return bytes * 2;
        }
        return filledInNs > CHUNK_LONG_NS ? bytes / 2 : bytes;
    }

    /** Puts a full chunk into the window, and takes out what its bytes or its age rule out. */
    private void keep(Chunk full, long nowNs) {
        if (keepsNs == 0) {
            chunks.retire(full);
            return;
        }
        full.filledNs = nowNs;
        window.add(full);
        replay.add(this, full);
        while (!window.isEmpty()
                && (window.bytes() > replay.topicBytes()
                        || (nowNs - window.oldest().filledNs > keepsNs && isAboveMinimum()))) {
            dropOldest();
        }
    }

    /** Whether the window keeps what its channel declares without its oldest chunk. */
    boolean isAboveMinimum() {
        Chunk current = chunk;
        return window.eventCount() - window.oldest().count + (current == null ? 0 : current.count)
                >= topic.channel().policy().windowMinEvents();
    }

    void dropOldest() {
        Chunk oldest = window.removeOldest();
        replay.remove(this, oldest);
        chunks.retire(oldest);
    }

    /** Forgets what is in memory: some of it is not to be seen. What is stored can be read from the store; runs under way keep their memory themselves. The current run is to be handed over before. */
    public void forgetWindow() {
        while (!window.isEmpty()) {
            dropOldest();
        }
        Chunk current = chunk;
        if (current != null) {
            chunk = null;
            chunks.retire(current);
            run.clear(0, nextOffset);
        }
    }

    /** The topic's place in the shedding order. */
    int tier() {
        return topic.channel().policy().tier();
    }

    /** The first offset that can still be read, from memory or from the store; {@link #nextOffset} when nothing can. */
    public long firstReadable() {
        DurableTopic stored = durable;
        return stored == null ? firstAvailable() : Math.min(stored.firstKept(), firstAvailable());
    }

    /** The first offset that is in memory; {@link #nextOffset} when nothing is. */
    public long firstAvailable() {
        if (!window.isEmpty()) {
            return window.oldest().firstOffset;
        }
        Chunk current = chunk;
        return current == null ? nextOffset : current.firstOffset;
    }

    /** Memory of the full chunks that can be read again, in bytes. */
    public long windowBytes() {
        return window.bytes();
    }

    /**
     * Reads events again. The current run is to be handed over before.
     *
     * @param from an offset; what is kept behind it is read, without a hole.
     * @param bytesMax bytes of frames after which it ends; one event is read whatever its size.
     * @return the offset behind the last one read: {@link #visibleEnd} when all were.
     */
    public long read(long from, int bytesMax, PieceSink sink) {
        long visibleEnd = visibleEnd();
        if (from >= visibleEnd) {
            return from;
        }
        long next = Math.max(from, firstAvailable());
        int bytesLeft = bytesMax;
        while (bytesLeft > 0 && next < visibleEnd) {
            Chunk in = window.from(next);
            if (in == null) {
                in = chunk;
            }
            if (in == null) {
                return visibleEnd;
            }
            int at = indexOf(in, next);
            while (bytesLeft > 0 && at < in.tail() && next < visibleEnd) {
                int end = readPiece(in, at, bytesLeft, visibleEnd - next, null, sink);
                bytesLeft -= end - at;
                next += piece.count;
                at = end;
            }
        }
        return next;
    }

    /**
     * Reads again only what is not superfluous: of the events in the next {@value #CONFLATED_BYTES} bytes, of each key the newest. The current run is to be handed over before.
     *
     * @return as {@link #read}.
     */
    public long readConflated(long from, int bytesMax, Conflation conflation, PieceSink sink) {
        long next = Math.max(from, firstAvailable());
        conflation.begin(topic.channel().policy().conflateBy());
        long end = note(next, conflation);
        conflatedCount = 0;
        int bytesLeft = bytesMax;
        while (bytesLeft > 0 && next < end) {
            Chunk in = chunkOf(next);
            int at = indexOf(in, next);
            while (bytesLeft > 0 && next < end && at < in.tail()) {
                if (conflation.survives(in.memory, at)) {
                    int pieceEnd = readPiece(in, at, bytesLeft, end - next, conflation, sink);
                    bytesLeft -= pieceEnd - at;
                    next += piece.count;
                    at = pieceEnd;
                } else {
                    at += frameBytes(in.buffer, at);
                    next++;
                    conflatedCount++;
                }
            }
        }
        conflation.end();
        return next;
    }

    /** Events that the last {@link #readConflated} left out. */
    public int conflatedCount() {
        return conflatedCount;
    }

    /** @return the offset behind the last event noted. */
    private long note(long from, Conflation conflation) {
        long next = from;
        long visibleEnd = visibleEnd();
        int bytesLeft = CONFLATED_BYTES;
        while (bytesLeft > 0 && next < visibleEnd) {
            Chunk in = chunkOf(next);
            int at = indexOf(in, next);
            while (bytesLeft > 0 && at < in.tail() && next < visibleEnd) {
                conflation.note(in.memory, at);
                int bytes = frameBytes(in.buffer, at);
                bytesLeft -= bytes;
                at += bytes;
                next++;
            }
        }
        return next;
    }

    private Chunk chunkOf(long offset) {
        Chunk in = window.from(offset);
        if (in == null) {
            in = chunk;
        }
        if (in == null) {
            throw new IllegalStateException("no chunk holds an offset that is kept: offset=" + offset);
        }
        return in;
    }

    private static int indexOf(Chunk in, long offset) {
        int at = 0;
        for (long skip = offset - in.firstOffset; skip > 0; skip--) {
            at += frameBytes(in.buffer, at);
        }
        return at;
    }

    private static int frameBytes(UnsafeBuffer buffer, int at) {
        return FrameHeader.LENGTH_FIELD_BYTES + buffer.getInt(at, ByteOrder.LITTLE_ENDIAN);
    }

    /** As many frames as fit, up to one whose priority is lower than the piece's, as runs are cut too. @return index behind them. */
    private int readPiece(
            Chunk in, int from, int bytesMax, long countMax, @Nullable Conflation conflation, PieceSink sink) {
        UnsafeBuffer buffer = in.buffer;
        piece.clear(from, buffer.getLong(from + EventFrame.OFFSET_AT, ByteOrder.LITTLE_ENDIAN));
        int at = from;
        while (at < in.tail()) {
            int bytes = frameBytes(buffer, at);
            int flags = buffer.getByte(at + FrameHeader.FLAGS_AT);
            Priority priority = Priority.ofCode(flags & FrameHeader.FLAG_PRIORITY);
            if (at > from
                    && (at + bytes - from > bytesMax
                            || priority.compareTo(piece.priority) < 0
                            || piece.count == countMax
                            // What is read from the store has holes; a piece has none.
                            || buffer.getLong(at + EventFrame.OFFSET_AT, ByteOrder.LITTLE_ENDIAN)
                                    != piece.firstOffset + piece.count
                            || (conflation != null && !conflation.survives(in.memory, at)))) {
                break;
            }
            piece.priority = priority;
            piece.hasExclusions |= (flags & FrameHeader.FLAG_EXCLUDE_DEVICE) != 0;
            int entryAt = at + EventFrame.ENTRY_AT;
            long ttlSeconds = buffer.getInt(entryAt + Entry.TTL_AT, ByteOrder.LITTLE_ENDIAN) & 0xffff_ffffL;
            if (ttlSeconds != 0) {
                long timestampUs = buffer.getLong(entryAt + Entry.TIMESTAMP_AT, ByteOrder.LITTLE_ENDIAN);
                piece.expiresAtUs = Math.min(piece.expiresAtUs, timestampUs + ttlSeconds * 1_000_000L);
            }
            piece.count++;
            at += bytes;
        }
        sink.onPiece(
                in, from, at, piece.firstOffset, piece.count, piece.priority, piece.expiresAtUs, piece.hasExclusions);
        return at;
    }

    /**
     * Hands on events that were read from the store.
     *
     * @param frames EVENT frames one behind the other, offsets rising; their handle is set here.
     * @param count of them, above 0.
     * @return behind the last one's offset.
     */
    public long readStored(byte[] frames, int bytes, int count, PieceSink sink) {
        Chunk in = chunks.take(bytes, 0);
        try {
            in.buffer.putBytes(0, frames, 0, bytes);
            long last = 0;
            for (int at = 0; at < bytes; at += frameBytes(in.buffer, at)) {
                in.buffer.putInt(at + FrameHeader.HANDLE_AT, handle, ByteOrder.LITTLE_ENDIAN);
                last = in.buffer.getLong(at + EventFrame.OFFSET_AT, ByteOrder.LITTLE_ENDIAN);
            }
            in.fill(bytes, count);
            int at = 0;
            while (at < bytes) {
                at = readPiece(in, at, Integer.MAX_VALUE, Long.MAX_VALUE, null, sink);
            }
            return last + 1;
        } finally {
            chunks.retire(in);
        }
    }

    /** Notes that a shard missed a run; false if it had missed one before and was sent none since. */
    public boolean markLagging(int shard) {
        if (lagging[shard]) {
            return false;
        }
        lagging[shard] = true;
        return true;
    }

    /** Notes that a shard was sent a run: from its first offset it sees what it missed. */
    public void unmarkLagging(int shard) {
        lagging[shard] = false;
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

    /** Whether nobody holds the topic, and nothing of it waits to be stored. */
    public boolean isIdle() {
        return holderCount == 0 && (durable == null || !durable.isPending());
    }

    long idleSinceNs() {
        return idleSinceNs;
    }

    Long2ObjectHashMap<SequenceWindow> producers() {
        return producers;
    }

    void close() {
        while (!window.isEmpty()) {
            dropOldest();
        }
        if (chunk != null) {
            chunks.retire(chunk);
            chunk = null;
        }
    }
}
