package hermod.bench.compare;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The rounds of one workload against one lane, in the order they ran. Immutable. */
record Cell(String workload, String lane, List<Run> runs) {
    Cell {
        runs = List.copyOf(runs);
    }

    /** Runs with figures. */
    List<Run> good() {
        return runs.stream().filter(Run::hasFigures).toList();
    }

    long quietCount() {
        return good().stream().filter(Run::isQuiet).count();
    }

    /** The quiet runs; where there is none, all. */
    private List<Run> counted() {
        List<Run> quiet = good().stream().filter(Run::isQuiet).toList();
        return quiet.isEmpty() ? good() : quiet;
    }

    /** The median of a figure over the counted rounds; NaN if there is none. */
    double median(String key) {
        List<Double> values = sorted(key);
        int count = values.size();
        if (count == 0) {
            return Double.NaN;
        }
        double upper = values.get(count / 2);
        return count % 2 == 1 ? upper : (values.get(count / 2 - 1) + upper) / 2;
    }

    /** How far the counted rounds lie apart: (largest − smallest) / median; 0 for one round. */
    double spread(String key) {
        List<Double> values = sorted(key);
        double median = median(key);
        return values.isEmpty() || median <= 0 ? 0 : (values.get(values.size() - 1) - values.get(0)) / median;
    }

    /** The largest count over all rounds. */
    long worst(String key) {
        return good().stream().mapToLong(run -> run.count(key)).max().orElse(0);
    }

    private List<Double> sorted(String key) {
        List<Double> values = new ArrayList<>();
        for (Run run : counted()) {
            double value = run.number(key);
            if (!Double.isNaN(value)) {
                values.add(value);
            }
        }
        Collections.sort(values);
        return values;
    }
}
