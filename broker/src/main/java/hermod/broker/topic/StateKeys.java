package hermod.broker.topic;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The keys of a state topic: of each the version that is stored, which subscribers may see, and those accepted on top of it that wait to be stored. The values are in the store.
 *
 * <pre>
 *   key       stored    under way
 *   balance     17      21  23        a writer is compared with 23; a new subscriber gets 17
 *   limit        4                    both 4
 * </pre>
 *
 * <p>A key's version is the offset of its last event; a key that was deleted, or whose value has expired, does not exist and has the version {@link #NO_VERSION}.
 *
 * <p>A <i>snapshot</i> is what a subscriber that begins at an offset gets first. What is overwritten afterwards is remembered for it, so that it is whole however late it is read; beyond {@value #SNAPSHOTS_MAX} snapshots, and after
 * {@value #SNAPSHOT_KEPT_S} s, what was overwritten is left out of it, for the newer value follows behind it.
 */
@RunsOn(Owner.SHARD)
public final class StateKeys {
    /** Of a key that does not exist. */
    public static final long NO_VERSION = 0;

    private static final int SNAPSHOTS_MAX = 8;
    private static final int SNAPSHOT_KEPT_S = 30;
    private static final long SNAPSHOT_KEPT_NS = TimeUnit.SECONDS.toNanos(SNAPSHOT_KEPT_S);

    private record Version(long offset, int frameBytes, long expiresAtUs, boolean isDeleted) {
        boolean isThere(long nowUs) {
            return !isDeleted && expiresAtUs > nowUs;
        }
    }

    private static final class Cell {
        @Nullable
        Version stored;

        /** Made with the first: mostly there are none. */
        @Nullable
        ArrayDeque<Version> underWay;

        @Nullable
        Version newest() {
            ArrayDeque<Version> waiting = underWay;
            return waiting == null || waiting.isEmpty() ? stored : waiting.peekLast();
        }

        boolean isUnderWay() {
            return underWay != null && !underWay.isEmpty();
        }
    }

    private static final class Snapshot {
        final long end;
        int count;
        long askedNs;
        final List<Version> overwritten = new ArrayList<>(0);

        Snapshot(long end, int count) {
            this.end = end;
            this.count = count;
        }
    }

    /**
     * What is read of a snapshot at a time.
     *
     * @param offsets rising.
     * @param isEnd whether nothing of the snapshot is behind them.
     */
    @SuppressWarnings("ArrayRecordComponent") // Handed on and compared by nobody.
    public record Part(long[] offsets, boolean isEnd) {}

    private final int limitCount;
    private final KeyBudget budget;

    /** Keys that the budget knows of. */
    private int budgeted;

    private final Map<String, Cell> cells = new HashMap<>();

    /** By rising ends. */
    private final ArrayDeque<Snapshot> snapshots = new ArrayDeque<>(0);

    /** No stored value expires before; what did is forgotten when the keys are as many as there may be. */
    private long firstExpiryUs = Long.MAX_VALUE;

    /**
     * @param limitCount keys at most.
     * @param budget of all topics of the shard.
     */
    public StateKeys(int limitCount, KeyBudget budget) {
        this.limitCount = limitCount;
        this.budget = budget;
    }

    /** The topic is forgotten, or was not opened in the end. */
    public void forgetAll() {
        cells.clear();
        settleBudget();
    }

    private void settleBudget() {
        budget.add(cells.size() - budgeted);
        budgeted = cells.size();
    }

    /** Keys that are known, those among them that are on their way in or out. */
    public int count() {
        return cells.size();
    }

    /** Notes a value that is stored, while the topic is opened; also beyond the limit. */
    public void load(String key, long offset, int frameBytes, long expiresAtUs, long nowUs) {
        if (expiresAtUs > nowUs) {
            Cell cell = new Cell();
            cell.stored = new Version(offset, frameBytes, expiresAtUs, false);
            cells.put(key, cell);
            settleBudget();
            firstExpiryUs = Math.min(firstExpiryUs, expiresAtUs);
        }
    }

    // ---- what writers do

    /** What a writer's expectation is compared with: of the newest that was accepted, stored or not. */
    public long version(String key, long nowUs) {
        Cell cell = cells.get(key);
        Version newest = cell == null ? null : cell.newest();
        return newest != null && newest.isThere(nowUs) ? newest.offset : NO_VERSION;
    }

    /** The offset of the key's last event where it waits to be stored, otherwise 0. */
    public long underWay(String key) {
        Cell cell = cells.get(key);
        Version newest = cell == null || !cell.isUnderWay() ? null : cell.newest();
        return newest == null ? 0 : newest.offset;
    }

    /** Whether there is no room for this key, which is new. */
    public boolean isFullFor(String key, long nowUs) {
        if (hasRoom() || cells.containsKey(key)) {
            return false;
        }
        if (firstExpiryUs <= nowUs) {
            forgetExpired(nowUs);
        }
        return !hasRoom();
    }

    private boolean hasRoom() {
        return cells.size() < limitCount && !budget.isFull();
    }

    private void forgetExpired(long nowUs) {
        cells.values().removeIf(cell -> {
            Version stored = cell.stored;
            return !cell.isUnderWay() && (stored == null || !stored.isThere(nowUs));
        });
        settleBudget();
        firstExpiryUs = Long.MAX_VALUE;
        for (Cell cell : cells.values()) {
            Version stored = cell.stored;
            firstExpiryUs = stored == null ? firstExpiryUs : Math.min(firstExpiryUs, stored.expiresAtUs);
        }
    }

    /** An event of the key was accepted and waits to be stored. @param frameBytes of its EVENT. */
    public void accept(String key, long offset, int frameBytes, long expiresAtUs, boolean isDeleted) {
        Cell cell = cells.computeIfAbsent(key, any -> new Cell());
        settleBudget();
        ArrayDeque<Version> waiting = cell.underWay;
        if (waiting == null) {
            waiting = new ArrayDeque<>(1);
            cell.underWay = waiting;
        }
        waiting.addLast(new Version(offset, frameBytes, expiresAtUs, isDeleted));
    }

    /** It is stored, and subscribers see it. */
    public void onStored(String key, long offset, long nowNs) {
        Cell cell = cells.get(key);
        Version version = cell == null ? null : takeUnderWay(cell, offset);
        if (cell == null || version == null) {
            return;
        }
        Version before = cell.stored;
        if (before != null) {
            noteOverwritten(before, nowNs);
        }
        cell.stored = version.isDeleted ? null : version;
        firstExpiryUs = Math.min(firstExpiryUs, version.expiresAtUs);
        forgetIfEmpty(key, cell);
    }

    /** It could not be stored: the key's version is again what it was before. */
    public void onNotStored(String key, long offset) {
        Cell cell = cells.get(key);
        if (cell != null) {
            takeUnderWay(cell, offset);
            forgetIfEmpty(key, cell);
        }
    }

    private static @Nullable Version takeUnderWay(Cell cell, long offset) {
        ArrayDeque<Version> waiting = cell.underWay;
        if (waiting == null) {
            return null;
        }
        Version found = null;
        for (Version each : waiting) {
            found = each.offset == offset ? each : found;
        }
        waiting.remove(found);
        if (waiting.isEmpty()) {
            cell.underWay = null;
        }
        return found;
    }

    private void forgetIfEmpty(String key, Cell cell) {
        if (cell.stored == null && !cell.isUnderWay()) {
            cells.remove(key);
            settleBudget();
        }
    }

    // ---- what subscribers get first

    /**
     * Begins a snapshot: what is stored now.
     *
     * @param end above all that is stored; what comes afterwards has this offset or a higher one.
     * @return how many keys exist.
     */
    public int snapshot(long end, long nowUs, long nowNs) {
        Snapshot last = snapshots.peekLast();
        if (last != null && last.end == end && firstExpiryUs <= nowUs) {
            last.count = countThere(nowUs);
        }
        if (last == null || last.end != end) {
            last = new Snapshot(end, countThere(nowUs));
            snapshots.addLast(last);
            if (snapshots.size() > SNAPSHOTS_MAX) {
                snapshots.removeFirst();
            }
        }
        last.askedNs = nowNs;
        return last.count;
    }

    private int countThere(long nowUs) {
        int count = 0;
        for (Cell cell : cells.values()) {
            Version stored = cell.stored;
            count += stored != null && stored.isThere(nowUs) ? 1 : 0;
        }
        return count;
    }

    private void noteOverwritten(Version before, long nowNs) {
        snapshots.removeIf(each -> nowNs - each.askedNs > SNAPSHOT_KEPT_NS);
        for (Snapshot each : snapshots) {
            if (before.offset < each.end) {
                each.overwritten.add(before);
            }
        }
    }

    /**
     * The offsets of a snapshot's values from an offset on.
     *
     * @param end as {@link #snapshot} was given it.
     * @param bytesMax bytes of frames; one value is there whatever its size.
     */
    public Part part(long end, long from, int bytesMax, long nowUs) {
        List<Version> wanted = new ArrayList<>();
        for (Cell cell : cells.values()) {
            Version stored = cell.stored;
            if (stored != null && stored.offset >= from && stored.offset < end && stored.isThere(nowUs)) {
                wanted.add(stored);
            }
        }
        for (Snapshot each : snapshots) {
            if (each.end == end) {
                for (Version before : each.overwritten) {
                    if (before.offset >= from && before.isThere(nowUs)) {
                        wanted.add(before);
                    }
                }
            }
        }
        wanted.sort(Comparator.comparingLong(Version::offset));
        int count = 0;
        long bytes = 0;
        while (count < wanted.size() && (count == 0 || bytes + wanted.get(count).frameBytes <= bytesMax)) {
            bytes += wanted.get(count++).frameBytes;
        }
        long[] offsets = new long[count];
        for (int i = 0; i < count; i++) {
            offsets[i] = wanted.get(i).offset;
        }
        return new Part(offsets, count == wanted.size());
    }
}
