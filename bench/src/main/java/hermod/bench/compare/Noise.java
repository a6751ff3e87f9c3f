package hermod.bench.compare;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Says whether the machine was quiet enough for the figures to mean something. Stateless, any thread. */
final class Noise {
    /** Rounds that lie further apart than this share of their median are named. */
    static final double SPREAD_MAX = 0.2;

    private Noise() {}

    /** Sentences, at least one. */
    static List<String> of(Comparison comparison) {
        List<String> sentences = new ArrayList<>();
        long good = 0;
        long quiet = 0;
        List<String> without = new ArrayList<>();
        List<String> apart = new ArrayList<>();
        for (Cell cell : comparison.cells()) {
            good += cell.good().size();
            quiet += cell.quietCount();
            if (cell.quietCount() == 0 && !cell.good().isEmpty()) {
                without.add(cell.workload() + " " + cell.lane());
            }
            double spread = spreadOf(cell);
            if (spread > SPREAD_MAX) {
                apart.add(String.format(Locale.ROOT, "%s %s %.0f %%", cell.workload(), cell.lane(), spread * 100));
            }
        }
        String limit = String.format(Locale.ROOT, "%.2f core", Run.QUIET_CORES_MAX);
        sentences.add(
                good == quiet
                        ? "The machine was quiet: other jobs used less than " + limit + " in each of " + good + " runs."
                        : "The machine was NOISY: other jobs used " + limit + " or more in " + (good - quiet) + " of "
                                + good + " runs, which count only where a lane has no quiet one.");
        if (!without.isEmpty()) {
            sentences.add("No quiet run, so do not rely on: " + String.join(", ", without) + ".");
        }
        if (!apart.isEmpty()) {
            sentences.add(String.format(Locale.ROOT, "Rounds lie more than %.0f %% apart: ", SPREAD_MAX * 100)
                    + String.join(", ", apart) + ".");
        }
        if (comparison.wasCut()) {
            sentences.add("The time limit ended the run early: later workloads have fewer rounds.");
        }
        return sentences;
    }

    static double spreadOf(Cell cell) {
        Workload workload = Workload.named(cell.workload());
        return cell.spread(workload == null ? "p50" : workload.figure());
    }
}
