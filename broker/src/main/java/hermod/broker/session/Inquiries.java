package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.admission.PublishRate;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.topic.Channel;
import hermod.protocol.ErrorCode;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.TopicResult;
import io.netty.buffer.ByteBuf;
import org.jspecify.annotations.Nullable;

/**
 * The questions of a client about a topic's past that are under way: admits them, and writes their answers.
 *
 * <p>The session's shard's. A page is given to the outbox, or freed where the client may not see it any more or has not taken the answers before it; too many questions, or too fast ones, are refused with BACK_PRESSURED or RATE_LIMITED.
 */
@RunsOn(Owner.SHARD)
final class Inquiries {
    /** A page takes less, unless the disk is overloaded. */
    private static final int RETRY_AFTER_MS = 50;

    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final ShardMetrics metrics;
    private final Client client;
    private final TopicGate gate;
    private final Outbox outbox;
    private final Answers answers;

    /** Made with the first question about a topic's past. */
    private @Nullable PublishRate inquiries;

    private int inquiriesUnderWay;

    Inquiries(Session session, Client client, TopicGate gate, Outbox outbox, Answers answers) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.metrics = dispatch.metrics();
        this.client = client;
        this.gate = gate;
        this.outbox = outbox;
        this.answers = answers;
    }

    /**
     * Admits a question about a topic's past, or answers it with ERROR.
     *
     * @param filter not checked; null for all events.
     * @param underWayLimit questions that may be without their answers.
     * @param perSecond questions that may be asked; not for services.
     * @return null where it was refused.
     */
    @Nullable
    Inquiry inquire(int requestId, String topic, @Nullable Filter filter, int underWayLimit, int perSecond) {
        Identity who = client.identity();
        if (who == null) {
            throw new IllegalStateException("asked for a topic's past before the token was checked");
        }
        if (inquiriesUnderWay >= underWayLimit) {
            answers.error(
                    requestId,
                    ErrorCode.BACK_PRESSURED,
                    "as many pages of history are under way as may be: limit=" + underWayLimit,
                    RETRY_AFTER_MS);
            return null;
        }
        int retryAfterMs = inquiryRetryAfterMs(who, perSecond);
        if (retryAfterMs > 0) {
            answers.error(
                    requestId,
                    ErrorCode.RATE_LIMITED,
                    "pages of history are asked for faster than they may be",
                    retryAfterMs);
            return null;
        }
        Wish wish = new Wish(topic, filter);
        TopicResult refusal = gate.refusalOf(wish, 0);
        if (refusal != null) {
            answers.error(requestId, refusal);
            return null;
        }
        Channel channel = ground.channels().of(TopicName.of(topic).channel());
        if (channel == null) {
            throw new IllegalStateException("a topic that may be read has no channel: " + topic);
        }
        inquiriesUnderWay++;
        return new Inquiry(this, requestId, who.org(), topic, channel, gate.compiled(wish), client.device());
    }

    private int inquiryRetryAfterMs(Identity who, int perSecond) {
        if (who.rights().isService()) {
            return 0;
        }
        long nowNs = dispatch.shard().clock().nowNs();
        PublishRate limit = inquiries;
        if (limit == null) {
            limit = new PublishRate(perSecond, PublishRate.PER_SECOND_MAX, nowNs);
            inquiries = limit;
        }
        return limit.retryAfterMs(nowNs, 1, 0);
    }

    /** @param frame given. */
    void onAnswered(Inquiry inquiry, ByteBuf frame, int expiredCount) {
        inquiriesUnderWay--;
        metrics.add(Counter.HISTORY_PAGES, 1);
        metrics.add(inquiry.channel().index(), ChannelCounter.EXPIRED, expiredCount);
        TopicResult refusal = session.isOpen() ? gate.refusalOf(inquiry.topic(), true) : null;
        if (!session.isOpen()) {
            frame.release();
        } else if (refusal != null) {
            // A REFRESH or an operator took the right away while the page was read.
            frame.release();
            answers.error(inquiry.requestId(), refusal);
        } else if (outbox.answerBytes() > 0
                && outbox.answerBytes() + frame.readableBytes() > outbox.answerBytesReadLimit()) {
            frame.release();
            answers.error(
                    inquiry.requestId(),
                    ErrorCode.BACK_PRESSURED,
                    "the answers before this page were not taken yet",
                    RETRY_AFTER_MS);
        } else {
            answers.answer(frame);
        }
    }

    void onRefused(Inquiry inquiry, ErrorCode code, String sentence, int retryAfterMs) {
        inquiriesUnderWay--;
        if (session.isOpen()) {
            answers.error(inquiry.requestId(), code, sentence, retryAfterMs);
        }
    }

    /** Whether none is under way. */
    boolean isEmpty() {
        return inquiriesUnderWay == 0;
    }

    /** Of an EVENT to this connection, in bytes. */
    int frameLimitBytes() {
        return ground.frameLimitBytes();
    }

    /** Runs something rare on the session's shard; any thread. */
    void execute(Runnable task) {
        dispatch.shard().execute(task);
    }
}
