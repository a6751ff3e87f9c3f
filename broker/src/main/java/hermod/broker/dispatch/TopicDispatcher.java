package hermod.broker.dispatch;

import hermod.broker.engine.Engine;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.BatchWindows;
import hermod.broker.topic.BufferView;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.broker.topic.Chunk;
import hermod.broker.topic.Conflation;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.DurableTopic;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.PieceSink;
import hermod.broker.topic.RunCompressor;
import hermod.broker.topic.RunSink;
import hermod.broker.topic.StateKeys;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Stage 4 of 7: on a topic's home shard, gives each event its offset, writes it once, and hands the topic's run to every shard that has a subscriber.
 *
 * <p>From {@link Publisher}, directly on the same shard or through {@code shard.PriorityRings}; on to {@link Fanout}, always through the rings. Also says who holds a topic.
 */
@RunsOn(Owner.SHARD)
final class TopicDispatcher implements RunSink, PieceSink, DurableDispatcher.Home, StoredTopics.Holds {
    /** Keys of one conflated reading; a few hundred KiB of memory, taken with the first. */
    private static final int CONFLATION_KEYS_MAX = 4_096;

    private final Shard shard;
    private final HomeTopics topics;
    private final Deduplication deduplication;
    private final Channels channels;
    private final BatchWindows windows;
    private final RunCompressor compressor;
    private final ShardMetrics metrics;
    private final Outgoing[] outgoing;
    private final DurableDispatcher durables;
    private final ArrayList<TopicLog> queued = new ArrayList<>();
    private final IncomingEvent event = new IncomingEvent();
    private final PublishedWriter remoteOutcomes = new PublishedWriter();
    private @Nullable Conflation conflation;
    private final ByteBuf scratch = Unpooled.buffer(4096);

    /** Beside {@link #scratch}, which a run still needs. */
    private final ByteBuf markRecord = Unpooled.buffer(RingRecords.LAGGED_BYTES);

    /** Of what {@link #remoteOutcomes} tells. */
    private int answeredEvents;

    private int answeredBytes;

    /** Laid over each batch of another shard. */
    private final UnsafeBuffer remoteEvents = new UnsafeBuffer(0, 0);

    /** Filled for each batch of another shard: the event's own array may be a local session's, lent by {@link Publisher}. */
    private byte[] remoteSource = new byte[0];

    /** For whom is being read: the READ's shard, party and number. */
    private int readerShard;

    private long reader;
    private int readNumber;
    private @Nullable TopicLog readLog;
    private boolean isReadingState;

    /** As many as there are subscriptions at most. */
    private final List<Runnable> failedReads = new ArrayList<>();

    TopicDispatcher(
            Shard shard,
            HomeTopics topics,
            Deduplication deduplication,
            Channels channels,
            BatchWindows windows,
            RunCompressor compressor,
            ShardMetrics metrics,
            Outgoing[] outgoing,
            Engine engine,
            int dedupIdsLimitCount,
            int stateKeysLimitCount,
            Dispatch dispatch) {
        this.shard = shard;
        this.topics = topics;
        this.deduplication = deduplication;
        this.channels = channels;
        this.windows = windows;
        this.compressor = compressor;
        this.metrics = metrics;
        this.outgoing = outgoing;
        this.durables = new DurableDispatcher(
                shard,
                engine,
                dispatch,
                topics,
                deduplication,
                metrics,
                outgoing,
                this,
                this,
                dedupIdsLimitCount,
                stateKeysLimitCount);
    }

    /** What durable topics have besides. */
    DurableDispatcher durables() {
        return durables;
    }

    /** The shard's one instance, to be filled by whoever calls {@link #accept} next. */
    IncomingEvent event() {
        return event;
    }

    @Nullable
    TopicLog log(int handle) {
        return topics.of(handle);
    }

