package hermod.bench.report;

import hermod.bench.check.Verdict;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What one run of a scenario gave.
 *
 * @param seconds from the first event's moment to the last one's; what comes after (waiting for the last deliveries) is not in it.
 * @param perSecond deliveries a second.
 * @param extras what only this scenario has, by JSON key: numbers, texts, or maps of such.
 * @param notes sentences for people: what was lifted, damaged, or scaled.
 * @param faults why the run failed, in sentences; empty for a good run.
 */
public record RunResult(
        String workload,
        double seconds,
        Verdict verdict,
        double perSecond,
        LatencyUs latencyUs,
        Map<String, Object> extras,
        List<String> notes,
        List<String> faults) {
    public RunResult {
        extras = new LinkedHashMap<>(extras);
        notes = List.copyOf(notes);
        faults = List.copyOf(faults);
    }

    public boolean isGood() {
        return faults.isEmpty();
    }

    /** A verdict's faults as sentences: one that counts them, and the checker's examples. */
    public static List<String> faultsOf(Verdict verdict) {
        List<String> faults = new ArrayList<>();
        if (!verdict.isClean()) {
            faults.add("checker: lost=" + verdict.lost() + ", duplicated=" + verdict.duplicated() + ", disordered="
                    + verdict.disordered() + ", unaccounted=" + verdict.unaccounted() + ", phantom="
                    + verdict.phantom());
            faults.addAll(verdict.examples());
        }
        return faults;
    }
}
