package hermod.broker.admin;

import hermod.protocol.Priority;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The command line {@code hermod}: a process of its own that asks a broker's admin port or speaks its protocol.
 *
 * <p>A user's mistake is one sentence on stderr and an exit code of {@link ExitCode}; {@code -v} shows where it came from.
 */
@Command(
        name = "hermod",
        mixinStandardHelpOptions = true,
        versionProvider = AdminCli.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        description = "A low-latency event broker.",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:success", "1:failed", "2:usage", "3:no broker at the address"},
        subcommands = {
            StatsCommand.class,
            ConnectionsCommand.class,
            SubscriptionsCommand.class,
            TokenCommand.class,
            PubCommand.class,
            SubCommand.class,
            HistoryCommand.class,
            SchedulesCommand.class,
            StateCommand.class,
            GroupsCommand.class,
            KillCommand.class,
            RolloutCommand.class,
            DrainCommand.class,
            DoctorCommand.class
        })
public final class AdminCli implements Runnable {
    /** Commands whose names are fixed and that come with later features. */
    private static final List<String> LATER = List.of("disconnect", "resync", "redeliver", "alerts", "dlq");

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"hermod " + BuildVersion.text()};
        }
    }

    @Option(
            names = {"-v", "--verbose"},
            scope = CommandLine.ScopeType.INHERIT,
            description = "Show where a failure came from.")
    private boolean verbose;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    private AdminCli() {}

    /** The whole command line; the caller adds {@code serve}. @param stores opens a data directory that no broker uses. */
    public static CommandLine commandLine(StoreOpener stores) {
        AdminCli root = new AdminCli();
        CommandLine line = new CommandLine(root);
        line.addSubcommand(
                "audit",
                new CommandLine(new AuditCommand())
                        .addSubcommand("verify", new AuditVerifyCommand(stores))
                        .addSubcommand("list", new AuditListCommand(stores)));
        for (String name : LATER) {
            CommandLine later = new CommandLine(new LaterCommand(name));
            later.setUnmatchedArgumentsAllowed(true);
            line.addSubcommand(name, later);
        }
        line.registerConverter(
                Priority.class,
                text -> Priority.parse(text)
                        .orElseThrow(() ->
                                new CommandLine.TypeConversionException("it must be low, normal, high or urgent")));
        line.setParameterExceptionHandler((wrong, arguments) -> usage(wrong));
        line.setExecutionExceptionHandler((failure, command, parsed) -> root.report(failure, command.getErr()));
        return line;
    }

    /** The directory a broker keeps its things in where nothing else is said. */
    public static Path defaultDataDir() {
        return Path.of(System.getProperty("user.home", "."), ".hermod");
    }

    @Override
    public void run() {
        throw new MissingCommand(spec.commandLine());
    }

    /** One sentence and where to read on; without any command the list of them. */
    private static int usage(CommandLine.ParameterException wrong) {
        CommandLine command = wrong.getCommandLine();
        PrintWriter err = command.getErr();
        String message = String.valueOf(wrong.getMessage()).strip();
        err.println("hermod: " + message + (message.endsWith(".") ? "" : "."));
        if (wrong instanceof MissingCommand) {
            command.usage(err);
        } else {
            err.println("Try '" + command.getCommandSpec().qualifiedName() + " --help'.");
        }
        err.flush();
        return ExitCode.USAGE;
    }

    static final class MissingCommand extends CommandLine.ParameterException {
        private static final long serialVersionUID = 1L;

        MissingCommand(CommandLine command) {
            super(command, "A command is missing.");
        }
    }

    private int report(Exception failure, PrintWriter err) {
        CliException sentence = failure instanceof CliException own
                ? own
                : new CliException(
                        ExitCode.FAILED,
                        "Failed: " + failure.getClass().getSimpleName() + ": " + failure.getMessage(),
                        failure);
        err.println("hermod: " + sentence.getMessage());
        if (verbose) {
            StringWriter trace = new StringWriter();
            sentence.printStackTrace(new PrintWriter(trace));
            err.print(trace);
        }
        err.flush();
        return sentence.exitCode();
    }
}
