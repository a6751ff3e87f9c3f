package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import org.agrona.collections.Long2LongHashMap;
import org.agrona.collections.LongArrayList;
import org.agrona.collections.LongHashSet;
import org.jspecify.annotations.Nullable;

/** What the home shard keeps of a topic whose events are stored, beside its {@link TopicLog}. */
@RunsOn(Owner.SHARD)
public final class DurableTopic {
    /** Authors whose ordinals are in memory; beyond, they are forgotten and asked for again. */
    private static final int AUTHORS_MAX = 10_000;

    /** Events fanned out and not stored that are remembered, so that sending them again stores them. */
    private static final int UNSTORED_MAX = 4_096;

    private static final long UNKNOWN = -1;

    private final long stream;
    private final boolean isEarly;
    private final Long2LongHashMap ordinalsByAuthor = new Long2LongHashMap(UNKNOWN);
    private final @Nullable EventIds ids;
    private final @Nullable StateKeys keys;
    private @Nullable LongHashSet unstored;

    /** Where more than can be remembered are not stored: all of these are taken to be, which stores some again, in their place. */
    private long unstoredFrom = Long.MAX_VALUE;

    private long unstoredTo;

    /** Authors of countable events that could not be stored, since the last that was. */
    private final LongArrayList uncounted = new LongArrayList();

    private long ordinal;
    private long storedAtUs;
    private long firstKept;
    private long visibleEnd;
    private long reservedEnd;
    private int pendingCount;

    /** What the current run has of entries and outcomes; null while the run is empty. */
    @Nullable
    PendingRun staged;

    /** Whether a larger reservation is under way. */
    boolean isReserving;

    /**
     * @param isEarly whether events are fanned out before they are stored.
     * @param firstKept the first offset that can be read; {@code nextOffset} where there is none.
     * @param nextOffset the first one to be given.
     * @param ids of its latest events; null where its channel does not compare them.
     * @param keys null where its channel does not keep the last value of each.
     */
    public DurableTopic(
            long stream,
            boolean isEarly,
            long firstKept,
            long nextOffset,
            long ordinal,
            long storedAtUs,
            @Nullable EventIds ids,
            @Nullable StateKeys keys) {
        this.ids = ids;
        this.keys = keys;
        this.stream = stream;
        this.isEarly = isEarly;
        this.firstKept = firstKept;
        this.visibleEnd = nextOffset;
        this.reservedEnd = nextOffset;
        this.ordinal = ordinal;
        this.storedAtUs = storedAtUs;
    }

    /** Its number in the engine. */
    public long stream() {
        return stream;
    }

    /** Whether events are fanned out before they are stored. */
    public boolean isEarly() {
        return isEarly;
    }

    /** The ids of its latest events; null where its channel does not compare them. */
    public @Nullable EventIds ids() {
        return ids;
    }

    /** The keys of a state topic; null for any other. */
    public @Nullable StateKeys keys() {
        return keys;
    }

    /** The first offset that could be read when the topic was opened, or was last seen to be. */
    public long firstKept() {
        return firstKept;
    }

    /** Retention has removed what is below. */
    public void firstKept(long offset) {
        firstKept = Math.max(firstKept, offset);
    }

    /** Behind the last event that is stored, or given up: all below may be seen by subscribers. */
    long visibleEnd() {
        return visibleEnd;
    }

    /** Events up to here were stored, or given up. */
    public void settle(long end) {
        visibleEnd = Math.max(visibleEnd, end);
    }

    // ---- what is under way

    /** What the current run has; null while it is empty. */
    public @Nullable PendingRun staged() {
        return staged;
    }

    public void stage(@Nullable PendingRun run) {
        staged = run;
    }

    /** One more run, or reservation, is with the engine. */
    public void onSubmitted() {
        pendingCount++;
    }

    public void onCompleted() {
        pendingCount--;
    }

    /** Whether anything is not settled. */
    public boolean isPending() {
        return pendingCount > 0 || staged != null;
    }

    // ---- reserved offsets

    public long reservedEnd() {
        return reservedEnd;
    }

    public boolean isReserving() {
        return isReserving;
    }

    public void beginReserve() {
        isReserving = true;
    }

    public void endReserve(long end) {
        isReserving = false;
        reservedEnd = Math.max(reservedEnd, end);
    }

    // ---- ordinals

    /** Whether the author's events can be counted on. */
    public boolean knows(long author) {
        return ordinalsByAuthor.get(author) != UNKNOWN;
    }

    /** Notes what the store says of an author, or what is under way. */
    public void recall(long author, long authorOrdinal) {
        if (ordinalsByAuthor.size() >= AUTHORS_MAX && pendingCount == 0) {
            ordinalsByAuthor.clear();
        }
        ordinalsByAuthor.put(author, Math.max(authorOrdinal, Math.max(0, ordinalsByAuthor.get(author))));
    }

    /** Whether there is room for another author: where there is not, it comes when nothing is under way. */
    public boolean mayRecall() {
        return ordinalsByAuthor.size() < AUTHORS_MAX || pendingCount == 0;
    }

    /** Counts an event. */
    public void count(long author) {
        ordinal++;
        ordinalsByAuthor.put(author, ordinalsByAuthor.get(author) + 1);
    }

    public long ordinal() {
        return ordinal;
    }

    /** A countable event that was counted could not be stored. */
    public void noteUncounted(long author) {
        uncounted.addLong(author);
    }

    /** Events behind those that could not be stored were: their ordinals stay as they are. */
    public void noteCounted() {
        uncounted.clear();
    }

    /** Gives the ordinals of events that could not be stored back, so that the next ones have them; only while nothing waits, or those that wait would have the same. */
    public void giveBackOrdinals() {
        if (isPending()) {
            return;
        }
        for (int i = 0; i < uncounted.size(); i++) {
            long author = uncounted.getLong(i);
            ordinal--;
            if (knows(author)) {
                ordinalsByAuthor.put(author, ordinalsByAuthor.get(author) - 1);
            }
        }
        uncounted.clear();
    }

    public long authorOrdinal(long author) {
        return ordinalsByAuthor.get(author);
    }

    /** @return the time an event is stored under: now, unless an earlier one has a later time. */
    public long stamp(long nowUs) {
        storedAtUs = Math.max(storedAtUs, nowUs);
        return storedAtUs;
    }

    // ---- fanned out and not stored

    /** An event that was fanned out could not be stored. */
    public void noteUnstored(long offset) {
        LongHashSet set = unstored;
        if (set == null) {
            set = new LongHashSet();
            unstored = set;
        }
        if (set.size() < UNSTORED_MAX) {
            set.add(offset);
        } else {
            unstoredFrom = Math.min(unstoredFrom, offset);
            unstoredTo = Math.max(unstoredTo, offset);
        }
    }

    public boolean isUnstored(long offset) {
        LongHashSet set = unstored;
        return set != null && (set.contains(offset) || (offset >= unstoredFrom && offset <= unstoredTo));
    }

    /** It is on its way to the store again. */
    public void forgetUnstored(long offset) {
        LongHashSet set = unstored;
        if (set != null) {
            set.remove(offset);
        }
    }
}
