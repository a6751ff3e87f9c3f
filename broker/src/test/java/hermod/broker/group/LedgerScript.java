package hermod.broker.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** A channel, its members and a clock, all made up, around one {@link Ledger}: does random things and says at once what must not be. */
final class LedgerScript {
    static final GroupConfig CONFIG = new GroupConfig(64, 64, 16, 7, 2_000, 1_000, 100, 800, 1_024, 4_096, 10);
    private static final long MS = TimeUnit.MILLISECONDS.toNanos(1);

    /** @param bytes of its item. @param expiresAtUs by the script's wall clock. */
    private record Event(long stream, int bytes, long expiresAtUs) {}

    private final Random random;

    /** By position, from 1. */
    private final List<Event> log = new ArrayList<>();

    private final Set<Long> removed = new HashSet<>();
    private long firstPosition = 1;

    /** What members settled. */
    private final Set<Long> settled = new HashSet<>();

    /** What the group was told that it has lost. */
    private final Set<Long> lost = new HashSet<>();

    private final List<Hands> members = new ArrayList<>();
    private final Map<Long, Hands> holder = new HashMap<>();
    private final Map<Long, Integer> attempts = new HashMap<>();
    private final Map<Long, Long> notBeforeNs = new HashMap<>();
    private final Map<Long, Long> deadlineNs = new HashMap<>();
    private byte[] stored;
    private Set<Long> storedSettled = new HashSet<>();
    private Ledger ledger;
    private long nowNs = 1;
    private int takenCount;

    LedgerScript(long seed) {
        random = new Random(seed);
        ledger = new Ledger(CONFIG, new Settled(1));
        save();
    }

    int takenCount() {
        return takenCount;
    }

    private long nowUs() {
        return nowNs / 1_000;
    }

    void step() {
        switch (random.nextInt(20)) {
            case 0, 1, 2 -> publish(1 + random.nextInt(8));
            case 3, 4, 5, 6, 7 -> fetch();
            case 8, 9, 10 -> settle();
            case 11 -> release();
            case 12, 13 -> pass(random.nextInt(200));
            case 14 -> pass(random.nextInt(1_500));
            case 15 -> join();
            case 16 -> leave();
            case 17 -> save();
            case 18 -> remove();
            default -> {
                if (random.nextInt(10) == 0) {
                    restart();
                } else {
                    ledger.forget(random.nextInt(3_000));
                }
            }
        }
        check();
    }

    private void publish(int count) {
        for (int i = 0; i < count; i++) {
            long expiresAtUs = random.nextInt(20) == 0 ? nowUs() + random.nextInt(1_000_000) : Long.MAX_VALUE;
            log.add(new Event(random.nextInt(5), 20 + random.nextInt(600), expiresAtUs));
        }
    }

    private void join() {
        if (members.size() < 4) {
            members.add(new Hands());
        }
    }

    private Hands anybody() {
        if (members.isEmpty()) {
            join();
        }
        return members.get(random.nextInt(members.size()));
    }

    /** As the groups' thread does it: takes, reads what is missing, takes again. */
    private void fetch() {
        Hands hands = anybody();
        int limit = 1 + random.nextInt(10);
        for (int reads = 0; reads < 1_000; reads++) {
            ledger.advance(nowNs);
            forgetLate();
            List<Ledger.Taken> taken = ledger.take(hands, limit, nowNs, nowUs());
            if (!taken.isEmpty() || ledger.hasLost()) {
                taken.forEach(each -> onTaken(hands, each));
                Ledger.Range range = ledger.takeLost();
                if (range != null) {
                    onLost(range);
                }
                return;
            }
            long from = ledger.missing();
            if (from == 0) {
                if (!ledger.isStarved() || ledger.readTo() > log.size() || ledger.readRoom() <= 0) {
                    return;
                }
                from = ledger.readTo();
            }
            ledger.forget(CONFIG.aheadLimitBytes() / 2);
            read(from, 1 + random.nextInt(6));
        }
        throw new AssertionError("reads and reads, and nothing comes of it");
    }

