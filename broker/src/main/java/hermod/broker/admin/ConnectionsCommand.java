package hermod.broker.admin;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "connections", mixinStandardHelpOptions = true, description = "Show who is connected.")
final class ConnectionsCommand implements Callable<Integer> {
    @Mixin
    private final AdminOption admin = new AdminOption();

    @Option(names = "--json", description = "Print JSON.")
    private boolean json;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() {
        byte[] answer = admin.client().get("/api/v1/connections");
        PrintWriter out = spec.commandLine().getOut();
        out.print(
                json
                        ? new String(answer, StandardCharsets.UTF_8) + "\n"
                        : StatsTable.connections(JsonTree.parse(answer)));
        out.flush();
        return ExitCode.OK;
    }
}
