package hermod.broker.group;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a group has settled of its channel, what is in whose hands, and what comes next. No thread, no clock and no I/O: time is told, and what is to be read is asked for.
 *
 * <pre>
 *   settled        in hands, waiting, settled       read ahead         not read
 *  ─────────────┬──────────────────────────────┬──────────────────┬──────────────▶ positions
 *              floor                                            readTo       floor + WINDOW
 * </pre>
 *
 * <p>A topic's events are in one member's hands at a time and are handed out in order: see {@link Lane}. What was read and does not go out at once keeps its place here (some 100 bytes); the event itself is forgotten where too many bytes
 * are held, and read again when it is its turn.
 */
final class Ledger {
    /** Positions behind the first one that is not settled that are looked at: a topic that is stuck holds back the others at that distance only. */
    static final int WINDOW = 65_536;

    /** Ranges of lost positions that wait to be told; nothing more is read then. */
    static final int LOST_RANGES_MAX = 1_000;

    private static final int ATTEMPT_MAX = 0xffff;

    /** Lost positions, both included. */
    record Range(long from, long to) {}

    /** What was handed out. @param entry as it is stored. */
    record Taken(long position, int attempt, int epoch, String topic, byte[] entry) {}

    private final GroupConfig config;
    private final Map<Long, Place> places = new HashMap<>();
    private final Map<Long, Lane> lanes = new HashMap<>();

    /** Topics of which nothing is in hands and something may be handed out. */
    private final TreeSet<Lane> free = new TreeSet<>(Comparator.comparingLong((Lane lane) -> lane.head().position));

    /** Topics whose first waiting event may not be handed out yet. */
    private final TreeSet<Lane> delayed = new TreeSet<>(Comparator.comparingLong((Lane lane) -> lane.head().notBeforeNs)
            .thenComparingLong(lane -> lane.head().position));

    /** In hands; the time to settle is the same for all, so the first handed out is the first that is late. */
    private final LinkedHashSet<Place> byDeadline = new LinkedHashSet<>();

    /** Waiting places whose event is in memory. */
    private final TreeMap<Long, Place> held = new TreeMap<>();

    private final ArrayDeque<Range> lost = new ArrayDeque<>();
    private final Settled settled;
    private long heldBytes;
    private long readTo;
    private long changes;
    private long expiredCount;
    private long lostCount;
    private long againCount;

    /** @param settled given. */
    Ledger(GroupConfig config, Settled settled) {
        this.config = config;
        this.settled = settled;
        this.readTo = settled.floor();
    }

    // ---- what is known

    Settled settled() {
        return settled;
    }

    /** Rises with each position that is settled. */
    long changes() {
        return changes;
    }

    /** Where reading goes on. */
    long readTo() {
        // After a restart there may be settled ones above the floor that were not read.
        return Math.max(readTo, settled.floor());
    }

    /** Positions that may be read on now; 0 where the window is full, or what is lost is not told. */
    int readRoom() {
        return lost.size() >= LOST_RANGES_MAX ? 0 : (int) (settled.floor() + WINDOW - readTo());
    }

    long heldBytes() {
        return heldBytes;
    }

    int placeCount() {
        return places.size();
    }

    int laneCount() {
        return lanes.size();
    }

    int inHandCount() {
        return byDeadline.size();
    }

    /** When the first position that is not settled was stored, in microseconds since 1970; 0 where that is not known now. */
    long oldestStoredAtUs() {
        Place oldest = places.get(settled.floor());
        return oldest == null ? 0 : oldest.storedAtUs;
    }

    /** Since the start: settled without being handed out, because their time to live had passed. */
    long expiredCount() {
        return expiredCount;
    }

    /** Since the start: lost. */
    long lostCount() {
        return lostCount;
    }

    /** Since the start: handed out not for the first time. */
    long againCount() {
        return againCount;
    }

    /** When something changes by itself; {@code Long.MAX_VALUE} for never. */
    long wakeNs() {
        long wakeNs =
                byDeadline.isEmpty() ? Long.MAX_VALUE : byDeadline.iterator().next().deadlineNs;
        return delayed.isEmpty() ? wakeNs : Math.min(wakeNs, delayed.first().head().notBeforeNs);
    }

    // ---- what is read

    /**
     * An event was read.
     *
     * @param entry as it is stored; null where it is no longer kept.
     * @param facts of the entry; nothing is looked at where it is null.
     */
    void load(long position, long stream, String topic, int epoch, byte @Nullable [] entry, Facts facts) {
        if (position < readTo) {
            loadAgain(position, entry);
            return;
        }
        for (readTo = readTo(); readTo < position && readTo < settled.floor() + WINDOW; readTo++) {
            lose(readTo);
        }
        if (position >= settled.floor() + WINDOW) {
            return;
        }
        readTo = Math.max(readTo, position + 1);
        if (settled.contains(position)) {
            return;
        }
        if (entry == null) {
            lose(position);
            return;
        }
        Lane lane = lanes.computeIfAbsent(stream, any -> new Lane(stream, topic));
        Place place = new Place(position, lane, epoch, facts.bytes, facts.storedAtUs, facts.expiresAtUs);
        places.put(position, place);
        hold(place, entry);
        lane.waiting.addLast(place);
        if (lane.waiting.size() == 1) {
            sort(lane);
        }
    }

