package hermod.broker.session;

import hermod.broker.dispatch.Dispatch;
import hermod.broker.dispatch.Publisher;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.CloseCode;
import org.jspecify.annotations.Nullable;

/**
 * What a connection's socket brings, before it is looked at: counts it, has the shard take turns between, and stops reading where the client does not take its answers.
 *
 * <p>The session's shard's. Holds no buffers: bytes that wait are the decoder's. The last resort against answers that pile up is TCP, which holds the client back; one that takes nothing for {@code publish.unread-answers-timeout-ms} is closed.
 */
@RunsOn(Owner.SHARD)
final class Intake {
    /** Bytes of events after which a turn is taken in the middle of a read loop: beyond, one burst could fill a subscriber's outbox. */
    private static final int TURN_AT_BYTES = 128 * 1024;

    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Publisher publisher;
    private final ShardMetrics metrics;
    private final FrameSink sink;
    private final Outbox outbox;
    private Session.@Nullable Reader reader;
    private int unturnedBytes;
    private int framesCut;
    private boolean isReadStopped;

    /** When the socket last took something while it was not read from. */
    private long tookNs;

    private long receivedNs;

    Intake(Session session, FrameSink sink, Outbox outbox) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.publisher = dispatch.publisher();
        this.metrics = dispatch.metrics();
        this.sink = sink;
        this.outbox = outbox;
        this.receivedNs = dispatch.shard().clock().nowNs();
    }

    /** To be called once, before the first bytes. */
    void reader(Session.Reader connection) {
        reader = connection;
    }

    boolean isWebSocket() {
        return reader != null && reader.isWebSocket();
    }

    /** Nothing is cut until the client's token is checked. */
    void pause() {
        sink.readEnabled(false);
    }

    /** The client is welcomed: takes frames of the full size, and goes on with the bytes kept meanwhile. */
    void begin() {
        Session.Reader connection = reader;
        if (connection != null) {
            connection.frameLimitBytes(ground.frameLimitBytes());
            sink.readEnabled(true);
            // Not from here: the answer may have come in the middle of a turn.
            dispatch.shard().execute(connection::resume);
        }
    }

    /** Bytes have come; before they are cut. */
    void onBytes(int bytes) {
        dispatch.shard().clock().update();
        receivedNs = dispatch.shard().clock().nowNs();
        unturnedBytes += bytes;
    }

    /** The bytes that came have been cut. */
    void onBytesEnd() {
        metrics.add(Counter.FRAMES_RECEIVED, framesCut);
        framesCut = 0;
        publisher.sendBatch();
        if (unturnedBytes >= TURN_AT_BYTES) {
            unturnedBytes = 0;
            dispatch.shard().turnNow();
        }
    }

    /** The socket has nothing more for now. */
    void onReadEnd() {
        unturnedBytes = 0;
        dispatch.shard().requestTurn();
    }

    /** The socket takes more again. */
    void onWritable() {
        if (isReadStopped) {
            tookNs = dispatch.shard().clock().nowNs();
            outbox.flushEarly();
            readAgainIfTaken();
        }
        dispatch.flushes().add(outbox);
        dispatch.shard().requestTurn();
    }

    void countFrame() {
        framesCut++;
    }

    /** When bytes last came, or reading began. */
    long receivedNs() {
        return receivedNs;
    }

    /** Whether nothing is read, because the client does not take its answers. */
    boolean isReadStopped() {
        return isReadStopped;
    }

    /** The last resort against a client that asks and does not read: what it sends waits in its own socket, and TCP holds it back. */
    void stopReadingIfUntaken() {
        if (isReadStopped || !session.isOpen() || outbox.answerBytes() <= outbox.answerBytesReadLimit()) {
            return;
        }
        outbox.flushEarly();
        if (outbox.answerBytes() > outbox.answerBytesReadLimit()) {
            isReadStopped = true;
            tookNs = dispatch.shard().clock().nowNs();
            metrics.add(Counter.READS_STOPPED, 1);
            sink.readEnabled(false);
        }
    }

    private void readAgainIfTaken() {
        if (isReadStopped && outbox.answerBytes() == 0 && session.isOpen()) {
            isReadStopped = false;
            receivedNs = dispatch.shard().clock().nowNs();
            sink.readEnabled(true);
            Session.Reader connection = reader;
            if (connection != null) {
                dispatch.shard().execute(connection::resume);
            }
        }
    }

    /** Nothing can be received where nothing is read, so silence means nothing then; a socket that takes nothing does. */
    void closeIfStuck(long nowNs) {
        readAgainIfTaken();
        if (isReadStopped && nowNs - tookNs > ground.publish().unreadAnswersTimeoutMs() * 1_000_000L) {
            metrics.add(Counter.CONNECTIONS_SLOW, 1);
            session.close(
                    CloseCode.SLOW_CONSUMER,
                    "answers are not read: timeoutMs=" + ground.publish().unreadAnswersTimeoutMs());
        }
    }
}