    private void read(long from, int count) {
        if (firstPosition > from) {
            ledger.keptFrom(firstPosition);
        }
        long first = Math.max(from, firstPosition);
        for (long at = first; at < first + count && at <= log.size(); at++) {
            Event event = log.get((int) at - 1);
            ledger.load(
                    at,
                    event.stream,
                    "chat:" + event.stream,
                    9,
                    removed.contains(at) ? null : new byte[event.bytes],
                    new Ledger.Facts(event.bytes, at, event.expiresAtUs));
        }
    }

    private void onTaken(Hands hands, Ledger.Taken taken) {
        takenCount++;
        long position = taken.position();
        Event event = log.get((int) position - 1);
        assertThat(settled).as("handed out after it was settled").doesNotContain(position);
        assertThat(lost).as("handed out after it was lost").doesNotContain(position);
        assertThat(holder).as("in hands already").doesNotContainKey(position);
        assertThat(notBeforeNs.getOrDefault(position, 0L)).as("before its time").isLessThanOrEqualTo(nowNs);
        assertThat(event.expiresAtUs).as("past its time").isGreaterThan(nowUs());
        assertThat(taken.topic()).isEqualTo("chat:" + event.stream);
        assertThat(taken.entry()).hasSize(event.bytes);
        assertThat(taken.attempt()).isEqualTo(attempts.merge(position, 1, Integer::sum));
        holder.forEach((other, whose) -> {
            if (log.get((int) (other - 1)).stream == event.stream) {
                assertThat(whose).as("a topic in two members' hands").isSameAs(hands);
                assertThat(other).as("out of order").isLessThan(position);
            }
        });
        for (long before = 1; before < position; before++) {
            Event other = log.get((int) before - 1);
            boolean isDone = settled.contains(before)
                    || lost.contains(before)
                    || other.expiresAtUs <= nowUs()
                    || isGone(before)
                    || holder.get(before) == hands;
            assertThat(other.stream != event.stream || isDone)
                    .as("before " + before + " of its topic")
                    .isTrue();
        }
        holder.put(position, hands);
        deadlineNs.put(position, nowNs + CONFIG.settleTimeoutNs());
    }

    private boolean isGone(long position) {
        return position < firstPosition || removed.contains(position);
    }

    private void onLost(Ledger.Range range) {
        for (long at = range.from(); at <= range.to(); at++) {
            assertThat(isGone(at)).as("lost and still kept").isTrue();
            assertThat(settled).as("lost after it was settled").doesNotContain(at);
            assertThat(lost.add(at)).as("lost twice").isTrue();
        }
    }

    private void settle() {
        if (holder.isEmpty()) {
            return;
        }
        Hands hands = anybody();
        long from = 1 + random.nextInt(log.size());
        long to = from + random.nextInt(12);
        List<Long> expected = inHands(hands, from, to);
        assertThat(ledger.settle(hands, from, to)).isEqualTo(expected.size());
        for (long position : expected) {
            settled.add(position);
            holder.remove(position);
        }
        // Said again, nothing changes.
        long changes = ledger.changes();
        assertThat(ledger.settle(hands, from, to)).isZero();
        assertThat(ledger.changes()).isEqualTo(changes);
    }

    private List<Long> inHands(Hands hands, long from, long to) {
        return holder.entrySet().stream()
                .filter(entry -> entry.getValue() == hands && entry.getKey() >= from && entry.getKey() <= to)
                .map(Map.Entry::getKey)
                .sorted()
                .toList();
    }

    private void release() {
        if (holder.isEmpty()) {
            return;
        }
        Hands hands = anybody();
        long from = 1 + random.nextInt(log.size());
        long to = from + random.nextInt(3);
        List<Long> expected = inHands(hands, from, to);
        ledger.release(hands, from, to, nowNs);
        for (long position : expected) {
            giveBack(position, true);
        }
    }

    private void giveBack(long position, boolean waits) {
        Hands hands = holder.get(position);
        if (hands == null) {
            return;
        }
        long stream = log.get((int) position - 1).stream;
        for (long behind : inHands(hands, position, Long.MAX_VALUE)) {
            if (log.get((int) behind - 1).stream == stream) {
                holder.remove(behind);
                notBeforeNs.remove(behind);
            }
        }
        if (waits) {
            long backoff =
                    Math.min(CONFIG.retryMaxNs(), CONFIG.retryMinNs() << Math.min(20, attempts.get(position) - 1));
            notBeforeNs.put(position, nowNs + backoff);
        }
    }

