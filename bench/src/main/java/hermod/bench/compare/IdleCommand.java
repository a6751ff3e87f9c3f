package hermod.bench.compare;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code hermod-bench idle}: what an idle subscribed connection costs in the broker's process. Drives {@code idle.sh}. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Memory of the broker's process for each idle subscribed connection.",
        footerHeading = "%n",
        footer = {
            "Hermod runs twice. As it is by default: the growth of its resident set, in which garbage of connecting counts too. And with its whole",
            "heap resident from the start (hermod-touched), so that what grows is outside the heap; with the live heap's growth that is the figure.",
            "Exit codes: 0 ok; 1 failed, or more than --limit; 2 usage; 3 no broker."
        })
public final class IdleCommand implements Callable<Integer> {
    private static final String PLAIN = "hermod";
    private static final String TOUCHED = "hermod-touched";
    private static final int CONNECTIONS_MAX = 100_000;
    private static final int ROWS_MAX = 15;

    private final @Nullable Path root;
    private final PrintStream out;
    private final PrintStream err;

    @Option(names = "--clients", paramLabel = "N", description = "Connections (default 15000).")
    private int clients = 15_000;

    @Option(names = "--limit", paramLabel = "KIB", description = "Fail above so many KiB a connection (default 6).")
    private double limitKib = 6;

    @Option(names = "--peers", paramLabel = "LIST", description = "Further lanes, separated by commas: relay, nats, …")
    private String peers = "";

    @Option(names = "--jdk", paramLabel = "PATH", description = "The JDK that the broker runs on.")
    private @Nullable Path jdk;

    private IdleCommand(@Nullable Path root, PrintStream out, PrintStream err) {
        this.root = root;
        this.out = out;
        this.err = err;
    }

    /** @param root of the source tree, if known. */
    public static CommandLine commandLine(@Nullable Path root, PrintStream out, PrintStream err) {
        return new CommandLine(new IdleCommand(root, out, err));
    }

    @Override
    public Integer call() throws InterruptedException {
        if (clients < 1 || clients > CONNECTIONS_MAX) {
            throw new BenchFailure(Kind.USAGE, "--clients must be from 1 to " + CONNECTIONS_MAX + ", got " + clients);
        }
        String java = jdk == null
                ? ""
                : LaneSpec.onJdk(jdk)
                        .line()
                        .substring(LaneSpec.onJdk(jdk).name().length());
        String lines = PLAIN + java + "\n" + TOUCHED + java
                + "|HERMOD_JAVA_OPTS=-XX:+AlwaysPreTouch -Xms512m -XX:NativeMemoryTracking=summary";
        List<String> lanes = lanes();
        Tools tools = Tools.find(root);
        String missing = tools.missingForBuild();
        for (int i = 0; i < lanes.size() && missing == null; i++) {
            missing = tools.missingFor(lanes.get(i));
        }
        if (missing != null) {
            throw new BenchFailure(Kind.FAILED, missing);
        }
        tools.build(lanes.contains(Lane.NETTY_RELAY), err::println);
        Path raw = rawFile(tools.folder());
        List<String> command =
                new ArrayList<>(List.of("bash", "idle.sh", "-o", raw.toString(), Integer.toString(clients)));
        command.addAll(lanes);
        tools.script(command, Map.of("HERMOD_LANES", lines), err::println);
        return report(read(raw), raw);
    }

    private List<String> lanes() {
        List<String> lanes = new ArrayList<>(List.of(PLAIN, TOUCHED));
        if (!peers.isEmpty()) {
            CompareOptions.of(false, List.of(), peers, List.of(), null, null, 1).lanes().stream()
                    .filter(lane -> !lane.equals(PLAIN))
                    .map(lane -> lane.replaceFirst(":.*", ""))
                    .forEach(lanes::add);
        }
        return lanes;
    }

    private int report(List<String> lines, Path raw) {
        Map<String, IdleLane> lanes = new LinkedHashMap<>();
        for (String line : lines) {
            Run run = line.startsWith("#") ? null : Run.parse("workload=idle " + line);
            if (run != null) {
                lanes.put(run.lane(), new IdleLane(run.lane(), run));
            }
        }
        out.println("| lane | connections | resident KiB a connection | live heap KiB a connection | RSS before MiB"
                + " | RSS after MiB | connections/s | CPU us a connection | idle CPU % |");
        out.println("|---|---|---|---|---|---|---|---|---|");
        lanes.values().forEach(lane -> out.println(lane.row()));
        out.println();
        IdleLane plain = lanes.get(PLAIN);
        IdleLane touched = lanes.get(TOUCHED);
        if (plain == null || touched == null || !plain.isGood() || !touched.isGood()) {
            out.println("Fault: a lane of Hermod has no figures; see " + raw + ".err");
            return Kind.FAILED.exitCode();
        }
        return verdict(plain, touched, raw);
    }

    private int verdict(IdleLane plain, IdleLane touched, Path raw) {
        double heapKib = touched.liveHeapKib();
        if (Double.isNaN(heapKib)) {
            out.println("The live heap is unknown: this JVM comes without jcmd. Use a JDK.");
            return Kind.FAILED.exitCode();
        }
        growth(touched, raw);
        double kib = heapKib + touched.residentKib();
        boolean isMet = kib <= limitKib;
        out.printf(
                Locale.ROOT,
                "An idle subscribed connection takes %.2f KiB: %.2f alive in the heap, %.2f outside it; at most %s KiB: %s%n",
                kib,
                heapKib,
                touched.residentKib(),
                limitKib,
                isMet ? "yes" : "NO");
        out.printf(
                Locale.ROOT,
                "With default flags, garbage of connecting included, the process grew by %.2f KiB a connection.%n",
                plain.residentKib());
        return isMet ? 0 : Kind.FAILED.exitCode();
    }

    private void growth(IdleLane lane, Path raw) {
        long connections = lane.run().count("conns");
        out.println("| live in the heap | KiB a connection |");
        out.println("|---|---|");
        rows(IdleLane.classes(
                read(beside(raw, ".before.histogram")), read(beside(raw, ".after.histogram")), connections, ROWS_MAX));
        out.println();
        out.println("| part of the JVM's memory (committed) | KiB a connection |");
        out.println("|---|---|");
        rows(IdleLane.parts(
                read(beside(raw, ".before.native")), read(beside(raw, ".after.native")), connections, ROWS_MAX));
        out.println();
    }

    private void rows(List<IdleLane.Growth> growths) {
        growths.forEach(one -> out.printf(Locale.ROOT, "| %s | %.2f |%n", one.what(), one.kibPerConnection()));
    }

    private static Path beside(Path raw, String suffix) {
        return raw.resolveSibling(raw.getFileName() + "." + TOUCHED + suffix);
    }

    private static Path rawFile(Path folder) {
        try {
            Path results = Files.createDirectories(folder.resolve("results"));
            String time =
                    LocalTime.now().truncatedTo(ChronoUnit.SECONDS).toString().replace(":", "");
            return results.resolve("idle-" + time + ".raw").toAbsolutePath();
        } catch (IOException unwritable) {
            throw new BenchFailure(Kind.FAILED, "bench/interop/results cannot be written: " + unwritable.getMessage());
        }
    }

    /** The lines of a file, none if it is not there: a JVM without jcmd leaves no histogram. */
    private static List<String> read(Path file) {
        try {
            return Files.exists(file) ? Files.readAllLines(file) : List.of();
        } catch (IOException unreadable) {
            throw new BenchFailure(Kind.FAILED, file + " cannot be read: " + unreadable.getMessage());
        }
    }
}
