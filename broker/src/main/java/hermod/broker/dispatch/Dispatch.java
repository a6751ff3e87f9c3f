package hermod.broker.dispatch;

import hermod.broker.audit.AuditConfig;
import hermod.broker.audit.AuditStream;
import hermod.broker.engine.Engine;
import hermod.broker.filter.FeedFilter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FlushList;
import hermod.broker.shard.RingHandler;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.BatchTakers;
import hermod.broker.topic.BatchWindows;
import hermod.broker.topic.BatchingConfig;
import hermod.broker.topic.Channels;
import hermod.broker.topic.ChunkPool;
import hermod.broker.topic.ChunkTable;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.DurableTopic;
import hermod.broker.topic.HandleTable;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.ReplayBudget;
import hermod.broker.topic.RunCompressor;
import hermod.broker.topic.RunSink;
import hermod.broker.topic.Subscriptions;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import org.agrona.collections.Long2ObjectHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One shard's part of dispatch: what its rings bring goes to the right stage, and each turn ends with the sockets. */
@RunsOn(Owner.SHARD)
public final class Dispatch implements RingHandler {
    private static final Logger LOG = LoggerFactory.getLogger(Dispatch.class);
    private static final int DEFECTS_LOGGED_MAX = 100;

    /** What all shards of a broker have in common; any thread. */
    public static final class Ground {
        final Shard[] shards;
        final Dispatch[] dispatches;
        final ChunkTable[] chunks;
        final HandleTable handles = new HandleTable();
        final Channels channels;
        final ByteBufAllocator allocator;
        final TopicConfig topicConfig;
        final BatchingConfig batching;
        final BatchTakers batchTakers;
        final Engine engine;
        final int payloadLimitBytes;
        final int progressIntervalMs;

        public Ground(
                Shard[] shards,
                Channels channels,
                ByteBufAllocator allocator,
                TopicConfig topicConfig,
                BatchingConfig batching,
                int payloadLimitBytes,
                int progressIntervalMs,
                Engine engine) {
            this.engine = engine;
            this.shards = Arrays.copyOf(shards, shards.length);
            this.dispatches = new Dispatch[shards.length];
            this.chunks = new ChunkTable[shards.length];
            Arrays.setAll(chunks, any -> new ChunkTable());
            this.channels = channels;
            this.allocator = allocator;
            this.topicConfig = topicConfig;
            this.batching = batching;
            this.batchTakers = new BatchTakers(channels.all().size());
            this.payloadLimitBytes = payloadLimitBytes;
            this.progressIntervalMs = progressIntervalMs;
        }
    }

    private final Ground ground;
    private final Shard shard;
    private final ShardMetrics metrics;
    private final HomeTopics topics;
    private final ChunkPool chunkPool;
    private final Deduplication deduplication;
    private final ReplayBudget replay;
    private final Subscriptions subscriptions;
    private final BatchWindows windows;
    private final RunCompressor compressor;
    private final FlushList flushes = new FlushList();
    private final Outgoing[] outgoing;
    private final TopicDispatcher dispatcher;
    private final ProgressList progress;
    private final Fanout fanout;
    private final Publisher publisher;
    private final Long2ObjectHashMap<Party> parties = new Long2ObjectHashMap<>();
    private final ArrayList<Party> withOutcomes = new ArrayList<>();
    private final ByteBuf scratch = Unpooled.buffer(1024);
    private final PublishedFrame published = new PublishedFrame();
    private final Set<String> loggedDefects = new HashSet<>();
    private Runnable onTick = () -> {};
    private long producersForgotten;
    private long windowsShortened;

    public Dispatch(Ground ground, int index, ShardMetrics metrics) {
        this.ground = ground;
        this.shard = ground.shards[index];
        this.metrics = metrics;
        ground.dispatches[index] = this;
        chunkPool = new ChunkPool(ground.allocator, ground.chunks[index], ground.topicConfig.chunkBytes());
        deduplication = new Deduplication(ground.topicConfig);
        replay = new ReplayBudget(ground.topicConfig, ground.shards.length);
        topics = new HomeTopics(
                index, ground.shards.length, ground.topicConfig, ground.handles, chunkPool, replay, deduplication);
        subscriptions = new Subscriptions(ground.batchTakers);
        windows = new BatchWindows(ground.batching, ground.channels.all().size(), metrics, shard::wakeAt);
        compressor = new RunCompressor(chunkPool, shard.clock(), metrics, ground.batching, ground.batchTakers);
        outgoing = new Outgoing[ground.shards.length];
        Arrays.setAll(outgoing, to -> new Outgoing(ground.shards[to], metrics));
        dispatcher = new TopicDispatcher(
                shard,
                topics,
                deduplication,
                ground.channels,
                windows,
                compressor,
                metrics,
                outgoing,
                ground.engine,
                ground.topicConfig.dedupIdsPerTopicLimitCount(),
                ground.topicConfig.stateKeysPerTopicLimitCount(),
                this);
        progress = new ProgressList(shard.clock(), flushes, ground.allocator, ground.progressIntervalMs);
        fanout = new Fanout(
                shard.clock(), metrics, subscriptions, ground.chunks, flushes, new Selection(metrics, progress));
        publisher = new Publisher(shard, metrics, dispatcher, outgoing, this, ground.payloadLimitBytes);
    }

