package hermod.broker.dispatch;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.Chunk;
import hermod.broker.topic.DurableTopic;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.PendingRun;
import hermod.broker.topic.TopicLog;
import hermod.protocol.EventType;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.agrona.concurrent.UnsafeBuffer;
import org.jspecify.annotations.Nullable;

/**
 * What one home shard has given to the engine, lane by lane in order, and what became of it.
 *
 * <p>Events are staged as they are accepted, topic by topic; each run goes to the engine as a whole, and comes back, stored or not, to {@link Owner}. The engine says so from its own thread, by two counters and, rarely, a fault, and wakes
 * the shard.
 */
@RunsOn(Owner.SHARD)
final class StoreQueue implements EventLog.Completion {
    /** Runs kept for the next use. */
    private static final int POOL_MAX = 1_024;

    /** What an append costs the engine besides its entries, at most; counted for each event, since each may be an append. */
    private static final int APPEND_BYTES = 64;

    private static final byte[] NO_KEY = {};

    /** Told what became of a run, in the order of the tickets of a lane; on the shard. */
    interface Owner {
        void onStored(PendingRun run);

        void onNotStored(PendingRun run, EngineFault fault);
    }

    /** What is with the engine under one ticket. */
    private abstract static class Pending {
        long ticket;
        boolean isUrgent;
    }

    /** A run. */
    private static final class Stored extends Pending {
        final PendingRun run;

        /** Why the engine did not take it; null where it has. */
        @Nullable
        EngineFault fault;

        Stored(PendingRun run) {
            this.run = run;
        }
    }

    /** Anything else. */
    private static final class Other extends Pending {
        final Consumer<@Nullable EngineFault> onEnd;

        Other(Consumer<@Nullable EngineFault> onEnd) {
            this.onEnd = onEnd;
        }
    }

    /** Tickets of a lane that failed. */
    private record Failure(boolean isUrgent, long first, long last, EngineFault fault) {}

    private final Shard shard;
    private final Owner owner;
    private final EventLog.Appender appender;
    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final ArrayDeque<Pending> urgentPending = new ArrayDeque<>();
    private final ArrayDeque<PendingRun> pool = new ArrayDeque<>();

    /** Bytes staged and not appended yet. */
    private int stagedBytes;

    private int urgentStagedBytes;
    private boolean isUnflushed;

    /** Whether a run waits that the engine did not take. */
    private boolean hasRefused;

    // Written by the engine's thread.
    private final AtomicLong completed = new AtomicLong();
    private final AtomicLong urgentCompleted = new AtomicLong();
    private final ConcurrentLinkedQueue<Failure> failures = new ConcurrentLinkedQueue<>();

    // The shard's: how far it has looked.
    private long settled;
    private long urgentSettled;

    StoreQueue(Shard shard, EventLog events, Owner owner) {
        this.shard = shard;
        this.owner = owner;
        this.appender = events.appender(this);
    }

    // ---- to the engine

    /** Whether an event with so many bytes of frame and key can be staged. */
    boolean hasRoom(boolean isUrgent, int frameAndKeyBytes) {
        int bytes = StoredEntry.FIXED_BYTES + frameAndKeyBytes + APPEND_BYTES;
        return appender.hasRoom(isUrgent, (isUrgent ? urgentStagedBytes : stagedBytes) + bytes);
    }

    private static boolean isUrgent(TopicLog log) {
        return log.lane() == Priority.URGENT;
    }

    /** The run that an event of the topic belongs to from now on. */
    PendingRun runOf(TopicLog log, DurableTopic durable) {
        PendingRun run = durable.staged();
        if (run == null) {
            run = take(log);
            durable.stage(run);
        }
        return run;
    }

    private PendingRun take(TopicLog log) {
        PendingRun run = pool.pollLast();
        if (run == null) {
            run = new PendingRun(log);
        } else {
            run.reuse(log);
        }
        run.isUrgent = isUrgent(log);
        return run;
    }

    /** Writes the entry of the event that the topic has just been given. */
    void stage(TopicLog log, DurableTopic durable, IncomingEvent event, long sequence, long producer, long author) {
        PendingRun run = runOf(log, durable);
        run.countEvent();
        ByteBuf entries = run.entries();
        int entryAt = entries.writerIndex();
        int frameBytes = TopicLog.frameBytes(event);
        writeHead(entries, durable, event, sequence, producer, author, frameBytes);
        int at = entries.writerIndex();
        entries.ensureWritable(frameBytes);
        log.copyLastFrame(entries.array(), entries.arrayOffset() + at, frameBytes);
        entries.writerIndex(at + frameBytes);
        addStaged(isUrgent(log), entries.writerIndex() - entryAt + APPEND_BYTES);
    }

