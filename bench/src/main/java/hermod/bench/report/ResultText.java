package hermod.bench.report;

import hermod.bench.check.Verdict;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A result for people. Stateless, any thread. */
public final class ResultText {
    /** Below it a number is a ratio as likely as not, and its thousandths count. */
    private static final double SMALL = 2;

    private ResultText() {}

    public static String of(RunResult result, Origin origin) {
        Verdict verdict = result.verdict();
        StringBuilder out = new StringBuilder();
        row(out, result.workload(), result.isGood() ? "ok" : "FAILED");
        row(out, "server", origin.server());
        row(out, "rights", origin.rights());
        row(out, "ran", number(result.seconds()) + " s");
        row(
                out,
                "published",
                String.format(
                        Locale.ROOT,
                        "%,d, acknowledged %,d, refused %,d, unaccounted %,d",
                        verdict.published(),
                        verdict.acknowledged(),
                        verdict.refused(),
                        verdict.unaccounted()));
        row(
                out,
                "delivered",
                String.format(
                        Locale.ROOT,
                        "%,d of %,d, lost %,d, duplicated %,d, disordered %,d, phantom %,d",
                        verdict.delivered(),
                        verdict.expected(),
                        verdict.lost(),
                        verdict.duplicated(),
                        verdict.disordered(),
                        verdict.phantom()));
        row(out, "rate", String.format(Locale.ROOT, "%,.0f deliveries/s", result.perSecond()));
        LatencyUs latency = result.latencyUs();
        row(
                out,
                "latency, us",
                String.format(
                        Locale.ROOT,
                        "p50 %,.1f  p90 %,.1f  p99 %,.1f  p99.9 %,.1f  max %,.1f",
                        latency.p50(),
                        latency.p90(),
                        latency.p99(),
                        latency.p999(),
                        latency.max()));
        result.extras().forEach((key, value) -> {
            if (value instanceof List<?> rows) {
                rows.forEach(one -> row(out, key, text(one)));
            } else {
                row(out, key, text(value));
            }
        });
        row(out, "machine", origin.cores() + " cores, " + origin.os());
        row(out, "jdk", origin.jdk());
        row(out, "commit", origin.commit());
        row(out, "command", origin.command());
        result.notes().forEach(note -> row(out, "note", note));
        result.faults().forEach(fault -> row(out, "fault", fault));
        return out.toString();
    }

    private static void row(StringBuilder out, String name, String value) {
        out.append(String.format(Locale.ROOT, "%-16s %s%n", name, value));
    }

    private static String text(Object value) {
        if (value instanceof Map<?, ?> map) {
            StringBuilder all = new StringBuilder();
            map.forEach((key, inner) -> all.append(all.isEmpty() ? "" : "  ")
                    .append(key)
                    .append(' ')
                    .append(text(inner)));
            return all.isEmpty() ? "none" : all.toString();
        }
        return value instanceof Number number ? number(number.doubleValue()) : String.valueOf(value);
    }

    private static String number(double value) {
        return value == Math.rint(value)
                ? String.format(Locale.ROOT, "%,.0f", value)
                : String.format(Locale.ROOT, Math.abs(value) < SMALL ? "%.3f" : "%,.1f", value);
    }
}
