package hermod.bench;

import hermod.bench.check.Damage;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.report.Origin;
import hermod.bench.report.ResultJson;
import hermod.bench.report.ResultText;
import hermod.bench.report.RunResult;
import hermod.bench.scenario.Churn;
import hermod.bench.scenario.RunContext;
import hermod.bench.scenario.Scenario;
import hermod.bench.scenario.ScenarioOptions;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs one scenario: finds or starts the broker, and writes the result as text and JSON. One thread. */
@Command(mixinStandardHelpOptions = true, sortOptions = false)
final class ScenarioCommand implements Callable<Integer> {
    private static final String STDOUT = "-";
    private static final int PORT_MAX = 65_535;

    private final Scenario scenario;
    private final List<String> arguments;
    private final PrintStream out;
    private final PrintStream err;

    @Option(names = "--server", paramLabel = "HOST:PORT", description = "A running broker; without it one is started.")
    private @Nullable String server;

    @Option(
            names = "--admin",
            paramLabel = "HOST:PORT",
            description = "The running broker's admin port, to read its counters.")
    private @Nullable String admin;

    @Option(
            names = "--token",
            paramLabel = "T",
            description = "Token for --server; a broker in development mode needs none.")
    private @Nullable String token;

    @Option(names = "--seconds", paramLabel = "S", description = "How long to measure.")
    private @Nullable Integer seconds;

    @Option(names = "--rate", paramLabel = "N", description = "Events a second (rate, fuzz, slow).")
    private @Nullable Integer rate;

    @Option(names = "--size", paramLabel = "B", description = "Payload bytes, from 24 (default 128).")
    private @Nullable Integer size;

    @Option(
            names = "--clients",
            paramLabel = "N",
            description = "Publishers (rate), users' clients (trace, fuzz), or readers (topics).")
    private @Nullable Integer clients;

    @Option(names = "--subscribers", paramLabel = "N", description = "Subscribers (rate, fanout, slow).")
    private @Nullable Integer subscribers;

    @Option(names = "--channel", paramLabel = "C", description = "Channel of the topics (default tasks; trace: chat).")
    private @Nullable String channel;

    @Option(names = "--file", paramLabel = "F", description = "Trace to replay, plain or gzip (trace).")
    private @Nullable Path file;

    @Option(
            names = "--events",
            paramLabel = "N",
            description = "Events of the trace, frames (fuzz), or replacements (topics).")
    private @Nullable Integer events;

    @Option(names = "--speed", paramLabel = "X", description = "Divide the trace's time by X.")
    private @Nullable Double speed;

    @Option(names = "--gap-cap", paramLabel = "MS", description = "Or cut its gaps to MS milliseconds.")
    private @Nullable Long gapCapMs;

    @Option(
            names = "--inject",
            paramLabel = "drop|duplicate|swap",
            converter = DamageConverter.class,
            description = "Damage one client's history, to see the checker fail (trace, fuzz).")
    private @Nullable Damage inject;

    @Option(names = "--seed", paramLabel = "S", description = "Seed of everything random (default 42).")
    private long seed = 42;

    @Option(names = "--sockets", paramLabel = "N", description = "Raw sockets (fuzz).")
    private @Nullable Integer sockets;

    @Option(
            names = "--frames-per-second",
            paramLabel = "N",
            description = "Hostile frames a second; 0: all it can (fuzz).")
    private @Nullable Integer framesPerSecond;

    @Option(names = "--stalled", paramLabel = "N", description = "Subscribers that stop reading (slow).")
    private @Nullable Integer stalled;

    @Option(names = "--pairs", paramLabel = "N", description = "Interleaved pairs of rounds (slow).")
    private @Nullable Integer pairs;

    @Option(names = Churn.OPTION, description = "Replace subscriptions under load (topics).")
    private boolean isChurn;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the result as JSON; - for stdout.")
    private @Nullable String json;

    @Option(names = "--hlog", paramLabel = "FILE", description = "Write latencies as an HdrHistogram log.")
    private @Nullable Path hlog;

