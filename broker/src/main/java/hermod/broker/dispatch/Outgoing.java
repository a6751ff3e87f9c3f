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
import java.util.ArrayList;
import java.util.List;

/**
 * Records on their way from one shard to another, in order within a lane even where the other's ring is full for a moment.
 *
 * <p>What finds its lane's ring full waits here, behind what waits already in that lane, and is offered again each turn. The queue of events is bounded; beyond it {@link #send} says false and the caller gives its own
 * answer. Records about holding topics always wait: there are at most as many as connections may hold topics.
 */
@RunsOn(Owner.SHARD)
final class Outgoing {
    /** Records of outcomes that may wait for one lane of one shard. */
    static final int WAITING_COUNT_MAX = 65_536;

    /** Runs that may: fewer, because each keeps a chunk in memory, and what is not sent is read from the replay window later. */
    static final int WAITING_RUNS_MAX = 1_024;

    private record Waiting(int recordType, ByteBuf record) {}

    private final Shard to;
    private final ShardMetrics metrics;
    private final List<ArrayDeque<Waiting>> waiting = new ArrayList<>();

    /** Whether the other shard has a record that it was not woken for. */
    private boolean owesWake;

    Outgoing(Shard to, ShardMetrics metrics) {
        this.to = to;
        this.metrics = metrics;
        for (int lane = 0; lane < Priority.COUNT; lane++) {
            waiting.add(new ArrayDeque<>());
        }
    }

    /**
     * Sends a record, or lets it wait.
     *
     * @param record borrowed; copied.
     * @return false when as many wait as may.
     */
    boolean send(Priority lane, int recordType, ByteBuf record) {
        if (trySend(lane, recordType, record)) {
            return true;
        }
        return letWait(lane, recordType, record, WAITING_COUNT_MAX);
    }

    /** As {@link #send}, for a run. */
    boolean sendRun(Priority lane, ByteBuf record) {
        return trySend(lane, RingRecords.RUN, record) || letWait(lane, RingRecords.RUN, record, WAITING_RUNS_MAX);
    }

    private boolean letWait(Priority lane, int recordType, ByteBuf record, int countMax) {
        if (waiting.get(lane.code()).size() >= countMax) {
            return false;
        }
        letWait(lane, recordType, record);
        return true;
    }

    /**
     * Sends a record, or lets it wait, and leaves the wake-up, which costs this shard some µs, to {@link #wake}: for what is less urgent than what this turn still has to write.
     *
     * @param record borrowed; copied.
     * @return false when as many wait as may.
     */
    boolean sendUnhurried(Priority lane, int recordType, ByteBuf record) {
        if (!waiting.get(lane.code()).isEmpty()
                || to.isCurrent()
                || !to.rings().offer(lane, recordType, record, record.readerIndex(), record.readableBytes())) {
            return send(lane, recordType, record);
        }
        owesWake = true;
        return true;
    }

    /** Wakes the other shard if it is owed a wake-up. */
    void wake() {
        if (owesWake) {
            owesWake = false;
            to.wake();
        }
    }

    /** Sends a record about holding a topic, or lets it wait, however many wait: a lost one would be remembered for ever. */
    void sendSurely(Priority lane, int recordType, ByteBuf record) {
        if (!trySend(lane, recordType, record)) {
            letWait(lane, recordType, record);
        }
    }

    /** Whether nothing waits. */
    boolean isEmpty() {
        for (ArrayDeque<Waiting> queue : waiting) {
            if (!queue.isEmpty()) {
                return false;
            }
        }
        return true;
    }

    private void letWait(Priority lane, int recordType, ByteBuf record) {
        waiting.get(lane.code()).addLast(new Waiting(recordType, Unpooled.copiedBuffer(record)));
        metrics.add(Counter.RECORDS_DELAYED, 1);
    }

    /** Sends a record only if nothing waits in its lane and the ring has room. */
    boolean trySend(Priority lane, int recordType, ByteBuf record) {
        return waiting.get(lane.code()).isEmpty()
                && to.offer(lane, recordType, record, record.readerIndex(), record.readableBytes());
    }

    /** Offers what waits again, and where the ring is still full, has the shard wake us when it has made room. */
    void retry(Shard from) {
        if (retry()) {
            to.wakeAfterTurn(from);
            // It may have made room before it was asked.
            retry();
        }
    }

    /** Highest lane first. @return whether something still waits. */
    boolean retry() {
        boolean isWaiting = false;
        for (int lane = Priority.COUNT - 1; lane >= 0; lane--) {
            isWaiting |= retry(Priority.ofCode(lane));
        }
        return isWaiting;
    }

    private boolean retry(Priority lane) {
        ArrayDeque<Waiting> queue = waiting.get(lane.code());
        while (!queue.isEmpty()) {
            Waiting next = queue.peekFirst();
            if (!to.offer(lane, next.recordType, next.record, 0, next.record.readableBytes())) {
                return true;
            }
            queue.removeFirst();
        }
        return false;
    }
}
