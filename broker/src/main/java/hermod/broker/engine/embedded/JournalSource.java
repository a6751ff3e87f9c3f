package hermod.broker.engine.embedded;

import hermod.broker.engine.EventLog;
import hermod.broker.shard.PriorityRings;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One shard's way into the journal; what the journal's thread does with it is in {@link Lane} and has "Drained" or "complete" in its name. */
@RunsOn(Owner.SHARD)
final class JournalSource implements Journal.Source {
    private static final Logger LOG = LoggerFactory.getLogger(JournalSource.class);

    private static final int URGENT_BIT = 1 << 8;
    private static final int INDEX_SHIFT = 9;

    /** What a record takes of a ring beside its payload (Agrona's header), and what it is rounded up to. */
    private static final int RING_HEAD_BYTES = 8;

    private final Journal journal;
    private final PriorityRings rings;
    private final EventLog.Completion completion;
    private final int typeBits;
    private final Lane normal;
    private final Lane urgent;

    /** One lane: the shard counts what it appends, the journal's thread what it has done with; neither waits for the other. */
    private static final class Lane {
        private final Priority ring;
        private final int budgetBytes;
        private final int payloadBytesMax;

        /** The shard's. */
        private long lastTicket;

        private long takenBytes;

        /** Written by the journal's thread, read by the shard. */
        private final AtomicLong givenBackBytes = new AtomicLong();

        /** The journal's thread's. */
        private long drainedTicket;

        private long drainedBytes;
        private long completedTicket;

        Lane(Priority ring, int budgetBytes, int payloadBytesMax) {
            this.ring = ring;
            this.budgetBytes = budgetBytes;
            this.payloadBytesMax = payloadBytesMax;
        }

        boolean hasRoom(int bytes) {
            return bytes <= payloadBytesMax && ringBytes(bytes) <= budgetBytes - (takenBytes - givenBackBytes.get());
        }

        void onDrained(int payloadBytes) {
            drainedTicket++;
            drainedBytes += ringBytes(payloadBytes);
        }

        boolean isComplete() {
            return drainedTicket == completedTicket;
        }

        /** Before the completion is called: who hears of it finds room. */
        void complete() {
            completedTicket = drainedTicket;
            givenBackBytes.lazySet(drainedBytes);
        }
    }

    static int ringBytes(int payloadBytes) {
        return (RING_HEAD_BYTES + payloadBytes + RING_HEAD_BYTES - 1) & -RING_HEAD_BYTES;
    }

    /** @param index below {@link JournalConfig#sourceCount}. */
    JournalSource(
            Journal journal, PriorityRings rings, int index, JournalConfig config, EventLog.Completion completion) {
        this.journal = journal;
        this.rings = rings;
        this.completion = completion;
        this.typeBits = index << INDEX_SHIFT;
        this.normal = lane(Priority.NORMAL, config.ringBytes(), config.sourceCount());
        this.urgent = lane(Priority.URGENT, config.urgentRingBytes(), config.sourceCount());
    }

    /** The budgets of all and the unused end of the ring, which is less than one record, fill the ring at most. */
    private static Lane lane(Priority ring, int ringBytes, int sourceCount) {
        int recordBytesMax = ringBytes / 8;
        int budgetBytes = (ringBytes - recordBytesMax) / sourceCount;
        return new Lane(ring, budgetBytes, Math.min(recordBytesMax, budgetBytes) - 2 * RING_HEAD_BYTES);
    }

    private Lane lane(boolean isUrgent) {
        return isUrgent ? urgent : normal;
    }

    @Override
    public boolean hasRoom(boolean isUrgent, int bytes) {
        return !journal.refuses(isUrgent) && lane(isUrgent).hasRoom(bytes);
    }

    @Override
    public int payloadBytesMax(boolean isUrgent) {
        return lane(isUrgent).payloadBytesMax;
    }

    @Override
    public long append(boolean isUrgent, int kind, ByteBuf payload) {
        Lane lane = lane(isUrgent);
        int bytes = payload.readableBytes();
        if (kind < 1 || kind > JournalRecords.KIND_MAX) {
            throw new IllegalArgumentException("kind of a journal record: " + kind);
        }
        int type = typeBits | (isUrgent ? URGENT_BIT : 0) | kind;
        if (!lane.hasRoom(bytes) || !rings.offer(lane.ring, type, payload, payload.readerIndex(), bytes)) {
            throw new IllegalStateException("the journal has no room: urgent=" + isUrgent + ", bytes=" + bytes);
        }
        lane.takenBytes += ringBytes(bytes);
        return ++lane.lastTicket;
    }

    @Override
    public void flush() {
        journal.wake();
    }

    static int indexOf(int recordType) {
        return recordType >>> INDEX_SHIFT;
    }

    static boolean isUrgent(int recordType) {
        return (recordType & URGENT_BIT) != 0;
    }

    static int kindOf(int recordType) {
        return recordType & JournalRecords.KIND_MAX;
    }

    /** The journal's thread, for each record of this source. */
    void onDrained(boolean isUrgent, int payloadBytes) {
        lane(isUrgent).onDrained(payloadBytes);
    }

    /** The journal's thread: all that was drained of the lane is stored, or failed where there is a fault. */
    void complete(boolean isUrgent, Journal.Outcome outcome) {
        Lane lane = lane(isUrgent);
        if (lane.isComplete()) {
            return;
        }
        lane.complete();
        try {
            if (outcome.fault() == null) {
                completion.onStored(isUrgent, lane.completedTicket);
            } else {
                completion.onFailed(isUrgent, lane.completedTicket, outcome.fault());
            }
        } catch (RuntimeException defect) {
            LOG.error("a completion failed: urgent={}, ticket={}", isUrgent, lane.completedTicket, defect);
        }
    }
}
