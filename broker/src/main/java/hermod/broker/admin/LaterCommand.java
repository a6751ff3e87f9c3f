package hermod.broker.admin;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** A command whose name is reserved. */
@Command(mixinStandardHelpOptions = true, description = "Not in this version yet.")
final class LaterCommand implements Callable<Integer> {
    private final String name;

    LaterCommand(String name) {
        this.name = name;
    }

    @Override
    public Integer call() {
        throw new CliException(ExitCode.USAGE, "'" + name + "' is not in this version yet.");
    }
}