    /**
     * Takes one event into its topic, unless its sequence was seen before.
     *
     * @param incoming borrowed.
     * @param sequence 0 for none.
     * @param isClamped whether its priority was lowered.
     */
    void accept(
            TopicLog log,
            IncomingEvent incoming,
            int requestId,
            long sequence,
            long producer,
            boolean isClamped,
            long arrivedNs,
            PublishedWriter outcomes) {
        int handle = log.handle();
        int channel = log.channel();
        if (sequence != 0) {
            long seen = deduplication.find(log, producer, sequence);
            if (seen > 0) {
                metrics.add(channel, ChannelCounter.DUPLICATES, 1);
                outcomes.duplicate(requestId, handle, seen);
                return;
            }
            if (seen < 0) {
                metrics.add(channel, ChannelCounter.REFUSED, 1);
                outcomes.refused(requestId, handle, ErrorCode.SEQUENCE_TOO_OLD, 0);
                return;
            }
        }
        long offset = log.append(incoming, arrivedNs, this);
        if (sequence != 0) {
            deduplication.put(log, producer, sequence, offset, arrivedNs);
        }
        outcomes.accepted(requestId, handle, offset);
        if (isClamped) {
            metrics.add(channel, ChannelCounter.CLAMPED, 1);
            outcomes.clamped(requestId, handle, incoming.priority, offset);
        }
        if (!windows.waits(
                log, incoming.priority, incoming.entryBytes, shard.clock().nowNs())) {
            queue(log);
        }
    }

    @Override
    public void queue(TopicLog log) {
        if (log.queueForHandOver()) {
            queued.add(log);
        }
    }

    /** Queues the topics whose batching windows have ended, and asks for a turn if there are any. */
    void onTime(long nowNs) {
        windows.expire(nowNs, this::queue);
        if (hasQueued()) {
            shard.requestTurn();
        }
    }

    /** Queues all topics that wait. */
    void endBatches() {
        windows.endAll(shard.clock().nowNs(), this::queue);
    }

    /** A batch of events from another shard's publisher. */
    void onEvents(ByteBuf in, int at, int bytes) {
        long party = in.getLongLE(at);
        long producer = in.getLongLE(at + 8);
        long arrivedNs = in.getLongLE(at + 24);
        int handle = in.getIntLE(at + 32);
        int publisherShard = in.getUnsignedShortLE(at + 36);
        int sourceBytes = in.getUnsignedShortLE(at + 38);
        long author = in.getLongLE(at + 40);
        int next = at + RingRecords.EVENTS_FIXED_BYTES;
        TopicLog log = topics.of(handle);
        BufferView.lay(remoteEvents, in, 0, at + bytes);
        event.in = remoteEvents;
        event.device = in.getLongLE(at + 16);
        if (remoteSource.length != sourceBytes) {
            remoteSource = new byte[sourceBytes];
        }
        in.getBytes(next, remoteSource);
        event.source = remoteSource;
        next += sourceBytes;
        try {
            acceptAll(log, in, next, at + bytes, handle, producer, author, arrivedNs, publisherShard, party);
        } finally {
            // Also after a defect: outcomes left here would go to the next batch's publisher.
            sendOutcomes(publisherShard, party);
        }
    }

    private void acceptAll(
            @Nullable TopicLog log,
            ByteBuf in,
            int at,
            int end,
            int handle,
            long producer,
            long author,
            long arrivedNs,
            int publisherShard,
            long party) {
        DurableTopic durable = log == null ? null : log.durable();
        int next = at;
        while (next < end) {
            boolean isAnsweredLater = false;
            int requestId = in.getIntLE(next);
            int entryBytes = in.getIntLE(next + 4);
            if (log == null) {
                // Its publisher's shard knew the topic, so it is held and can't be gone; unless its let-go overtook in
                // another lane.
                remoteOutcomes.refused(requestId, handle, ErrorCode.UNKNOWN_HANDLE, 0);
            } else {
                int bits = in.getByte(next + 29);
                event.timestampUs = in.getLongLE(next + 16);
                event.ttlSeconds = in.getUnsignedIntLE(next + 24);
                event.priority = Priority.ofCode(in.getByte(next + 28));
                event.excludesDevice = (bits & RingRecords.BIT_EXCLUDES_DEVICE) != 0;
                int entryAt = next + RingRecords.EVENT_FIXED_BYTES;
                event.entryAt = entryAt;
                event.entryBytes = entryBytes;
                event.type = Entry.type(in, entryAt);
                event.fieldsBytes = Entry.fieldsBytes(in, entryAt);
                long sequence = in.getLongLE(next + 8);
                boolean isClamped = (bits & RingRecords.BIT_CLAMPED) != 0;
                if (durable == null) {
                    accept(log, event, requestId, sequence, producer, isClamped, arrivedNs, remoteOutcomes);
                } else {
                    isAnsweredLater = durables.accept(
                            log,
                            durable,
                            event,
                            requestId,
                            sequence,
                            producer,
                            author,
                            isClamped,
                            arrivedNs,
                            publisherShard,
                            party,
                            remoteOutcomes);
                }
            }
            if (!isAnsweredLater) {
                answeredEvents++;
                answeredBytes += entryBytes;
            }
            if (remoteOutcomes.isFull()) {
                sendOutcomes(publisherShard, party);
            }
            next += RingRecords.EVENT_FIXED_BYTES + entryBytes;
        }
    }

