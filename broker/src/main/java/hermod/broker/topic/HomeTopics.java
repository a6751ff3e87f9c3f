package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.TopicName;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.agrona.collections.Int2ObjectHashMap;
import org.agrona.collections.IntArrayList;
import org.agrona.collections.IntArrayQueue;
import org.jspecify.annotations.Nullable;

/** The topics whose home is one shard: made when somebody first holds them, forgotten when nobody has held them for a while. */
@RunsOn(Owner.SHARD)
public final class HomeTopics {
    /** A topic's full name: nothing crosses an org. */
    private record Key(String org, String name) implements Comparable<Key> {
        /** Names with equal hash codes are easily made: the map keeps such keys in order, if they have one, rather than in a row. */
        @Override
        public int compareTo(Key other) {
            int byName = name.compareTo(other.name);
            return byName != 0 ? byName : org.compareTo(other.org);
        }
    }

    private final int shard;
    private final int shardCount;
    private final int limitCount;
    private final long idleNs;
    private final HandleTable handles;
    private final ChunkPool chunks;
    private final ReplayBudget replay;
    private final Deduplication deduplication;
    private final SecureRandom random = new SecureRandom();
    private final KeyBudget keyBudget;
    private final DedupWindows dedupWindows = new DedupWindows();
    private final Map<Key, TopicLog> byName = new HashMap<>();
    private final Int2ObjectHashMap<TopicLog> byHandle = new Int2ObjectHashMap<>();
    /** Each at most once, the one idle longest first. */
    private final LinkedHashSet<TopicLog> idle = new LinkedHashSet<>();

    private final IntArrayQueue freeIndices = new IntArrayQueue(-1);
    private final IntArrayList generations = new IntArrayList();

    public HomeTopics(
            int shard,
            int shardCount,
            TopicConfig config,
            HandleTable handles,
            ChunkPool chunks,
            ReplayBudget replay,
            Deduplication deduplication) {
        this.shard = shard;
        this.shardCount = shardCount;
        this.limitCount = Math.max(1, Math.min(config.topicsLimitCount(), HandleTable.capacity()) / shardCount);
        this.idleNs = TimeUnit.SECONDS.toNanos(config.idleSeconds());
        keyBudget = new KeyBudget(Math.max(1, config.stateKeysLimitCount() / shardCount));
        this.handles = handles;
        this.chunks = chunks;
        this.replay = replay;
        this.deduplication = deduplication;
    }

    /** The shard that is home to a topic; any thread. */
    public static int homeOf(String org, String name, int shardCount) {
        return shardCount == 1 ? 0 : Math.floorMod(org.hashCode() * 31 + name.hashCode() * 0x9E37_79B9, shardCount);
    }

    public int count() {
        return byName.size();
    }

    /** @return null when the topic is gone. */
    public @Nullable TopicLog of(int handle) {
        return byHandle.get(handle);
    }

    /** The topic of that name, made if need be; null when there are as many topics as there may be. */
    public @Nullable TopicLog open(String org, TopicName name, Channel channel, long nowNs) {
        Key key = new Key(org, name.toString());
        TopicLog known = byName.get(key);
        if (known != null) {
            return known;
        }
        if (byName.size() >= limitCount) {
            return null;
        }
        Topic topic = new Topic(nextHandle(), org, name, channel, nextEpoch(), shard);
        return add(key, topic, new TopicLog(topic, chunks, replay, shardCount, nowNs));
    }

    /** The topic of that name; null when it is not known now. */
    public @Nullable TopicLog find(String org, TopicName name) {
        return byName.get(new Key(org, name.toString()));
    }

    /** For the keys of these topics. */
    public KeyBudget keyBudget() {
        return keyBudget;
    }

    /** Those of these topics that remember fewer event ids than they should. */
    public DedupWindows dedupWindows() {
        return dedupWindows;
    }

    /** Whether there are as many topics as there may be. @param coming that are being opened. */
    public boolean isFull(int coming) {
        return byName.size() + coming >= limitCount;
    }

    /** Begins to know a topic whose events are stored, and which is not known yet. */
    public TopicLog open(
            String org, TopicName name, Channel channel, long nowNs, int epoch, DurableTopic durable, long nextOffset) {
        Topic topic = new Topic(nextHandle(), org, name, channel, epoch, shard);
        return add(
                new Key(org, name.toString()),
                topic,
                new TopicLog(topic, chunks, replay, shardCount, nowNs, durable, nextOffset));
    }

    private TopicLog add(Key key, Topic topic, TopicLog log) {
        byName.put(key, log);
        byHandle.put(topic.handle(), log);
        handles.put(topic);
        return log;
    }

    private int nextHandle() {
        int local = freeIndices.isEmpty() ? generations.size() : freeIndices.pollInt();
        if (local == generations.size()) {
            generations.addInt(0);
        }
        int generation = HandleTable.nextGeneration(generations.getInt(local));
        generations.setInt(local, generation);
        return HandleTable.handle(local * shardCount + shard, generation);
    }

    /** For a topic that is new. */
    public int nextEpoch() {
        int epoch = random.nextInt();
        return epoch == 0 ? 1 : epoch;
    }

    /** To be told when nobody holds a topic any more. */
    public void onIdle(TopicLog log) {
        // One that comes and goes moves to the end, or it would keep those behind it from being forgotten.
        idle.remove(log);
        idle.add(log);
    }

    /** Topics that wait to be forgotten. */
    int idleCount() {
        return idle.size();
    }

    /** Forgets topics that were idle long enough; called on the shard's tick. */
    public void forgetIdle(long nowNs) {
        Iterator<TopicLog> eldestFirst = idle.iterator();
        while (eldestFirst.hasNext()) {
            TopicLog log = eldestFirst.next();
            if (nowNs - log.idleSinceNs() < idleNs) {
                return;
            }
            eldestFirst.remove();
            // It may have been held again since; it comes back here when it is let go.
            if (log.isIdle()) {
                forget(log);
            }
        }
    }

    private void forget(TopicLog log) {
        Topic topic = log.topic();
        byName.remove(new Key(topic.org(), topic.name().toString()));
        byHandle.remove(topic.handle());
        handles.remove(topic);
        deduplication.forget(log);
        DurableTopic durable = log.durable();
        StateKeys keys = durable == null ? null : durable.keys();
        if (keys != null) {
            keys.forgetAll();
        }
        log.close();
        freeIndices.addInt(HandleTable.index(topic.handle()) / shardCount);
    }

    /** All of them, for operators; on the home shard. */
    public Iterable<TopicLog> all() {
        return byName.values();
    }

    /** Gives all memory back at the broker's end. */
    public void close() {
        byName.values().forEach(TopicLog::close);
        byName.clear();
        byHandle.clear();
        chunks.close();
    }
}