    private ScenarioCommand(Scenario scenario, List<String> arguments, PrintStream out, PrintStream err) {
        this.scenario = scenario;
        this.arguments = arguments;
        this.out = out;
        this.err = err;
    }

    static CommandLine commandLine(Scenario scenario, List<String> arguments, PrintStream out, PrintStream err) {
        CommandLine command = new CommandLine(new ScenarioCommand(scenario, arguments, out, err));
        command.getCommandSpec().usageMessage().description(scenario.description());
        return command;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (isChurn && !(scenario instanceof Churn)) {
            throw new BenchFailure(Kind.USAGE, scenario.name() + " has no use for " + Churn.OPTION);
        }
        ScenarioOptions options = new ScenarioOptions(
                seconds,
                rate,
                size,
                clients,
                subscribers,
                channel,
                file,
                events,
                speed,
                gapCapMs,
                inject,
                seed,
                sockets,
                framesPerSecond,
                stalled,
                pairs,
                hlog);
        checkAddress("--server", server);
        checkAddress("--admin", admin);
        if (server != null) {
            String rights = token == null ? "none given (development mode)" : TokenRights.of(token);
            return run(options, server, server, admin, 0, token == null ? "" : token, rights);
        }
        if (token != null || admin != null) {
            throw new BenchFailure(
                    Kind.USAGE, "--token and --admin belong to --server; without it the bench makes its own");
        }
        err.println("starting a broker");
        try (BrokerProcess broker = BrokerProcess.builder().start()) {
            Thread stopper = new Thread(broker::close, "bench-stop-broker");
            Runtime.getRuntime().addShutdownHook(stopper);
            try {
                String minted = broker.mintToken("bench", "bench", BrokerProcess.LOAD_RIGHTS);
                String rights = String.join(", ", BrokerProcess.LOAD_RIGHTS)
                        + " (lifts the service limits and the rate limits)";
                return run(
                        options,
                        broker.tcp(),
                        broker.tcp() + " (started by the bench)",
                        broker.admin(),
                        broker.pid(),
                        minted,
                        rights);
            } finally {
                removeHook(stopper);
            }
        }
    }

    private int run(
            ScenarioOptions options,
            String address,
            String serverShown,
            @Nullable String adminAddress,
            long brokerPid,
            String clientToken,
            String rights)
            throws InterruptedException {
        Path root = SourceTree.root();
        RunResult result;
        try (RunContext context =
                new RunContext(options, address, adminAddress, brokerPid, client -> clientToken, root, err)) {
            result = scenario.run(context);
        }
        write(result, Origin.ofThisProcess(serverShown, rights, arguments, root));
        return result.isGood() ? 0 : Kind.FAILED.exitCode();
    }

    private void write(RunResult result, Origin origin) {
        if (STDOUT.equals(json)) {
            err.print(ResultText.of(result, origin));
            out.println(ResultJson.of(result, origin));
            return;
        }
        out.print(ResultText.of(result, origin));
        if (json != null) {
            try {
                Files.writeString(Path.of(json), ResultJson.of(result, origin) + System.lineSeparator());
            } catch (IOException unwritable) {
                throw new BenchFailure(Kind.FAILED, "the result cannot be written: " + unwritable.getMessage());
            }
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running; it stops the broker as well as we would.
        }
    }

    private static void checkAddress(String option, @Nullable String address) {
        if (address == null) {
            return;
        }
        int colon = address.lastIndexOf(':');
        try {
            int port = Integer.parseInt(address.substring(colon + 1));
            if (colon > 0 && port > 0 && port <= PORT_MAX) {
                return;
            }
        } catch (NumberFormatException noPort) {
            // Told below, with the others.
        }
        throw new BenchFailure(Kind.USAGE, option + " must be HOST:PORT, got '" + address + "'");
    }

    /** Reads the word of {@code --inject}. */
    static final class DamageConverter implements CommandLine.ITypeConverter<Damage> {
        @Override
        public Damage convert(String word) {
            try {
                return Damage.parse(word);
            } catch (IllegalArgumentException unknown) {
                throw new CommandLine.TypeConversionException(unknown.getMessage());
            }
        }
    }
}
