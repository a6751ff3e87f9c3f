package hermod.bench.priority;

import hermod.bench.report.LatencyUs;
import hermod.protocol.Priority;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/**
 * One broker's rounds: latencies are medians over the rounds, counts are sums, shares and outbox the least and the mean.
 *
 * @param what the broker is.
 * @param unloaded URGENT alone.
 * @param loaded URGENT beside the flood.
 */
record Summary(String name, String what, List<Round> rounds, LatencyUs unloaded, LatencyUs loaded) {
    private static final int URGENT = Priority.URGENT.code();
    private static final int NORMAL = Priority.NORMAL.code();
    private static final int LOW = Priority.LOW.code();

    static Summary of(String name, String what, List<Round> rounds) {
        return new Summary(
                name, what, List.copyOf(rounds), medians(rounds, Round::unloaded), medians(rounds, Round::loaded));
    }

    private static LatencyUs medians(List<Round> rounds, java.util.function.Function<Round, Ledger> phase) {
        List<LatencyUs> all = rounds.stream()
                .map(round -> LatencyUs.of(phase.apply(round).latency(URGENT)))
                .toList();
        return new LatencyUs(
                median(all, LatencyUs::p50),
                median(all, LatencyUs::p90),
                median(all, LatencyUs::p99),
                median(all, LatencyUs::p999),
                median(all, LatencyUs::max));
    }