    private void sendOutcomes(int toShard, long party) {
        if (remoteOutcomes.isEmpty() && answeredEvents == 0) {
            return;
        }
        scratch.clear().writeLongLE(party).writeIntLE(answeredEvents).writeIntLE(answeredBytes);
        answeredEvents = 0;
        answeredBytes = 0;
        remoteOutcomes.writeTo(scratch);
        if (!outgoing[toShard].sendUnhurried(Priority.HIGH, RingRecords.OUTCOMES, scratch)) {
            // The publisher gets no answer, sends again after a time-out, and is told DUPLICATE then.
            metrics.add(Counter.OUTCOMES_LOST, 1);
        }
    }

    /** Somebody on a shard wants to hold a topic. */
    void onHold(ByteBuf in, int at) {
        long party = in.getLongLE(at);
        int correlation = in.getIntLE(at + 8);
        int fromShard = in.getUnsignedShortLE(at + 12);
        boolean asSubscriber = in.getByte(at + 14) != 0;
        int orgBytes = in.getUnsignedShortLE(at + 16);
        int nameBytes = in.getUnsignedShortLE(at + 18);
        int textAt = at + RingRecords.HOLD_FIXED_BYTES;
        String org = in.toString(textAt, orgBytes, StandardCharsets.UTF_8);
        TopicName name = TopicName.of(in.toString(textAt + orgBytes, nameBytes, StandardCharsets.UTF_8));
        Channel channel = channels.of(name.channel());
        if (channel == null) {
            throw new IllegalStateException("hold of a topic without a channel: " + name);
        }
        if (channel.policy().durability().isOnDisk()) {
            durables.topics()
                    .hold(new StoredTopics.Hold(
                            party,
                            correlation,
                            fromShard,
                            asSubscriber,
                            (in.getByte(at + 15) & RingRecords.BIT_MAY_PUBLISH) != 0,
                            (in.getByte(at + 15) & RingRecords.BIT_WANTS_STATE) != 0,
                            in.getLongLE(at + 20),
                            in.getLongLE(at + 28),
                            org,
                            name,
                            channel));
            return;
        }
        TopicLog log = topics.open(org, name, channel, shard.clock().nowNs());
        if (log == null) {
            refuseHold(party, correlation, fromShard, asSubscriber, channel, ErrorCode.TOO_MANY_TOPICS);
        } else {
            hold(log, party, correlation, fromShard, asSubscriber, false);
        }
    }

    @Override
    public void onReady(StoredTopics.Hold hold, TopicLog log) {
        durables.onHeld(log);
        hold(log, hold.party(), hold.correlation(), hold.fromShard(), hold.asSubscriber(), hold.wantsState());
    }

    @Override
    public void onRefused(StoredTopics.Hold hold, ErrorCode code) {
        refuseHold(hold.party(), hold.correlation(), hold.fromShard(), hold.asSubscriber(), hold.channel(), code);
    }

    private void refuseHold(
            long party, int correlation, int fromShard, boolean asSubscriber, Channel channel, ErrorCode code) {
        RingRecords.writeHeld(scratch, party, correlation, 0, 0, code.code(), asSubscriber, 0, RingRecords.NO_STATE);
        outgoing[fromShard].sendSurely(channel.policy().lane(), RingRecords.HELD, scratch);
    }

