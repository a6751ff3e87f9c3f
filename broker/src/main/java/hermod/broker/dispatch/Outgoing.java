package hermod.broker.dispatch;

import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;

/**
 * Records on their way from one shard to another, in order even where the other's ring is full for a moment.
 *
 * <p>What finds the ring full waits here, behind what waits already, and is offered again each turn. The queue is bounded; beyond it {@link #send} says false and the caller gives its own answer.
 */
@RunsOn(Owner.SHARD)
final class Outgoing {
    /** Records that may wait for one shard. */
    static final int WAITING_COUNT_MAX = 65_536;

    private record Waiting(Priority lane, int recordType, ByteBuf record) {}

    private final Shard to;
    private final ShardMetrics metrics;
    private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();

    Outgoing(Shard to, ShardMetrics metrics) {
        this.to = to;
        this.metrics = metrics;
    }

    /**
     * Sends a record, or lets it wait.
     *
     * @param record borrowed; copied.
     * @return false when as many wait as may.
     */
    boolean send(Priority lane, int recordType, ByteBuf record) {
        if (waiting.isEmpty() && to.offer(lane, recordType, record, record.readerIndex(), record.readableBytes())) {
            return true;
        }
        if (waiting.size() >= WAITING_COUNT_MAX) {
            return false;
        }
        waiting.addLast(new Waiting(lane, recordType, Unpooled.copiedBuffer(record)));
        metrics.add(Counter.RUNS_DELAYED, 1);
        return true;
    }

    /** Sends a record only if nothing waits and the ring has room. */
    boolean trySend(Priority lane, int recordType, ByteBuf record) {
        return waiting.isEmpty() && to.offer(lane, recordType, record, record.readerIndex(), record.readableBytes());
    }

    /** Offers what waits again. @return whether something still waits. */
    boolean retry() {
        while (!waiting.isEmpty()) {
            Waiting next = waiting.peekFirst();
            if (!to.offer(next.lane, next.recordType, next.record, 0, next.record.readableBytes())) {
                return true;
            }
            waiting.removeFirst();
        }
        return false;
    }
}
