package hermod.bench.compare;

import java.util.Locale;

/** A comparison as markdown tables, one for each workload: medians over the rounds, and ratios of them. Stateless, any thread. */
final class Tables {
    private static final String NONE = "–";

    private Tables() {}

    static String of(Comparison comparison) {
        StringBuilder out = new StringBuilder();
        for (String workload : comparison.workloads()) {
            out.append(String.format("%n**%s**%n%n", workload));
            table(out, comparison, workload);
        }
        return out.toString();
    }

    private static void table(StringBuilder out, Comparison comparison, String workload) {
        Workload known = Workload.named(workload);
        boolean isLatency = known == null || known.isLatency();
        row(
                out,
                isLatency
                        ? "| lane | p50 us | p90 | p99 | p99.9 | × C relay p50 / p99 | × Netty relay p50 / p99 | × best peer p50 / p99"
                                + " | lost / refused / unacked | broker CPU s per M deliveries | rounds apart | quiet runs |"
                        : "| lane | messages/s | deliveries/s | × C relay | × Netty relay | × best peer | p50 in queue"
                                + " | lost / refused / unacked | broker CPU s per M deliveries | broker cores | generator cores"
                                + " | rounds apart | quiet runs |");
        row(out, "|" + "---|".repeat(isLatency ? 12 : 13));
        for (String lane : comparison.lanes()) {
            Cell cell = comparison.cell(workload, lane);
            if (cell == null) {
                continue;
            }
            if (cell.good().isEmpty()) {
                row(out, "| " + lane + " | failed: " + cell.runs().get(0).error() + " |");
            } else if (isLatency) {
                latency(out, comparison, cell);
            } else {
                throughput(out, comparison, cell);
            }
        }
    }

    private static void latency(StringBuilder out, Comparison comparison, Cell cell) {
        row(
                out,
                "| " + cell.lane()
                        + " | " + us(cell.median("p50"))
                        + " | " + us(cell.median("p90"))
                        + " | " + us(cell.median("p99"))
                        + " | " + us(cell.median("p999"))
                        + " | " + toLane(comparison, cell, Lane.C_RELAY)
                        + " | " + toLane(comparison, cell, Lane.NETTY_RELAY)
                        + " | " + toBestPeer(comparison, cell)
                        + " | " + missing(cell)
                        + " | " + cpu(cell)
                        + " | " + last(cell));
    }

    private static void throughput(StringBuilder out, Comparison comparison, Cell cell) {
        double deliveries = cell.median("deliv_s");
        row(
                out,
                "| " + cell.lane()
                        + " | " + count(cell.median("msgs_s"))
                        + " | " + count(deliveries)
                        + " | " + ratio(deliveries / comparison.median(cell.workload(), Lane.C_RELAY, "deliv_s"))
                        + " | " + ratio(deliveries / comparison.median(cell.workload(), Lane.NETTY_RELAY, "deliv_s"))
                        + " | "
                        + (Lane.isHermod(cell.lane())
                                ? ratio(deliveries / comparison.bestPeer(cell.workload(), "deliv_s", false))
                                : "")
                        + " | " + us(cell.median("p50"))
                        + " | " + missing(cell)
                        + " | " + cpu(cell)
                        + String.format(
                                Locale.ROOT, " | %.2f | %.2f", cell.median("cpu_cores"), cell.median("gen_cores"))
                        + " | " + last(cell));
    }

    private static String toLane(Comparison comparison, Cell cell, String other) {
        return ratio(cell.median("p50") / comparison.median(cell.workload(), other, "p50")) + " / "
                + ratio(cell.median("p99") / comparison.median(cell.workload(), other, "p99"));
    }

    private static String toBestPeer(Comparison comparison, Cell cell) {
        return Lane.isHermod(cell.lane())
                ? ratio(cell.median("p50") / comparison.bestPeer(cell.workload(), "p50", true)) + " / "
                        + ratio(cell.median("p99") / comparison.bestPeer(cell.workload(), "p99", true))
                : "";
    }

    private static String missing(Cell cell) {
        return cell.worst("lost") + " / " + cell.worst("refused") + " / " + cell.worst("unacked");
    }

    private static String cpu(Cell cell) {
        double us = cell.median("cpu_us_per_deliv");
        return String.format(Locale.ROOT, us >= 10 ? "%.0f" : us >= 1 ? "%.1f" : "%.3f", us);
    }

    private static String last(Cell cell) {
        return String.format(Locale.ROOT, "%.0f %%", Noise.spreadOf(cell) * 100) + " | " + cell.quietCount() + "/"
                + cell.good().size() + " |";
    }

    private static String ratio(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.2f", value) : NONE;
    }

    private static String us(double value) {
        return value >= 10_000
                ? String.format(Locale.ROOT, "%.0f ms", value / 1_000)
                : value >= 1_000
                        ? String.format(Locale.ROOT, "%.1f ms", value / 1_000)
                        : String.format(Locale.ROOT, "%.1f", value);
    }

    private static String count(double value) {
        return value >= 1_000_000
                ? String.format(Locale.ROOT, "%.2f M", value / 1_000_000)
                : value >= 10_000
                        ? String.format(Locale.ROOT, "%.0f k", value / 1_000)
                        : String.format(Locale.ROOT, "%.0f", value);
    }

    private static void row(StringBuilder out, String row) {
        out.append(row).append(System.lineSeparator());
    }
}
