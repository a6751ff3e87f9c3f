package hermod.broker.dispatch;

import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.metrics.Stage;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.DurableTopic;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteOrder;
import org.agrona.concurrent.UnsafeBuffer;
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

    /** Tag and length of an event id, as the three bytes stand before it. */
    private static final int EVENT_ID_HEAD = EventFields.TAG_EVENT_ID | EventFields.EVENT_ID_BYTES << 8;

    private final PublishView view = new PublishView();
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

    /** The shard's one instance: laid over a frame by the session, which then calls {@link #publish}. */
    public PublishView view() {
        return view;
    }

    /**
     * What a connection of this shard keeps of a topic it holds, to publish to it.
     *
     * @param raisedTo lifts the priority of events that ask for none, as far as the channel allows; LOW lifts nothing.
     * @param allowance null for no limit.
     */
    public Publication publication(Topic topic, Priority raisedTo, @Nullable Allowance allowance) {
        TopicLog log = topic.homeShard() == shard.index() ? home.log(topic.handle()) : null;
        return new Publication(topic, raisedTo, allowance, log);
    }

    /**
     * Publishes the events of the frame in {@link #view}; each gets its outcome in {@link Party#outcomes}, at once or when the home has answered.
     *
     * @param to of a topic that the party holds and may publish to.
     */
    public void publish(Party party, Publication to) {
        PublishView frame = view;
        int flags = frame.flags();
        Priority wanted = (flags & FrameHeader.FLAG_PRIORITY_GIVEN) != 0 ? Priority.ofCode(flags) : to.lane;
        Priority priority = clamp(wanted, to.ceiling, party);
        long sequence = party.producer() == Party.NO_PRODUCER ? 0 : frame.sequence();
        int requestId = frame.requestId();
        PublishedWriter outcomes = party.outcomes();
        IncomingEvent event = home.event();
        event.in = frame.frame();
        event.source = party.source();
        event.device = party.device();
        event.priority = priority;
        event.excludesDevice = (flags & FrameHeader.FLAG_EXCLUDE_DEVICE) != 0;
        Allowance allowance = to.allowance;
        int next = frame.entriesAt();
        for (int i = 0; i < frame.count(); i++) {
            int entryBytes = frame.frameBytes() - next;
            if (frame.isMany()) {
                entryBytes = event.in.getInt(next, ByteOrder.LITTLE_ENDIAN);
                next += PublishFrame.ENTRY_LENGTH_BYTES;
            }
            event.entryAt = next;
            event.entryBytes = entryBytes;
            ErrorCode refusal = prepare(event, to.channel);
            int retryAfterMs = refusal == null && allowance != null ? allowance.retryAfterMs(priority) : 0;
            if (refusal != null) {
                metrics.add(to.channel, ChannelCounter.REFUSED, 1);
                outcomes.refused(requestId + i, to.topic.handle(), refusal, 0);
            } else if (retryAfterMs > 0) {
                metrics.add(to.channel, ChannelCounter.REFUSED, 1);
                metrics.add(Counter.PUBLISHES_USER_RATE_LIMITED, 1);
                outcomes.refused(requestId + i, to.topic.handle(), ErrorCode.RATE_LIMITED, retryAfterMs);
            } else {
                long eventSequence = sequence == 0 ? 0 : sequence + i;
                take(party, to, event, requestId + i, eventSequence, priority != wanted);
            }
            if (outcomes.isFull()) {
                party.writeOutcomes();
            }
            next += entryBytes;
        }
        dispatch.noteOutcomes(party);
    }

    private static Priority clamp(Priority wanted, Priority ceiling, Party party) {
        Priority lowered = wanted.compareTo(ceiling) > 0 ? ceiling : wanted;
        return lowered == Priority.URGENT && !party.mayPublishUrgent() ? Priority.HIGH : lowered;
    }

    /** Checks the entry and fills in time and time to live. @return why the event is refused, or null. */
    private @Nullable ErrorCode prepare(IncomingEvent event, int channel) {
        UnsafeBuffer in = event.in;
        long ttlTypeFields = in.getLong(event.entryAt + Entry.TTL_AT, ByteOrder.LITTLE_ENDIAN);
        int type = (int) (ttlTypeFields >>> 32) & 0xffff;
        int fieldsBytes = (int) (ttlTypeFields >>> 48);
        event.type = type;
        event.fieldsBytes = fieldsBytes;
        if (event.entryBytes - Entry.FIXED_BYTES - fieldsBytes > payloadLimitBytes) {
            return ErrorCode.PAYLOAD_TOO_LARGE;
        }
        if (!isPlain(in, event.entryAt + Entry.FIELDS_AT, fieldsBytes, type) && isBad(event)) {
            return ErrorCode.BAD_EVENT;
        }
        long nowUs = shard.clock().nowUs();
        long timestampUs = in.getLong(event.entryAt + Entry.TIMESTAMP_AT, ByteOrder.LITTLE_ENDIAN);
        metrics.record(channel, Stage.PUBLISH_TO_BROKER, timestampUs <= 0 ? 0 : nowUs - timestampUs, 1);
        event.timestampUs = timestampUs <= 0 || timestampUs > nowUs ? nowUs : timestampUs;
        long ttlSeconds = ttlTypeFields & 0xffff_ffffL;
        if (ttlSeconds == 0) {
            ttlSeconds = EventType.ttlSecondsOf(type);
        } else if ((int) ttlSeconds == Entry.TTL_NONE) {
            ttlSeconds = 0;
        }
        event.ttlSeconds = ttlSeconds;
        if (ttlSeconds != 0 && event.timestampUs + ttlSeconds * 1_000_000L <= nowUs) {
            metrics.expired(channel, 1);
            return ErrorCode.EXPIRED;
        }
        return null;
    }

    /** Whether the fields are what most events have, an event id or nothing: then they need no walk. */
    private static boolean isPlain(UnsafeBuffer in, int at, int fieldsBytes, int type) {
        return EventType.isKnown(type)
                && (fieldsBytes == 0
                        || (fieldsBytes == EventFields.HEAD_BYTES + EventFields.EVENT_ID_BYTES
                                && (in.getInt(at, ByteOrder.LITTLE_ENDIAN) & 0xff_ffff) == EVENT_ID_HEAD));
    }

    private boolean isBad(IncomingEvent event) {
        int fieldsAt = view.sourceAt() + event.entryAt + Entry.FIELDS_AT;
        return EventFields.publishedFaultOf(view.source(), fieldsAt, event.fieldsBytes, event.type) != null;
    }

    private void take(
            Party party, Publication to, IncomingEvent event, int requestId, long sequence, boolean isClamped) {
        TopicLog log = to.log;
        DurableTopic durable = log == null ? null : log.durable();
        if (log != null && durable != null) {
            if (home.durables()
                    .accept(
                            log,
                            durable,
                            event,
                            requestId,
                            sequence,
                            party.producer(),
                            party.author(),
                            isClamped,
                            shard.clock().nowNs(),
                            shard.index(),
                            party.key(),
                            party.outcomes())) {
                party.onUnderWay(event.entryBytes);
            }
        } else if (log != null) {
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
            addToBatch(party, to.topic, event, requestId, sequence, isClamped);
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
                    .writeLongLE(party.author())
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
                .writeShortLE(0);
        int at = batch.writerIndex();
        batch.ensureWritable(event.entryBytes);
        event.in.getBytes(event.entryAt, batch.array(), batch.arrayOffset() + at, event.entryBytes);
        batch.writerIndex(at + event.entryBytes);
        party.onUnderWay(event.entryBytes);
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
            int entryBytes = batch.getIntLE(next + 4);
            party.onAnswered(1, entryBytes);
            next += RingRecords.EVENT_FIXED_BYTES + entryBytes;
        }
        dispatch.noteOutcomes(party);
    }
}
