package hermod.broker.dispatch;

import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.Stage;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/**
 * On a publisher's shard: checks a PUBLISH, fills in its defaults, and takes its events to the topic's home.
 *
 * <p>From {@code session.Session}; on to {@link TopicDispatcher}: straight where the home is this shard, so that the bytes are copied once, into the topic's chunk (a copy through the ring costs 175 ns an event and halves the
 * flood rate); otherwise as one ring record per read batch and topic.
 */
@RunsOn(Owner.SHARD)
public final class Publisher {
    private static final int RETRY_AFTER_MS = 50;

    private final Shard shard;
    private final ShardMetrics metrics;
    private final TopicDispatcher home;
    private final Outgoing[] outgoing;
    private final Dispatch dispatch;
    private final int payloadLimitBytes;
    private final int batchBytesMax;
    private final ByteBuf batch = Unpooled.buffer(64 * 1024);
    private @Nullable Party batchParty;
    private @Nullable Topic batchTopic;

    Publisher(
            Shard shard,
            ShardMetrics metrics,
            TopicDispatcher home,
            Outgoing[] outgoing,
            Dispatch dispatch,
            int payloadLimitBytes) {
        this.shard = shard;
        this.metrics = metrics;
        this.home = home;
        this.outgoing = outgoing;
        this.dispatch = dispatch;
        this.payloadLimitBytes = payloadLimitBytes;
        this.batchBytesMax = shard.rings().recordBytesMax();
    }

    /**
     * Publishes the events of one frame; each gets its outcome in {@link Party#outcomes}, at once or when the home has answered.
     *
     * @param topic which the party holds and may publish to.
     * @param in borrowed; a PUBLISH frame at {@code at} whose entries were counted.
     */
    public void publish(Party party, Topic topic, ByteBuf in, int at, int count) throws ProtocolException {
        int flags = FrameHeader.flags(in, at);
        ChannelPolicy policy = topic.channel().policy();
        Priority wanted = (flags & FrameHeader.FLAG_PRIORITY_GIVEN) != 0 ? Priority.ofCode(flags) : policy.lane();
        Priority priority = clamp(wanted, policy.ceiling(), party.mayPublishUrgent());
        long sequence = party.producer() == Party.NO_PRODUCER ? 0 : PublishFrame.sequence(in, at);
        int requestId = FrameHeader.requestId(in, at);
        int next = FrameHeader.bodyAt(in, at) + PublishFrame.SEQUENCE_BYTES;
        boolean isMany = PublishFrame.isMany(in, at);
        TopicLog log = topic.homeShard() == shard.index() ? home.log(topic.handle()) : null;
        IncomingEvent event = home.event();
        event.source = party.source();
        event.device = party.device();
        event.priority = priority;
        event.excludesDevice = (flags & FrameHeader.FLAG_EXCLUDE_DEVICE) != 0;
        for (int i = 0; i < count; i++) {
            int entryBytes = at + FrameHeader.frameBytes(in, at) - next;
            if (isMany) {
                entryBytes = in.getIntLE(next);
                next += PublishFrame.ENTRY_LENGTH_BYTES;
            }
            event.in = in;
            event.entryAt = next;
            event.entryBytes = entryBytes;
            ErrorCode refusal = prepare(event, topic);
            if (refusal != null) {
                metrics.add(topic.channel().index(), ChannelCounter.REFUSED, 1);
                party.outcomes().refused(requestId + i, topic.handle(), refusal, 0);
            } else {
                long eventSequence = sequence == 0 ? 0 : sequence + i;
                take(party, topic, log, event, requestId + i, eventSequence, priority != wanted);
            }
            if (party.outcomes().isFull()) {
                party.writeOutcomes();
            }
            next += entryBytes;
        }
        dispatch.noteOutcomes(party);
    }

    private static Priority clamp(Priority wanted, Priority ceiling, boolean mayUrgent) {
        Priority lowered = wanted.compareTo(ceiling) > 0 ? ceiling : wanted;
        return lowered == Priority.URGENT && !mayUrgent ? Priority.HIGH : lowered;
    }

