package hermod.bench.compare;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One run of one workload against one lane, as the generator reported it. Immutable.
 *
 * @param keys of the RESULT line; a run that failed has {@code error} and no figures.
 */
record Run(String workload, String lane, Map<String, String> keys) {
    /** Cores that other jobs may have used during a run that counts as quiet. */
    static final double QUIET_CORES_MAX = 0.25;

    Run {
        keys = Map.copyOf(keys);
    }

    /** Reads {@code workload=… lane=… round=… RESULT key=value …}; null for another line. */
    static @Nullable Run parse(String line) {
        Map<String, String> keys = new LinkedHashMap<>();
        for (String word : line.strip().split(" +")) {
            int equals = word.indexOf('=');
            if (equals > 0) {
                keys.put(word.substring(0, equals), word.substring(equals + 1));
            }
        }
        String workload = keys.get("workload");
        String lane = keys.get("lane");
        return workload == null || lane == null ? null : new Run(workload, lane, keys);
    }

    boolean hasFigures() {
        return keys.containsKey("p50");
    }

    boolean isQuiet() {
        return number("foreign") < QUIET_CORES_MAX;
    }

    /** Why it has no figures. */
    String error() {
        return keys.getOrDefault("error", "none");
    }

    /** A figure by its key, NaN if the run has not got it. */
    double number(String key) {
        String text = keys.get(key);
        try {
            return text == null ? Double.NaN : Double.parseDouble(text);
        } catch (NumberFormatException noNumber) {
            return Double.NaN;
        }
    }

    /** A count by its key, 0 if the run has not got it: not every protocol has them all. */
    long count(String key) {
        double number = number(key);
        return Double.isNaN(number) ? 0 : (long) number;
    }
}
