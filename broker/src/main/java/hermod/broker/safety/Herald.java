package hermod.broker.safety;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Party;
import hermod.broker.outbox.Feed;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Topic;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
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
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.agrona.collections.Int2ObjectHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Publishes an org's escalations, on their topic's home shard. It holds the topic from the first moment somebody holds a topic from which escalations may come: while the store fails none could be opened.
 */
@RunsOn(Owner.SHARD)
final class Herald implements Party {
    /** What became of an escalation: accepted, published before, or refused. Called on the shard; must not wait. */
    interface Listener {
        void onOutcome(@Nullable ErrorCode refusal);
    }

    private record Waiting(byte[] entry, Listener listener) {}

    private static final int CORRELATION = 1;
    private static final byte[] SOURCE = "hermod".getBytes(StandardCharsets.UTF_8);

    /** Of no user's: those are hashes with a secret. */
    private static final long AUTHOR = 0x6865_726d_6f64_0001L;

    /** Keys of connections are positive, those of scheduled events rise from the lowest. */
    private static final AtomicLong KEYS = new AtomicLong(Long.MIN_VALUE / 2);

    private final long key = KEYS.getAndIncrement();
    private final Dispatch dispatch;
    private final String org;
    private final TopicName name;
    private final List<Waiting> waiting = new ArrayList<>();
    private final Int2ObjectHashMap<Listener> underWay = new Int2ObjectHashMap<>();
    private final PublishedWriter outcomes = new PublishedWriter();
    private @Nullable Topic held;
    private boolean isAsking;
    private boolean isMarked;
    private int lastRequestId;

    Herald(Dispatch dispatch, String org, TopicName name) {
        this.dispatch = dispatch;
        this.org = org;
        this.name = name;
    }

    /** Holds the topic, unless it does. */
    void hold() {
        if (held == null && !isAsking) {
            isAsking = true;
            dispatch.add(this);
            dispatch.hold(this, CORRELATION, org, name, false, true, false);
        }
    }

    /** @param entry {@link Escalation#entry}. */
    void publish(byte[] entry, Listener listener) {
        Topic topic = held;
        if (topic == null) {
            waiting.add(new Waiting(entry, listener));
            hold();
        } else {
            publish(topic, entry, listener);
        }
    }

    @Override
    public void onHeld(
            int correlation,
            @Nullable Topic topic,
            long nextOffset,
            long firstAvailable,
            int stateCount,
            @Nullable ErrorCode refusal) {
        isAsking = false;
        held = topic;
        List<Waiting> now = List.copyOf(waiting);
        waiting.clear();
        for (Waiting each : now) {
            if (topic == null) {
                each.listener.onOutcome(refusal == null ? ErrorCode.UNAVAILABLE : refusal);
            } else {
                publish(topic, each.entry, each.listener);
            }
        }
    }

    private void publish(Topic topic, byte[] entry, Listener listener) {
        int requestId = ++lastRequestId;
        int bodyBytes = PublishFrame.SEQUENCE_BYTES + entry.length;
        ByteBuf frame = Unpooled.buffer(FrameHeader.LENGTH + bodyBytes);
        FrameHeader.write(frame, FrameType.PUBLISH, 0, topic.handle(), requestId, bodyBytes);
        frame.writeLongLE(0).writeBytes(entry);
        underWay.put(requestId, listener);
        try {
            dispatch.publisher().view().wrap(frame, 0, frame.readableBytes());
        } catch (ProtocolException impossible) {
            throw new IllegalStateException("an escalation of our own does not add up", impossible);
        }
        dispatch.publisher().publish(this, dispatch.publisher().publication(topic, Priority.LOW, null));
        dispatch.publisher().sendBatch();
        dispatch.shard().requestTurn();
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
                end(published.exceptionRequestId(i), codeOf(published.exceptionCode(i)));
            } else if (published.exceptionKind(i) == PublishedFrame.KIND_DUPLICATE) {
                end(published.exceptionRequestId(i), null);
            }
        }
        for (int i = 0; i < published.rangeCount(); i++) {
            for (int each = 0; each < published.rangeLength(i); each++) {
                end(published.rangeFirstRequestId(i) + each, null);
            }
        }
    }

    private void end(int requestId, @Nullable ErrorCode refusal) {
        Listener listener = underWay.remove(requestId);
        if (listener != null) {
            // What could not be stored was delivered, if its channel delivers early.
            boolean isDelivered = refusal == ErrorCode.NOT_STORED && isEarly();
            listener.onOutcome(isDelivered ? null : refusal);
        }
    }

    private boolean isEarly() {
        Topic topic = held;
        return topic != null && topic.channel().policy().durability() == hermod.broker.topic.Durability.DISK_EARLY;
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
        return SOURCE;
    }

    /** What is told twice is recognised by its event id. */
    @Override
    public long producer() {
        return NO_PRODUCER;
    }

    @Override
    public long author() {
        return AUTHOR;
    }

    @Override
    public long device() {
        return AUTHOR;
    }

    @Override
    public boolean mayPublishUrgent() {
        return true;
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
