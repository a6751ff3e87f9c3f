package hermod.broker.dispatch;

import hermod.broker.engine.Answer;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.StoredEntry;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.broker.shard.Shard;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Deduplication;
import hermod.broker.topic.Durability;
import hermod.broker.topic.DurableTopic;
import hermod.broker.topic.EventIds;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.StateKeys;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import hermod.protocol.frame.EventFrame;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.agrona.collections.Long2LongHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Brings what the engine knows of durable topics and of their publishers to the home shard, before they are held: the engine is asked, and whoever wants to hold the topic waits for its answer.
 *
 * <p>Bounded by what connections may ask for.
 */
@RunsOn(Owner.SHARD)
final class StoredTopics {
    /** Offsets reserved at a time where events are fanned out before they are stored: what may be given out while nothing can be written. */
    static final int RESERVED_BLOCK = 65_536;

    /** Somebody wants to hold a topic. */
    record Hold(
            long party,
            int correlation,
            int fromShard,
            boolean asSubscriber,
            boolean mayPublish,
            boolean wantsState,
            long producer,
            long author,
            String org,
            TopicName name,
            Channel channel) {}

    /** Answers who waited. */
    interface Holds {
        void onReady(Hold hold, TopicLog log);

        void onRefused(Hold hold, ErrorCode code);
    }

    private record Key(String org, String topic) {}

    private record Publisher(int handle, long producer, long author) {}

    /** A question about a publisher, with what was under way when it was asked. */
    private static final class Recall {
        final Long2LongHashMap offsetsUnderWay = new Long2LongHashMap(0);
        long authorOrdinal;
        final List<Hold> waiting = new ArrayList<>();
    }

    private final Shard shard;
    private final EventLog events;
    private final HomeTopics topics;
    private final Deduplication deduplication;
    private final StoreQueue store;
    private final Holds holds;
    private final int dedupIdsLimitCount;
    private final int stateKeysLimitCount;
    private final Map<Key, List<Hold>> openings = new HashMap<>();
    private final Map<Publisher, Recall> recalls = new HashMap<>();

    StoredTopics(
            Shard shard,
            EventLog events,
            HomeTopics topics,
            Deduplication deduplication,
            StoreQueue store,
            int dedupIdsLimitCount,
            int stateKeysLimitCount,
            Holds holds) {
        this.stateKeysLimitCount = stateKeysLimitCount;
        this.dedupIdsLimitCount = dedupIdsLimitCount;
        this.shard = shard;
        this.events = events;
        this.topics = topics;
        this.deduplication = deduplication;
        this.store = store;
        this.holds = holds;
    }

    /** Whether nobody waits. */
    boolean isEmpty() {
        return openings.isEmpty() && recalls.isEmpty();
    }

    /** Has {@link Holds} told when the topic can be held. */
    void hold(Hold hold) {
        Key key = new Key(hold.org(), hold.name().toString());
        List<Hold> waiting = openings.get(key);
        if (waiting != null) {
            waiting.add(hold);
            return;
        }
        TopicLog log = topics.find(hold.org(), hold.name());
        if (log != null) {
            holdOpen(hold, log);
        } else if (topics.isFull(openings.size())) {
            holds.onRefused(hold, ErrorCode.TOO_MANY_TOPICS);
        } else {
            waiting = new ArrayList<>(1);
            waiting.add(hold);
            openings.put(key, waiting);
            events.open(
                    key.org,
                    key.topic,
                    topics.nextEpoch(),
                    onShard(opened -> onOpened(key, hold, opened), fault -> refuse(key)));
        }
    }

    private List<Hold> end(Key key) {
        List<Hold> waiting = openings.remove(key);
        return waiting == null ? List.of() : waiting;
    }

    private void onOpened(Key key, Hold first, EventLog.Opened opened) {
        long windowUs = TimeUnit.SECONDS.toMicros(first.channel().policy().dedupWindowS());
        if (windowUs == 0) {
            reserve(key, first, opened, null);
            return;
        }
        IdLoading loading =
                new IdLoading(dedupIdsLimitCount, windowUs, shard.clock().nowUs());
        loadIds(key, first, opened, loading, opened.nextOffset() - 1);
    }