    private void hold(
            TopicLog log, long party, int correlation, int fromShard, boolean asSubscriber, boolean wantsState) {
        // What was published before belongs to those who held the topic before: the answer's offset must fall on a
        // run's border.
        log.handOver(this);
        DurableTopic durable = log.durable();
        StateKeys keys = durable == null || !wantsState ? null : durable.keys();
        int stateCount = keys == null
                ? RingRecords.NO_STATE
                : keys.snapshot(
                        log.visibleEnd(), shard.clock().nowUs(), shard.clock().nowNs());
        RingRecords.writeHeld(
                scratch,
                party,
                correlation,
                log.handle(),
                log.visibleEnd(),
                0,
                asSubscriber,
                log.firstReadable(),
                stateCount);
        log.hold(fromShard, asSubscriber);
        // An earlier mark is not for this subscriber.
        log.unmarkLagging(fromShard);
        outgoing[fromShard].sendSurely(log.lane(), RingRecords.HELD, scratch);
    }

    /** Somebody on a shard lets a topic go. */
    void onLetGo(ByteBuf in, int at) {
        TopicLog log = topics.of(in.getIntLE(at));
        if (log == null) {
            return;
        }
        log.letGo(
                in.getUnsignedShortLE(at + 4),
                in.getByte(at + 6) != 0,
                shard.clock().nowNs());
        if (log.isIdle()) {
            topics.onIdle(log);
        }
    }

    /** Hands on the runs of all topics that got events. */
    void handOver() {
        for (int i = 0; i < queued.size(); i++) {
            TopicLog log = queued.get(i);
            log.unqueueForHandOver();
            log.handOver(this);
        }
        queued.clear();
    }

    boolean hasQueued() {
        return !queued.isEmpty();
    }

    /** A subscriber on a shard has fallen behind and reads on from the window. */
    void onRead(ByteBuf in, int at) {
        reader = in.getLongLE(at);
        int handle = in.getIntLE(at + 8);
        readerShard = in.getUnsignedShortLE(at + 12);
        long from = in.getLongLE(at + 16);
        int bytesMax = in.getIntLE(at + 24);
        readNumber = in.getIntLE(at + 28);
        boolean mayBeConflated = in.getShortLE(at + 14) != 0;
        TopicLog log = topics.of(handle);
        if (log == null) {
            // Let go meanwhile, and forgotten: nobody waits for the answer.
            return;
        }
        boolean isConflated = mayBeConflated && log.topic().channel().policy().conflates();
        // Behind the answer only what was not read may follow.
        log.handOver(this);
        // The shard has heard of the mark; what it misses from now on needs another.
        log.unmarkLagging(readerShard);
        DurableTopic durable = log.durable();
        long stateEnd = in.getLongLE(at + 32);
        if (durable != null && from < stateEnd) {
            readState(log, durable, from, stateEnd, bytesMax);
            return;
        }
        if (durable != null && from < Math.min(log.firstAvailable(), log.visibleEnd())) {
            durables.read(
                    durable,
                    from,
                    log.visibleEnd(),
                    bytesMax,
                    new StoredReading(this, readerShard, reader, handle, readNumber, from, log.visibleEnd()));
            return;
        }
        metrics.add(Counter.WINDOW_READS, 1);
        beginRead(log, durable == null ? log.firstAvailable() : from, false);
        endRead(log, isConflated ? readConflated(log, from, bytesMax) : log.read(from, bytesMax, this));
    }

    /** Reads of the snapshot that ends before an offset. */
    private void readState(TopicLog log, DurableTopic durable, long from, long stateEnd, int bytesMax) {
        StateKeys keys = durable.keys();
        StateKeys.Part part = keys == null
                ? new StateKeys.Part(new long[0], true)
                : keys.part(stateEnd, from, bytesMax, shard.clock().nowUs());
        long[] offsets = part.offsets();
        long next = part.isEnd() ? stateEnd : offsets[offsets.length - 1] + 1;
        durables.readEach(
                durable,
                offsets,
                new StateReading(this, readerShard, reader, log.handle(), readNumber, from, stateEnd, next, bytesMax));
    }

    /** Asks the store once more for a piece of a snapshot. */
    void readStateAgain(StateReading question) {
        TopicLog log = topics.of(question.handle());
        DurableTopic durable = log == null ? null : log.durable();
        if (log != null && durable != null) {
            readerShard = question.readerShard();
            reader = question.reader();
            readNumber = question.readNumber();
            readState(log, durable, question.from(), question.end(), question.bytesMax());
        }
    }

