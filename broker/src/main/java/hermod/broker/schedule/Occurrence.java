package hermod.broker.schedule;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Party;
import hermod.broker.metrics.Counter;
import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A party of one event: on its topic's home shard it holds the topic, publishes as the author, and lets go.
 *
 * <p>It says once what became of it; for how long a topic's home may take, the {@link Scheduler} decides.
 */
@RunsOn(Owner.SHARD)
final class Occurrence implements Party {
    /** What became of an attempt: accepted, recognised as published before, or refused. Called on the shard; must not wait. */
    interface Listener {
        void onOutcome(@Nullable ErrorCode refusal, int retryAfterMs);
    }

    private static final int CORRELATION = 1;
    private static final int REQUEST_ID = 1;

    /** Keys of connections are positive. */
    private static final AtomicLong KEYS = new AtomicLong(Long.MIN_VALUE);

    private final long key = KEYS.getAndIncrement();
    private final Dispatch dispatch;
    private final String org;
    private final TopicName topicName;
    private final byte[] source;
    private final ScheduledEvent event;
    private final byte[] entry;
    private final long producer;
    private final long sequence;
    private final Listener listener;
    private final PublishedWriter outcomes = new PublishedWriter();
    private boolean isMarked;
    private boolean isDone;
    private @Nullable Topic held;

    /** @param occurrenceUs when it was due, which is its sequence too: it rises from one to the next. */
    Occurrence(Dispatch dispatch, DueKey key, ScheduledEvent event, long occurrenceUs, Listener listener) {
        this.dispatch = dispatch;
        this.org = key.org();
        this.topicName = TopicName.of(event.topic());
        this.source = key.user().getBytes(StandardCharsets.UTF_8);
        this.event = event;
        this.entry = event.entryAt(occurrenceUs, key.eventKey());
        this.producer = event.producer(key.eventKey());
        this.sequence = occurrenceUs;
        this.listener = listener;
    }

    /** To be called once, on the shard. */
    void begin() {
        if (dispatch.shard().clock().nowUs() < sequence) {
            // The scheduler has read the clock later than the shard: what is due must not look as if it came from the
            // future.
            dispatch.shard().clock().anchor();
        }
        dispatch.add(this);
        dispatch.hold(this, CORRELATION, org, topicName, false, true, false);
    }

    @Override
    public void onHeld(
            int correlation,
            @Nullable Topic topic,
            long nextOffset,
            long firstAvailable,
            int stateCount,
            @Nullable ErrorCode refusal) {
        if (topic == null) {
            end(refusal == null ? ErrorCode.UNAVAILABLE : refusal, 0);
            return;
        }
        held = topic;
        int bodyBytes = PublishFrame.SEQUENCE_BYTES + entry.length;
        ByteBuf frame = Unpooled.buffer(FrameHeader.LENGTH + bodyBytes);
        FrameHeader.write(frame, FrameType.PUBLISH, event.flags(), topic.handle(), REQUEST_ID, bodyBytes);
        frame.writeLongLE(sequence).writeBytes(entry);
        try {
            dispatch.publisher().view().wrap(frame, 0, frame.readableBytes());
        } catch (ProtocolException damaged) {
            end(ErrorCode.BAD_EVENT, 0);
            return;
        }
        dispatch.publisher()
                .publish(
                        this,
                        dispatch.publisher().publication(topic, event.author().raisedTo(), null));
        dispatch.publisher().sendBatch();
    }

    private void end(@Nullable ErrorCode refusal, int retryAfterMs) {
        if (isDone) {
            return;
        }
        isDone = true;
        Topic topic = held;
        held = null;
        if (topic != null) {
            dispatch.letGo(topic, false);
        }
        dispatch.remove(this);
        if (refusal == null) {
            dispatch.metrics().add(Counter.SCHEDULES_SENT, 1);
        }
        listener.onOutcome(refusal, retryAfterMs);
    }

    @Override
    public void writeOutcomes() {
        isMarked = false;
        if (outcomes.isEmpty()) {
            return;
        }
        ByteBuf frame = Unpooled.buffer(outcomes.frameBytes());
        outcomes.writeTo(frame);
        try {
            read(new PublishedFrame().wrap(frame, 0));
        } catch (ProtocolException impossible) {
            throw new IllegalStateException("outcomes of our own do not add up", impossible);
        }
    }

    private void read(PublishedFrame published) {
        for (int i = 0; i < published.exceptionCount(); i++) {
            if (published.exceptionKind(i) == PublishedFrame.KIND_REFUSED) {
                int code = published.exceptionCode(i);
                end(codeOf(code), (int) Math.min(Integer.MAX_VALUE, published.exceptionRetryAfterMs(i)));
            } else if (published.exceptionKind(i) == PublishedFrame.KIND_DUPLICATE) {
                end(null, 0);
            }
        }
        if (published.rangeCount() > 0) {
            end(null, 0);
        }
    }

    private static ErrorCode codeOf(int code) {
        ErrorCode known = ErrorCode.ofCode(code);
        return known == null ? ErrorCode.UNAVAILABLE : known;
    }

    @Override
    public long key() {
        return key;
    }

    @Override
    public byte[] source() {
        return source;
    }

    @Override
    public long producer() {
        return producer;
    }

    @Override
    public long author() {
        return event.author().number();
    }

    @Override
    public long device() {
        return event.author().device();
    }

    @Override
    public boolean mayPublishUrgent() {
        return event.author().mayPublishUrgent();
    }

    @Override
    public PublishedWriter outcomes() {
        return outcomes;
    }

    @Override
    public void onUnderWay(int entryBytes) {}

    @Override
    public void onAnswered(int events, int entryBytes) {}

    @Override
    public boolean markOutcomes() {
        if (isMarked) {
            return false;
        }
        isMarked = true;
        return true;
    }

    /** It subscribes to nothing. */
    @Override
    public @Nullable Feed feed(int handle) {
        return null;
    }
}