    /** Reads the latest events backwards, page by page, for their ids. */
    private void loadIds(Key key, Hold first, EventLog.Opened opened, IdLoading loading, long from) {
        if (from < opened.firstOffset()) {
            reserve(key, first, opened, loading.ids());
            return;
        }
        events.read(
                new EventLog.Order(opened.stream(), from, 0, true, IdLoading.PAGE_COUNT, IdLoading.PAGE_BYTES),
                onShard(
                        page -> {
                            boolean isDone = loading.take(page) || page.isEnd();
                            loadIds(key, first, opened, loading, isDone ? 0 : loading.lowestOffset() - 1);
                        },
                        fault -> {
                            if (first.channel().policy().durability() == Durability.DISK_EARLY) {
                                reserve(key, first, opened, loading.ids());
                            } else {
                                refuse(key);
                            }
                        }));
    }

    private void refuse(Key key) {
        refuse(key, ErrorCode.UNAVAILABLE);
    }

    private void refuse(Key key, ErrorCode code) {
        for (Hold each : end(key)) {
            holds.onRefused(each, code);
        }
    }

    private void reserve(Key key, Hold first, EventLog.Opened opened, @Nullable EventIds ids) {
        boolean isEarly = first.channel().policy().durability() == Durability.DISK_EARLY;
        if (first.channel().policy().isState()) {
            loadKeys(key, first, opened, ids, new StateKeys(stateKeysLimitCount, topics.keyBudget()), new byte[0]);
            return;
        }
        if (!isEarly) {
            begin(key, first, opened, opened.epoch(), opened.nextOffset(), ids, null);
            return;
        }
        long reservedEnd = opened.nextOffset() + RESERVED_BLOCK;
        boolean isUrgent = first.channel().policy().lane() == Priority.URGENT;
        if (!store.hasRoom(isUrgent, 0)) {
            begin(key, first, opened, topics.nextEpoch(), reservedEnd, ids, null);
            return;
        }
        store.reserve(
                isUrgent,
                opened.stream(),
                reservedEnd,
                fault ->
                        // Offsets that could not be reserved may be given again after a restart: in another epoch then.
                        begin(
                                key,
                                first,
                                opened,
                                fault == null ? opened.epoch() : topics.nextEpoch(),
                                reservedEnd,
                                ids,
                                null));
    }

    /** Reads the last event of each key, page by page. */
    private void loadKeys(
            Key key, Hold first, EventLog.Opened opened, @Nullable EventIds ids, StateKeys keys, byte[] afterKey) {
        events.lastOfKeys(
                opened.stream(),
                afterKey,
                IdLoading.PAGE_COUNT,
                IdLoading.PAGE_BYTES,
                onShard(
                        page -> {
                            byte[] last = takeKeys(page, keys);
                            if (topics.keyBudget().isExceeded()) {
                                keys.forgetAll();
                                refuse(key, ErrorCode.TOO_MANY_TOPICS);
                            } else if (page.isEnd()) {
                                begin(key, first, opened, opened.epoch(), opened.nextOffset(), ids, keys);
                            } else {
                                loadKeys(key, first, opened, ids, keys, last);
                            }
                        },
                        fault -> {
                            keys.forgetAll();
                            refuse(key);
                        }));
    }

