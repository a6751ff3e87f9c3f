package hermod.bench.scenario;

import hermod.bench.report.PairedRatio;
import hermod.bench.scenario.SlowRound.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.ToDoubleFunction;

/** The rounds of one run of the generator, and what they say. Filled by one thread, then read. */
final class SlowPart {
    /** Half the width that the 95 % interval of each ratio may have around 1. */
    static final double MARGIN = 0.03;

    /** Pairs below which no ratio is judged. */
    static final int PAIRS_MIN = 20;

    /** Default of {@code outbox.limit-bytes}. */
    static final long OUTBOX_BYTES = 1024 * 1024;

    private static final double KIB_PER_MIB = 1024;

    private record At(int block, Kind kind) {}

    private final String channel;
    private final int stalled;
    private final boolean mustFill;
    private final Map<At, SlowRound> rounds = new LinkedHashMap<>();
    private final Map<At, SlowLook> looks = new LinkedHashMap<>();

    /** @param mustFill whether every event that a GAP announces must follow it: a durable channel, all of it in the broker's window. */
    SlowPart(String channel, int stalled, boolean mustFill) {
        this.channel = channel;
        this.stalled = stalled;
        this.mustFill = mustFill;
    }

    String channel() {
        return channel;
    }

    int stalled() {
        return stalled;
    }

    void add(SlowRound round) {
        rounds.put(new At(round.block(), round.kind()), round);
    }

    void add(int block, Kind kind, SlowLook look) {
        looks.put(new At(block, kind), look);
    }

    /** Measured rounds of a kind. */
    List<SlowRound> rounds(Kind kind) {
        return rounds.values().stream()
                .filter(round -> round.kind() == kind && round.block() > 0)
                .toList();
    }

    boolean has(Kind kind) {
        return !rounds(kind).isEmpty();
    }

    /** Of the blocks that have both, the figure of one kind by that of the other; rounds without the figure are left out. */
    PairedRatio ratio(Kind kind, Kind base, String key) {
        List<double[]> pairs = new ArrayList<>();
        for (SlowRound round : rounds(kind)) {
            SlowRound other = rounds.get(new At(round.block(), base));
            if (other != null && round.number(key) > 0 && other.number(key) > 0) {
                pairs.add(new double[] {round.number(key), other.number(key)});
            }
        }
        return PairedRatio.of(
                pairs.stream().mapToDouble(pair -> pair[0]).toArray(),
                pairs.stream().mapToDouble(pair -> pair[1]).toArray());
    }

