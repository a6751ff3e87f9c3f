package hermod.bench.priority;

import hermod.bench.report.LatencyUs;
import hermod.protocol.Priority;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The figures as markdown tables and as the maps of the JSON. Stateless, any thread. */
final class PriorityTables {
    private static final double MEGA = 1e6;

    private PriorityTables() {}

    /** URGENT, LOW and what became of the flood, a row a broker. */
    static String contenders(List<Summary> all, Load load, double leastShareWanted) {
        StringBuilder out = new StringBuilder();
        line(
                out,
                "| broker | URGENT alone p50 / p99 us | beside the flood p50 / p90 / p99 / p99.9 / max us | p99 at most us"
                        + " | within | URGENT lost | LOW's share, worst second / mean % | read MB/s | shed | refused"
                        + " | lost without a word | connection ended |");
        line(out, "|---|---|---|---|---|---|---|---|---|---|---|---|");
        for (Summary one : all) {
            line(out, row(one, load));
        }
        line(out, "");
        line(
                out,
                String.format(
                        Locale.ROOT,
                        "Goals: p99 of URGENT at most 2 x alone + one burst on the wire (%,d bytes at the reader's %.0f MB/s: %,.0f us),"
                                + " none lost; LOW's share at least %.0f %% in any second.",
                        load.creditWindowBytes(),
                        load.readerBytesPerSecond() / MEGA,
                        load.burstUs(),
                        leastShareWanted * 100));
        return out.toString();
    }

    private static String row(Summary one, Load load) {
        LatencyUs alone = one.unloaded();
        LatencyUs beside = one.loaded();
        double limit = one.limitP99Us(load);
        return String.format(
                Locale.ROOT,
                "| %s | %,.0f / %,.0f | %,.0f / %,.0f / %,.0f / %,.0f / %,.0f | %,.0f | %s | %,d | %.1f / %.1f | %.1f"
                        + " | %,d | %,d | %,d | %,d |",
                one.name(),
                alone.p50(),
                alone.p99(),
                beside.p50(),
                beside.p90(),
                beside.p99(),
                beside.p999(),
                beside.max(),
                limit,
                one.isWithinLimit(load) ? "yes" : "**no**",
                one.urgentLost(),
                one.leastShare() * 100,
                one.meanShare() * 100,
                one.readBytesPerSecond() / MEGA,
                one.bulk(Ledger::shed),
                one.bulk(Ledger::refused),
                one.bulkLost(),
                one.connectionsEnded());
    }

    /** What the broker owed the subscriber while the flood lasted, a row a broker that tells. */
    static String outboxes(List<Summary> all, long limitBytes) {
        StringBuilder out = new StringBuilder();
        line(out, "| broker | samples | outbox, least KiB | mean KiB | bound KiB | at least half full throughout |");
        line(out, "|---|---|---|---|---|---|");
        for (Summary one : all) {
            if (one.outboxSamples() > 0) {
                line(
                        out,
                        String.format(
                                Locale.ROOT,
                                "| %s | %,d | %,.0f | %,.0f | %,d | %s |",
                                one.name(),
                                one.outboxSamples(),
                                one.outboxLeastBytes() / 1024.0,
                                one.outboxMeanBytes() / 1024,
                                limitBytes / 1024,
                                one.outboxLeastBytes() * 2 >= limitBytes ? "yes" : "**no**"));
            }
        }
        return out.toString();
    }

    /** Each lane at each share of the capacity. */
    static String levels(List<LoadLevel> levels, double capacity) {
        StringBuilder out = new StringBuilder();
        line(
                out,
                String.format(
                        Locale.ROOT,
                        "Capacity: %,.0f deliveries/s. Mix: HIGH %d %%, NORMAL %d %%, LOW %d %%, and URGENT besides.",
                        capacity,
                        LoadLevel.MIX[Priority.HIGH.code()],
                        LoadLevel.MIX[Priority.NORMAL.code()],
                        LoadLevel.MIX[Priority.LOW.code()]));
        line(out, "");
        line(
                out,
                "| load % | lane | sent/s | not sent | p50 us | p99 us | p99.9 us | max us | delivered/s | shed | refused | lost |");
        line(out, "|---|---|---|---|---|---|---|---|---|---|---|---|");
        for (LoadLevel level : levels) {
            for (int lane = Priority.COUNT - 1; lane >= 0; lane--) {
                line(out, row(level, lane));
            }
        }
        return out.toString();
    }

    private static String row(LoadLevel level, int lane) {
        Ledger ledger = level.ledger();
        LatencyUs us = LatencyUs.of(ledger.latency(lane));
        // Behind so far that all that came was meant for the time before the measured one.
        String figures = ledger.latency(lane).getTotalCount() == 0
                ? "– | – | – | –"
                : String.format(Locale.ROOT, "%,.0f | %,.0f | %,.0f | %,.0f", us.p50(), us.p99(), us.p999(), us.max());
        double sentSeconds = ledger.seconds() + 1; // the ramp
        return String.format(
                Locale.ROOT,
                "| %d | %s | %,.0f | %,d | %s | %,.0f | %,d | %,d | %,d |",
                level.percent(),
                Priority.ofCode(lane),
                ledger.sent(lane) / sentSeconds,
                ledger.unsent(lane),
                figures,
                ledger.deliveredPerSecond(lane),
                ledger.shed(lane),
                ledger.refused(lane),
                ledger.lost(lane));
    }

    /** The same as JSON. */
    static Map<String, Object> json(List<LoadLevel> levels, double capacity) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("capacityPerSecond", Summary.rounded(capacity));
        for (LoadLevel level : levels) {
            Map<String, Object> lanes = new LinkedHashMap<>();
            for (int lane = Priority.COUNT - 1; lane >= 0; lane--) {
                Ledger ledger = level.ledger();
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("sent", ledger.sent(lane));
                one.put("unsent", ledger.unsent(lane));
                one.put("accepted", ledger.accepted(lane));
                one.put("refused", ledger.refused(lane));
                one.put("delivered", ledger.delivered(lane));
                one.put("shed", ledger.shed(lane));
                one.put("lost", ledger.lost(lane));
                one.put("disordered", ledger.disordered(lane));
                one.put("deliveredPerSecond", Summary.rounded(ledger.deliveredPerSecond(lane)));
                one.put("latencyUs", LatencyUs.of(ledger.latency(lane)));
                lanes.put(Priority.ofCode(lane).name(), one);
            }
            Map<String, Object> all = new LinkedHashMap<>();
            all.put("offeredPerSecond", Summary.rounded(level.offeredPerSecond()));
            all.put("refusals", level.ledger().refusals());
            all.put("lanes", lanes);
            keys.put("at" + level.percent(), all);
        }
        return keys;
    }

    private static void line(StringBuilder out, String line) {
        out.append(line).append(System.lineSeparator());
    }
}
