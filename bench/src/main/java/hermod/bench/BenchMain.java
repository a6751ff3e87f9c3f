package hermod.bench;

import hermod.bench.compare.CompareCommand;
import hermod.bench.compare.IdleCommand;
import hermod.bench.crash.CrashCommand;
import hermod.bench.load.BenchFailure;
import hermod.bench.priority.PriorityCommand;
import hermod.bench.scenario.Churn;
import hermod.bench.scenario.Flood;
import hermod.bench.scenario.Fuzz;
import hermod.bench.scenario.PingPong;
import hermod.bench.scenario.Rate;
import hermod.bench.scenario.Scenario;
import hermod.bench.scenario.Slow;
import hermod.bench.scenario.TraceReplay;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command line {@code hermod-bench SCENARIO [options]}: one subcommand per scenario. */
@Command(
        name = "hermod-bench",
        description = "Measures a Hermod broker, and checks that it loses, doubles and reorders nothing.",
        synopsisSubcommandLabel = "SCENARIO",
        mixinStandardHelpOptions = true,
        version = "hermod-bench 0.1.0",
        commandListHeading = "%nScenarios:%n",
        footerHeading = "%n",
        footer = {
            "Without --server the bench starts a broker process of its own and stops it.",
            "Exit codes: 0 ok, 1 failed (scenario or checker), 2 usage, 3 no broker.",
            "bench/README.md says how latency is counted and what each key of the JSON means."
        })
public final class BenchMain implements Runnable {
    private static final List<Scenario> SCENARIOS = List.of(
            new PingPong(), new Rate(), Flood.oneToOne(), Flood.fanout(), new TraceReplay(), new Fuzz(), new Slow());

    private static final List<String> COMING = List.of("durable", "chaos");

    @Spec
    @SuppressWarnings("NullAway.Init") // set by picocli
    private CommandSpec spec;

    private BenchMain() {}

    /** Ends the process with the exit code. */
    public static void main(String[] arguments) {
        if (System.getProperty("logback.configurationFile") == null) {
            System.setProperty("logback.configurationFile", "hermod/bench/logback.xml");
        }
        PrintStream out =
                new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);
        PrintStream err =
                new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.err), true, StandardCharsets.UTF_8);
        System.exit(run(out, err, arguments));
    }

    /** Runs one command line and returns its exit code. */
    static int run(PrintStream out, PrintStream err, String... arguments) {
        CommandLine command = new CommandLine(new BenchMain());
        for (Scenario scenario : SCENARIOS) {
            command.addSubcommand(scenario.name(), ScenarioCommand.commandLine(scenario, List.of(arguments), out, err));
        }
        command.addSubcommand("micro", MicroCommand.commandLine(List.of(arguments), out, err));
        boolean isChurn = arguments.length > 0
                && arguments[0].equals("topics")
                && List.of(arguments).contains(Churn.OPTION);
        command.addSubcommand(
                "topics",
                isChurn
                        ? ScenarioCommand.commandLine(new Churn(), List.of(arguments), out, err)
                        : CompareCommand.topics(
                                SourceTree.root(), BrokerProcess.LOAD_RIGHTS, List.of(arguments), out, err));
        command.addSubcommand(
                "priority",
                PriorityCommand.commandLine(SourceTree.root(), TokenRights::of, List.of(arguments), out, err));
        command.addSubcommand(
                "crash",
                CrashCommand.commandLine(SourceTree.root(), BrokerProcess::builder, List.of(arguments), out, err));
        command.addSubcommand("idle", IdleCommand.commandLine(SourceTree.root(), out, err));
        command.addSubcommand(
                "compare",
                CompareCommand.commandLine(SourceTree.root(), BrokerProcess.LOAD_RIGHTS, List.of(arguments), out, err));
        for (String name : COMING) {
            command.addSubcommand(name, ComingCommand.commandLine(name, err));
        }
        command.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
        command.setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
        command.setParameterExceptionHandler(BenchMain::onUsage);
        command.setExecutionExceptionHandler(onFailure(err));
        return command.execute(arguments);
    }

    private static int onUsage(ParameterException mistake, String[] arguments) {
        CommandLine command = mistake.getCommandLine();
        command.getErr().println(mistake.getMessage());
        command.getErr().println("Try '" + command.getCommandSpec().qualifiedName() + " --help' for what there is.");
        return BenchFailure.Kind.USAGE.exitCode();
    }

    private static IExecutionExceptionHandler onFailure(PrintStream err) {
        return (failure, command, parsed) -> {
            if (failure instanceof BenchFailure known) {
                err.println(known.getMessage());
                return known.kind().exitCode();
            }
            if (failure instanceof InterruptedException) {
                err.println("interrupted");
                return BenchFailure.Kind.FAILED.exitCode();
            }
            err.println("The bench itself failed; this is a defect:");
            failure.printStackTrace(err);
            return BenchFailure.Kind.FAILED.exitCode();
        };
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Name a scenario.");
    }
}