    /**
     * What a ledger must know of an event.
     *
     * @param bytes in a FETCHED.
     * @param storedAtUs and {@code expiresAtUs}: in microseconds since 1970.
     */
    record Facts(int bytes, long storedAtUs, long expiresAtUs) {
        static final Facts NONE = new Facts(0, 0, 0);
    }

    private void loadAgain(long position, byte @Nullable [] entry) {
        Place place = places.get(position);
        if (place == null || place.holder != null || place.entry != null) {
            return;
        }
        if (entry == null) {
            loseWaiting(place);
        } else {
            hold(place, entry);
        }
    }

    /** Nothing below a position is kept any more: what the group should have had of it, and is not in memory or in hands, is lost. */
    void keptFrom(long first) {
        for (Place place : List.copyOf(places.values())) {
            if (place.position < first && place.holder == null && place.entry == null) {
                loseWaiting(place);
            }
        }
        readTo = readTo();
        while (readTo < first && readTo < settled.floor() + WINDOW && lost.size() < LOST_RANGES_MAX) {
            if (places.isEmpty() && settled.countAbove() == 0) {
                noteLost(readTo, first - 1);
                settled.jump(first);
                readTo = first;
                changes++;
            } else {
                lose(readTo++);
                readTo = readTo();
            }
        }
    }

    private void loseWaiting(Place place) {
        unsort(place.lane);
        place.lane.waiting.remove(place);
        drop(place);
        noteLost(place.position, place.position);
    }

    private void lose(long position) {
        if (!settled.contains(position)) {
            settled.add(position);
            changes++;
            noteLost(position, position);
        }
    }

    private void noteLost(long from, long to) {
        lostCount += to - from + 1;
        Range last = lost.peekLast();
        if (last != null && last.to + 1 == from) {
            lost.removeLast();
            lost.addLast(new Range(last.from, to));
        } else {
            lost.addLast(new Range(from, to));
        }
    }

    private void hold(Place place, byte[] entry) {
        place.entry = entry;
        held.put(place.position, place);
        heldBytes += entry.length;
    }

    private void letGo(Place place) {
        byte[] entry = place.entry;
        if (entry != null) {
            heldBytes -= entry.length;
            place.entry = null;
            held.remove(place.position);
        }
    }

    /** Forgets events, not their places, until at most so many bytes are held: those first that are furthest from their turn. */
    void forget(long bytesMax) {
        while (heldBytes > bytesMax) {
            letGo(held.lastEntry().getValue());
        }
    }

    // ---- handing out

    /** What {@link #take} could not do for want of an event that must be read again; 0 for nothing. */
    private long missing;

    /** The position that the last {@link #take} found nothing at but its place: it is to be read, then taken again. 0 for none. */
    long missing() {
        return missing;
    }

    private boolean isStarved;

    /** Whether the last {@link #take} ended because nothing that was read may go to that member now. */
    boolean isStarved() {
        return isStarved;
    }

    /**
     * Hands out what may be handed out.
     *
     * @param limit at most so many.
     */
    List<Taken> take(Hands hands, int limit, long nowNs, long nowUs) {
        List<Taken> taken = new ArrayList<>();
        missing = 0;
        isStarved = false;
        long bytes = 0;
        int room = Math.min(limit, config.inFlightLimitCount() - hands.places.size());
        while (taken.size() < room) {
            Lane lane = next(hands);
            if (lane == null) {
                isStarved = true;
                break;
            }
            Place place = lane.head();
            if (place.expiresAtUs <= nowUs) {
                expire(place);
                continue;
            }
            byte[] entry = place.entry;
            boolean isTooMuch = (!taken.isEmpty() && bytes + place.bytes > config.fetchedLimitBytes())
                    || (!hands.places.isEmpty() && hands.bytes + place.bytes > config.inFlightLimitBytes());
            if (isTooMuch || entry == null) {
                missing = isTooMuch ? 0 : place.position;
                break;
            }
            bytes += place.bytes;
            give(place, hands, nowNs);
            taken.add(new Taken(place.position, place.attempt, place.epoch, lane.topic, entry));
        }
        return taken;
    }

    private @Nullable Lane next(Hands hands) {
        Lane own = hands.ready.isEmpty() ? null : hands.ready.first();
        Lane any = free.isEmpty() ? null : free.first();
        if (own == null || any == null) {
            return own == null ? any : own;
        }
        return own.head().position < any.head().position ? own : any;
    }