    private void writeHead(
            ByteBuf out,
            DurableTopic durable,
            IncomingEvent event,
            long sequence,
            long producer,
            long author,
            int frameBytes) {
        boolean isCountable = EventType.isCountable(event.type);
        if (isCountable) {
            durable.count(author);
        }
        byte[] key = durable.keys() == null ? NO_KEY : StateFields.keyBytes(event);
        int flags = (isCountable ? StoredEntry.FLAG_COUNTABLE : 0)
                | (key.length > 0 && StateFields.isDeleted(event) ? StoredEntry.FLAG_TOMBSTONE : 0);
        StoredEntry.writeHead(
                out,
                flags,
                key.length,
                frameBytes,
                producer,
                sequence,
                author,
                durable.ordinal(),
                durable.authorOrdinal(author),
                durable.stamp(shard.clock().nowUs()));
        out.writeBytes(key);
    }

    private void addStaged(boolean isUrgent, int bytes) {
        if (isUrgent) {
            urgentStagedBytes += bytes;
        } else {
            stagedBytes += bytes;
        }
    }

    /** Gives a topic's staged events to the engine; they are the topic's current run. */
    void submit(TopicLog log, DurableTopic durable, Chunk chunk, TopicLog.Run run) {
        PendingRun waits = durable.staged();
        if (waits == null) {
            throw new IllegalStateException(
                    "events that were not staged: topic=" + log.topic().name());
        }
        durable.stage(null);
        waits.from = run.from();
        waits.to = log.runEnd();
        waits.count = run.count();
        waits.firstOffset = run.firstOffset();
        waits.expiresAtUs = run.expiresAtUs();
        waits.hasExclusions = run.hasExclusions();
        waits.priority = run.priority();
        waits.arrivedNs = run.arrivedNs();
        if (!durable.isEarly()) {
            chunk.memory().retain();
            waits.chunk = chunk;
        }
        append(durable, waits);
    }

    /** Gives one event of a topic to the engine that was fanned out before and not stored then. */
    void resubmit(
            TopicLog log,
            DurableTopic durable,
            IncomingEvent event,
            long offset,
            long sequence,
            long producer,
            long author,
            int toShard,
            long party,
            int requestId) {
        PendingRun run = take(log);
        int frameBytes = TopicLog.frameBytes(event);
        writeHead(run.entries(), durable, event, sequence, producer, author, frameBytes);
        run.countEvent();
        ByteBuf entries = run.entries();
        int at = entries.writerIndex();
        entries.ensureWritable(frameBytes);
        log.rewriteFrame(event, offset, new UnsafeBuffer(entries.array(), entries.arrayOffset() + at, frameBytes), 0);
        entries.writerIndex(at + frameBytes);
        addStaged(run.isUrgent, entries.readableBytes() + APPEND_BYTES);
        run.firstOffset = offset;
        run.count = 1;
        run.addOutcome(PendingRun.ACCEPTED, toShard, party, requestId, offset, event.priority, event.entryBytes);
        append(durable, run);
    }

    private void append(DurableTopic durable, PendingRun run) {
        addStaged(run.isUrgent, -run.entries().readableBytes() - run.eventCount() * APPEND_BYTES);
        Stored stored = new Stored(run);
        stored.isUrgent = run.isUrgent;
        durable.onSubmitted();
        try {
            stored.ticket = appender.append(run.isUrgent, durable.stream(), run.entries());
        } catch (IllegalStateException noRoom) {
            // There was room when each was staged; a fault may have come since.
            stored.ticket = lastTicket(run.isUrgent);
            stored.fault = EngineFault.BUSY;
            hasRefused = true;
            shard.requestTurn();
        }
        enqueue(stored);
    }

    /**
     * Has offsets reserved, so that they may be given out before their events are stored.
     *
     * @param onEnd told on the shard, with null when they are reserved.
     */
    void reserve(boolean isUrgent, long stream, long end, Consumer<@Nullable EngineFault> onEnd) {
        Other reservation = new Other(onEnd);
        reservation.isUrgent = isUrgent;
        reservation.ticket = appender.reserve(isUrgent, stream, end);
        enqueue(reservation);
    }

    private long lastTicket(boolean isUrgent) {
        Pending last = (isUrgent ? urgentPending : pending).peekLast();
        return last != null ? last.ticket : isUrgent ? urgentSettled : settled;
    }

    private void enqueue(Pending item) {
        (item.isUrgent ? urgentPending : pending).addLast(item);
        isUnflushed = true;
    }

    /** Runs of a topic that are with the engine, in order, and then the staged one. */
    void forEachPending(TopicLog log, DurableTopic durable, Consumer<PendingRun> task) {
        for (Pending item : isUrgent(log) ? urgentPending : pending) {
            if (item instanceof Stored stored && stored.run.log() == log) {
                task.accept(stored.run);
            }
        }
        PendingRun staged = durable.staged();
        if (staged != null) {
            task.accept(staged);
        }
    }

    /** The run that an event waits in, staged or with the engine: what becomes of the event is what becomes of it. Null where the event does not wait. */
    @Nullable
    PendingRun holderOf(TopicLog log, DurableTopic durable, long offset) {
        for (Pending item : isUrgent(log) ? urgentPending : pending) {
            if (item instanceof Stored stored && stored.run.log() == log && holds(stored.run, offset)) {
                return stored.run;
            }
        }
        PendingRun staged = durable.staged();
        return staged != null && holds(staged, offset) ? staged : null;
    }

