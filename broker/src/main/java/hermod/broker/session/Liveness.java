package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.CloseCode;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FrameHeader;
import io.netty.buffer.ByteBuf;

/** Whether a connection is still alive: its handshake is over in time, its client is heard of, and its token has not run out; and the answers to PING. The session's shard's. A PONG is given to the outbox. */
@RunsOn(Owner.SHARD)
final class Liveness {
    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final ShardMetrics metrics;
    private final Client client;
    private final Intake intake;
    private final Answers answers;
    private final long acceptedNs;
    private long lastPingUs;

    Liveness(Session session, Client client, Intake intake, Answers answers) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.metrics = dispatch.metrics();
        this.client = client;
        this.intake = intake;
        this.answers = answers;
        this.acceptedNs = dispatch.shard().clock().nowNs();
    }

    /** Checks the connection's deadlines; called every few hundred ms. */
    void onTick(long nowNs, long nowUs) {
        Identity who = client.identity();
        if (session.isOpen()) {
            if (intake.isReadStopped()) {
                intake.closeIfStuck(nowNs);
            } else if (nowNs - intake.receivedNs() > ground.config().silenceTimeoutMs() * 1_000_000L) {
                metrics.add(Counter.CONNECTIONS_SILENT, 1);
                session.close(
                        CloseCode.SILENT,
                        "nothing received: timeoutMs=" + ground.config().silenceTimeoutMs());
            }
            if (session.isOpen() && who != null && who.expiresAtUs() != 0 && who.expiresAtUs() <= nowUs) {
                session.close(CloseCode.TOKEN_EXPIRED, "the token has run out");
            }
        } else if (!session.isClosed() && nowNs - acceptedNs > ground.handshakeTimeoutMs() * 1_000_000L) {
            session.close(
                    CloseCode.HANDSHAKE_TIMEOUT, "no complete handshake: timeoutMs=" + ground.handshakeTimeoutMs());
        }
    }

    void onPing(int requestId, long sentUs) {
        long receivedUs = dispatch.shard().clock().nowUs();
        lastPingUs = receivedUs;
        ByteBuf pong = ground.allocator().buffer(FrameHeader.LENGTH + ClockFrames.PONG_BODY_BYTES);
        dispatch.shard().clock().update();
        ClockFrames.writePong(
                pong, requestId, sentUs, receivedUs, dispatch.shard().clock().nowUs());
        answers.answer(pong);
    }

    /** When the client last sent PING; 0 when it has not. */
    long lastPingUs() {
        return lastPingUs;
    }
}