    /** The middle one, or the mean of the two in the middle. */
    static <T> double median(List<T> all, ToDoubleFunction<T> figure) {
        double[] sorted = all.stream().mapToDouble(figure).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** URGENT events of both phases that were accepted and never came. */
    long urgentLost() {
        return sum(round -> round.unloaded().lost(URGENT) + round.loaded().lost(URGENT));
    }

    /** URGENT events the broker said it left out; it never should. */
    long urgentShed() {
        return sum(round -> round.unloaded().shed(URGENT) + round.loaded().shed(URGENT));
    }

    long urgentRefused() {
        return sum(round -> round.unloaded().refused(URGENT) + round.loaded().refused(URGENT));
    }

    long clamped() {
        return sum(round -> round.unloaded().clampedCount() + round.loaded().clampedCount());
    }

    long bulkLost() {
        return sum(round -> round.loaded().lost(LOW) + round.loaded().lost(NORMAL));
    }

    long disordered() {
        return sum(round -> {
            long all = 0;
            for (int lane = 0; lane < Priority.COUNT; lane++) {
                all += round.unloaded().disordered(lane) + round.loaded().disordered(lane);
            }
            return all;
        });
    }

    long connectionsEnded() {
        return sum(Round::connectionsEnded);
    }

    /** LOW's least share of the bytes of any second of any round. */
    double leastShare() {
        return rounds.stream()
                .mapToDouble(round -> round.loaded().leastShare(LOW))
                .min()
                .orElse(0);
    }

    double meanShare() {
        return rounds.stream()
                .mapToDouble(round -> round.loaded().meanShare(LOW))
                .average()
                .orElse(0);
    }

    double readBytesPerSecond() {
        return median(rounds, round -> round.loaded().bytesPerSecond());
    }

    int outboxSamples() {
        return rounds.stream().mapToInt(round -> round.outbox().samples()).sum();
    }

    long outboxLeastBytes() {
        return rounds.stream()
                .mapToLong(round -> round.outbox().leastBytes())
                .min()
                .orElse(0);
    }

    double outboxMeanBytes() {
        return rounds.stream()
                .mapToDouble(round -> round.outbox().meanBytes())
                .average()
                .orElse(0);
    }

    long sum(ToLongFunction<Round> figure) {
        return rounds.stream().mapToLong(figure).sum();
    }

    long bulk(java.util.function.ToLongBiFunction<Ledger, Integer> figure) {
        return sum(round -> figure.applyAsLong(round.loaded(), LOW) + figure.applyAsLong(round.loaded(), NORMAL));
    }

    /** Refusals of all lanes by the name of their code. */
    Map<String, Long> refusals() {
        Map<String, Long> all = new TreeMap<>();
        rounds.forEach(round -> round.loaded().refusals().forEach((code, count) -> all.merge(code, count, Long::sum)));
        return all;
    }

    /** What the broker said when it ended connections, and what else went wrong; each sentence once. */
    Set<String> troubles() {
        Set<String> all = new LinkedHashSet<>();
        rounds.forEach(round -> {
            all.addAll(round.reasons());
            all.addAll(round.faults());
        });
        return all;
    }

    /** At most this p99 is the goal: twice the unloaded one and one burst on the wire. */
    double limitP99Us(Load load) {
        return 2 * unloaded.p99() + load.burstUs();
    }

    /** Whether URGENT came in every round, and within the goal. */
    boolean isWithinLimit(Load load) {
        boolean hasCome = rounds.stream()
                .allMatch(round -> round.unloaded().latency(URGENT).getTotalCount() > 0
                        && round.loaded().latency(URGENT).getTotalCount() > 0);
        return hasCome && loaded.p99() <= limitP99Us(load);
    }

    /** What a run of Hermod must not show, in sentences. */
    List<String> faults(double leastShareWanted) {
        List<String> faults = new ArrayList<>();
        add(faults, urgentLost(), "URGENT events were lost");
        add(faults, urgentShed(), "URGENT events were shed");
        add(faults, urgentRefused(), "URGENT events were refused");
        add(faults, clamped(), "URGENT events were clamped: the token lacks the right 'urgent'");
        add(faults, bulkLost(), "LOW and NORMAL events were lost without a GAP");
        add(faults, disordered(), "events came out of order or twice");
        add(faults, connectionsEnded(), "times the broker ended the slow reader's connection");
        if (leastShare() < leastShareWanted) {
            faults.add(String.format(
                    java.util.Locale.ROOT,
                    "LOW had %.1f %% of the bytes in its worst second, less than %.0f %%",
                    leastShare() * 100,
                    leastShareWanted * 100));
        }
        rounds.forEach(round -> faults.addAll(round.faults()));
        return faults;
    }

    private static void add(List<String> faults, long count, String what) {
        if (count > 0) {
            faults.add(count + " " + what);
        }
    }

    /** As JSON: the keys of {@code contenders}. */
    Map<String, Object> json(Load load) {
        Map<String, Object> urgent = urgentJson(load);
        Map<String, Object> low = new LinkedHashMap<>();
        low.put("share", rounded(leastShare()));
        low.put("meanShare", rounded(meanShare()));
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("what", what);
        keys.put("rounds", rounds.size());
        keys.put("pacedByCredit", rounds.stream().allMatch(Round::isPacedByCredit));
        keys.put("urgent", urgent);
        keys.put("low", low);
        keys.put("bulk", bulkJson());
        keys.put("outbox", outboxJson());
        keys.put("connectionsEnded", connectionsEnded());
        keys.put("disordered", disordered());
        keys.put("troubles", List.copyOf(troubles()));
        return keys;
    }

    Map<String, Object> urgentJson(Load load) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("p99Us", loaded.p99());
        keys.put("unloadedP99Us", unloaded.p99());
        keys.put("lost", urgentLost());
        keys.put("limitP99Us", rounded(limitP99Us(load)));
        keys.put("isWithinLimit", isWithinLimit(load));
        keys.put("latencyUs", loaded);
        keys.put("unloadedLatencyUs", unloaded);
        keys.put("sent", sum(round -> round.loaded().sent(URGENT)));
        keys.put("unsent", sum(round -> round.loaded().unsent(URGENT)));
        return keys;
    }

    private Map<String, Object> bulkJson() {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("sent", bulk(Ledger::sent));
        keys.put("accepted", bulk(Ledger::accepted));
        keys.put("refused", bulk(Ledger::refused));
        keys.put("delivered", bulk(Ledger::delivered));
        keys.put("shed", bulk(Ledger::shed));
        keys.put("lost", bulkLost());
        keys.put("readBytesPerSecond", rounded(readBytesPerSecond()));
        keys.put("refusals", refusals());
        return keys;
    }

    Map<String, Object> outboxJson() {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("samples", outboxSamples());
        keys.put("leastBytes", outboxLeastBytes());
        keys.put("meanBytes", rounded(outboxMeanBytes()));
        return keys;
    }

    static double rounded(double value) {
        return Math.round(value * 10_000) / 10_000.0;
    }
}
