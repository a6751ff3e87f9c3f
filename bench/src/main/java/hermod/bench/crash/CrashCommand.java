package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.report.Origin;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code hermod-bench crash}: ends a broker again and again without warning, and proves from the clients' logs that nothing acknowledged is lost. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "Kills a broker again and again while clients publish, follow and replay, and proves from their logs that nothing acknowledged is lost,"
                        + " doubled or reordered on durable channels.",
        footerHeading = "%n",
        footer = {
            "  hermod-bench crash                          kill -9 at 200 random moments, about 8 minutes",
            "  hermod-bench crash --points                 five times at each of the journal's crash points",
            "  hermod-bench crash --power-cut              40 power cuts; needs root and a loop device",
            "  hermod-bench crash --power-cut --no-sync    a broker that never syncs; must fail, which shows that the cuts cut",
            "  hermod-bench crash --syncs                  counts fdatasync with strace: at least one for each acknowledged batch",
            "",
            "The broker is the bench's own, in a temporary folder. Exit codes: 0 ok, 1 a violation, 2 usage, 3 no broker."
        })
public final class CrashCommand implements Callable<Integer> {
    private static final String ALL_POINTS =
            "journal-before-write,journal-after-write,journal-after-sync,journal-roll-head,"
                    + "journal-roll-name,journal-roll-done,journal-before-remove,journal-after-remove";
    private static final int KILLS = 200;
    private static final int ROUNDS = 40;
    private static final int TIMES_AT_EACH_POINT = 5;
    private static final int CLIENTS = 4;
    private static final int RATE = 400;
    private static final int SYNCED_EVENTS = 200;

    private final List<String> arguments;
    private final @Nullable Path root;
    private final Supplier<BrokerProcess.Builder> brokers;
    private final PrintStream out;
    private final PrintStream err;

    @Option(
            names = "--kills",
            paramLabel = "N",
            description = "How often the broker is killed (default 200; with --points 5 each).")
    private @Nullable Integer kills;

    @Option(names = "--seconds", paramLabel = "S", description = "Kill no more after S seconds.")
    private int seconds;

    @Option(names = "--clients", paramLabel = "N", description = "Publishers, half of them behind the SDK (default 4).")
    private int clients = CLIENTS;

    @Option(names = "--rate", paramLabel = "N", description = "Events a second each of them publishes (default 400).")
    private int rate = RATE;

    @Option(
            names = "--points",
            paramLabel = "NAME,…",
            arity = "0..1",
            fallbackValue = ALL_POINTS,
            split = ",",
            description =
                    "Let the broker end itself at these crash points of its journal; without names at all of them: "
                            + ALL_POINTS + ".")
    private List<String> points = List.of();

    @Option(names = "--power-cut", description = "Cut the power of its file system.")
    private boolean isPowerCut;

    @Option(names = "--rounds", paramLabel = "N", description = "Power cuts (default 40).")
    private @Nullable Integer rounds;

    @Option(names = "--no-sync", description = "Run a broker that never syncs, to see what a loss looks like.")
    private boolean isWithoutSync;

    @Option(names = "--syncs", description = "Count the system calls that sync, instead of killing.")
    private boolean countsSyncs;

    @Option(names = "--seed", paramLabel = "S", description = "Seed of everything random (default 42).")
    private long seed = 42;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the result as JSON; - for stdout.")
    private @Nullable String json;

    private CrashCommand(
            List<String> arguments,
            @Nullable Path root,
            Supplier<BrokerProcess.Builder> brokers,
            PrintStream out,
            PrintStream err) {
        this.arguments = arguments;
        this.root = root;
        this.brokers = brokers;
        this.out = out;
        this.err = err;
    }

    /**
     * @param root of the source tree, if known.
     * @param brokers how brokers are started.
     */
    public static CommandLine commandLine(
            @Nullable Path root,
            Supplier<BrokerProcess.Builder> brokers,
            List<String> arguments,
            PrintStream out,
            PrintStream err) {
        return new CommandLine(new CrashCommand(arguments, root, brokers, out, err));
    }

    @Override
    public Integer call() throws InterruptedException {
        if (rounds != null && !isPowerCut) {
            throw new BenchFailure(Kind.USAGE, "--rounds belongs to --power-cut; --kills says how often otherwise");
        }
        if (kills != null && isPowerCut) {
            throw new BenchFailure(Kind.USAGE, "--kills has no meaning with --power-cut; --rounds says how often");
        }
        Origin origin = Origin.ofThisProcess(
                "started by the bench", String.join(", ", BrokerProcess.LOAD_RIGHTS), arguments, root);
        if (countsSyncs) {
            return countSyncs(origin);
        }
        int outages = isPowerCut
                ? (rounds == null ? ROUNDS : rounds)
                : kills == null ? (points.isEmpty() ? KILLS : TIMES_AT_EACH_POINT) : kills;
        CrashOptions options =
                new CrashOptions(outages, seconds, clients, rate, isPowerCut, points, isWithoutSync, seed);
        CrashResult result = new CrashRun(options, brokers, err).run();
        write(CrashReport.text(result, origin), CrashReport.json(result, origin));
        return result.isGood() ? 0 : Kind.FAILED.exitCode();
    }

    private int countSyncs(Origin origin) throws InterruptedException {
        SyncCount count = SyncCount.of(brokers, SYNCED_EVENTS, err);
        write(count.text(origin), count.json(origin));
        return count.isGood() ? 0 : Kind.FAILED.exitCode();
    }

    private void write(String text, String asJson) {
        if ("-".equals(json)) {
            err.print(text);
            out.println(asJson);
            return;
        }
        out.print(text);
        if (json != null) {
            try {
                Files.writeString(Path.of(json), asJson + System.lineSeparator());
            } catch (IOException unwritable) {
                throw new BenchFailure(Kind.FAILED, "the result cannot be written: " + unwritable.getMessage());
            }
        }
    }
}
