package hermod.bench;

import hermod.bench.load.BenchFailure;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** A scenario whose name is settled and which is not there yet: one sentence, whatever its options. */
@Command
final class ComingCommand implements Callable<Integer> {
    private final String name;
    private final PrintStream err;

    @Unmatched
    @SuppressWarnings({"NullAway.Init", "UnusedVariable"}) // set by picocli, and passed over
    private List<String> options;

    private ComingCommand(String name, PrintStream err) {
        this.name = name;
        this.err = err;
    }

    static CommandLine commandLine(String name, PrintStream err) {
        CommandLine command = new CommandLine(new ComingCommand(name, err));
        command.getCommandSpec().usageMessage().description("(coming)");
        return command;
    }

    @Override
    public Integer call() {
        err.println("The scenario " + name + " is coming and not there yet; --help lists what is.");
        return BenchFailure.Kind.USAGE.exitCode();
    }
}