    /** @return the last key. */
    private byte[] takeKeys(EventLog.Page page, StateKeys keys) {
        ByteBuf entries = Unpooled.wrappedBuffer(page.entries());
        long nowUs = shard.clock().nowUs();
        byte[] name = {};
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            name = ByteBufUtil.getBytes(entries, StoredEntry.keyAt(at), StoredEntry.keyBytes(entries, at));
            keys.load(
                    new String(name, StandardCharsets.UTF_8),
                    StoredEntry.offset(entries, at),
                    StoredEntry.frameBytes(entries, at),
                    EventFrame.expiresAtUs(entries, StoredEntry.frameAt(entries, at)),
                    nowUs);
        }
        return name;
    }

    private void begin(
            Key key,
            Hold first,
            EventLog.Opened opened,
            int epoch,
            long reservedEnd,
            @Nullable EventIds ids,
            @Nullable StateKeys keys) {
        boolean isEarly = first.channel().policy().durability() == Durability.DISK_EARLY;
        DurableTopic durable = new DurableTopic(
                opened.stream(),
                isEarly,
                opened.firstOffset(),
                opened.nextOffset(),
                opened.ordinal(),
                opened.storedAtUs(),
                ids,
                keys);
        durable.endReserve(reservedEnd);
        List<Hold> waiting = end(key);
        TopicLog log = topics.open(
                first.org(), first.name(), first.channel(), shard.clock().nowNs(), epoch, durable, opened.nextOffset());
        if (ids != null && ids.shortUs(shard.clock().nowUs()) > 0) {
            topics.dedupWindows().note(log, ids);
        }
        // Nobody may hold it in the end.
        topics.onIdle(log);
        for (Hold each : waiting) {
            holdOpen(each, log);
        }
    }

    private void holdOpen(Hold hold, TopicLog log) {
        DurableTopic durable = log.durable();
        if (durable == null) {
            throw new IllegalStateException("a durable topic without its part: " + hold.name());
        }
        if (!hold.mayPublish() || isKnown(log, durable, hold.producer(), hold.author())) {
            holds.onReady(hold, log);
        } else {
            recall(log, durable, hold.producer(), hold.author()).waiting.add(hold);
        }
    }

    /** Whether the publisher's events can be taken now. */
    boolean isKnown(TopicLog log, DurableTopic durable, long producer, long author) {
        return durable.knows(author) && (producer == Party.NO_PRODUCER || deduplication.knows(log, producer));
    }

    /** Asks the engine for what it has of a publisher, unless it was asked. */
    Recall recall(TopicLog log, DurableTopic durable, long producer, long author) {
        Publisher key = new Publisher(log.handle(), producer, author);
        Recall known = recalls.get(key);
        if (known != null) {
            return known;
        }
        Recall recall = new Recall();
        recalls.put(key, recall);
        // The engine may or may not see what is under way; what comes from now on is refused until it has answered.
        store.forEachPending(log, durable, run -> noteUnderWay(recall, run.entries(), producer, author));
        events.recall(
                durable.stream(),
                producer,
                author,
                onShard(recalled -> onRecalled(key, recalled), fault -> onUnrecalled(key)));
        return recall;
    }

    private static void noteUnderWay(Recall recall, ByteBuf entries, long producer, long author) {
        for (int at = 0; at < entries.writerIndex(); at += StoredEntry.bytes(entries, at)) {
            if (StoredEntry.producer(entries, at) == producer && StoredEntry.sequence(entries, at) != 0) {
                recall.offsetsUnderWay.put(StoredEntry.sequence(entries, at), StoredEntry.offset(entries, at));
            }
            if (StoredEntry.author(entries, at) == author) {
                recall.authorOrdinal = Math.max(recall.authorOrdinal, StoredEntry.authorOrdinal(entries, at));
            }
        }
    }

    private void onRecalled(Publisher key, EventLog.Recalled recalled) {
        Recall recall = recalls.remove(key);
        if (recall == null) {
            return;
        }
        TopicLog log = topics.of(key.handle);
        DurableTopic durable = log == null ? null : log.durable();
        if (log == null || durable == null) {
            recall.waiting.forEach(this::hold);
            return;
        }
        long nowNs = shard.clock().nowNs();
        if (key.producer != Party.NO_PRODUCER) {
            deduplication.recall(log, key.producer, recalled.sequences(), recalled.offsets(), nowNs);
            recall.offsetsUnderWay.longForEach((sequence, offset) ->
                    deduplication.recall(log, key.producer, new long[] {sequence}, new long[] {offset}, nowNs));
        }
        durable.recall(key.author, Math.max(recalled.authorOrdinal(), recall.authorOrdinal));
        for (Hold each : recall.waiting) {
            holds.onReady(each, log);
        }
    }

    /** Where events are fanned out in any case, they are taken from publishers that the engine can't tell of. */
    private void onUnrecalled(Publisher key) {
        TopicLog log = topics.of(key.handle);
        DurableTopic durable = log == null ? null : log.durable();
        if (durable != null && durable.isEarly()) {
            onRecalled(key, new EventLog.Recalled(new long[0], new long[0], 0));
            return;
        }
        Recall recall = recalls.remove(key);
        if (recall != null) {
            recall.waiting.forEach(each -> holds.onRefused(each, ErrorCode.UNAVAILABLE));
        }
    }

    /** Has the answer of the engine's thread handled on the shard. */
    <T> Answer<T> onShard(Consumer<T> onDone, Consumer<EngineFault> onFault) {
        return new Answer<>() {
            @Override
            public void onDone(T result) {
                execute(() -> onDone.accept(result));
            }

            @Override
            public void onFault(EngineFault fault) {
                execute(() -> onFault.accept(fault));
            }
        };
    }

    private void execute(Runnable task) {
        try {
            shard.execute(() -> {
                shard.clock().update();
                task.run();
                shard.requestTurn();
            });
        } catch (RejectedExecutionException ended) {
            // The broker has stopped: nobody waits.
        }
    }
}
