package hermod.bench.crash;

import java.util.List;
import java.util.Map;

/**
 * What a run gave.
 *
 * @param workload {@code crash}, {@code crash-points} or {@code power-cut}.
 * @param outages how many there were, without the kill before the final reading.
 * @param points how often each crash point ended a broker; empty where there were none.
 * @param refusals refused publishes by code.
 * @param recoveryMs from starting the process to its ready line, of each start but the first.
 * @param faults why the run failed, in sentences; empty for a good run.
 */
record CrashResult(
        String workload,
        double seconds,
        int outages,
        CrashVerdict verdict,
        Map<String, Integer> points,
        Map<String, Long> refusals,
        List<Long> recoveryMs,
        long seed,
        List<String> notes,
        List<String> faults) {
    CrashResult {
        recoveryMs = recoveryMs.stream().sorted().toList();
        notes = List.copyOf(notes);
        faults = List.copyOf(faults);
    }

    boolean isGood() {
        return faults.isEmpty();
    }

    /** @param share from 0 to 1. */
    long recoveryMs(double share) {
        if (recoveryMs.isEmpty()) {
            return 0;
        }
        int index = (int) Math.ceil(share * recoveryMs.size()) - 1;
        return recoveryMs.get(Math.max(0, index));
    }
}
