package hermod.broker.admin;

import java.io.PrintWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "drain",
        mixinStandardHelpOptions = true,
        description =
                "Stop a broker in order: it takes nothing more, sends what it owes, sends its clients elsewhere, and its process ends. Shows how far it is.")
final class DrainCommand implements Callable<Integer> {
    private static final int LOOK_EVERY_MS = 100;

    @Mixin
    private final AdminOption admin = new AdminOption();

    @Option(
            names = "--delay-ms",
            paramLabel = "MS",
            defaultValue = "0",
            description = "Clients come back after a time drawn from up to this (default: service.drain-delay-ms).")
    private int delayMs;

    @Option(
            names = "--endpoint",
            paramLabel = "HOST:PORT",
            description =
                    "Where TCP clients are sent, in the order to be tried; may be repeated (default: service.endpoints).")
    private List<String> endpoints = new ArrayList<>();

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws InterruptedException {
        PrintWriter out = spec.commandLine().getOut();
        AdminClient client = admin.client();
        String shown = show(
                out,
                "",
                client.post("/api/v1/drain?delay-ms=" + delayMs + "&endpoint="
                        + URLEncoder.encode(String.join(",", endpoints), StandardCharsets.UTF_8)));
        try {
            while (!shown.startsWith(DrainProgress.DRAINED)) {
                Thread.sleep(LOOK_EVERY_MS);
                shown = show(out, shown, client.get("/api/v1/drain"));
            }
        } catch (CliException gone) {
            if (gone.exitCode() != ExitCode.NO_BROKER) {
                throw gone;
            }
            // The process has ended between two looks.
            out.println("the broker is gone");
            out.flush();
        }
        return ExitCode.OK;
    }

    /** Prints what is new. */
    private static String show(PrintWriter out, String before, byte[] answer) {
        JsonTree progress = JsonTree.parse(answer);
        String line = progress.text("phase") + "   " + progress.number("connections") + " connections   "
                + progress.number("waiting") + " still owed something";
        if (!line.equals(before)) {
            out.println(line);
            out.flush();
        }
        return line;
    }
}
