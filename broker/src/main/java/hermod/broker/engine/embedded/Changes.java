package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.KeyedState;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.ShardClock;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's own changes: values, and new streams. One thread decides them, one change of a key at a time, and answers when the journal has synced them.
 *
 * <p>What is synced and not in the store yet is kept here ({@link Slot#settled}), so that no change waits for the store.
 */
@RunsOn(RunsOn.Owner.STORE)
final class Changes implements EventLog.Completion, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Changes.class);
    private static final int TURN_COUNT = 256;
    private static final long CLOSE_TIMEOUT_MS = 10_000;

    /** Tasks of the engine's that may wait beyond the questions': completions, which the journal bounds. */
    private final LinkedBlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();

    private final AtomicInteger waiting = new AtomicInteger();
    private final int waitingMax;
    private final LiveStore live;
    private final long settledBytesMax;
    private final Applier applier;
    private final Readers readers;
    private final Thread thread = new Thread(this::run, "hermod-store-changes");
    private volatile boolean isClosing;
    private volatile boolean isEnding;
    private volatile boolean isEnded;

    // the thread's
    private Journal.@Nullable Source source;
    private java.util.function.LongSupplier synced = () -> 0;
    private final Map<Key, Slot> slots = new HashMap<>();
    private final Map<Name, Creation> creations = new HashMap<>();
    private final ArrayDeque<InFlight> urgent = new ArrayDeque<>();
    private final ArrayDeque<InFlight> plain = new ArrayDeque<>();
    private final ArrayDeque<Settled> settled = new ArrayDeque<>();
    private final ByteBuf record = Unpooled.buffer();
    /** Of {@link #settled}: kept while the store is behind. */
    private long settledBytes;

    /** The last batch of which something was forgotten, or never known here: the store must have it to be asked. */
    private long forgottenBatch;

    private long lastVersion;
    private long lastStream;

    private record Key(java.nio.ByteBuffer bytes) {}

    private record Name(String org, String topic) {}

    /** Something that is gone from {@link #slots} or {@link #creations} when the store has the batch. */
    private record Settled(long batch, int bytes, Runnable forget) {}

    /** Told when the journal has done with a record; on the thread. */
    interface Done {
        void onOutcome(@Nullable EngineFault fault);
    }

    private record InFlight(long ticket, Done done) {}

    /** @param value null for a deletion. */
    private record Known(long version, long expiresAtUs, byte @Nullable [] value) {}

    /** One key that is changing, or was changed a moment ago. */
    private static final class Slot {
        final ArrayDeque<Runnable> next = new ArrayDeque<>();
        boolean isChanging;

        /** What was synced last; null where the store has it. */
        @Nullable
        Known settled;

        /** Counts settlements, so that only the newest one's batch ends the slot. */
        long settlement;
    }

    private static final class Creation {
        final long number;
        final int epoch;
        final List<Answer<EventLog.Opened>> answers = new ArrayList<>();
        boolean isStored;

        Creation(long number, int epoch) {
            this.number = number;
            this.epoch = epoch;
        }

        EventLog.Opened opened() {
            return new EventLog.Opened(number, epoch, 1, 1, 0, 0);
        }
    }

    Changes(StoreConfig config, LiveStore live, Applier applier, Readers readers) {
        waitingMax = config.questionLimitCount();
        settledBytesMax = config.queueBytes();
        this.live = live;
        this.applier = applier;
        this.readers = readers;
        thread.setDaemon(true);
    }

    /** After the replay. */
    void start(Journal journal, long version, long stream) {
        source = journal.source(this);
        synced = journal::lastSyncedBatch;
        // what the replay has put is lost with a reopening, too
        forgottenBatch = journal.lastSyncedBatch();
        lastVersion = version;
        lastStream = stream;
        thread.start();
    }

    /** Any thread, never waits. */
    void put(
            String space,
            byte[] key,
            long expectedVersion,
            byte @Nullable [] value,
            long expiresAtUs,
            Answer<KeyedState.Outcome> answer) {
        ask(answer, () -> change(space, key, expectedVersion, value, expiresAtUs, false, answer));
    }

    /** Removes a value whose time is over, if it is still the one of that version. */
    void expire(String space, byte[] key, long version, Answer<KeyedState.Outcome> answer) {
        ask(answer, () -> change(space, key, version, null, 0, true, answer));
    }

    /** Makes a stream that no reader found; any thread. */
    void create(String org, String topic, int epoch, Answer<EventLog.Opened> answer, Runnable openAgain) {
        ask(answer, () -> create(new Name(org, topic), epoch, answer, openAgain));
    }

    /** Has a task run on the thread, or the answer told why not; any thread, never waits. */
    void ask(Answer<?> answer, Runnable task) {
        if (isClosing) {
            answer.onFault(EngineFault.CLOSED);
            return;
        }
        if (waiting.incrementAndGet() > waitingMax) {
            waiting.decrementAndGet();
            answer.onFault(EngineFault.BUSY);
            return;
        }
        tasks.add(new Question(answer, task));
        if (isEnded) {
            refuseWaiting();
        }
    }

    private record Question(Answer<?> answer, Runnable task) implements Runnable {
        @Override
        public void run() {
            task.run();
        }
    }

    @Override
    public void onStored(boolean isUrgent, long ticket) {
        tasks.add(() -> settle(isUrgent, ticket, null));
    }

    @Override
    public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
        tasks.add(() -> settle(isUrgent, ticket, fault));
    }

    private void run() {
        List<Runnable> turn = new ArrayList<>();
        while (!isEnding || !tasks.isEmpty()) {
            try {
                // a moment at most: what is settled is forgotten when the store has it
                Runnable first = tasks.poll(settled.isEmpty() && !isClosing ? 1_000 : 20, TimeUnit.MILLISECONDS);
                if (first != null) {
                    turn.add(first);
                    tasks.drainTo(turn, TURN_COUNT - 1);
                }
            } catch (InterruptedException interrupted) {
                break;
            }
            turn.forEach(this::runOne);
            turn.clear();
            if (source != null) {
                source.flush();
            }
            forgetApplied();
        }
        for (InFlight left : urgent) {
            left.done().onOutcome(EngineFault.CLOSED);
        }
        for (InFlight left : plain) {
            left.done().onOutcome(EngineFault.CLOSED);
        }
        record.release();
        isEnded = true;
        refuseWaiting();
    }

    private void refuseWaiting() {
        Runnable left;
        while ((left = tasks.poll()) != null) {
            if (left instanceof Question question) {
                question.answer().onFault(EngineFault.CLOSED);
            }
        }
    }

    private void runOne(Runnable task) {
        if (task instanceof Question question) {
            waiting.decrementAndGet();
            if (isClosing) {
                question.answer().onFault(EngineFault.CLOSED);
                return;
            }
        }
        try {
            task.run();
        } catch (RuntimeException defect) {
            LOG.error("a change failed", defect);
            if (task instanceof Question question) {
                question.answer().onFault(EngineFault.FAILED);
            }
        }
    }

    private void forgetApplied() {
        long applied = applier.applied();
        Settled oldest;
        while ((oldest = settled.peek()) != null && oldest.batch() <= applied) {
            settled.remove().forget().run();
            settledBytes -= oldest.bytes();
            forgottenBatch = oldest.batch();
        }
    }

    private void settle(boolean isUrgent, long ticket, @Nullable EngineFault fault) {
        ArrayDeque<InFlight> lane = isUrgent ? urgent : plain;
        InFlight first;
        while ((first = lane.peek()) != null && first.ticket() <= ticket) {
            lane.remove().done().onOutcome(fault);
        }
    }

    /** Hands the record to the journal. @return false where it has no room. */
    private boolean append(boolean isUrgent, int kind, Done done) {
        Journal.Source way = source;
        if (way == null || settledBytes > settledBytesMax || !way.hasRoom(isUrgent, record.readableBytes())) {
            return false;
        }
        long ticket = way.append(isUrgent, kind, record);
        (isUrgent ? urgent : plain).add(new InFlight(ticket, done));
        return true;
    }

    /** The same for a record that somebody else writes; on the thread. */
    boolean append(boolean isUrgent, int kind, Consumer<ByteBuf> writer, Done done) {
        record.clear();
        writer.accept(record);
        return append(isUrgent, kind, done);
    }

    private void change(
            String space,
            byte[] key,
            long expectedVersion,
            byte @Nullable [] value,
            long expiresAtUs,
            boolean isExpiry,
            Answer<KeyedState.Outcome> answer) {
        Key slotKey = new Key(java.nio.ByteBuffer.wrap(StoreKeys.state(space, key)));
        Slot slot = slots.computeIfAbsent(slotKey, any -> new Slot());
        if (slot.isChanging) {
            slot.next.add(() -> change(space, key, expectedVersion, value, expiresAtUs, isExpiry, answer));
            return;
        }
        long version;
        try {
            Known known = slot.settled;
            if (known == null) {
                byte[] found =
                        look(store -> store.get(store.state, slotKey.bytes().array()));
                known = found == null ? null : known(found);
            }
            boolean isThere =
                    known != null && known.value() != null && (isExpiry || known.expiresAtUs() > ShardClock.wallUs());
            version = isThere && known != null ? known.version() : KeyedState.NO_VERSION;
        } catch (RocksDBException failed) {
            dropUnused(slotKey, slot);
            answer.onFault(readers.onFailed(failed));
            return;
        } catch (BehindException behind) {
            dropUnused(slotKey, slot);
            answer.onFault(noRoom());
            return;
        }
        if (expectedVersion != KeyedState.ANY_VERSION && expectedVersion != version) {
            dropUnused(slotKey, slot);
            answer.onDone(new KeyedState.Outcome(false, version));
            return;
        }
        Known changed = new Known(lastVersion + 1, expiresAtUs, value);
        record.clear();
        StoreRecords.writeState(record, changed.version(), expiresAtUs, space, key, value);
        if (!append(false, StoreRecords.STATE, fault -> onChanged(slotKey, slot, changed, fault, answer))) {
            dropUnused(slotKey, slot);
            answer.onFault(noRoom());
            return;
        }
        lastVersion++;
        slot.isChanging = true;
    }

    /** Why {@link #append} had no room. */
    EngineFault noRoom() {
        return isClosing ? EngineFault.CLOSED : applier.delay();
    }

    private interface Look {
        byte @Nullable [] at(RocksStore store) throws RocksDBException;
    }

    /** The store was opened again, and lacks what was forgotten here because it had it. */
    private static final class BehindException extends Exception {
        private static final long serialVersionUID = 1;
    }

    private byte @Nullable [] look(Look look) throws RocksDBException, BehindException {
        LiveStore.Lease lease = live.lease(0);
        if (lease == null) {
            throw new BehindException();
        }
        try (lease) {
            if (applier.applied() < forgottenBatch) {
                throw new BehindException();
            }
            return look.at(lease.store());
        }
    }

    private static Known known(byte[] found) {
        java.nio.ByteBuffer in = java.nio.ByteBuffer.wrap(found);
        return new Known(in.getLong(), in.getLong(), found);
    }

    private void onChanged(
            Key key, Slot slot, Known changed, @Nullable EngineFault fault, Answer<KeyedState.Outcome> answer) {
        slot.isChanging = false;
        if (fault == null) {
            slot.settled = changed;
            long settlement = ++slot.settlement;
            int bytes = key.bytes().capacity() + (changed.value() == null ? 0 : changed.value().length);
            keep(bytes, () -> {
                if (slot.settlement == settlement) {
                    slot.settled = null;
                    dropUnused(key, slot);
                }
            });
            answer.onDone(new KeyedState.Outcome(true, changed.version()));
        } else {
            answer.onFault(fault);
        }
        Runnable next;
        while (!slot.isChanging && (next = slot.next.poll()) != null) {
            next.run();
        }
        dropUnused(key, slot);
    }

    private void dropUnused(Key key, Slot slot) {
        if (!slot.isChanging && slot.settled == null && slot.next.isEmpty()) {
            slots.remove(key, slot);
        }
    }

    private void create(Name name, int epoch, Answer<EventLog.Opened> answer, Runnable openAgain) {
        Creation known = creations.get(name);
        if (known != null) {
            if (known.isStored) {
                openAgain.run();
            } else {
                known.answers.add(answer);
            }
            return;
        }
        try {
            if (look(store -> store.get(store.name, StoreKeys.name(name.org(), name.topic()))) != null) {
                openAgain.run();
                return;
            }
        } catch (BehindException behind) {
            answer.onFault(noRoom());
            return;
        } catch (RocksDBException failed) {
            answer.onFault(readers.onFailed(failed));
            return;
        }
        Creation made = new Creation(lastStream + 1, epoch);
        made.answers.add(answer);
        record.clear();
        StoreRecords.writeStream(record, made.number, epoch, name.org(), name.topic());
        if (!append(true, StoreRecords.STREAM, fault -> onCreated(name, made, fault))) {
            answer.onFault(noRoom());
            return;
        }
        lastStream++;
        creations.put(name, made);
    }

    /** Until the store has it. */
    private void keep(int bytes, Runnable forget) {
        settled.add(new Settled(synced.getAsLong(), bytes, forget));
        settledBytes += bytes;
    }

    private void onCreated(Name name, Creation made, @Nullable EngineFault fault) {
        if (fault == null) {
            made.isStored = true;
            keep(name.topic().length(), () -> creations.remove(name, made));
            made.answers.forEach(each -> each.onDone(made.opened()));
        } else {
            creations.remove(name, made);
            made.answers.forEach(each -> each.onFault(fault));
        }
        made.answers.clear();
    }

    /** What is asked from here on is refused; what was handed to the journal is still answered. Before the journal is closed. */
    void refuse() {
        isClosing = true;
    }

    /** After the journal was closed. */
    @Override
    public void close() {
        isClosing = true;
        isEnding = true;
        tasks.add(() -> {});
        try {
            thread.join(CLOSE_TIMEOUT_MS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