    /** Fills in time and time to live. @return why the event is refused, or null. */
    private @Nullable ErrorCode prepare(IncomingEvent event, Topic topic) {
        ByteBuf in = event.in;
        int fieldsBytes = Entry.fieldsBytes(in, event.entryAt);
        if (event.entryBytes - Entry.FIXED_BYTES - fieldsBytes > payloadLimitBytes) {
            return ErrorCode.PAYLOAD_TOO_LARGE;
        }
        int type = Entry.type(in, event.entryAt);
        if (EventFields.publishedFaultOf(in, event.entryAt + Entry.FIELDS_AT, fieldsBytes, type) != null) {
            return ErrorCode.BAD_EVENT;
        }
        long nowUs = shard.clock().nowUs();
        long timestampUs = Entry.timestampUs(in, event.entryAt);
        metrics.record(topic.channel().index(), Stage.PUBLISH_TO_BROKER, timestampUs <= 0 ? 0 : nowUs - timestampUs, 1);
        event.timestampUs = timestampUs <= 0 || timestampUs > nowUs ? nowUs : timestampUs;
        long ttlSeconds = Entry.ttlSeconds(in, event.entryAt);
        if (ttlSeconds == 0) {
            ttlSeconds = EventType.ttlSecondsOf(type);
        } else if ((int) ttlSeconds == Entry.TTL_NONE) {
            ttlSeconds = 0;
        }
        event.ttlSeconds = ttlSeconds;
        if (ttlSeconds != 0 && event.timestampUs + ttlSeconds * 1_000_000L <= nowUs) {
            metrics.expired(topic.channel().index(), 1);
            return ErrorCode.EXPIRED;
        }
        return null;
    }

    private void take(
            Party party,
            Topic topic,
            @Nullable TopicLog log,
            IncomingEvent event,
            int requestId,
            long sequence,
            boolean isClamped) {
        if (log != null) {
            home.accept(
                    log,
                    event,
                    requestId,
                    sequence,
                    party.producer(),
                    isClamped,
                    shard.clock().nowNs(),
                    party.outcomes());
        } else {
            addToBatch(party, topic, event, requestId, sequence, isClamped);
        }
    }

    private void addToBatch(
            Party party, Topic topic, IncomingEvent event, int requestId, long sequence, boolean isClamped) {
        int bytes = RingRecords.EVENT_FIXED_BYTES + event.entryBytes;
        if (batchParty != party || batchTopic != topic || batch.readableBytes() + bytes > batchBytesMax) {
            sendBatch();
            batchParty = party;
            batchTopic = topic;
            batch.clear()
                    .writeLongLE(party.key())
                    .writeLongLE(party.producer())
                    .writeLongLE(party.device())
                    .writeLongLE(shard.clock().nowNs())
                    .writeIntLE(topic.handle())
                    .writeShortLE(shard.index())
                    .writeShortLE(party.source().length)
                    .writeBytes(party.source());
        }
        int bits = (event.excludesDevice ? RingRecords.BIT_EXCLUDES_DEVICE : 0)
                | (isClamped ? RingRecords.BIT_CLAMPED : 0);
        batch.writeIntLE(requestId)
                .writeIntLE(event.entryBytes)
                .writeLongLE(sequence)
                .writeLongLE(event.timestampUs)
                .writeIntLE((int) event.ttlSeconds)
                .writeByte(event.priority.code())
                .writeByte(bits)
                .writeShortLE(0)
                .writeBytes(event.in, event.entryAt, event.entryBytes);
    }

    /** Sends the events collected for another shard; to be called at the end of each read batch. */
    public void sendBatch() {
        Party party = batchParty;
        Topic topic = batchTopic;
        if (party == null || topic == null) {
            return;
        }
        batchParty = null;
        batchTopic = null;
        if (!outgoing[topic.homeShard()].trySend(topic.channel().policy().lane(), RingRecords.EVENTS, batch)) {
            refuseBatch(party, topic);
        }
    }

    private void refuseBatch(Party party, Topic topic) {
        int next = RingRecords.EVENTS_FIXED_BYTES + party.source().length;
        while (next < batch.writerIndex()) {
            party.outcomes().refused(batch.getIntLE(next), topic.handle(), ErrorCode.BACK_PRESSURED, RETRY_AFTER_MS);
            metrics.add(Counter.PUBLISHES_BACK_PRESSURED, 1);
            metrics.add(topic.channel().index(), ChannelCounter.REFUSED, 1);
            if (party.outcomes().isFull()) {
                party.writeOutcomes();
            }
            next += RingRecords.EVENT_FIXED_BYTES + batch.getIntLE(next + 4);
        }
        dispatch.noteOutcomes(party);
    }
}
