package hermod.bench.durable;

import hermod.bench.report.PairedRatio;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** The figures of {@code durable} as tables, goals and JSON. Immutable but for its sheet. */
final class DurableSummary {
    static final String DISK = "disk, append 4 KiB + fdatasync";
    static final String DISK_PREPARED = "disk, overwrite 4 KiB + fdatasync";
    static final String RELAY = "C relay, there and back";
    static final String MEMORY = "hermod, memory channel, 1 in flight";
    static final String ONE = "hermod, 1 in flight";
    static final String HUNDRED = "hermod, 100 in flight";
    static final String CONNECTIONS = "hermod, 100 connections, 1 in flight each";
    static final String DELIVERY = "hermod, to the subscriber";
    static final String DELIVERY_ANSWER = "hermod, to the subscriber: its answer";
    static final String EARLY = "hermod, early delivery, to the subscriber";
    static final String EARLY_ANSWER = "hermod, early delivery: its answer";

    /** Durable publish, one in flight: at most so many times the sync and the way. */
    static final double ONE_AT_MOST = 1.3;

    private static final double HUNDRED_AT_LEAST = 1;

    private final Sheet sheet;

    DurableSummary(Sheet sheet) {
        this.sheet = sheet;
    }

    static String one(Store store) {
        return store.word() + ", 1 in flight";
    }

    static String hundred(Store store) {
        return store.word() + ", 100 in flight";
    }

    static String connections(Store store) {
        return store.word() + ", 100 connections, 1 in flight each";
    }

    /**
     * A goal and what was reached, from ratios round by round.
     *
     * @param limit of the ratio.
     * @param isUpper whether more is missed; otherwise less is.
     * @param isSynced false where Hermod answered before this disk can have synced: then no goal is reached, whatever the figures.
     */
    record Goal(String what, PairedRatio ratio, double limit, boolean isUpper, boolean isSynced) {
        boolean isReached() {
            if (!isSynced) {
                return false;
            }
            return isUpper ? ratio.ratio() <= limit : ratio.ratio() >= limit;
        }

        Map<String, Object> json() {
            Map<String, Object> keys = new LinkedHashMap<>();
            keys.put("what", what);
            keys.put("ratio", rounded(ratio.ratio()));
            // An interval of one round is the whole line, which JSON has no word for.
            if (ratio.pairs() > 1) {
                keys.put("low", rounded(ratio.low()));
                keys.put("high", rounded(ratio.high()));
            }
            keys.put(isUpper ? "atMost" : "atLeast", limit);
            keys.put("isReached", isReached());
            return keys;
        }
    }

    /** What was measured of them; the wire is the C relay's where it was measured, otherwise Hermod's own memory channel. */
    Map<String, Goal> goals() {
        Map<String, Goal> goals = new LinkedHashMap<>();
        String wire = sheet.has(RELAY) ? RELAY : MEMORY;
        if (sheet.has(ONE) && sheet.has(DISK) && sheet.has(wire)) {
            goals.put(
                    "inFlight1",
                    new Goal(
                            "p50 of one in flight to (" + DISK + ") + (" + wire + ")",
                            Sheet.ratio(sheet.values(ONE, Figures::p50Us), sheet.sums(DISK, wire, Figures::p50Us)),
                            ONE_AT_MOST,
                            true,
                            !isFasterThanTheDisk()));
        }
        String piped = hundred(Store.REDIS);
        String spread = connections(Store.REDIS);
        if (sheet.has(HUNDRED) && sheet.has(piped) && sheet.has(spread)) {
            goals.put(
                    "inFlight100",
                    new Goal(
                            "answers a second, 100 in flight, to Redis' better of one client's pipeline and 100 clients",
                            Sheet.ratio(
                                    sheet.values(HUNDRED, Figures::perSecond),
                                    sheet.larger(piped, spread, Figures::perSecond)),
                            HUNDRED_AT_LEAST,
                            false,
                            !isFasterThanTheDisk()));
        }
        return goals;
    }

    /** Whether Hermod answered faster than this disk syncs at all: then nothing was synced before the answer. */
    boolean isFasterThanTheDisk() {
        double syncUs = Math.min(
                sheet.medians(DISK).p50Us(), sheet.medians(DISK_PREPARED).p50Us());
        return sheet.medians(ONE).p50Us() < syncUs;
    }