    /**
     * The store has answered a reader of a snapshot.
     *
     * @param firstAvailable what lies before it can't be read.
     * @param frames whole EVENT frames in the first {@code bytes}.
     * @param next where to read on.
     */
    void onStateRead(StateReading question, long firstAvailable, byte[] frames, int bytes, int count, long next) {
        TopicLog log = topics.of(question.handle());
        if (log == null) {
            return;
        }
        readerShard = question.readerShard();
        reader = question.reader();
        readNumber = question.readNumber();
        // Behind the answer only what was not read may follow.
        log.handOver(this);
        beginRead(log, firstAvailable, true);
        if (count > 0) {
            // A device is left out of a change that it has made itself, but not of the state it does not know yet.
            isReadingState = true;
            log.readStored(frames, bytes, count, this);
            isReadingState = false;
        }
        endRead(log, next);
    }

    private void beginRead(TopicLog log, long firstAvailable, boolean isStore) {
        readLog = log;
        RingRecords.writeReadEdge(scratch, reader, log.handle(), readNumber, firstAvailable, isStore);
        outgoing[readerShard].sendSurely(log.lane(), RingRecords.READ_BEGIN, scratch);
    }

    private void endRead(TopicLog log, long next) {
        RingRecords.writeReadEdge(scratch, reader, log.handle(), readNumber, next, next == log.visibleEnd());
        outgoing[readerShard].sendSurely(log.lane(), RingRecords.READ_END, scratch);
        readLog = null;
    }

    /**
     * The store has answered a reader.
     *
     * @param frames whole EVENT frames; empty where there is nothing in what was asked for.
     * @param firstKept the first offset the store keeps.
     * @param next where to read on.
     */
    void onStoreRead(StoredReading question, byte[] frames, int count, long firstKept, long next) {
        TopicLog log = topics.of(question.handle());
        DurableTopic durable = log == null ? null : log.durable();
        if (log == null || durable == null) {
            return;
        }
        durable.firstKept(firstKept);
        readerShard = question.readerShard();
        reader = question.reader();
        readNumber = question.readNumber();
        // Behind the answer only what was not read may follow.
        log.handOver(this);
        beginRead(log, Math.min(firstKept, log.firstAvailable()), true);
        if (count > 0) {
            log.readStored(frames, frames.length, count, this);
        }
        endRead(log, next);
    }

    /** The store could not be read: what is missing is announced, up to what is in memory. */
    void onStoreDamaged(StoredReading question) {
        TopicLog log = topics.of(question.handle());
        if (log != null) {
            long next = Math.min(log.firstAvailable(), log.visibleEnd());
            readerShard = question.readerShard();
            reader = question.reader();
            readNumber = question.readNumber();
            log.handOver(this);
            beginRead(log, next, true);
            endRead(log, next);
        }
    }

    /** Asks the store once more. */
    void readAgain(StoredReading question) {
        TopicLog log = topics.of(question.handle());
        DurableTopic durable = log == null ? null : log.durable();
        if (durable != null) {
            durables.read(durable, question.from(), question.end(), StoredReading.AGAIN_BYTES, question);
        }
    }

    /** Has a reading asked again with the next tick. */
    void retryLater(Runnable question) {
        failedReads.add(question);
    }

    /** Asks the store again for what it could not read before. */
    void onTick() {
        if (!failedReads.isEmpty()) {
            List<Runnable> again = List.copyOf(failedReads);
            failedReads.clear();
            again.forEach(Runnable::run);
        }
    }

    private long readConflated(TopicLog log, long from, int bytesMax) {
        Conflation pass = conflation;
        if (pass == null) {
            pass = new Conflation(CONFLATION_KEYS_MAX);
            conflation = pass;
        }
        long next = log.readConflated(from, bytesMax, pass, this);
        metrics.add(log.channel(), ChannelCounter.CONFLATED, log.conflatedCount());
        return next;
    }

