package hermod.bench.crash;

import hermod.bench.report.Origin;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** A result for people and as JSON. Stateless, any thread. */
final class CrashReport {
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private CrashReport() {}

    static String text(CrashResult result, Origin origin) {
        CrashVerdict verdict = result.verdict();
        StringBuilder out = new StringBuilder();
        row(out, result.workload(), result.isGood() ? "ok" : "FAILED");
        row(out, "outages", result.outages() + ", and a kill before the last reading");
        if (!result.points().isEmpty()) {
            row(out, "reached", result.points().toString());
        }
        row(out, "ran", String.format(Locale.ROOT, "%.1f s", result.seconds()));
        row(
                out,
                "published",
                String.format(
                        Locale.ROOT,
                        "%,d, acknowledged %,d, refused %,d %s, unaccounted %,d",
                        verdict.published(),
                        verdict.acknowledged(),
                        verdict.refused(),
                        result.refusals(),
                        verdict.unaccounted()));
        row(out, "delivered", String.format(Locale.ROOT, "%,d of %,d owed", verdict.delivered(), verdict.expected()));
        row(
                out,
                "violations",
                String.format(
                        Locale.ROOT,
                        "lost %,d, duplicated %,d, disordered %,d, phantom %,d, offsets reused %,d, epochs changed %,d, announced %,d",
                        verdict.lost(),
                        verdict.duplicated(),
                        verdict.disordered(),
                        verdict.phantom(),
                        verdict.offsetReused(),
                        verdict.epochChanged(),
                        verdict.announced()));
        row(
                out,
                "recovery, ms",
                String.format(
                        Locale.ROOT,
                        "p50 %,d  p99 %,d  max %,d",
                        result.recoveryMs(0.5),
                        result.recoveryMs(0.99),
                        result.recoveryMs(1)));
        row(out, "seed", Long.toString(result.seed()));
        row(out, "machine", origin.cores() + " cores, " + origin.os());
        row(out, "jdk", origin.jdk());
        row(out, "commit", origin.commit());
        row(out, "command", origin.command());
        result.notes().forEach(note -> row(out, "note", note));
        result.faults().forEach(fault -> row(out, "fault", fault));
        return out.toString();
    }

    static String json(CrashResult result, Origin origin) {
        CrashVerdict verdict = result.verdict();
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("workload", result.workload());
        keys.put("ok", result.isGood());
        keys.put("seconds", Math.round(result.seconds() * 1_000) / 1_000.0);
        keys.put("kills", result.outages());
        keys.put("published", verdict.published());
        keys.put("acknowledged", verdict.acknowledged());
        keys.put("refused", verdict.refused());
        keys.put("refusals", result.refusals());
        keys.put("expected", verdict.expected());
        keys.put("delivered", verdict.delivered());
        keys.put("lost", verdict.lost());
        keys.put("duplicated", verdict.duplicated());
        keys.put("disordered", verdict.disordered());
        keys.put("phantom", verdict.phantom());
        keys.put("offsetReused", verdict.offsetReused());
        keys.put("epochChanged", verdict.epochChanged());
        keys.put("announced", verdict.announced());
        keys.put("unaccounted", verdict.unaccounted());
        keys.put(
                "recoveryMs",
                Map.of("p50", result.recoveryMs(0.5), "p99", result.recoveryMs(0.99), "max", result.recoveryMs(1)));
        if (!result.points().isEmpty()) {
            keys.put("points", result.points());
        }
        keys.put("seed", result.seed());
        keys.put("notes", result.notes());
        keys.put("faults", result.faults());
        keys.put("rights", origin.rights());
        keys.put("server", origin.server());
        keys.put("jdk", origin.jdk());
        keys.put("jvmFlags", origin.jvmFlags());
        keys.put("os", origin.os());
        keys.put("cores", origin.cores());
        keys.put("commit", origin.commit());
        keys.put("command", origin.command());
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(keys);
    }

    private static void row(StringBuilder out, String name, String value) {
        out.append(String.format(Locale.ROOT, "%-16s %s%n", name, value));
    }
}
