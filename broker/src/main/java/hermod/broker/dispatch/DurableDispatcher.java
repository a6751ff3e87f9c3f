package hermod.broker.dispatch;

import hermod.broker.audit.AuditConfig;
import hermod.broker.audit.AuditStream;
import hermod.broker.audit.AuditTrail;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.metrics.ChannelCounter;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.Chunk;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.DurableTopic;
import hermod.broker.topic.EventIds;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.IncomingEvent;
import hermod.broker.topic.PendingRun;
import hermod.broker.topic.StateKeys;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.function.ObjLongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Stage 4 of 7 for durable topics: an event gets its offset and is written once, as in {@link TopicDispatcher}, and then waits for the engine: nobody sees it, and its publisher is told nothing, before it is stored. Where the channel delivers
 * early, subscribers see it at once, and only the publisher waits.
 */
@RunsOn(Owner.SHARD)
final class DurableDispatcher implements StoreQueue.Owner {
    private static final int RETRY_AFTER_MS = 50;

    /** What a full or failed disk needs at least. */
    private static final int FAULT_RETRY_AFTER_MS = 1_000;

    /** What home does for it. */
    interface Home {
        /** Has the topic's current run handed over at the end of the turn. */
        void queue(TopicLog log);

        /** Hands the topic's current run over at once. */
        void handOver(TopicLog log);

        /** Sends a run to every shard that has a subscriber. @param chunk borrowed. */
        void fanOut(
                TopicLog log,
                Chunk chunk,
                int from,
                int to,
                int count,
                long firstOffset,
                Priority priority,
                long expiresAtUs,
                boolean hasExclusions,
                long arrivedNs);
    }

    private final Shard shard;
    private final Engine engine;
    private final Dispatch dispatch;
    private final HomeTopics topics;
    private final Deduplication deduplication;
    private final ShardMetrics metrics;
    private final Outgoing[] outgoing;
    private final Home home;
    private final StoreQueue store;
    private final StoredTopics stored;
    private final PublishedWriter remoteOutcomes = new PublishedWriter();
    private final ByteBuf scratch = Unpooled.buffer(1024);

    /** Of events that are delivered early; null where there is no audit. */
    private @Nullable AuditTrail audit;

    /** Of events that are to be acknowledged; null where nobody is told. */
    private @Nullable Watch watch;

    DurableDispatcher(
            Shard shard,
            Engine engine,
            Dispatch dispatch,
            HomeTopics topics,
            Deduplication deduplication,
            ShardMetrics metrics,
            Outgoing[] outgoing,
            Home home,
            StoredTopics.Holds holds,
            int dedupIdsLimitCount,
            int stateKeysLimitCount) {
        this.shard = shard;
        this.engine = engine;
        this.dispatch = dispatch;
        this.topics = topics;
        this.deduplication = deduplication;
        this.metrics = metrics;
        this.outgoing = outgoing;
        this.home = home;
        store = new StoreQueue(shard, engine.events(), this);
        stored = new StoredTopics(
                shard, engine.events(), topics, deduplication, store, dedupIdsLimitCount, stateKeysLimitCount, holds);
    }

    StoredTopics topics() {
        return stored;
    }

    StoreQueue store() {
        return store;
    }

    /** See {@link Dispatch#record}. */
    void record(AuditConfig config, AuditStream.Head head) {
        AuditTrail trail = new AuditTrail(config, head, store.beside(new Recorded()), metrics);
        audit = trail;
        trail.tellDamage(head, shard.clock().nowUs());
    }

    /** See {@link Dispatch#watch}. */
    void watch(Watch told) {
        watch = told;
    }

    /** A topic is held by one more. */
    void onHeld(TopicLog log) {
        if (watch != null && log.topic().channel().policy().acknowledged()) {
            watch.onHeld(log.topic());
        }
    }

    /** What became of audit records; on the shard. They are all urgent. */
    private final class Recorded implements EventLog.Completion {
        @Override
        public void onStored(boolean isUrgent, long ticket) {
            if (audit != null) {
                audit.onStored(ticket);
            }
        }

