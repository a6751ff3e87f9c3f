package hermod.bench.report;

import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/** A result as JSON. Keys are only ever added; {@code bench/README.md} explains each. Stateless, any thread. */
public final class ResultJson {
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private ResultJson() {}

    public static String of(RunResult result, Origin origin) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("workload", result.workload());
        keys.put("ok", result.isGood());
        keys.put("seconds", rounded(result.seconds()));
        keys.put("published", result.verdict().published());
        keys.put("acknowledged", result.verdict().acknowledged());
        keys.put("refused", result.verdict().refused());
        keys.put("expected", result.verdict().expected());
        keys.put("delivered", result.verdict().delivered());
        keys.put("lost", result.verdict().lost());
        keys.put("duplicated", result.verdict().duplicated());
        keys.put("disordered", result.verdict().disordered());
        keys.put("unaccounted", result.verdict().unaccounted());
        keys.put("phantom", result.verdict().phantom());
        keys.put("perSecond", rounded(result.perSecond()));
        keys.put("latencyUs", result.latencyUs());
        keys.putAll(result.extras());
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

    private static double rounded(double value) {
        return Math.round(value * 1_000) / 1_000.0;
    }
}
