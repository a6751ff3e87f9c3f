package hermod.bench;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.micro.MicroProgress;
import hermod.bench.micro.MicroTable;
import hermod.bench.micro.ShardThreads;
import hermod.bench.report.Origin;
import hermod.bench.stress.StressRun;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.BenchmarkListEntry;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs the JMH benchmarks of the broker's parts, or with {@code --stress} the jcstress tests of what two threads share. One thread; the work is done in forked JVMs. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Measures the parts of the path alone, in ns for each event, frame or record; needs no broker.",
        footerHeading = "%n",
        footer = {
            "  hermod-bench micro                     all of them, about 10 minutes",
            "  hermod-bench micro shard --gc --quick  the way through a whole shard, roughly, with the bytes it allocates",
            "  hermod-bench micro --stress            jcstress: what two threads share without a lock; fails on a forbidden outcome"
        })
final class MicroCommand implements Callable<Integer> {
    private static final String ALL = "hermod.bench.micro.";

    private final List<String> arguments;
    private final PrintStream out;
    private final PrintStream err;

    @Parameters(
            arity = "0..1",
            paramLabel = "PATTERN",
            description = "Part of a name, or a regular expression, upper or lower case; without it all.")
    private @Nullable String pattern;

    @Option(names = "--quick", description = "One short fork each: a look, not a result to compare.")
    private boolean isQuick;

    @Option(names = "--gc", description = "Count the bytes each operation allocates, too.")
    private boolean countsBytes;

    @Option(names = "--list", description = "List the names and run nothing.")
    private boolean isListing;

    @Option(names = "--stress", description = "Run the concurrency tests instead; with --quick for a minute.")
    private boolean isStress;

    @Option(names = "--json", paramLabel = "FILE", description = "Write JMH's JSON.")
    private @Nullable String json;

    private MicroCommand(List<String> arguments, PrintStream out, PrintStream err) {
        this.arguments = arguments;
        this.out = out;
        this.err = err;
    }

    static CommandLine commandLine(List<String> arguments, PrintStream out, PrintStream err) {
        return new CommandLine(new MicroCommand(arguments, out, err));
    }

    @Override
    public Integer call() throws InterruptedException {
        checkPattern();
        if (isStress) {
            if (countsBytes || json != null) {
                throw new BenchFailure(Kind.USAGE, "--gc and --json belong to the benchmarks, not to --stress");
            }
            return new StressRun(pattern == null ? "" : pattern, isQuick, err).run(isListing, out) ? 0 : 1;
        }
        Set<String> names = names();
        if (names.isEmpty()) {
            throw new BenchFailure(
                    Kind.USAGE,
                    "no benchmark is called '" + pattern + "'; 'hermod-bench micro --list' shows their names");
        }
        if (isListing) {
            names.forEach(out::println);
            return 0;
        }
        err.println(names.size() + " benchmarks" + (isQuick ? ", quick: the figures are rough" : ""));
        Collection<RunResult> results = measure();
        out.print(MicroTable.of(results));
        Origin origin = Origin.ofThisProcess("none", "none", arguments, SourceTree.root());
        out.println();
        out.println(origin.command() + "  commit " + origin.commit());
        out.println(origin.jdk() + ", " + origin.os() + ", " + origin.cores() + " cores");
        out.println(String.join(" ", origin.jvmFlags()));
        return results.size() < names.size() ? Kind.FAILED.exitCode() : 0;
    }

    private void checkPattern() {
        if (pattern != null) {
            try {
                Pattern.compile(pattern);
            } catch (PatternSyntaxException bad) {
                throw new BenchFailure(
                        Kind.USAGE, "'" + pattern + "' is no regular expression: " + bad.getDescription());
            }
        }
    }

    /** In JMH's regular expressions, which look for a part of the full name. */
    private String included() {
        return pattern == null ? "." : "(?i)" + pattern;
    }

    private Set<String> names() {
        Set<String> names = new TreeSet<>();
        for (BenchmarkListEntry entry : BenchmarkList.defaultList()
                .find(
                        OutputFormatFactory.createFormatInstance(err, VerboseMode.SILENT),
                        List.of(included()),
                        List.of())) {
            names.add(entry.getUsername().replace(ALL, ""));
        }
        return names;
    }

    private Collection<RunResult> measure() {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(included())
                .shouldFailOnError(true)
                .jvmArgsAppend(
                        "-Dlogback.configurationFile=hermod/bench/logback.xml",
                        // As the broker is started, whatever this JVM was given: a look-out for leaks costs 10 µs a
                        // buffer.
                        "-Dio.netty.leakDetection.level=disabled",
                        "-Djmh.executor=CUSTOM",
                        "-Djmh.executor.class=" + ShardThreads.class.getName())
                .forks(isQuick ? 1 : 2)
                .warmupIterations(isQuick ? 3 : 5)
                .measurementIterations(isQuick ? 3 : 5)
                .warmupTime(TimeValue.milliseconds(isQuick ? 300 : 1_000))
                .measurementTime(TimeValue.milliseconds(isQuick ? 300 : 1_000));
        if (countsBytes) {
            options.addProfiler(GCProfiler.class);
        }
        if (json != null) {
            options.resultFormat(ResultFormatType.JSON).result(json);
        }
        try {
            return new Runner(options.build(), new MicroProgress(err)).run();
        } catch (RunnerException failed) {
            Throwable cause = failed.getCause() == null ? failed : failed.getCause();
            throw new BenchFailure(Kind.FAILED, "the benchmarks failed: " + sentence(cause));
        }
    }

    private static String sentence(Throwable cause) {
        return cause instanceof IOException
                ? "a file can't be written: " + cause.getMessage()
                : String.valueOf(cause.getMessage());
    }
}
