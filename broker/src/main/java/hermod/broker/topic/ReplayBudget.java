package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The memory that the replay windows of one home shard may take together.
 *
 * <p>When it is used up, the highest tier loses its oldest chunks first, each topic down to its channel's declared minimum; then the next tier. Only when every topic is at its minimum is one cut shorter than promised, the highest
 * tier's oldest, and counted.
 */
@RunsOn(Owner.SHARD)
public final class ReplayBudget {
    private static final int TIERS = 10;

    /** Topics at their minimum that are passed over per tier and look: making room must not become a scan. */
    private static final int LOOK_COUNT = 8;

    private final long limitBytes;
    private final long topicBytes;
    private final long windowNs;
    private final @Nullable Chunk[] oldest = new Chunk[TIERS];
    private final @Nullable Chunk[] newest = new Chunk[TIERS];
    private long bytes;
    private long shortenedCount;

    /** @param shardCount shards that share the configured memory. */
    public ReplayBudget(TopicConfig config, int shardCount) {
        this.limitBytes = config.replayLimitBytes() / shardCount;
        this.topicBytes = config.replayTopicBytes();
        this.windowNs = TimeUnit.SECONDS.toNanos(config.replaySeconds());
    }

    /** Memory of full chunks one topic's window may take. */
    long topicBytes() {
        return topicBytes;
    }

    /** How long an event is kept where its channel names no age of its own. */
    long windowNs() {
        return windowNs;
    }

    /** Memory that full chunks in windows take. */
    public long bytes() {
        return bytes;
    }

    /** Times a window was cut below its channel's minimum. */
    public long shortenedCount() {
        return shortenedCount;
    }

    /** A topic has put a full chunk into its window. */
    void add(TopicLog log, Chunk chunk) {
        chunk.windowOf = log;
        bytes += chunk.capacityBytes();
        link(log.tier(), chunk);
        while (bytes > limitBytes && dropOne()) {
            // Until it fits.
        }
    }

    /** A topic has taken a chunk out of its window. */
    void remove(TopicLog log, Chunk chunk) {
        unlink(log.tier(), chunk);
        chunk.windowOf = null;
        bytes -= chunk.capacityBytes();
    }

    /** Takes the chunk out of a window that is missed least. @return false when there is none. */
    boolean dropOne() {
        for (int tier = TIERS - 1; tier >= 0; tier--) {
            for (int look = 0; look < LOOK_COUNT; look++) {
                Chunk chunk = oldest[tier];
                TopicLog log = chunk == null ? null : chunk.windowOf;
                if (chunk == null || log == null) {
                    break;
                }
                if (log.isAboveMinimum()) {
                    log.dropOldest();
                    return true;
                }
                unlink(tier, chunk);
                link(tier, chunk);
            }
        }
        for (int tier = TIERS - 1; tier >= 0; tier--) {
            Chunk chunk = oldest[tier];
            TopicLog log = chunk == null ? null : chunk.windowOf;
            if (log != null) {
                shortenedCount++;
                log.dropOldest();
                return true;
            }
        }
        return false;
    }

    private void link(int tier, Chunk chunk) {
        Chunk last = newest[tier];
        chunk.older = last;
        chunk.newer = null;
        if (last == null) {
            oldest[tier] = chunk;
        } else {
            last.newer = chunk;
        }
        newest[tier] = chunk;
    }

    private void unlink(int tier, Chunk chunk) {
        Chunk before = chunk.older;
        Chunk behind = chunk.newer;
        if (before == null) {
            oldest[tier] = behind;
        } else {
            before.newer = behind;
        }
        if (behind == null) {
            newest[tier] = before;
        } else {
            behind.older = before;
        }
        chunk.older = null;
        chunk.newer = null;
    }
}
