package hermod.bench.durable;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * What a broker takes of the machine at a moment, in MiB; NaN for what is not known. Linux.
 *
 * @param rss resident set.
 * @param heap used, garbage too; by {@code jcmd}.
 * @param engine memory outside the heap that its engine tells of.
 * @param disk all files of its data folder.
 */
record Footprint(double rss, double heap, double engine, double disk) {
    private static final Pattern RSS = Pattern.compile("VmRSS:\\s+(\\d+) kB");
    private static final Pattern HEAP_USED = Pattern.compile("used (\\d+)([KMG])|(\\d+)([KMG]) used");
    private static final double KIB_A_MIB = 1024;
    private static final double MIB = 1024 * 1024;

    static Footprint of(long pid, Path data, @Nullable JsonNode stats) throws InterruptedException {
        double engine = stats == null ? Double.NaN : engineBytes(stats) / MIB;
        return new Footprint(rss(pid), heap(pid), engine, disk(data) / MIB);
    }

    private static double engineBytes(JsonNode stats) {
        JsonNode told = stats.path("store").path("memoryBytes");
        return told.isNumber() ? told.asDouble() : Double.NaN;
    }

    private static double rss(long pid) {
        try {
            return rssOf(Files.readString(Path.of("/proc", Long.toString(pid), "status")));
        } catch (IOException gone) {
            return Double.NaN;
        }
    }

    static double rssOf(String status) {
        Matcher found = RSS.matcher(status);
        return found.find() ? Long.parseLong(found.group(1)) / KIB_A_MIB : Double.NaN;
    }

    private static double heap(long pid) throws InterruptedException {
        Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
        if (!Files.isExecutable(jcmd)) {
            return Double.NaN;
        }
        try {
            Process asked = new ProcessBuilder(jcmd.toString(), Long.toString(pid), "GC.heap_info")
                    .redirectErrorStream(true)
                    .start();
            asked.getOutputStream().close();
            String answer = new String(asked.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            asked.waitFor();
            return heapOf(answer);
        } catch (IOException failed) {
            return Double.NaN;
        }
    }

    /** The sum over the generations or regions that are told before the metaspace. */
    static double heapOf(String heapInfo) {
        double kib = 0;
        boolean isFound = false;
        for (String line : heapInfo.split("\n")) {
            if (line.stripLeading().startsWith("Metaspace")) {
                break;
            }
            Matcher used = HEAP_USED.matcher(line);
            if (used.find()) {
                int at = used.group(1) != null ? 1 : 3; // Shenandoah has the number first
                kib += Long.parseLong(used.group(at)) * Math.pow(KIB_A_MIB, "KMG".indexOf(used.group(at + 1)));
                isFound = true;
            }
        }
        return isFound ? kib / KIB_A_MIB : Double.NaN;
    }

    private static double disk(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.mapToLong(Footprint::bytes).sum();
        } catch (IOException | java.io.UncheckedIOException changing) {
            return Double.NaN;
        }
    }

    private static long bytes(Path file) {
        try {
            return Files.isRegularFile(file) ? Files.size(file) : 0;
        } catch (IOException removed) {
            return 0;
        }
    }
}
