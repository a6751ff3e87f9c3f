package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Events of a durable topic between the moment they got their offsets and the moment the engine has stored them: their entries, where they stand in memory, and the outcomes their publishers wait for. Reused.
 *
 * <p>Outcomes are kept as groups: events of one publisher with consecutive request ids and offsets.
 */
@RunsOn(Owner.SHARD)
public final class PendingRun {
    /** What is told when the run is stored. */
    public static final byte ACCEPTED = 0;

    public static final byte CLAMPED = 1;
    public static final byte DUPLICATE = 2;

    private static final int FIRST_GROUPS = 4;
    private static final int FIRST_BYTES = 1024;

    /** More than this is not kept for the next use. */
    private static final int KEPT_BYTES_MAX = 256 * 1024;

    private static final int KEPT_GROUPS_MAX = 1_024;

    private TopicLog log;
    private ByteBuf entries = Unpooled.buffer(FIRST_BYTES);

    // The groups.
    private int groupCount;
    private long[] parties = new long[FIRST_GROUPS];
    private int[] shards = new int[FIRST_GROUPS];
    private int[] requestIds = new int[FIRST_GROUPS];
    private long[] offsets = new long[FIRST_GROUPS];
    private int[] counts = new int[FIRST_GROUPS];
    private int[] bytes = new int[FIRST_GROUPS];
    private byte[] kinds = new byte[FIRST_GROUPS];
    private byte[] priorities = new byte[FIRST_GROUPS];

    /** Which of the engine's lanes it takes. */
    public boolean isUrgent;

    /** Where the events stand: as in {@link TopicLog.Run}. Retained; null where nothing is to be fanned out when it is stored. */
    public @Nullable Chunk chunk;

    public int from;
    public int to;
    public int count;
    public long firstOffset;
    public long expiresAtUs;
    public boolean hasExclusions;
    public Priority priority = Priority.LOW;
    public long arrivedNs;

    public PendingRun(TopicLog log) {
        this.log = log;
    }

    public TopicLog log() {
        return log;
    }

    /** Entries as the engine stores them; filled by whoever stages an event. */
    public ByteBuf entries() {
        return entries;
    }

    /** Makes it that of another topic, empty. */
    public void reuse(TopicLog other) {
        log = other;
        groupCount = 0;
        count = 0;
        firstOffset = 0;
        chunk = null;
        if (entries.capacity() > KEPT_BYTES_MAX) {
            entries = Unpooled.buffer(FIRST_BYTES);
        }
        if (parties.length > KEPT_GROUPS_MAX) {
            resizeGroups(FIRST_GROUPS);
        }
        entries.clear();
    }

    /**
     * Adds the outcome of one event.
     *
     * @param shard the publisher's.
     * @param entryBytes 0 for what does not end the event's time under way.
     */
    public void addOutcome(
            byte kind, int shard, long party, int requestId, long offset, Priority clampedTo, int entryBytes) {
        int last = groupCount - 1;
        if (last >= 0
                && kind == ACCEPTED
                && kinds[last] == ACCEPTED
                && parties[last] == party
                && requestIds[last] + counts[last] == requestId
                && offsets[last] + counts[last] == offset) {
            counts[last]++;
            bytes[last] += entryBytes;
            return;
        }
        if (groupCount == parties.length) {
            resizeGroups(groupCount * 2);
        }
        int at = groupCount++;
        kinds[at] = kind;
        shards[at] = shard;
        parties[at] = party;
        requestIds[at] = requestId;
        offsets[at] = offset;
        counts[at] = 1;
        bytes[at] = entryBytes;
        priorities[at] = (byte) clampedTo.code();
    }

    private void resizeGroups(int size) {
        parties = Arrays.copyOf(parties, size);
        shards = Arrays.copyOf(shards, size);
        requestIds = Arrays.copyOf(requestIds, size);
        offsets = Arrays.copyOf(offsets, size);
        counts = Arrays.copyOf(counts, size);
        bytes = Arrays.copyOf(bytes, size);
        kinds = Arrays.copyOf(kinds, size);
        priorities = Arrays.copyOf(priorities, size);
    }

    public int groupCount() {
        return groupCount;
    }

    public byte kind(int group) {
        return kinds[group];
    }

    public int shard(int group) {
        return shards[group];
    }

    public long party(int group) {
        return parties[group];
    }

    public int requestId(int group) {
        return requestIds[group];
    }

    public long offset(int group) {
        return offsets[group];
    }

    public int count(int group) {
        return counts[group];
    }

    public int bytes(int group) {
        return bytes[group];
    }

    public Priority priority(int group) {
        return Priority.ofCode(priorities[group]);
    }
}