        @Override
        public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
            if (audit != null) {
                audit.onFailed(ticket, fault);
            }
        }
    }

    void onTick() {
        if (audit != null) {
            audit.tick(shard.clock().nowNs());
        }
    }

    /** Whether nothing is under way. */
    boolean isQuiet() {
        return store.isEmpty() && stored.isEmpty();
    }

    // ---- from publishers

    /**
     * Takes one event into its topic, unless its sequence was seen before or it can't be stored.
     *
     * @param sequence 0 for none.
     * @param isClamped whether its priority was lowered.
     * @param publisherShard and {@code party}: who is told later.
     * @param outcomes of what is told at once.
     * @return whether the outcome comes later.
     */
    boolean accept(
            TopicLog log,
            DurableTopic durable,
            IncomingEvent incoming,
            int requestId,
            long sequence,
            long producer,
            long author,
            boolean isClamped,
            long arrivedNs,
            int publisherShard,
            long party,
            PublishedWriter outcomes) {
        if (!stored.isKnown(log, durable, producer, author)) {
            if (durable.mayRecall()) {
                stored.recall(log, durable, producer, author);
            }
            return refuse(log, requestId, ErrorCode.BACK_PRESSURED, RETRY_AFTER_MS, outcomes);
        }
        if (sequence != 0) {
            long seen = deduplication.find(log, producer, sequence);
            if (seen > 0) {
                return onDuplicate(
                        log,
                        durable,
                        incoming,
                        requestId,
                        sequence,
                        producer,
                        author,
                        seen,
                        publisherShard,
                        party,
                        outcomes);
            }
            if (seen < 0) {
                return refuse(log, requestId, ErrorCode.SEQUENCE_TOO_OLD, 0, outcomes);
            }
        }
        EventIds ids = durable.ids();
        int idAt = ids == null ? -1 : EventId.at(incoming);
        if (ids != null && idAt >= 0) {
            long seen = ids.find(
                    idPart(incoming, idAt),
                    idPart(incoming, idAt + Long.BYTES),
                    shard.clock().nowUs());
            if (seen > 0) {
                return onDuplicate(
                        log,
                        durable,
                        incoming,
                        requestId,
                        sequence,
                        producer,
                        author,
                        seen,
                        publisherShard,
                        party,
                        outcomes);
            }
        }
        StateKeys keys = durable.keys();
        String key = keys == null ? null : StateFields.key(incoming);
        if (keys != null && key != null) {
            long nowUs = shard.clock().nowUs();
            long expected = StateFields.expectedVersion(incoming);
            long version = keys.version(key, nowUs);
            if (expected != StateFields.ANY_VERSION && expected != version) {
                return onConflict(
                        log,
                        durable,
                        incoming,
                        requestId,
                        version,
                        keys.underWay(key),
                        publisherShard,
                        party,
                        outcomes);
            }
            if (!StateFields.isDeleted(incoming) && keys.isFullFor(key, nowUs)) {
                return refuse(log, requestId, ErrorCode.TOO_MANY_KEYS, 0, outcomes);
            }
        }
        boolean isUrgent = log.lane() == Priority.URGENT;
        int frameBytes = TopicLog.frameBytes(incoming);
        boolean hasRoom = store.hasRoom(isUrgent, frameBytes + (key == null ? 0 : ProtocolLimits.KEY_BYTES));
        if (durable.isEarly() ? log.nextOffset() >= durable.reservedEnd() : !hasRoom) {
            return refuseForStore(log, requestId, outcomes);
        }
        long offset = log.append(incoming, arrivedNs, dispatch.runs());
        if (sequence != 0) {
            deduplication.put(log, producer, sequence, offset, arrivedNs);
        }
        if (ids != null && idAt >= 0) {
            boolean isShort = ids.add(
                    idPart(incoming, idAt),
                    idPart(incoming, idAt + Long.BYTES),
                    offset,
                    durable.stamp(shard.clock().nowUs()));
            if (isShort) {
                topics.dedupWindows().note(log, ids);
            }
        }
        home.queue(log);
        if (durable.isEarly()) {
            if (watch != null && log.topic().channel().policy().acknowledged()) {
                watch.onTaken(
                        shard.index(), log.topic(), incoming, EventId.at(incoming), offset, log.subscriberCount() > 0);
            }
            // The record takes room, too, and stands before its event.
            hasRoom = isRecorded(log, incoming, offset) && store.hasRoom(isUrgent, frameBytes);
        }
        if (!hasRoom) {
            durable.noteUnstored(offset);
            return refuseForStore(log, requestId, outcomes);
        }
        if (durable.isEarly()) {
            reserveAhead(log, durable, isUrgent);
        }
        if (keys != null && key != null) {
            keys.accept(key, offset, frameBytes, expiresAtUs(incoming), StateFields.isDeleted(incoming));
        }
        store.stage(log, durable, incoming, sequence, producer, author);
        PendingRun run = store.runOf(log, durable);
        run.addOutcome(
                PendingRun.ACCEPTED, publisherShard, party, requestId, offset, incoming.priority, incoming.entryBytes);
        if (isClamped) {
            metrics.add(log.channel(), ChannelCounter.CLAMPED, 1);
            run.addOutcome(PendingRun.CLAMPED, publisherShard, party, requestId, offset, incoming.priority, 0);
        }
        return true;
    }

    /** Records an event that is about to be delivered. @return whether it may be stored: the engine has its record. */
    private boolean isRecorded(TopicLog log, IncomingEvent incoming, long offset) {
        AuditTrail trail = audit;
        if (trail == null) {
            return true;
        }
        long recorded = trail.safetyEvent(
                shard.clock().nowUs(),
                log.topic().org(),
                log.topic().name().toString(),
                offset,
                incoming.source,
                incoming.device,
                incoming.type,
                incoming.timestampUs);
        return recorded != 0 && trail.handOver();
    }

    private static long idPart(IncomingEvent incoming, int at) {
        return incoming.in.getLong(at, ByteOrder.BIG_ENDIAN);
    }

    private void reserveAhead(TopicLog log, DurableTopic durable, boolean isUrgent) {
        if (durable.isReserving()
                || durable.reservedEnd() - log.nextOffset() > StoredTopics.RESERVED_BLOCK / 2
                || !store.hasRoom(isUrgent, 0)) {
            return;
        }
        long end = log.nextOffset() + StoredTopics.RESERVED_BLOCK;
        durable.beginReserve();
        store.reserve(
                isUrgent,
                durable.stream(),
                end,
                fault -> durable.endReserve(fault == null ? end : durable.reservedEnd()));
    }

    private boolean onDuplicate(
            TopicLog log,
            DurableTopic durable,
            IncomingEvent incoming,
            int requestId,
            long sequence,
            long producer,
            long author,
            long seen,
            int publisherShard,
            long party,
            PublishedWriter outcomes) {
        if (durable.isUnstored(seen)) {
            boolean isUrgent = log.lane() == Priority.URGENT;
            // It was recorded when it was delivered.
            boolean isRecorded = !durable.isEarly() || audit == null || audit.handOver();
            if (!isRecorded || !store.hasRoom(isUrgent, TopicLog.frameBytes(incoming))) {
                return refuseForStore(log, requestId, outcomes);
            }
            durable.forgetUnstored(seen);
            store.resubmit(log, durable, incoming, seen, sequence, producer, author, publisherShard, party, requestId);
            return true;
        }
        metrics.add(log.channel(), ChannelCounter.DUPLICATES, 1);
        // Not before the first one is stored: the answer says that it is.
        PendingRun holder = durable.isEarly() || seen >= log.visibleEnd() ? store.holderOf(log, durable, seen) : null;
        if (holder == null) {
            outcomes.duplicate(requestId, log.handle(), seen);
            return false;
        }
        holder.addOutcome(
                PendingRun.DUPLICATE, publisherShard, party, requestId, seen, Priority.LOW, incoming.entryBytes);
        return true;
    }

    private static long expiresAtUs(IncomingEvent incoming) {
        return incoming.ttlSeconds == 0 ? Long.MAX_VALUE : incoming.timestampUs + incoming.ttlSeconds * 1_000_000L;
    }

    /** @param underWay the offset of the key's last event where that waits to be stored; otherwise 0. */
    private boolean onConflict(
            TopicLog log,
            DurableTopic durable,
            IncomingEvent incoming,
            int requestId,
            long version,
            long underWay,
            int publisherShard,
            long party,
            PublishedWriter outcomes) {
        metrics.add(log.channel(), ChannelCounter.REFUSED, 1);
        // The writer is not told of a version before it is stored: it may come to nothing.
        PendingRun holder = underWay == 0 ? null : store.holderOf(log, durable, underWay);
        if (holder == null) {
            outcomes.conflict(requestId, log.handle(), version);
            return false;
        }
        holder.addOutcome(
                PendingRun.CONFLICT, publisherShard, party, requestId, version, Priority.LOW, incoming.entryBytes);
        return true;
    }

    private boolean refuse(TopicLog log, int requestId, ErrorCode code, int retryAfterMs, PublishedWriter outcomes) {
        metrics.add(log.channel(), ChannelCounter.REFUSED, 1);
        if (code == ErrorCode.BACK_PRESSURED) {
            metrics.add(Counter.PUBLISHES_BACK_PRESSURED, 1);
        }
        outcomes.refused(requestId, log.handle(), code, retryAfterMs);
        return false;
    }

    private boolean refuseForStore(TopicLog log, int requestId, PublishedWriter outcomes) {
        EngineFault fault = engine.fault();
        DurableTopic durable = log.durable();
        if (durable != null && durable.isEarly()) {
            metrics.add(Counter.EVENTS_NOT_STORED, 1);
            return refuse(log, requestId, ErrorCode.NOT_STORED, FAULT_RETRY_AFTER_MS, outcomes);
        }
        ErrorCode code = codeOf(fault == null ? EngineFault.BUSY : fault);
        if (code != ErrorCode.BACK_PRESSURED) {
            metrics.add(Counter.EVENTS_NOT_STORED, 1);
        }
        return refuse(log, requestId, code, retryAfterMs(code), outcomes);
    }

    private static ErrorCode codeOf(EngineFault fault) {
        return switch (fault) {
            case FULL -> ErrorCode.STORE_FULL;
            case BUSY -> ErrorCode.BACK_PRESSURED;
            case FAILED, CORRUPT, CLOSED -> ErrorCode.NOT_STORED;
        };
    }

    private static int retryAfterMs(ErrorCode code) {
        return code == ErrorCode.BACK_PRESSURED ? RETRY_AFTER_MS : FAULT_RETRY_AFTER_MS;
    }

    // ---- to the engine and back

    /** Gives a topic's current run to the engine. @return whether it is to be fanned out at once. */
    boolean submit(TopicLog log, DurableTopic durable, Chunk chunk, TopicLog.Run run) {
        if (durable.staged() != null) {
            store.submit(log, durable, chunk, run);
        }
        return durable.isEarly();
    }

    @Override
    public void onStored(PendingRun run) {
        TopicLog log = run.log();
        DurableTopic durable = durableOf(log);
        durable.onCompleted();
        metrics.add(Counter.EVENTS_STORED, run.count);
        durable.noteCounted();
        StateKeys keys = durable.keys();
        if (keys != null) {
            forEachKey(
                    run,
                    (key, offset) -> keys.onStored(key, offset, shard.clock().nowNs()));
        }
        Chunk chunk = run.chunk;
        if (chunk != null) {
            durable.settle(run.firstOffset + run.count);
            home.fanOut(
                    log,
                    chunk,
                    run.from,
                    run.to,
                    run.count,
                    run.firstOffset,
                    run.priority,
                    run.expiresAtUs,
                    run.hasExclusions,
                    run.arrivedNs);
        }
        tell(run, null);
        onSettled(log);
    }

    @Override
    public void onNotStored(PendingRun run, EngineFault fault) {
        TopicLog log = run.log();
        DurableTopic durable = durableOf(log);
        durable.onCompleted();
        metrics.add(Counter.EVENTS_NOT_STORED, run.count);
        StateKeys keys = durable.keys();
        if (keys != null) {
            forEachKey(run, keys::onNotStored);
        }
        ByteBuf entries = run.entries();
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            if (StoredEntry.isCountable(entries, at)) {
                durable.noteUncounted(StoredEntry.author(entries, at));
            }
            if (durable.isEarly()) {
                durable.noteUnstored(StoredEntry.offset(entries, at));
            } else {
                deduplication.takeBack(log, StoredEntry.producer(entries, at), StoredEntry.sequence(entries, at));
                EventIds ids = durable.ids();
                int idAt = EventId.atInFrame(entries, StoredEntry.frameAt(entries, at));
                if (ids != null && idAt >= 0) {
                    ids.takeBack(entries.getLong(idAt), entries.getLong(idAt + Long.BYTES));
                }
            }
        }
        if (!durable.isEarly()) {
            durable.settle(run.firstOffset + run.count);
            // What is in memory holds events now that nobody may see.
            home.handOver(log);
            log.forgetWindow();
        }
        durable.giveBackOrdinals();
        tell(run, durable.isEarly() ? ErrorCode.NOT_STORED : codeOf(fault));
        onSettled(log);
    }

    private static void forEachKey(PendingRun run, ObjLongConsumer<String> task) {
        ByteBuf entries = run.entries();
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            int keyBytes = StoredEntry.keyBytes(entries, at);
            if (keyBytes > 0) {
                task.accept(
                        entries.toString(StoredEntry.keyAt(at), keyBytes, StandardCharsets.UTF_8),
                        StoredEntry.offset(entries, at));
            }
        }
    }

    private static DurableTopic durableOf(TopicLog log) {
        DurableTopic durable = log.durable();
        if (durable == null) {
            throw new IllegalStateException(
                    "a run of a topic that is not durable: topic=" + log.topic().name());
        }
        return durable;
    }

    private void onSettled(TopicLog log) {
        if (log.isIdle()) {
            topics.onIdle(log);
        }
    }

    /** Tells the publishers. @param refusal null where the run is stored. */
    private void tell(PendingRun run, @Nullable ErrorCode refusal) {
        int group = 0;
        while (group < run.groupCount()) {
            int end = group + 1;
            while (end < run.groupCount() && run.party(end) == run.party(group) && run.shard(end) == run.shard(group)) {
                end++;
            }
            if (run.shard(group) == shard.index()) {
                tellHere(run, group, end, refusal);
            } else {
                tellThere(run, group, end, refusal);
            }
            group = end;
        }
    }

    private void tellHere(PendingRun run, int from, int end, @Nullable ErrorCode refusal) {
        Party party = dispatch.party(run.party(from));
        if (party == null) {
            return;
        }
        for (int group = from; group < end; group++) {
            write(run, group, refusal, party.outcomes(), party::writeOutcomes);
            if (run.kind(group) != PendingRun.CLAMPED) {
                party.onAnswered(run.count(group), run.bytes(group));
            }
        }
        dispatch.noteOutcomes(party);
    }

    private void tellThere(PendingRun run, int from, int end, @Nullable ErrorCode refusal) {
        int events = 0;
        int bytes = 0;
        for (int group = from; group < end; group++) {
            if (run.kind(group) != PendingRun.CLAMPED) {
                events += run.count(group);
                bytes += run.bytes(group);
            }
        }
        int answeredEvents = events;
        int answeredBytes = bytes;
        for (int group = from; group < end; group++) {
            write(run, group, refusal, remoteOutcomes, () -> send(run.shard(from), run.party(from), 0, 0));
        }
        send(run.shard(from), run.party(from), answeredEvents, answeredBytes);
    }

    private void send(int toShard, long party, int events, int bytes) {
        scratch.clear().writeLongLE(party).writeIntLE(events).writeIntLE(bytes);
        remoteOutcomes.writeTo(scratch);
        if (!outgoing[toShard].sendUnhurried(Priority.HIGH, RingRecords.OUTCOMES, scratch)) {
            // The publisher gets no answer, sends again after a time-out, and is told DUPLICATE then.
            metrics.add(Counter.OUTCOMES_LOST, 1);
        }
    }

    private static void write(
            PendingRun run, int group, @Nullable ErrorCode refusal, PublishedWriter out, Runnable onFull) {
        int handle = run.log().handle();
        int requestId = run.requestId(group);
        if (refusal != null) {
            for (int i = 0; i < run.count(group) && run.kind(group) != PendingRun.CLAMPED; i++) {
                out.refused(requestId + i, handle, refusal, retryAfterMs(refusal));
                if (out.isFull()) {
                    onFull.run();
                }
            }
            return;
        }
        switch (run.kind(group)) {
            case PendingRun.ACCEPTED -> out.accepted(requestId, run.count(group), handle, run.offset(group));
            case PendingRun.CONFLICT -> out.conflict(requestId, handle, run.offset(group));
            case PendingRun.CLAMPED -> out.clamped(requestId, handle, run.priority(group), run.offset(group));
            default -> out.duplicate(requestId, handle, run.offset(group));
        }
        if (out.isFull()) {
            onFull.run();
        }
    }

    // ---- for readers

    /** Reads stored events for somebody who is behind. */
    void read(DurableTopic durable, long from, long end, int bytesMax, Reading reading) {
        metrics.add(Counter.STORE_READS, 1);
        engine.events()
                .read(
                        new EventLog.Order(durable.stream(), from, end, false, Integer.MAX_VALUE, bytesMax),
                        stored.onShard(reading::onRead, reading::onFault));
    }

    /**
     * Reads stored events one by one.
     *
     * @param offsets rising; those that follow on each other are one question.
     */
    void readEach(DurableTopic durable, long[] offsets, StateReading reading) {
        int from = 0;
        while (from < offsets.length) {
            int to = from + 1;
            while (to < offsets.length && offsets[to] == offsets[to - 1] + 1) {
                to++;
            }
            int index = reading.addQuestion(offsets[from], offsets[to - 1] + 1);
            metrics.add(Counter.STORE_READS, 1);
            engine.events()
                    .read(
                            new EventLog.Order(
                                    durable.stream(),
                                    offsets[from],
                                    offsets[to - 1] + 1,
                                    false,
                                    Integer.MAX_VALUE,
                                    Integer.MAX_VALUE),
                            stored.onShard(
                                    page -> reading.onRead(index, page), fault -> reading.onFault(index, fault)));
            from = to;
        }
        reading.onAsked();
    }

    /** Told what was read; on the shard. */
    interface Reading {
        void onRead(EventLog.Page page);

        void onFault(EngineFault fault);
    }
}
