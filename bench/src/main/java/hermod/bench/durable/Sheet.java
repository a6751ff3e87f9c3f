package hermod.bench.durable;

import hermod.bench.report.PairedRatio;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** The figures of a run: for each measurement, by name, those of each round. Rows keep the order in which they came first. One thread. */
final class Sheet {
    private final Map<String, List<Figures>> rows = new LinkedHashMap<>();

    void add(String row, Figures figures) {
        rows.computeIfAbsent(row, name -> new ArrayList<>()).add(figures);
    }

    boolean has(String row) {
        return rows.containsKey(row);
    }

    Set<String> names() {
        return rows.keySet();
    }

    int rounds(String row) {
        return of(row).size();
    }

    /** The median over the rounds, figure by figure. @throws IllegalArgumentException for a row that is not there. */
    Figures medians(String row) {
        return new Figures(
                median(values(row, Figures::p50Us)),
                median(values(row, Figures::p99Us)),
                median(values(row, Figures::perSecond)));
    }

    /** A figure of each round. */
    double[] values(String row, ToDoubleFunction<Figures> figure) {
        return of(row).stream().mapToDouble(figure).toArray();
    }

    /** For each round the sum of what two rows have, such as a sync and the way to the broker and back. */
    double[] sums(String row, String other, ToDoubleFunction<Figures> figure) {
        double[] sums = values(row, figure);
        double[] more = values(other, figure);
        for (int i = 0; i < sums.length; i++) {
            sums[i] += more[i];
        }
        return sums;
    }

    /** For each round the larger of what two rows have. */
    double[] larger(String row, String other, ToDoubleFunction<Figures> figure) {
        double[] larger = values(row, figure);
        double[] more = values(other, figure);
        for (int i = 0; i < larger.length; i++) {
            larger[i] = Math.max(larger[i], more[i]);
        }
        return larger;
    }

    /** Round by round, because what makes the machine slower for a minute is in both of a round. */
    static PairedRatio ratio(double[] figures, double[] base) {
        return PairedRatio.of(figures, base);
    }

    /** The middle one, or the mean of the two in the middle. */
    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private List<Figures> of(String row) {
        List<Figures> found = rows.get(row);
        if (found == null) {
            throw new IllegalArgumentException("no row " + row);
        }
        return found;
    }
}