    /** What stopped subscribers cost the others, beside rounds of {@code base}. */
    Map<String, Object> comparison(Kind kind, Kind base) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("stalled", stalled);
        row.put("kind", kind.label());
        row.put("against", base.label());
        row.put("throughput", ratio(kind, base, "deliv_s"));
        row.put("p99", ratio(kind, base, "p99"));
        PairedRatio cpu = ratio(kind, base, "cpu_us");
        if (cpu.pairs() > 0) {
            row.put("cpuPerDelivery", cpu);
            row.put("cpuPerDeliveryAtRate", ratio(kind, base, "cpu_rate_us"));
        }
        return row;
    }

    /** Of {@code absent}, whether all three intervals lie inside the margin. */
    boolean isWithinNoise(Kind kind) {
        PairedRatio cpu = ratio(kind, Kind.ABSENT, "cpu_us");
        return ratio(kind, Kind.ABSENT, "deliv_s").isInside(MARGIN)
                && ratio(kind, Kind.ABSENT, "p99").isInside(MARGIN)
                && (cpu.pairs() == 0 || cpu.isInside(MARGIN));
    }

    /** The verdict in a sentence; a harm that is proved goes to the faults. */
    void judge(Kind kind, List<String> notes, List<String> faults) {
        PairedRatio throughput = ratio(kind, Kind.ABSENT, "deliv_s");
        PairedRatio p99 = ratio(kind, Kind.ABSENT, "p99");
        PairedRatio cpu = ratio(kind, Kind.ABSENT, "cpu_us");
        if (throughput.pairs() == 0) {
            return;
        }
        boolean isHarm = throughput.high() < 1 - MARGIN || p99.low() > 1 + MARGIN || cpu.low() > 1 + MARGIN;
        boolean isEnough = throughput.pairs() >= PAIRS_MIN;
        String verdict = !isEnough
                ? "not judged below " + PAIRS_MIN + " pairs"
                : isWithinNoise(kind)
                        ? "yes"
                        : isHarm ? "NO, they cost the others" : "not proved, the noise is too wide";
        String sentence = String.format(
                Locale.ROOT,
                "%d that %s against as many absent: throughput %s, p99 %s, CPU per delivery %s; inside ± 3 %%: %s",
                stalled,
                kind.words(),
                throughput,
                p99,
                cpu.pairs() == 0 ? "not known" : cpu,
                verdict);
        (isEnough && isHarm ? faults : notes).add(sentence);
    }

    /** What the stopped ones got when they went on, over all rounds of a kind, the warm-up's too. */
    Map<String, Object> stopped(Kind kind) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("channel", channel);
        row.put("kind", kind.label());
        row.put("stalled", stalled);
        row.put(
                "rounds",
                rounds.values().stream().filter(round -> round.kind() == kind).count());
        row.put("events", sum(kind, "events"));
        row.put("live", sum(kind, "live"));
        row.put("gaps", sum(kind, "gaps"));
        row.put("announced", sum(kind, "missed"));
        row.put("filled", sum(kind, "filled"));
        row.put("unaccounted", sum(kind, "unaccounted"));
        row.put("duplicated", sum(kind, "dup"));
        row.put("closed", sum(kind, "conn_closed"));
        row.put("tookMs", median(kind, round -> round.number("took_ms")));
        Map<String, Object> reasons = new LinkedHashMap<>();
        for (String reason : List.of("shed", "overrun", "expired")) {
            if (sum(kind, reason) > 0) {
                reasons.put(reason, sum(kind, reason));
            }
        }
        row.put("gapReasons", reasons);
        looked(kind, row);
        return row;
    }

    private void looked(Kind kind, Map<String, Object> row) {
        Map<String, Integer> causes = new TreeMap<>();
        long least = Long.MAX_VALUE;
        long most = 0;
        for (Map.Entry<At, SlowLook> entry : looks.entrySet()) {
            SlowLook look = entry.getValue();
            if (entry.getKey().kind == kind && look.seen() > 0) {
                least = Math.min(least, look.outboxLeastBytes());
                most = Math.max(most, look.outboxMostBytes());
                look.causes().forEach((cause, count) -> causes.merge(cause, count, Integer::sum));
            }
        }
        if (least != Long.MAX_VALUE) {
            row.put("outboxLeastBytes", least);
            row.put("outboxMostBytes", most);
        }
        row.put("causes", causes);
    }

    /** Whether each of them got all that its channel promises. */
    void account(Kind kind, List<String> notes, List<String> faults) {
        String who = stalled + " of " + channel + " that " + kind.words();
        long closed = sum(kind, "conn_closed");
        if (closed > 0) {
            faults.add(who + ": " + closed + " connections were closed instead, codes " + codes(kind)
                    + " (0: cut without one that was read)");
        }
        add(faults, sum(kind, "unaccounted"), who + ": %,d events neither came nor lay in a GAP");
        add(faults, sum(kind, "dup"), who + ": %,d events came again");
        add(faults, sum(kind, "gap_odd"), who + ": %,d GAPs that announce what came, or close what was not open");
        long missing = sum(kind, "missed") - sum(kind, "filled");
        if (mustFill) {
            add(faults, missing, who + ": %,d events of a durable channel were announced and never filled in");
            add(faults, sum(kind, "unfilled"), who + ": %,d GAPs of a durable channel were never closed");
        }
        boolean agreed = rounds.values().stream()
                .filter(round -> round.kind() == kind)
                .allMatch(round -> (round.count("features") & kind.needs()) == kind.needs());
        if (!agreed) {
            faults.add(who + ": the broker does not agree to the feature "
                    + (kind == Kind.SOCKET ? "GAP" : "GAP or CREDIT") + ", so it can but close them");
        }
        Map<String, Object> row = stopped(kind);
        if (row.get("outboxMostBytes") instanceof Long most && most > OUTBOX_BYTES) {
            faults.add(who + ": an outbox held " + most + " bytes, above its cap of " + OUTBOX_BYTES);
        }
        if (row.get("causes") instanceof Map<?, ?> causes) {
            if (causes.isEmpty()) {
                notes.add(who + ": the admin port tells no cause");
            } else if (!new TreeSet<>(causes.keySet()).toString().contains(kind == Kind.SOCKET ? "socket" : "credit")
                    && !causes.containsKey("handler")) {
                faults.add(who + ": the admin port tells another cause, " + causes);
            }
        }
    }

    private String codes(Kind kind) {
        TreeSet<Long> codes = new TreeSet<>();
        rounds.values().stream()
                .filter(round -> round.kind() == kind && round.count("conn_closed") > 0)
                .forEach(round -> codes.add(round.count("code")));
        return codes.toString();
    }

    private static void add(List<String> faults, long count, String sentence) {
        if (count != 0) {
            faults.add(String.format(Locale.ROOT, sentence, count));
        }
    }

    /** Growth of the broker's process over the round without them in the same block, in MiB with its 95 % interval; empty where it is not known. */
    Map<String, Object> memory(Kind kind, List<String> faults) {
        List<Double> growth = new ArrayList<>();
        for (Map.Entry<At, SlowLook> entry : looks.entrySet()) {
            SlowLook base = looks.get(new At(entry.getKey().block, Kind.ABSENT));
            if (entry.getKey().kind == kind && entry.getKey().block > 0 && base != null && base.residentKib() > 0) {
                growth.add((entry.getValue().residentKib() - base.residentKib()) / KIB_PER_MIB);
            }
        }
        if (growth.isEmpty()) {
            return Map.of();
        }
        double[] interval = PairedRatio.interval(
                growth.stream().mapToDouble(Double::doubleValue).toArray());
        double limit = stalled * OUTBOX_BYTES / KIB_PER_MIB / KIB_PER_MIB;
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("stalled", stalled);
        row.put("kind", kind.label());
        row.put("growthMib", interval[0]);
        row.put("growthLowMib", interval[1]);
        row.put("growthHighMib", interval[2]);
        row.put("limitMib", limit);
        if (growth.size() >= PAIRS_MIN && interval[1] > limit) {
            faults.add(String.format(
                    Locale.ROOT,
                    "%d that %s: the broker grew by %.1f MiB [%.1f, %.1f], more than their outboxes may hold (%.0f MiB)",
                    stalled,
                    kind.words(),
                    interval[0],
                    interval[1],
                    interval[2],
                    limit));
        }
        return row;
    }

    long sum(Kind kind, String key) {
        return rounds.values().stream()
                .filter(round -> round.kind() == kind)
                .mapToLong(round -> round.count(key))
                .sum();
    }

    /** Of the measured rounds of a kind; 0 without any. */
    double median(Kind kind, ToDoubleFunction<SlowRound> figure) {
        double[] values = rounds(kind).stream().mapToDouble(figure).sorted().toArray();
        return values.length == 0 ? 0 : (values[values.length / 2] + values[(values.length - 1) / 2]) / 2;
    }

    /** Cores that other jobs used meanwhile, the median over all measured rounds. */
    double foreignCores() {
        double[] values = Arrays.stream(Kind.values())
                .flatMap(kind -> rounds(kind).stream())
                .mapToDouble(round -> round.number("foreign"))
                .sorted()
                .toArray();
        return values.length == 0 ? 0 : values[values.length / 2];
    }
}
