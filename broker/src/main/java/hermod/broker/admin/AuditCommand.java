package hermod.broker.admin;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
        name = "audit",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        description = "Show the audit log, and check that nobody has changed it.")
final class AuditCommand implements Runnable {
    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public void run() {
        throw new AdminCli.MissingCommand(spec.commandLine());
    }
}
