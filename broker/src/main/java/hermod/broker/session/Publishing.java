package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.admission.PublishRate;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Publication;
import hermod.broker.dispatch.PublishView;
import hermod.broker.dispatch.Publisher;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolException;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/**
 * What a client publishes: admits its PUBLISH frames by handle, rights, switches, window and rate, gives them to the {@link Publisher}, and collects their outcomes.
 *
 * <p>The session's shard's. A PUBLISH is borrowed; the frame of outcomes is given to the outbox. Where the window or a rate is full, the frame's events are refused with BACK_PRESSURED or RATE_LIMITED. Allocates nothing for an event.
 */
@RunsOn(Owner.SHARD)
final class Publishing {
    /** A window's round trip takes less, unless a shard is overloaded. */
    private static final int WINDOW_RETRY_AFTER_MS = 50;

    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Publisher publisher;
    private final ShardMetrics metrics;
    private final Client client;
    private final HeldTopics held;
    private final Answers answers;
    private final PublishedWriter outcomes = new PublishedWriter();
    private final int windowEvents;
    private final long windowBytes;
    private @Nullable PublishRate rate;
    private @Nullable UserRates rates;
    private boolean isMarkedForOutcomes;

    /** Events on their way to another shard, without an outcome. */
    private int underWayEvents;

    private long underWayBytes;
    private long publishedCount;

    Publishing(Session session, Client client, HeldTopics held, Answers answers) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.publisher = dispatch.publisher();
        this.metrics = dispatch.metrics();
        this.client = client;
        this.held = held;
        this.answers = answers;
        int events = ground.publish().windowEvents();
        int bytes = ground.publish().windowBytes();
        this.windowEvents = events == 0 ? Integer.MAX_VALUE : events;
        this.windowBytes = bytes == 0 ? Long.MAX_VALUE : bytes;
    }

    /** The token is good: from now on events may come, as fast as the client may publish. */
    void begin(Identity who) {
        SessionConfig config = ground.config();
        rate = who.rights().isRateUnlimited()
                ? null
                : new PublishRate(
                        config.publishesPerSecond(),
                        config.publishBytesPerSecond(),
                        dispatch.shard().clock().nowNs());
        rates = who.rights().isRateUnlimited()
                ? null
                : new UserRates(
                        ground.rates(), ground.publish(), who, dispatch.shard().clock());
    }

    /** The connection has ended. */
    void end() {
        if (rates != null) {
            rates.giveBack();
            rates = null;
        }
    }

    /** @param isBeyondUs whether it has an extension that must be understood. */
    void onPublish(ByteBuf in, int at, int frameBytes, boolean isBeyondUs) throws ProtocolException {
        PublishView frame = publisher.view();
        frame.wrap(in, at, frameBytes);
        if (isBeyondUs) {
            refuse(frame, ErrorCode.UNSUPPORTED, 0);
            return;
        }
        int count = frame.count();
        if (frame.sequence() < 0 || frame.sequence() + (count - 1) < 0) {
            refuse(frame, ErrorCode.BAD_EVENT, 0);
            return;
        }
        HeldTopic topic = held.heldTopic(frame.handle());
        if (topic == null) {
            refuse(frame, ErrorCode.UNKNOWN_HANDLE, 0);
            return;
        }
        if (!topic.mayPublish) {
            metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
            refuse(frame, ErrorCode.FORBIDDEN, 0);
            return;
        }
        if (topic.isOff) {
            metrics.add(Counter.PUBLISHES_NOT_ENABLED, count);
            metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
            refuse(frame, ErrorCode.NOT_ENABLED, 0);
            return;
        }
        if (underWayEvents >= windowEvents || underWayBytes >= windowBytes) {
            metrics.add(Counter.PUBLISHES_BACK_PRESSURED, count);
            metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
            refuse(frame, ErrorCode.BACK_PRESSURED, WINDOW_RETRY_AFTER_MS);
            return;
        }
        if (rate != null) {
            int retryAfterMs = rate.retryAfterMs(dispatch.shard().clock().nowNs(), count, frameBytes);
            if (retryAfterMs > 0) {
                metrics.add(Counter.PUBLISHES_RATE_LIMITED, count);
                metrics.add(topic.topic().channel().index(), ChannelCounter.REFUSED, count);
                refuse(frame, ErrorCode.RATE_LIMITED, retryAfterMs);
                return;
            }
        }
        publishedCount += count;
        Publication publication = topic.publication();
        publisher.publish(session, publication == null ? firstPublication(topic) : publication);
    }

    private Publication firstPublication(HeldTopic topic) {
        Channel channel = topic.topic().channel();
        UserRates limits = rates;
        boolean isLimited =
                channel.policy().ratePerMinute() > 0 || channel.policy().ceiling() == Priority.URGENT;
        Identity who = client.identity();
        Priority raisedTo = who == null ? Priority.LOW : who.raisedTo();
        Publication made =
                publisher.publication(topic.topic(), raisedTo, limits != null && isLimited ? limits.of(channel) : null);
        topic.publication(made);
        return made;
    }

    private void refuse(PublishView frame, ErrorCode code, int retryAfterMs) {
        for (int i = 0; i < frame.count(); i++) {
            outcomes.refused(frame.requestId() + i, frame.handle(), code, retryAfterMs);
            if (outcomes.isFull()) {
                writeOutcomes();
            }
        }
        dispatch.noteOutcomes(session);
    }

    /**
     * Takes one event from the rates of the connection and its user, as a PUBLISH would.
     *
     * @param bytes of the frame.
     * @return 0 if taken, otherwise how long to wait.
     */
    int publishRetryAfterMs(Channel channel, Priority priority, int bytes) {
        PublishRate own = rate;
        int retryAfterMs =
                own == null ? 0 : own.retryAfterMs(dispatch.shard().clock().nowNs(), 1, bytes);
        UserRates ofUser = rates;
        return retryAfterMs > 0 || ofUser == null
                ? retryAfterMs
                : ofUser.of(channel).retryAfterMs(priority);
    }

    /** Whether all that was published has its outcome, and all outcomes are in the outbox. */
    boolean isDone() {
        return underWayEvents == 0 && outcomes.isEmpty();
    }

    /** Whether nothing that was published is under way to another shard or the disk. */
    boolean isAnswered() {
        return underWayEvents == 0;
    }

    long publishedCount() {
        return publishedCount;
    }

    PublishedWriter outcomes() {
        return outcomes;
    }

    void onUnderWay(int entryBytes) {
        underWayEvents++;
        underWayBytes += entryBytes;
    }

    void onAnswered(int events, int entryBytes) {
        underWayEvents -= events;
        underWayBytes -= entryBytes;
    }

    boolean markOutcomes() {
        if (isMarkedForOutcomes) {
            return false;
        }
        isMarkedForOutcomes = true;
        return true;
    }

    void writeOutcomes() {
        isMarkedForOutcomes = false;
        if (!outcomes.isEmpty()) {
            answers.answer(takeOutcomes());
        }
    }

    /** @return null where there are none. */
    @Nullable
    ByteBuf lastOutcomes() {
        return outcomes.isEmpty() ? null : takeOutcomes();
    }

    private ByteBuf takeOutcomes() {
        ByteBuf frame = ground.allocator().buffer(outcomes.frameBytes());
        outcomes.writeTo(frame);
        return frame;
    }
}