    /** A row a measurement: medians over the rounds. */
    String tables() {
        StringBuilder out = new StringBuilder();
        line(out, "| measurement | p50 us | p99 us | a second | p50 to " + ONE + " | a second to " + HUNDRED + " |");
        line(out, "|---|---|---|---|---|---|");
        for (String row : sheet.names()) {
            Figures medians = sheet.medians(row);
            line(
                    out,
                    String.format(
                            Locale.ROOT,
                            "| %s | %,.1f | %,.1f | %,.0f | %s | %s |",
                            row,
                            medians.p50Us(),
                            medians.p99Us(),
                            medians.perSecond(),
                            ratio(row, ONE, Figures::p50Us),
                            ratio(row, HUNDRED, Figures::perSecond)));
        }
        line(out, "");
        goals().values().forEach(goal -> line(out, sentence(goal)));
        return out.toString();
    }

    static String sentence(Goal goal) {
        PairedRatio ratio = goal.ratio();
        return String.format(
                Locale.ROOT,
                "Goal %s at %s %.2f: %.3f%s, %s.",
                goal.what(),
                goal.isUpper() ? "most" : "least",
                goal.limit(),
                ratio.ratio(),
                ratio.pairs() > 1 ? String.format(Locale.ROOT, " [%.3f, %.3f]", ratio.low(), ratio.high()) : "",
                goal.isReached()
                        ? "reached"
                        : goal.isSynced() ? "**missed**" : "not counted, because nothing was synced");
    }

    private String ratio(String row, String base, ToDoubleFunction<Figures> figure) {
        if (!sheet.has(base)) {
            return "–";
        }
        return String.format(
                Locale.ROOT,
                "%.2f",
                Sheet.ratio(sheet.values(row, figure), sheet.values(base, figure))
                        .ratio());
    }

    /** The keys of the JSON. */
    Map<String, Object> json(List<Store> stores) {
        Map<String, Object> keys = new LinkedHashMap<>();
        Map<String, Object> disk = new LinkedHashMap<>();
        disk.put("appendSyncP50Us", rounded(sheet.medians(DISK).p50Us()));
        disk.put("appendSyncP99Us", rounded(sheet.medians(DISK).p99Us()));
        disk.put("overwriteSyncP50Us", rounded(sheet.medians(DISK_PREPARED).p50Us()));
        disk.put("overwriteSyncP99Us", rounded(sheet.medians(DISK_PREPARED).p99Us()));
        keys.put("disk", disk);
        put(keys, "relay", RELAY);
        put(keys, "memory", MEMORY);
        put(keys, "inFlight1", ONE);
        put(keys, "inFlight100", HUNDRED);
        put(keys, "connections100", CONNECTIONS);
        keys.put("delivery", pair(DELIVERY, DELIVERY_ANSWER));
        if (sheet.has(EARLY)) {
            keys.put("early", pair(EARLY, EARLY_ANSWER));
        }
        Map<String, Object> peers = new LinkedHashMap<>();
        for (Store store : stores) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("synced", store.synced());
            put(one, "inFlight1", one(store));
            put(one, "inFlight100", hundred(store));
            put(one, "connections100", connections(store));
            peers.put(store.word(), one);
        }
        keys.put("peers", peers);
        Map<String, Object> goals = new LinkedHashMap<>();
        goals().forEach((name, goal) -> goals.put(name, goal.json()));
        keys.put("goals", goals);
        return keys;
    }

    private void put(Map<String, Object> keys, String key, String row) {
        if (sheet.has(row)) {
            keys.put(key, json(row));
        }
    }

    private Map<String, Object> json(String row) {
        Figures medians = sheet.medians(row);
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("p50Us", rounded(medians.p50Us()));
        keys.put("p99Us", rounded(medians.p99Us()));
        keys.put("perSecond", rounded(medians.perSecond()));
        return keys;
    }

    private Map<String, Object> pair(String delivery, String answer) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("subscriberP50Us", rounded(sheet.medians(delivery).p50Us()));
        keys.put("subscriberP99Us", rounded(sheet.medians(delivery).p99Us()));
        keys.put("answerP50Us", rounded(sheet.medians(answer).p50Us()));
        keys.put("answerP99Us", rounded(sheet.medians(answer).p99Us()));
        return keys;
    }

    /** The peers and what each has synced when it answers. */
    static String peers(List<Store> stores, List<String> versions) {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < stores.size(); i++) {
            Store store = stores.get(i);
            lines.add("| " + store.word() + " | " + store.what() + " | " + versions.get(i) + " | " + store.synced()
                    + " |");
        }
        if (lines.isEmpty()) {
            return "";
        }
        lines.add(0, "| peer | what ran | version | on the disk when it answers |");
        lines.add(1, "|---|---|---|---|");
        return String.join(System.lineSeparator(), lines) + System.lineSeparator();
    }

    static double rounded(double value) {
        return Math.round(value * 1_000) / 1_000.0;
    }

    private static void line(StringBuilder out, @Nullable String line) {
        out.append(line).append(System.lineSeparator());
    }
}