    private static boolean holds(PendingRun run, long offset) {
        ByteBuf entries = run.entries();
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            if (StoredEntry.offset(entries, at) == offset) {
                return true;
            }
        }
        return false;
    }

    /**
     * A way into the log for what goes beside events, in the same lanes and with the same syncs.
     *
     * @param completion told on the shard.
     */
    EventLog.Appender beside(EventLog.Completion completion) {
        return new EventLog.Appender() {
            @Override
            public boolean hasRoom(boolean isUrgent, int bytes) {
                return appender.hasRoom(isUrgent, (isUrgent ? urgentStagedBytes : stagedBytes) + bytes);
            }

            @Override
            public long append(boolean isUrgent, long stream, ByteBuf entries) {
                return follow(isUrgent, appender.append(isUrgent, stream, entries));
            }

            @Override
            public long reserve(boolean isUrgent, long stream, long end) {
                return follow(isUrgent, appender.reserve(isUrgent, stream, end));
            }

            private long follow(boolean isUrgent, long ticket) {
                Other item = new Other(fault -> {
                    if (fault == null) {
                        completion.onStored(isUrgent, ticket);
                    } else {
                        completion.onFailed(isUrgent, ticket, fault);
                    }
                });
                item.isUrgent = isUrgent;
                item.ticket = ticket;
                enqueue(item);
                return ticket;
            }

            @Override
            public void flush() {
                StoreQueue.this.flush();
            }
        };
    }

    /** To be called when a turn ends. */
    void flush() {
        if (isUnflushed) {
            isUnflushed = false;
            appender.flush();
        }
    }

    /** Whether nothing is with the engine. */
    boolean isEmpty() {
        return pending.isEmpty() && urgentPending.isEmpty();
    }

    // ---- from the engine

    @Override
    public void onStored(boolean isUrgent, long ticket) {
        (isUrgent ? urgentCompleted : completed).set(ticket);
        wake();
    }

    @Override
    public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
        AtomicLong counter = isUrgent ? urgentCompleted : completed;
        long before = counter.get();
        if (ticket > before) {
            // First the word of the failure: who sees the counter sees it too.
            failures.add(new Failure(isUrgent, before + 1, ticket, fault));
            counter.set(ticket);
            wake();
        }
    }

    /** An engine that closes behind the shards has nobody to tell. */
    private void wake() {
        try {
            shard.wake();
        } catch (RejectedExecutionException ended) {
            // The shard's loop has ended, and its connections before it.
        }
    }

    /** Hands on what has been completed; called in each turn. */
    void settle() {
        boolean isAnyway = hasRefused;
        hasRefused = false;
        if (isAnyway || urgentCompleted.get() != urgentSettled) {
            urgentSettled = settle(urgentPending, true, urgentCompleted.get());
        }
        if (isAnyway || completed.get() != settled) {
            settled = settle(pending, false, completed.get());
        }
    }

    private long settle(ArrayDeque<Pending> queue, boolean isUrgent, long upTo) {
        Pending item;
        while ((item = queue.peekFirst()) != null && item.ticket <= upTo) {
            queue.removeFirst();
            EngineFault fault = faultOf(isUrgent, item.ticket);
            if (item instanceof Stored stored) {
                settle(stored.run, stored.fault == null ? fault : stored.fault);
            } else if (item instanceof Other other) {
                other.onEnd.accept(fault);
            }
        }
        return upTo;
    }

    private void settle(PendingRun run, @Nullable EngineFault fault) {
        try {
            if (fault == null) {
                owner.onStored(run);
            } else {
                owner.onNotStored(run, fault);
            }
        } finally {
            giveBack(run);
        }
    }

    private void giveBack(PendingRun run) {
        Chunk chunk = run.chunk;
        if (chunk != null) {
            run.chunk = null;
            chunk.memory().release();
        }
        if (pool.size() < POOL_MAX) {
            pool.addLast(run);
        }
    }

    /** Failures of both lanes stand in one queue, each lane's in the order of its tickets. */
    private @Nullable EngineFault faultOf(boolean isUrgent, long ticket) {
        if (failures.isEmpty()) {
            return null;
        }
        for (Failure each : failures) {
            if (each.isUrgent == isUrgent && ticket > each.last) {
                failures.remove(each);
            } else if (each.isUrgent == isUrgent && ticket >= each.first) {
                return each.fault;
            }
        }
        return null;
    }

    /** Releases what waits; the broker ends. */
    void close() {
        for (ArrayDeque<Pending> queue : List.of(urgentPending, pending)) {
            Pending item;
            while ((item = queue.pollFirst()) != null) {
                if (item instanceof Stored stored) {
                    giveBack(stored.run);
                }
            }
        }
    }
}
