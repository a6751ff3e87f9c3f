package hermod.bench.compare;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.report.Origin;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code hermod-bench compare}: runs the same workloads against Hermod, other brokers and the two relays in turn, and prints medians and ratios. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "Hermod beside the C relay, the Netty relay, NATS, Redis and Mosquitto: the same workloads in interleaved rounds,"
                        + " medians and ratios.",
        footerHeading = "%n",
        footer = {
            "Everything runs on this machine's loopback, one lane at a time, the others stopped meanwhile. A lane whose program is not installed",
            "is left out with a sentence, unless --peers names it. What a user needs besides: Linux, a C compiler, make; bench/interop/README.md.",
            "",
            "Two lanes of one comparison, to try a change:",
            "  hermod-bench compare flood-128 --peers relay,hermod --lane 'hermod-g1|HERMOD_JAVA_OPTS=-XX:+UseG1GC'",
            "  hermod-bench compare --peers relay,hermod --lane 'hermod-before|HERMOD=/other/tree/broker/bin/hermod'",
            "",
            "Exit codes: 0 ok; 1 failed: a lane of Hermod lost, refused or reordered something, or with --goals one was missed; 2 usage; 3 no broker."
        })
public final class CompareCommand implements Callable<Integer> {
    private final List<String> usualWorkloads;
    private final String usualPeers;
    private final List<String> arguments;
    private final @Nullable Path root;
    private final List<String> rights;
    private final PrintStream out;
    private final PrintStream err;

    @Parameters(
            paramLabel = "WORKLOAD",
            arity = "0..*",
            description = "Which; without one, the nine of the goals. --list tells them.")
    @SuppressWarnings("NullAway.Init") // set by picocli
    private List<String> workloads;

    @Option(
            names = "--peers",
            paramLabel = "LIST",
            description = "Lanes, separated by commas (default: relay,netty,hermod,nats,redis,mosquitto).")
    private String peers = "";

    @Option(names = "--rounds", paramLabel = "N", description = "Interleaved rounds (default 3).")
    private @Nullable Integer rounds;

    @Option(
            names = "--jdk",
            paramLabel = "PATH",
            description = "A lane of Hermod on the JDK there, called hermod- and its version; may be given again.")
    private List<Path> jdks = new ArrayList<>();

    @Option(
            names = "--lane",
            paramLabel = "NAME|FIELD|…",
            description =
                    "A lane of Hermod; a field is a VARIABLE=VALUE of the launcher (JAVA_HOME, HERMOD_JAVA_OPTS, HERMOD_HEAP),"
                            + " HERMOD=LAUNCHER, SHARDS=N, or arguments of serve. May be given again.")
    private List<String> lanes = new ArrayList<>();

    @Option(names = "--goals", description = "Print the goals with what was reached, and yes or no.")
    private boolean goals;

    @Option(
            names = "--results",
            paramLabel = "FILE",
            description = "Write a markdown file with machine, versions, flags, commit and all tables.")
    private @Nullable Path results;

    @Option(
            names = "--scale",
            paramLabel = "X",
            description = "Measure each run X times as long (default 1: about 1 s).")
    private @Nullable Double scale;

    @Option(
            names = "--quick",
            description = "A first look: one round, half the time, short warm-up; four workloads if none is named.")
    private boolean quick;

    @Option(names = "--minutes", paramLabel = "M", description = "Start no further run after M minutes (default 60).")
    private int minutes = 60;

    @Option(names = "--list", description = "List the workloads and end.")
    private boolean list;

    private CompareCommand(
            List<String> usualWorkloads,
            String usualPeers,
            @Nullable Path root,
            List<String> rights,
            List<String> arguments,
            PrintStream out,
            PrintStream err) {
        this.usualWorkloads = usualWorkloads;
        this.usualPeers = usualPeers;
        this.root = root;
        this.rights = rights;
        this.arguments = arguments;
        this.out = out;
        this.err = err;
    }

    /**
     * @param root of the source tree, if known.
     * @param rights that the lanes of Hermod give their token, to be told in the results.
     */
    public static CommandLine commandLine(
            @Nullable Path root, List<String> rights, List<String> arguments, PrintStream out, PrintStream err) {
        return new CommandLine(new CompareCommand(List.of(), "", root, rights, arguments, out, err));
    }

