package hermod.broker.admin;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "rollout",
        mixinStandardHelpOptions = true,
        description =
                "Serve a share of the users, always the same ones; raising it only adds some. A restart begins with the configuration again.")
final class RolloutCommand implements Callable<Integer> {
    @Mixin
    private final AdminOption admin = new AdminOption();

    @Parameters(paramLabel = "PERCENT", description = "0 to 100.")
    private int percent;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() {
        KillCommand.print(
                spec.commandLine().getOut(), admin.client().post("/api/v1/service?rollout-percent=" + percent));
        return ExitCode.OK;
    }
}
