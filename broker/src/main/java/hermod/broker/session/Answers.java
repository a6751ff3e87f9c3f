package hermod.broker.session;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;

/**
 * What a client is answered: the frames that are not events, and the errors among them.
 *
 * <p>The session's shard's. A frame is given, and the outbox frees it; where the outbox has no room for it the connection is closed with SLOW_CONSUMER, and before that its socket is not read any more.
 */
@RunsOn(Owner.SHARD)
final class Answers {
    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final ShardMetrics metrics;
    private final Outbox outbox;
    private final Intake intake;
    private int errorCount;

    Answers(Session session, Outbox outbox, Intake intake) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.metrics = dispatch.metrics();
        this.outbox = outbox;
        this.intake = intake;
    }

    /** @param frame given. */
    void answer(ByteBuf frame) {
        if (outbox.offerAnswer(frame) == Outbox.Offer.FULL && !session.isClosed()) {
            metrics.add(Counter.CONNECTIONS_SLOW, 1);
            session.close(CloseCode.SLOW_CONSUMER, "answers are not taken as fast as they are asked for");
            return;
        }
        intake.stopReadingIfUntaken();
        dispatch.flushes().add(outbox);
        dispatch.shard().requestTurn();
    }

    /** Refuses one request; the connection goes on, unless it has caused as many errors as it may. */
    void error(int requestId, ErrorCode code, String sentence) {
        error(requestId, code, sentence, 0);
    }

    void error(int requestId, ErrorCode code, String sentence, int retryAfterMs) {
        metrics.add(Counter.ERRORS_SENT, 1);
        answer(ControlCodec.encode(
                ground.allocator(),
                FrameType.ERROR,
                requestId,
                hermod.protocol.control.wire.Error.newBuilder()
                        .setCode(code.code())
                        .setMessage(sentence)
                        .setRetryAfterMs(retryAfterMs)
                        .build()));
        if (++errorCount >= ProtocolLimits.ERRORS_PER_CONNECTION) {
            session.close(CloseCode.TOO_MANY_ERRORS, "errors=" + errorCount);
        }
    }

    void error(int requestId, TopicResult refusal) {
        for (ErrorCode code : ErrorCode.values()) {
            if (code.code() == refusal.getCode()) {
                error(requestId, code, refusal.getMessage());
            }
        }
    }
}
