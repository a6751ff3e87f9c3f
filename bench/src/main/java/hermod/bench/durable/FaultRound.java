package hermod.bench.durable;

import hermod.bench.report.PairedRatio;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * A time without a fault and one with it, next to each other.
 *
 * @param calm and {@code faulty}: p99 in µs of what needs no disk, then of safety.
 * @param refusals of durable publishes while the fault lasted, by code.
 * @param acknowledgedMeanwhile durable publishes that were acknowledged all the same.
 * @param resumedMs from the end of the fault to the next acknowledgement of a durable publish; NaN where none came in time.
 */
record FaultRound(P99 calm, P99 faulty, Map<String, Long> refusals, long acknowledgedMeanwhile, double resumedMs) {
    record P99(double memoryUs, double safetyUs) {}

    /** How much the p99 with the fault is of the one without. */
    static PairedRatio ratio(List<FaultRound> rounds, ToDoubleFunction<P99> figure) {
        return PairedRatio.of(
                rounds.stream()
                        .mapToDouble(one -> figure.applyAsDouble(one.faulty()))
                        .toArray(),
                rounds.stream()
                        .mapToDouble(one -> figure.applyAsDouble(one.calm()))
                        .toArray());
    }

    /** Whether the interval holds 1, or lies below it: no harm beyond the noise of the pairs. */
    static boolean isWithinNoise(PairedRatio ratio) {
        return ratio.low() <= 1;
    }

    static Map<String, Long> allRefusals(List<FaultRound> rounds) {
        Map<String, Long> all = new java.util.TreeMap<>();
        rounds.forEach(round -> round.refusals().forEach((code, count) -> all.merge(code, count, Long::sum)));
        return all;
    }

    /** The longest; NaN if it did not resume in some round. */
    static double worstResumedMs(List<FaultRound> rounds) {
        double worst = 0;
        for (FaultRound round : rounds) {
            worst = Double.isNaN(round.resumedMs()) ? Double.NaN : Math.max(worst, round.resumedMs());
        }
        return worst;
    }

    static String row(String fault, List<FaultRound> rounds, long lost) {
        PairedRatio memory = ratio(rounds, P99::memoryUs);
        PairedRatio safety = ratio(rounds, P99::safetyUs);
        return String.format(
                Locale.ROOT,
                "| %s | %d | %s %s | %s %s | %s | %,d | %,.0f | %,d |",
                fault,
                rounds.size(),
                memory,
                isWithinNoise(memory) ? "yes" : "**no**",
                safety,
                isWithinNoise(safety) ? "yes" : "**no**",
                allRefusals(rounds),
                rounds.stream().mapToLong(FaultRound::acknowledgedMeanwhile).sum(),
                worstResumedMs(rounds),
                lost);
    }

    static Map<String, Object> json(List<FaultRound> rounds, long lost) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("rounds", rounds.size());
        keys.put("memoryP99", json(ratio(rounds, P99::memoryUs)));
        keys.put("safetyP99", json(ratio(rounds, P99::safetyUs)));
        keys.put("refusals", allRefusals(rounds));
        keys.put(
                "acknowledgedMeanwhile",
                rounds.stream().mapToLong(FaultRound::acknowledgedMeanwhile).sum());
        double worst = worstResumedMs(rounds);
        keys.put("hasResumed", !Double.isNaN(worst));
        if (!Double.isNaN(worst)) {
            keys.put("resumedMs", DurableSummary.rounded(worst));
        }
        keys.put("lost", lost);
        return keys;
    }

    private static Map<String, Object> json(PairedRatio ratio) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("ratio", DurableSummary.rounded(ratio.ratio()));
        if (ratio.pairs() > 1) {
            keys.put("low", DurableSummary.rounded(ratio.low()));
            keys.put("high", DurableSummary.rounded(ratio.high()));
        }
        keys.put("withinNoise", isWithinNoise(ratio));
        return keys;
    }
}
