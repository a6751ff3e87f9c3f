package hermod.bench.compare;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Everything one comparison measured, by workload and lane in the order they first ran. Immutable.
 *
 * @param versions what each lane's program was, as it said itself.
 * @param wasCut whether the time limit came before the last round was over.
 */
record Comparison(List<Cell> cells, Map<String, String> versions, boolean wasCut) {
    /** The first minor version of NATS 2 that a claim may rest on. */
    private static final int NATS_MINOR_MIN = 10;

    private static final Pattern NATS_VERSION = Pattern.compile("v(\\d+)\\.(\\d+)\\.");

    Comparison {
        cells = List.copyOf(cells);
        versions = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(versions));
    }

    /** Reads the raw lines that {@code compare.sh -o} wrote. */
    static Comparison parse(List<String> lines) {
        Map<String, List<Run>> runs = new LinkedHashMap<>();
        Map<String, String> versions = new LinkedHashMap<>();
        boolean wasCut = false;
        for (String line : lines) {
            if (line.startsWith("#version\t")) {
                String[] parts = line.split("\t", 3);
                versions.put(parts[1], parts.length > 2 ? parts[2].strip() : "");
            } else if (line.startsWith("#limit")) {
                wasCut = true;
            } else if (!line.startsWith("#")) {
                Run run = Run.parse(line);
                if (run != null) {
                    runs.computeIfAbsent(run.workload() + " " + run.lane(), key -> new ArrayList<>())
                            .add(run);
                }
            }
        }
        List<Cell> cells = new ArrayList<>();
        runs.forEach((key, all) ->
                cells.add(new Cell(all.get(0).workload(), all.get(0).lane(), all)));
        return new Comparison(cells, versions, wasCut);
    }

    List<String> workloads() {
        return cells.stream().map(Cell::workload).distinct().toList();
    }

    List<String> lanes() {
        return cells.stream().map(Cell::lane).distinct().toList();
    }

    List<String> hermodLanes() {
        return lanes().stream().filter(Lane::isHermod).toList();
    }

    /** The runs of a workload against a lane, null if there was none. */
    @Nullable
    Cell cell(String workload, String lane) {
        for (Cell cell : cells) {
            if (cell.workload().equals(workload) && cell.lane().equals(lane)) {
                return cell;
            }
        }
        return null;
    }

    /** A median, NaN where nothing was measured. */
    double median(String workload, String lane, String key) {
        Cell cell = cell(workload, lane);
        return cell == null ? Double.NaN : cell.median(key);
    }

    /** The best figure that any peer reached, NaN without a peer. */
    double bestPeer(String workload, String key, boolean isLessBetter) {
        double best = Double.NaN;
        for (String lane : lanes()) {
            double value = Lane.isPeer(lane) ? median(workload, lane, key) : Double.NaN;
            if (!Double.isNaN(value) && (Double.isNaN(best) || (isLessBetter ? value < best : value > best))) {
                best = value;
            }
        }
        return best;
    }

    /** A sentence if the NATS that ran is too old to claim anything about, otherwise null. */
    @Nullable
    String oldNats() {
        String version = versions.get(Lane.NATS);
        if (version == null) {
            return null;
        }
        Matcher numbers = NATS_VERSION.matcher(version);
        boolean isOld = numbers.find()
                && Integer.parseInt(numbers.group(1)) == 2
                && Integer.parseInt(numbers.group(2)) < NATS_MINOR_MIN;
        return isOld
                ? "NATS here is " + version + ", too old to claim anything about NATS; bench/interop/README.md says how"
                        + " to get a current one."
                : null;
    }

    /** What went wrong in Hermod's lanes, a sentence each: losses, missing outcomes, broken promises, failed runs. */
    List<String> faults() {
        List<String> faults = new ArrayList<>();
        for (Cell cell : cells) {
            faults.addAll(faultsOf(cell, Lane::isHermod));
        }
        return faults;
    }

    private static List<String> faultsOf(Cell cell, Predicate<String> lanes) {
        List<String> faults = new ArrayList<>();
        if (!lanes.test(cell.lane())) {
            return faults;
        }
        String where = cell.workload() + ", " + cell.lane() + ": ";
        for (Run run : cell.runs()) {
            if (!run.hasFigures()) {
                faults.add(where + "a run failed, " + run.error());
            }
        }
        for (String key : List.of("lost", "disorder", "refused", "unacked", "odd", "dup", "closed")) {
            if (cell.worst(key) > 0) {
                faults.add(where + key + " " + cell.worst(key));
            }
        }
        return faults;
    }
}