    private void leave() {
        if (members.isEmpty()) {
            return;
        }
        Hands hands = members.remove(random.nextInt(members.size()));
        ledger.leave(hands, nowNs);
        inHands(hands, 1, Long.MAX_VALUE).forEach(position -> {
            holder.remove(position);
            notBeforeNs.remove(position);
        });
        assertThat(hands.places).isEmpty();
        assertThat(hands.bytes).isZero();
        assertThat(hands.ready).isEmpty();
    }

    private void pass(int ms) {
        nowNs += ms * MS;
        ledger.advance(nowNs);
        forgetLate();
    }

    private void forgetLate() {
        while (true) {
            Long late = holder.keySet().stream()
                    .filter(position -> deadlineNs.get(position) <= nowNs)
                    .min(Long::compare)
                    .orElse(null);
            if (late == null) {
                return;
            }
            giveBack(late, true);
        }
    }

    /** Retention: from the front, and now and then one in the middle. */
    private void remove() {
        if (log.isEmpty()) {
            return;
        }
        if (random.nextInt(3) == 0) {
            firstPosition = Math.min(log.size() + 1, firstPosition + random.nextInt(6));
        } else {
            removed.add(1L + random.nextInt(log.size()));
        }
    }

    private void save() {
        ByteBuf out = Unpooled.buffer();
        ledger.settled().write(out);
        stored = io.netty.buffer.ByteBufUtil.getBytes(out);
        storedSettled = new HashSet<>(settled);
    }

    private void restart() {
        ledger = new Ledger(CONFIG, Settled.read(Unpooled.wrappedBuffer(stored)));
        members.clear();
        holder.clear();
        attempts.clear();
        notBeforeNs.clear();
        // What was settled and not stored may come again; what was stored may not.
        settled.retainAll(storedSettled);
        lost.removeIf(position -> !ledger.settled().contains(position));
    }

    private void check() {
        assertThat(ledger.inHandCount()).isEqualTo(holder.size());
        assertThat(ledger.placeCount()).isLessThanOrEqualTo(log.size());
        assertThat(ledger.laneCount()).isLessThanOrEqualTo(Math.min(5, ledger.placeCount()));
        assertThat(ledger.heldBytes()).isLessThanOrEqualTo(CONFIG.aheadLimitBytes() + 6 * 620);
        for (Hands hands : members) {
            assertThat(hands.places.keySet()).containsExactlyElementsOf(inHands(hands, 1, Long.MAX_VALUE));
            assertThat(hands.places.size()).isLessThanOrEqualTo(CONFIG.inFlightLimitCount());
            assertThat(hands.places.size() <= 1 || hands.bytes <= CONFIG.inFlightLimitBytes())
                    .isTrue();
        }
        for (long position : settled) {
            assertThat(ledger.settled().contains(position)).isTrue();
        }
        for (long position : holder.keySet()) {
            assertThat(ledger.settled().contains(position)).isFalse();
        }
    }

    /** One member that settles all it gets: all that is there comes, but what is lost or was too old. */
    void drain() {
        while (!members.isEmpty()) {
            leave();
        }
        join();
        Hands hands = members.get(0);
        for (int i = 0; i < 100_000 && ledger.settled().floor() <= log.size(); i++) {
            fetch();
            for (long position : inHands(hands, 1, Long.MAX_VALUE)) {
                ledger.settle(hands, position, position);
                settled.add(position);
                holder.remove(position);
            }
            nowNs += 50 * MS;
        }
        assertThat(ledger.settled().floor()).isEqualTo(log.size() + 1L);
        assertThat(ledger.settled().countAbove()).isZero();
        while (ledger.hasLost()) {
            onLost(ledger.takeLost());
        }
        for (long position = 1; position <= log.size(); position++) {
            boolean isExpired = log.get((int) position - 1).expiresAtUs <= nowUs();
            assertThat(settled.contains(position) || lost.contains(position) || isExpired)
                    .as("what became of " + position)
                    .isTrue();
        }
        assertThat(ledger.placeCount()).isZero();
        assertThat(ledger.laneCount()).isZero();
        assertThat(ledger.heldBytes()).isZero();
        assertThat(ledger.wakeNs()).isEqualTo(Long.MAX_VALUE);
    }
}
