package hermod.bench.compare;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What idle connections cost one broker process, as {@code idle.sh} measured it. Immutable.
 *
 * @param run with {@code conns}, resident set in KiB and, of a JVM, live heap in bytes, each before and after.
 */
record IdleLane(String lane, Run run) {
    private static final double BYTES_PER_KIB = 1024;
    private static final double KIB_SHOWN_MIN = 0.01;
    private static final Pattern HISTOGRAM_ROW = Pattern.compile(" *\\d+: +\\d+ +(?<size>\\d+) +(?<name>\\S+).*");
    private static final Pattern NATIVE_ROW =
            Pattern.compile("- +(?<name>.*) \\(reserved=\\d+KB, committed=(?<size>\\d+)KB\\).*");

    /** Growth of a class's live instances, or of a part of the JVM's memory. */
    record Growth(String what, double kibPerConnection) {}

    boolean isGood() {
        return run.count("conns") > 0 && run.count("rss_after") > 0;
    }

    /** Growth of the resident set after a full collection: what the process took from the machine, touched garbage included. */
    double residentKib() {
        return (run.number("rss_after") - run.number("rss_before")) / run.number("conns");
    }

    /** Growth of what is alive in the heap; NaN where it is no JVM or there is no jcmd. */
    double liveHeapKib() {
        return (run.number("heap_after") - run.number("heap_before")) / BYTES_PER_KIB / run.number("conns");
    }

    String row() {
        return isGood()
                ? String.format(
                        Locale.ROOT,
                        "| %s | %,d | %.1f | %s | %,d | %,d | %,.0f | %,.0f | %.1f |",
                        lane,
                        run.count("conns"),
                        residentKib(),
                        Double.isNaN(liveHeapKib()) ? "–" : String.format(Locale.ROOT, "%.1f", liveHeapKib()),
                        run.count("rss_before") / 1024,
                        run.count("rss_after") / 1024,
                        run.number("conn_s"),
                        run.number("open_cpu_us"),
                        run.number("idle_cpu_pct"))
                : "| " + lane + " | failed: " + run.error() + " |";
    }

    /** The classes whose live instances grew most, from two histograms of {@code jcmd}. */
    static List<Growth> classes(List<String> before, List<String> after, long connections, int most) {
        return growth(HISTOGRAM_ROW, BYTES_PER_KIB, before, after, connections, most);
    }

    /** The parts of the JVM's memory that grew most, from two summaries of native memory tracking. */
    static List<Growth> parts(List<String> before, List<String> after, long connections, int most) {
        return growth(NATIVE_ROW, 1, before, after, connections, most);
    }

    private static List<Growth> growth(
            Pattern row, double unitsPerKib, List<String> before, List<String> after, long connections, int most) {
        Map<String, Double> kib = new LinkedHashMap<>();
        addAll(kib, row, after, 1 / unitsPerKib);
        addAll(kib, row, before, -1 / unitsPerKib);
        List<Growth> all = new ArrayList<>();
        kib.forEach((name, sum) -> all.add(new Growth(name, sum / connections)));
        all.sort(Comparator.comparingDouble(Growth::kibPerConnection).reversed());
        return all.stream()
                .filter(one -> one.kibPerConnection() >= KIB_SHOWN_MIN)
                .limit(most)
                .toList();
    }

    private static void addAll(Map<String, Double> kib, Pattern row, List<String> lines, double factor) {
        for (String line : lines) {
            Matcher matcher = row.matcher(line);
            if (matcher.matches()) {
                kib.merge(matcher.group("name"), Long.parseLong(matcher.group("size")) * factor, Double::sum);
            }
        }
    }
}