    @Override
    public void onPiece(
            Chunk chunk,
            int from,
            int to,
            long firstOffset,
            int count,
            Priority priority,
            long expiresAtUs,
            boolean hasExclusions) {
        TopicLog log = readLog;
        if (log == null) {
            throw new IllegalStateException("a piece that nobody asked for");
        }
        writeRun(log, chunk, from, to, count, firstOffset, priority, expiresAtUs, hasExclusions && !isReadingState, 0);
        scratch.writeLongLE(reader).writeIntLE(readNumber).writeIntLE(0);
        // Never lost: there is one read at a time for a subscription, of bounded size.
        chunk.memory().retain();
        outgoing[readerShard].sendSurely(log.lane(), RingRecords.PIECE, scratch);
    }

    @Override
    public void handOver(TopicLog log) {
        log.handOver(this);
    }

    @Override
    public void onRun(TopicLog log, Chunk chunk, TopicLog.Run run) {
        DurableTopic durable = log.durable();
        if (durable == null || durables.submit(log, durable, chunk, run)) {
            fanOut(
                    log,
                    chunk,
                    run.from(),
                    log.runEnd(),
                    run.count(),
                    run.firstOffset(),
                    run.priority(),
                    run.expiresAtUs(),
                    run.hasExclusions(),
                    run.arrivedNs());
        }
    }

    @Override
    public void fanOut(
            TopicLog log,
            Chunk chunk,
            int from,
            int end,
            int count,
            long firstOffset,
            Priority priority,
            long expiresAtUs,
            boolean hasExclusions,
            long arrivedNs) {
        // Here and not with each event: a run is all that was accepted since the last.
        metrics.add(log.channel(), ChannelCounter.PUBLISHED, count);
        writeRun(log, chunk, from, end, count, firstOffset, priority, expiresAtUs, hasExclusions, arrivedNs);
        boolean isCompressed = writeCompressed(log, chunk, from, end, count, priority, hasExclusions, expiresAtUs);
        for (int to = 0; to < outgoing.length; to++) {
            if (log.subscriberCount(to) == 0) {
                continue;
            }
            // The references travel with the record; the receiving shard releases them.
            chunk.memory().retain();
            if (isCompressed) {
                compressor.chunk().memory().retain();
            }
            if (outgoing[to].sendRun(log.lane(), scratch)) {
                log.unmarkLagging(to);
            } else {
                chunk.memory().release();
                if (isCompressed) {
                    compressor.chunk().memory().release();
                }
                onOverrun(log, to, firstOffset + count - 1);
            }
        }
    }

    /** Makes the run's compressed form where it pays, and tells of it behind the run. */
    private boolean writeCompressed(
            TopicLog log,
            Chunk chunk,
            int from,
            int end,
            int count,
            Priority priority,
            boolean hasExclusions,
            long expiresAtUs) {
        if (!compressor.compress(log, chunk, from, end, count, priority, hasExclusions, expiresAtUs)) {
            scratch.writeIntLE(RingRecords.NOT_COMPRESSED).writeLongLE(0);
            return false;
        }
        scratch.writeIntLE(compressor.chunk().slot())
                .writeIntLE(compressor.from())
                .writeIntLE(compressor.to());
        return true;
    }

    private void writeRun(
            TopicLog log,
            Chunk chunk,
            int from,
            int to,
            int count,
            long firstOffset,
            Priority priority,
            long expiresAtUs,
            boolean hasExclusions,
            long arrivedNs) {
        scratch.clear()
                .writeIntLE(log.handle())
                .writeShortLE(shard.index())
                .writeByte(hasExclusions ? 1 : 0)
                .writeByte(priority.code())
                .writeIntLE(chunk.slot())
                .writeIntLE(from)
                .writeIntLE(to)
                .writeIntLE(count)
                .writeLongLE(expiresAtUs)
                .writeLongLE(arrivedNs)
                .writeIntLE(log.channel())
                .writeIntLE(0)
                .writeLongLE(firstOffset);
    }

    /** The shard's subscribers read on from the window: a later run's first offset tells them, or, if there is none, this mark. */
    private void onOverrun(TopicLog log, int toShard, long lastOffset) {
        metrics.add(Counter.RUNS_OVERRUN, 1);
        if (log.markLagging(toShard)) {
            markRecord.clear().writeIntLE(log.handle()).writeIntLE(0).writeLongLE(lastOffset);
            outgoing[toShard].sendSurely(log.lane(), RingRecords.LAGGED, markRecord);
        }
    }
}