    /** {@code hermod-bench topics}: the same command with the workloads of many topics, beside the C relay alone. */
    public static CommandLine topics(
            @Nullable Path root, List<String> rights, List<String> arguments, PrintStream out, PrintStream err) {
        List<String> labels = Workload.TOPICS.stream().map(Workload::label).toList();
        CommandLine command =
                new CommandLine(new CompareCommand(labels, "relay,hermod", root, rights, arguments, out, err));
        command.getCommandSpec()
                .usageMessage()
                .description(
                        "10,000 topics on 100 subscribers, picked evenly and by Zipf's law, against one topic and against one topic"
                                + " for each subscriber: the workloads topics-… of compare, whose options these are. With --churn it is another"
                                + " scenario with options of its own: subscriptions replaced under load (topics --churn --help).");
        return command;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (list) {
            for (Workload workload : Workload.values()) {
                out.printf("%-14s %s%n", workload.label(), workload.description());
            }
            return 0;
        }
        List<LaneSpec> specs = new ArrayList<>();
        jdks.forEach(jdk -> specs.add(LaneSpec.onJdk(jdk)));
        lanes.forEach(lane -> specs.add(LaneSpec.parse(lane)));
        CompareOptions asked = CompareOptions.of(
                quick, workloads == null ? usualWorkloads : workloads, peersOf(specs), specs, rounds, scale, minutes);
        Tools tools = Tools.find(root);
        String missing = tools.missingForBuild();
        if (missing != null) {
            throw new BenchFailure(Kind.FAILED, missing);
        }
        List<String> notes = new ArrayList<>();
        CompareOptions options = withoutMissing(asked, tools, notes);
        notes.forEach(err::println);
        tools.build(options.lanes().stream().anyMatch(lane -> lane.startsWith("netty")), err::println);
        err.printf(
                Locale.ROOT,
                "%d workloads, %d lanes, %d rounds: about %d minutes%n",
                options.workloads().size(),
                options.lanes().size(),
                options.rounds(),
                Math.max(1, Math.round(options.estimateSeconds() / 60.0)));
        Path raw = rawFile(tools.folder());
        tools.script(options.script(raw.toString()), options.environment(), err::println);
        return report(read(raw), raw, notes);
    }

    private String peersOf(List<LaneSpec> specs) {
        if (!peers.isEmpty() || usualPeers.isEmpty()) {
            return peers;
        }
        return specs.isEmpty() ? usualPeers : Lane.C_RELAY; // the given lanes of Hermod come by themselves
    }

    private static CompareOptions withoutMissing(CompareOptions asked, Tools tools, List<String> notes) {
        List<String> gone = new ArrayList<>();
        for (String lane : asked.lanes()) {
            String why = tools.missingFor(lane);
            if (why != null) {
                if (asked.named()) {
                    throw new BenchFailure(Kind.FAILED, "The lane " + lane + " cannot run: " + why + ".");
                }
                gone.add(lane);
                notes.add("The lane " + lane + " is left out: " + why + ".");
            }
        }
        return asked.without(gone);
    }

    private static Path rawFile(Path folder) {
        try {
            Path results = Files.createDirectories(folder.resolve("results"));
            String time =
                    LocalTime.now().truncatedTo(ChronoUnit.SECONDS).toString().replace(":", "");
            return results.resolve("compare-" + time + ".raw").toAbsolutePath();
        } catch (IOException unwritable) {
            throw new BenchFailure(Kind.FAILED, "bench/interop/results cannot be written: " + unwritable.getMessage());
        }
    }

    private static Comparison read(Path raw) {
        try {
            return Comparison.parse(Files.readAllLines(raw));
        } catch (IOException unreadable) {
            throw new BenchFailure(Kind.FAILED, "the raw lines cannot be read: " + unreadable.getMessage());
        }
    }

    private int report(Comparison comparison, Path raw, List<String> notes) {
        String old = comparison.oldNats();
        if (old != null) {
            notes.add(old);
        }
        GoalTable table = GoalTable.of(comparison);
        List<String> faults = comparison.faults();
        out.print(Tables.of(comparison));
        out.println();
        comparison.versions().forEach((lane, version) -> out.printf("%-12s %s%n", lane, version));
        out.println();
        if (goals) {
            out.println(table.text());
        }
        Noise.of(comparison).forEach(out::println);
        notes.forEach(out::println);
        faults.forEach(fault -> out.println("Fault: " + fault));
        out.println("Raw lines: " + raw);
        if (results != null) {
            Origin origin = Origin.ofThisProcess("a lane each", String.join(", ", rights), arguments, root);
            ResultsFile.write(
                    results, ResultsFile.text(comparison, origin, LocalDate.now(), goals ? table.text() : "", notes));
        }
        return faults.isEmpty() && !(goals && table.isAnyMissed()) ? 0 : Kind.FAILED.exitCode();
    }
}