    public Shard shard() {
        return shard;
    }

    public ShardMetrics metrics() {
        return metrics;
    }

    public Publisher publisher() {
        return publisher;
    }

    public FlushList flushes() {
        return flushes;
    }

    public Subscriptions subscriptions() {
        return subscriptions;
    }

    /** Notes that a feed's filter was set or replaced. */
    public void noteFilter(Feed feed) {
        FeedFilter filter = feed.filter();
        if (filter != null) {
            progress.note(feed, filter);
        }
    }

    /**
     * From now on every event of a channel that delivers early is recorded before it is delivered. On the shard, before anybody is served.
     *
     * @param head of the shard's own stream.
     */
    public void record(AuditConfig config, AuditStream.Head head) {
        dispatcher.durables().record(config, head);
        shard.requestTurn();
    }

    /** From now on somebody is told of events that are to be acknowledged. On the shard, before anybody is served. */
    public void watch(Watch told) {
        dispatcher.durables().watch(told);
    }

    /** Called on the shard's tick. */
    public void onTick(Runnable task) {
        onTick = task;
    }

    public void add(Party party) {
        parties.put(party.key(), party);
    }

    public void remove(Party party) {
        parties.remove(party.key());
    }

    /** The connection of that key; null when it is gone. */
    @Nullable
    Party party(long key) {
        return parties.get(key);
    }

    /** Who takes the runs of this shard's topics. */
    RunSink runs() {
        return dispatcher;
    }

    /** Notes that a party has outcomes, to be written at the end of the turn. */
    public void noteOutcomes(Party party) {
        if (!party.outcomes().isEmpty() && party.markOutcomes()) {
            withOutcomes.add(party);
            shard.requestTurn();
        }
    }

    /**
     * Asks the topic's home to let the party hold it; {@link Party#onHeld} has the answer.
     *
     * @param wantsState whether a subscription to a state topic is to begin with a snapshot.
     */
    public void hold(
            Party party,
            int correlation,
            String org,
            TopicName name,
            boolean asSubscriber,
            boolean mayPublish,
            boolean wantsState) {
        hermod.broker.topic.Channel channel = ground.channels.of(name.channel());
        if (channel == null) {
            throw new IllegalArgumentException("no such channel: " + name.channel());
        }
        byte[] orgBytes = org.getBytes(StandardCharsets.UTF_8);
        byte[] nameBytes = name.toString().getBytes(StandardCharsets.UTF_8);
        scratch.clear()
                .writeLongLE(party.key())
                .writeIntLE(correlation)
                .writeShortLE(shard.index())
                .writeByte(asSubscriber ? 1 : 0)
                .writeByte(
                        (mayPublish ? RingRecords.BIT_MAY_PUBLISH : 0) | (wantsState ? RingRecords.BIT_WANTS_STATE : 0))
                .writeShortLE(orgBytes.length)
                .writeShortLE(nameBytes.length)
                .writeLongLE(party.producer())
                .writeLongLE(party.author())
                .writeBytes(orgBytes)
                .writeBytes(nameBytes);
        int home = HomeTopics.homeOf(org, name.toString(), ground.shards.length);
        outgoing[home].sendSurely(channel.policy().lane(), RingRecords.HOLD, scratch);
    }

    /** Lets a topic go that was held. */
    public void letGo(Topic topic, boolean asSubscriber) {
        RingRecords.writeLetGo(scratch, topic.handle(), shard.index(), asSubscriber);
        outgoing[topic.homeShard()].sendSurely(topic.channel().policy().lane(), RingRecords.LET_GO, scratch);
    }

