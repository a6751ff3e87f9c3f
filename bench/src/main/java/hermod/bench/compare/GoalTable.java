package hermod.bench.compare;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The goals with what each lane of Hermod reached. Immutable. */
final class GoalTable {
    private static final String NOT_MEASURED = "–";

    private final List<String> lanes;
    private final List<String> rows = new ArrayList<>();
    private int metCount;
    private int missedCount;
    private int unknownCount;

    private GoalTable(List<String> lanes) {
        this.lanes = lanes;
    }

    static GoalTable of(Comparison comparison) {
        GoalTable table = new GoalTable(comparison.hermodLanes());
        for (Goal goal : Goal.ALL) {
            // A goal of a workload that nobody ran says nothing; one whose peer is missing must show that it is open.
            if (comparison.workloads().contains(goal.workload())) {
                table.add(goal, comparison);
            }
        }
        return table;
    }

    private void add(Goal goal, Comparison comparison) {
        StringBuilder row = new StringBuilder("| " + goal.workload() + " | " + goal.what() + " | " + goal.limit());
        for (String lane : lanes) {
            double reached = goal.reached(comparison, lane);
            if (!Double.isFinite(reached)) {
                unknownCount++;
                row.append(" | " + NOT_MEASURED);
                continue;
            }
            boolean isMet = goal.isMet(reached);
            if (isMet) {
                metCount++;
            } else {
                missedCount++;
            }
            row.append(
                    String.format(Locale.ROOT, " | %s %s, %s", number(reached), goal.unit(), isMet ? "yes" : "**no**"));
        }
        rows.add(row.append(" |").toString());
    }

    boolean isAnyMissed() {
        return missedCount > 0;
    }

    /** Markdown. */
    String text() {
        StringBuilder out = new StringBuilder("| workload | figure | goal |");
        lanes.forEach(lane -> out.append(' ').append(lane).append(" |"));
        out.append(System.lineSeparator()).append("|---|---|---|").append("---|".repeat(lanes.size()));
        rows.forEach(row -> out.append(System.lineSeparator()).append(row));
        out.append(System.lineSeparator()).append(System.lineSeparator());
        out.append(String.format(
                Locale.ROOT,
                "%d reached, %d missed, %d not measured (%s); goals of workloads that did not run are left out.%n",
                metCount,
                missedCount,
                unknownCount,
                NOT_MEASURED));
        return out.toString();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, Math.abs(value) < 0.1 ? "%.3f" : "%.2f", value);
    }
}
