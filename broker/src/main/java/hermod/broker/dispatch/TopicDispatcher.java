package hermod.broker.dispatch;

import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.BufferView;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.broker.topic.Chunk;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.RunSink;
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
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Stage 4 of 7: on a topic's home shard, gives each event its offset, writes it once, and hands the topic's run to every shard that has a subscriber.
 *
 * <p>From {@link Publisher}, directly on the same shard or through {@code shard.PriorityRings}; on to {@link Fanout}, always through the rings. Also says who holds a topic.
 */
@RunsOn(Owner.SHARD)
final class TopicDispatcher implements RunSink {
    private final Shard shard;
    private final HomeTopics topics;
    private final Deduplication deduplication;
    private final Channels channels;
    private final ShardMetrics metrics;
    private final Outgoing[] outgoing;
    private final OverrunListener overruns;
    private final ArrayList<TopicLog> queued = new ArrayList<>();
    private final IncomingEvent event = new IncomingEvent();
    private final PublishedWriter remoteOutcomes = new PublishedWriter();
    private final ByteBuf scratch = Unpooled.buffer(4096);

    /** Of what {@link #remoteOutcomes} tells. */
    private int answeredEvents;

    private int answeredBytes;

    /** Laid over each batch of another shard. */
    private final UnsafeBuffer remoteEvents = new UnsafeBuffer(0, 0);

    /** Filled for each batch of another shard: the event's own array may be a local session's, lent by {@link Publisher}. */
    private byte[] remoteSource = new byte[0];

    /** Told when a shard's queue is past its bound and a topic's subscribers there have missed events. */
    interface OverrunListener {
        void onOverrun(int shard, int handle);
    }

    TopicDispatcher(
            Shard shard,
            HomeTopics topics,
            Deduplication deduplication,
            Channels channels,
            ShardMetrics metrics,
            Outgoing[] outgoing,
            OverrunListener overruns) {
        this.shard = shard;
        this.topics = topics;
        this.deduplication = deduplication;
        this.channels = channels;
        this.metrics = metrics;
        this.outgoing = outgoing;
        this.overruns = overruns;
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
        if (log.queueForHandOver()) {
            queued.add(log);
        }
    }

    /** A batch of events from another shard's publisher. */
    void onEvents(ByteBuf in, int at, int bytes) {
        long party = in.getLongLE(at);
        long producer = in.getLongLE(at + 8);
        long arrivedNs = in.getLongLE(at + 24);
        int handle = in.getIntLE(at + 32);
        int publisherShard = in.getUnsignedShortLE(at + 36);
        int sourceBytes = in.getUnsignedShortLE(at + 38);
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
            acceptAll(log, in, next, at + bytes, handle, producer, arrivedNs, publisherShard, party);
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
            long arrivedNs,
            int publisherShard,
            long party) {
        int next = at;
        while (next < end) {
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
                accept(
                        log,
                        event,
                        requestId,
                        in.getLongLE(next + 8),
                        producer,
                        (bits & RingRecords.BIT_CLAMPED) != 0,
                        arrivedNs,
                        remoteOutcomes);
            }
            answeredEvents++;
            answeredBytes += entryBytes;
            if (remoteOutcomes.isFull()) {
                sendOutcomes(publisherShard, party);
            }
            next += RingRecords.EVENT_FIXED_BYTES + entryBytes;
        }
    }

    private void sendOutcomes(int toShard, long party) {
        if (remoteOutcomes.isEmpty()) {
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
        TopicLog log = topics.open(org, name, channel, shard.clock().nowNs());
        Priority lane = channel.policy().lane();
        if (log == null) {
            RingRecords.writeHeld(scratch, party, correlation, 0, 0, ErrorCode.TOO_MANY_TOPICS.code(), asSubscriber);
            outgoing[fromShard].sendSurely(lane, RingRecords.HELD, scratch);
            return;
        }
        // What was published before belongs to those who held the topic before: the answer's offset must fall on a
        // run's border.
        log.handOver(this);
        RingRecords.writeHeld(scratch, party, correlation, log.topic().handle(), log.nextOffset(), 0, asSubscriber);
        log.hold(fromShard, asSubscriber);
        outgoing[fromShard].sendSurely(lane, RingRecords.HELD, scratch);
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

    @Override
    public void onRun(TopicLog log, Chunk chunk, TopicLog.Run run) {
        // Here and not with each event: a run is all that was accepted since the last.
        metrics.add(log.channel(), ChannelCounter.PUBLISHED, run.count());
        scratch.clear()
                .writeIntLE(log.handle())
                .writeShortLE(shard.index())
                .writeByte(run.hasExclusions() ? 1 : 0)
                .writeByte(0)
                .writeIntLE(chunk.slot())
                .writeIntLE(run.from())
                .writeIntLE(log.runEnd())
                .writeIntLE(run.count())
                .writeLongLE(run.expiresAtUs())
                .writeLongLE(run.arrivedNs())
                .writeShortLE(log.channel());
        for (int to = 0; to < outgoing.length; to++) {
            if (log.subscriberCount(to) == 0) {
                continue;
            }
            // The reference travels with the record; the receiving shard releases it.
            chunk.memory().retain();
            if (!outgoing[to].send(log.lane(), RingRecords.RUN, scratch)) {
                chunk.memory().release();
                overruns.onOverrun(to, log.handle());
            }
        }
    }
}
