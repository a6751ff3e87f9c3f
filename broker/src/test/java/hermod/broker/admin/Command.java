package hermod.broker.admin;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;

/** One run of the command line in this process. */
record Command(int exitCode, String out, String err) {
    static Command run(String... arguments) {
        return run(
                dataDir -> {
                    throw new IOException("no store here");
                },
                arguments);
    }

    static Command run(StoreOpener stores, String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine line = AdminCli.commandLine(stores);
        line.setOut(new PrintWriter(out));
        line.setErr(new PrintWriter(err));
        int exitCode = line.execute(arguments);
        return new Command(exitCode, out.toString(), err.toString());
    }
}