    @Override
    public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
        try {
            switch (recordType) {
                case RingRecords.RUN -> fanout.onRun(in, at);
                case RingRecords.EVENTS -> dispatcher.onEvents(in, at, bytes);
                case RingRecords.OUTCOMES -> onOutcomes(in, at);
                case RingRecords.HOLD -> dispatcher.onHold(in, at);
                case RingRecords.HELD -> onHeld(in, at);
                case RingRecords.LET_GO -> dispatcher.onLetGo(in, at);
                case RingRecords.LAGGED -> fanout.onLagged(in, at);
                case RingRecords.READ -> dispatcher.onRead(in, at);
                case RingRecords.READ_BEGIN -> fanout.onReadBegin(reader(in, at, at + 8), in, at);
                case RingRecords.PIECE -> fanout.onPiece(reader(in, at + RingRecords.RUN_BYTES, at), in, at);
                case RingRecords.READ_END -> fanout.onReadEnd(reader(in, at, at + 8), in, at);
                default -> throw new IllegalStateException("unknown record: type=" + recordType);
            }
        } catch (RuntimeException | AssertionError | OutOfMemoryError defect) {
            // Netty throws OutOfMemoryError itself when direct memory is used up; the JVM's own ends the process.
            onDefect(defect);
        }
    }

    /** The subscription that asked for what is read; null when it is over. */
    private @Nullable Feed reader(ByteBuf in, int partyAt, int handleAt) {
        Party party = parties.get(in.getLongLE(partyAt));
        return party == null ? null : party.feed(in.getIntLE(handleAt));
    }

    /**
     * Asks the topic's home for what it keeps from {@link Feed#nextOffset} on; the feed's outbox gets the answer.
     *
     * @param bytes at most, unless a single event is larger.
     */
    public void read(Party party, Topic topic, Feed feed, int bytes) {
        scratch.clear()
                .writeLongLE(party.key())
                .writeIntLE(topic.handle())
                .writeShortLE(shard.index())
                .writeShortLE(feed.mayBeConflated() ? 1 : 0)
                .writeLongLE(feed.nextOffset())
                .writeIntLE(bytes)
                .writeIntLE(feed.readNumber())
                .writeLongLE(feed.stateEnd());
        outgoing[topic.homeShard()].sendSurely(topic.channel().policy().lane(), RingRecords.READ, scratch);
    }

    private void onHeld(ByteBuf in, int at) {
        int handle = in.getIntLE(at + 12);
        Topic topic = handle == 0 ? null : ground.handles.of(handle);
        boolean asSubscriber = in.getByte(at + 26) != 0;
        Party party = parties.get(in.getLongLE(at));
        if (party == null) {
            if (topic != null) {
                letGo(topic, asSubscriber);
            }
            return;
        }
        party.onHeld(
                in.getIntLE(at + 8),
                topic,
                in.getLongLE(at + 16),
                in.getLongLE(at + 28),
                in.getIntLE(at + 36),
                topic == null ? refusalOf(in.getUnsignedShortLE(at + 24)) : null);
    }

    private static ErrorCode refusalOf(int code) {
        return code == ErrorCode.TOO_MANY_TOPICS.code() ? ErrorCode.TOO_MANY_TOPICS : ErrorCode.UNAVAILABLE;
    }

    private void onOutcomes(ByteBuf in, int at) {
        Party party = parties.get(in.getLongLE(at));
        if (party == null) {
            return;
        }
        try {
            published.wrap(in, at + RingRecords.OUTCOMES_FIXED_BYTES);
        } catch (ProtocolException impossible) {
            throw new IllegalStateException("outcomes of our own do not add up", impossible);
        }
        for (int i = 0; i < published.rangeCount(); i++) {
            party.outcomes()
                    .accepted(
                            published.rangeFirstRequestId(i),
                            published.rangeLength(i),
                            published.rangeHandle(i),
                            published.rangeFirstOffset(i));
            writeIfFull(party);
        }
        for (int i = 0; i < published.exceptionCount(); i++) {
            party.outcomes()
                    .exception(
                            published.exceptionRequestId(i),
                            published.exceptionHandle(i),
                            published.exceptionCode(i),
                            published.exceptionKind(i),
                            published.exceptionPriority(i).code(),
                            (int) published.exceptionRetryAfterMs(i),
                            published.exceptionOffset(i));
            writeIfFull(party);
        }
        party.onAnswered(in.getIntLE(at + 8), in.getIntLE(at + 12));
        noteOutcomes(party);
    }

    private static void writeIfFull(Party party) {
        if (party.outcomes().isFull()) {
            party.writeOutcomes();
        }
    }

    @Override
    public void onDrained() {
        try {
            for (Outgoing each : outgoing) {
                each.retry(shard);
            }
            dispatcher.durables().store().settle();
            if (dispatcher.hasQueued()) {
                dispatcher.handOver();
            }
        } catch (RuntimeException | AssertionError | OutOfMemoryError defect) {
            onDefect(defect);
        }
    }

    @Override
    public void onTurnEnd() {
        try {
            dispatcher.durables().store().flush();
            fanout.reportLoss();
            flushes.flushAll();
            // Subscribers first, then those who published to them: on other shards, then on this one.
            for (Outgoing each : outgoing) {
                each.wake();
            }
            writeOutcomes();
            flushes.flushAll();
        } catch (RuntimeException | AssertionError | OutOfMemoryError defect) {
            onDefect(defect);
        }
    }

    /** Also of those that are added meanwhile. One that fails must not keep the others from theirs. */
    private void writeOutcomes() {
        for (int i = 0; i < withOutcomes.size(); i++) {
            try {
                withOutcomes.get(i).writeOutcomes();
            } catch (RuntimeException | AssertionError | OutOfMemoryError defect) {
                onDefect(defect);
            }
        }
        withOutcomes.clear();
    }

    @Override
    public void onTimer() {
        try {
            dispatcher.onTime(shard.clock().nowNs());
        } catch (RuntimeException | AssertionError | OutOfMemoryError defect) {
            onDefect(defect);
        }
    }

    @Override
    public void onTick() {
        try {
            // The timer does it; but nothing may wait for ever where it failed once.
            dispatcher.onTime(shard.clock().nowNs());
            windows.onTick(shard.clock().nowNs());
            dispatcher.onTick();
            dispatcher.durables().onTick();
            chunkPool.trim();
            topics.forgetIdle(shard.clock().nowNs());
            topics.dedupWindows().onTick(topics, shard.clock().nowUs(), metrics);
            metrics.add(Counter.PRODUCERS_FORGOTTEN, deduplication.forgottenCount() - producersForgotten);
            producersForgotten = deduplication.forgottenCount();
            metrics.add(Counter.WINDOWS_SHORTENED, replay.shortenedCount() - windowsShortened);
            windowsShortened = replay.shortenedCount();
            progress.onTick();
            onTick.run();
        } catch (RuntimeException | AssertionError | OutOfMemoryError defect) {
            onDefect(defect);
        }
    }

    /** Counts an exception that nothing else caught and logs the first of each kind; the shard goes on. */
    public void onDefect(Throwable defect) {
        metrics.add(Counter.DEFECTS, 1);
        StackTraceElement[] trace = defect.getStackTrace();
        String cause = defect.getClass().getName() + (trace.length > 0 ? " at " + trace[0] : "");
        if (loggedDefects.size() < DEFECTS_LOGGED_MAX && loggedDefects.add(cause)) {
            LOG.error("defect on a shard, logged once per cause: shard={}", shard.index(), defect);
        }
    }

    /** Retention has removed what is below of a topic whose home this shard is; any thread. */
    public void onRemoved(String org, TopicName name, long firstOffset) {
        try {
            shard.execute(() -> {
                TopicLog log = topics.find(org, name);
                DurableTopic durable = log == null ? null : log.durable();
                if (durable != null) {
                    durable.firstKept(firstOffset);
                }
            });
        } catch (RejectedExecutionException stopping) {
            // Nobody asks any more.
        }
    }

    /** Topics whose home this shard is. */
    public int topicCount() {
        return topics.count();
    }

    /** The logs of this shard's topics, for operators; on the shard. */
    public Iterable<TopicLog> logs() {
        return topics.all();
    }

    /** From a handle to its topic; any thread. */
    public @Nullable Topic topic(int handle) {
        return ground.handles.of(handle);
    }

    /** Hands over what waits in batching windows and writes it: the broker is stopping, and its subscribers are still there. */
    public void endBatches() {
        dispatcher.endBatches();
        shard.turnNow();
    }

    /** Whether nothing is on its way through this shard: nothing in its rings, nothing that waits for another's, no event that was taken and not handed on, no batching window open. */
    public boolean isQuiet() {
        for (Outgoing each : outgoing) {
            if (!each.isEmpty()) {
                return false;
            }
        }
        return shard.rings().isEmpty()
                && dispatcher.durables().isQuiet()
                && !dispatcher.hasQueued()
                && !windows.isOpen()
                && withOutcomes.isEmpty();
    }

    /** Gives all memory back; the last thing on the shard. */
    public void close() {
        // Runs on their way hold references.
        shard.turnNow();
        dispatcher.durables().store().close();
        compressor.close();
        topics.close();
    }
}