    private void give(Place place, Hands hands, long nowNs) {
        Lane lane = place.lane;
        unsort(lane);
        lane.waiting.removeFirst();
        letGo(place);
        againCount += place.attempt > 0 ? 1 : 0;
        place.attempt = Math.min(ATTEMPT_MAX, place.attempt + 1);
        place.deadlineNs = nowNs + config.settleTimeoutNs();
        place.notBeforeNs = 0;
        place.holder = hands;
        lane.owner = hands;
        lane.inHand.put(place.position, place);
        hands.places.put(place.position, place);
        hands.bytes += place.bytes;
        byDeadline.add(place);
        sort(lane);
    }

    private void expire(Place place) {
        unsort(place.lane);
        place.lane.waiting.removeFirst();
        drop(place);
        expiredCount++;
    }

    /** Positions that the group should have had and that are no longer kept: each range comes once. Null for none. */
    @Nullable
    Range takeLost() {
        return lost.pollFirst();
    }

    boolean hasLost() {
        return !lost.isEmpty();
    }

    // ---- what comes back

    /** @param from and {@code to}: both included. @return how many of them were in these hands. */
    int settle(Hands hands, long from, long to) {
        List<Place> those =
                List.copyOf(hands.places.subMap(from, true, to, true).values());
        for (Place place : those) {
            takeBack(place);
            drop(place);
        }
        return those.size();
    }

    /** They were not handled: they are handed out again, after a while. */
    void release(Hands hands, long from, long to, long nowNs) {
        for (Place place : List.copyOf(hands.places.subMap(from, true, to, true).values())) {
            if (place.holder == hands) {
                giveBack(place, nowNs, nowNs + backoffNs(place.attempt));
            }
        }
    }

    /** A member is gone. */
    void leave(Hands hands, long nowNs) {
        while (!hands.places.isEmpty()) {
            giveBack(hands.places.firstEntry().getValue(), nowNs, 0);
        }
    }

    /** Time has passed: what was not settled in time comes back, and what was released may go out again. */
    void advance(long nowNs) {
        while (!byDeadline.isEmpty()) {
            Place first = byDeadline.iterator().next();
            if (first.deadlineNs > nowNs) {
                break;
            }
            giveBack(first, nowNs, nowNs + backoffNs(first.attempt));
        }
        while (!delayed.isEmpty() && delayed.first().head().notBeforeNs <= nowNs) {
            Lane lane = delayed.first();
            unsort(lane);
            lane.head().notBeforeNs = 0;
            sort(lane);
        }
    }

    private long backoffNs(int attempt) {
        return Math.min(config.retryMaxNs(), config.retryMinNs() << Math.min(20, attempt - 1));
    }

    /** Puts a place, and all in hand behind it of its topic, before what waits. */
    private void giveBack(Place place, long nowNs, long notBeforeNs) {
        Lane lane = place.lane;
        List<Place> those = List.copyOf(
                lane.inHand.tailMap(place.position, true).descendingMap().values());
        unsort(lane);
        for (Place each : those) {
            takeBack(each);
            lane.waiting.addFirst(each);
        }
        place.notBeforeNs = notBeforeNs <= nowNs ? 0 : notBeforeNs;
        sort(lane);
    }

    private void takeBack(Place place) {
        Hands hands = place.holder;
        Lane lane = place.lane;
        if (hands == null) {
            throw new IllegalStateException("in nobody's hands: position=" + place.position);
        }
        unsort(lane);
        hands.places.remove(place.position);
        hands.bytes -= place.bytes;
        byDeadline.remove(place);
        lane.inHand.remove(place.position);
        place.holder = null;
        if (lane.inHand.isEmpty()) {
            lane.owner = null;
        }
    }

    /** A place that is in no hands and not waiting any more counts as settled. */
    private void drop(Place place) {
        letGo(place);
        places.remove(place.position);
        settled.add(place.position);
        changes++;
        if (place.lane.isEmpty()) {
            lanes.remove(place.lane.stream);
        } else {
            sort(place.lane);
        }
    }

    // ---- where a topic stands

    private void sort(Lane lane) {
        if (lane.waiting.isEmpty()) {
            return;
        }
        Hands owner = lane.owner;
        TreeSet<Lane> set = lane.head().notBeforeNs != 0 ? delayed : owner == null ? free : owner.ready;
        set.add(lane);
        lane.set = set;
    }

    /** Before its first waiting place, or its owner, changes. */
    private void unsort(Lane lane) {
        TreeSet<Lane> set = lane.set;
        if (set != null) {
            set.remove(lane);
            lane.set = null;
        }
    }

    /** Forgets all but what is settled, as a restart would: attempts begin at 1 again. Only while nobody is a member. */
    void reset() {
        if (!byDeadline.isEmpty()) {
            throw new IllegalStateException("something is in hands");
        }
        places.clear();
        lanes.clear();
        free.clear();
        delayed.clear();
        held.clear();
        heldBytes = 0;
        readTo = settled.floor();
    }
}
