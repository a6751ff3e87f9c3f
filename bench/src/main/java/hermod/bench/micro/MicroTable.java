package hermod.bench.micro;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;

/** The figures of a run of benchmarks as text: one line each. Stateless, any thread. */
public final class MicroTable {
    private static final String ALLOCATED = "gc.alloc.rate.norm";

    private MicroTable() {}

    /** Class, method and parameters, as short as they are clear: {@code ShardBench.eventAlone subscribers=100}. */
    static String nameOf(BenchmarkParams params) {
        String[] parts = params.getBenchmark().split("\\.");
        StringBuilder name = new StringBuilder(parts[parts.length - 2] + "." + parts[parts.length - 1]);
        for (String key : params.getParamsKeys()) {
            name.append(' ').append(key).append('=').append(params.getParam(key));
        }
        return name.toString();
    }

    /** The column of bytes is there where JMH counted them. */
    public static String of(Collection<RunResult> results) {
        boolean hasBytes =
                results.stream().anyMatch(result -> result.getSecondaryResults().containsKey(ALLOCATED));
        List<String> lines = new ArrayList<>();
        lines.add(String.format(
                Locale.ROOT, "%-44s %10s %10s%s", "", "ns/op", "± 99.9 %", hasBytes ? "       B/op" : ""));
        for (RunResult result : results) {
            Result<?> time = result.getPrimaryResult();
            String line = String.format(
                    Locale.ROOT,
                    "%-44s %,10.1f %10s",
                    nameOf(result.getParams()),
                    time.getScore(),
                    Double.isNaN(time.getScoreError())
                            ? ""
                            : String.format(Locale.ROOT, "%,.1f", time.getScoreError()));
            Result<?> bytes = result.getSecondaryResults().get(ALLOCATED);
            lines.add(line + (bytes == null ? "" : String.format(Locale.ROOT, " %,10.3f", bytes.getScore())));
        }
        return String.join(System.lineSeparator(), lines) + System.lineSeparator();
    }
}
