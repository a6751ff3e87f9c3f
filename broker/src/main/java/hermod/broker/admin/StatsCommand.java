package hermod.broker.admin;

import java.io.PrintWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "stats",
        mixinStandardHelpOptions = true,
        description = "Show what a broker does: counts, latencies and health by channel.")
final class StatsCommand implements Callable<Integer> {
    private static final List<String> WINDOWS = List.of("1h", "6h", "24h", "3d", "all");
    private static final long WATCH_MS = 1_000;
    private static final String CLEAR_SCREEN = "\u001b[H\u001b[2J";

    @Mixin
    private final AdminOption admin = new AdminOption();

    @Option(names = "--watch", description = "Show it again every second until interrupted.")
    private boolean watch;

    @Option(names = "--json", description = "Print JSON; with --watch one line each second.")
    private boolean json;

    @Option(names = "--channel", paramLabel = "C", description = "Only this channel, with every stage.")
    private String channel = "";

    @Option(names = "--topic", paramLabel = "T", description = "Also this topic in every org; '*' for all.")
    private String topic = "";

    @Option(
            names = "--window",
            paramLabel = "W",
            defaultValue = "all",
            description =
                    "1h, 6h, 24h, 3d or all (default: ${DEFAULT-VALUE}). This version keeps only all: since the start.")
    private String window = "";

    @Option(names = "--slow", description = "The slowest consumers, worst first, each with the cause and what to do.")
    private boolean slow;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() throws InterruptedException {
        refuseWhatDoesNotGo();
        AdminClient client = admin.client();
        PrintWriter out = spec.commandLine().getOut();
        while (true) {
            String shown = slow ? slowest(client) : stats(client);
            out.print(watch && !json && System.console() != null ? CLEAR_SCREEN + shown : shown);
            out.flush();
            if (!watch || out.checkError()) {
                return ExitCode.OK;
            }
            Thread.sleep(WATCH_MS);
        }
    }

    private String stats(AdminClient client) {
        byte[] answer = client.get(
                "/api/v1/stats?channel=" + escaped(channel) + (topic.isEmpty() ? "" : "&topic=" + escaped(topic)));
        JsonTree stats = json && channel.isEmpty() ? null : JsonTree.parse(answer);
        if (stats != null && !channel.isEmpty() && stats.children("channels").isEmpty()) {
            throw new CliException(ExitCode.FAILED, "The broker has no channel '" + channel + "'.");
        }
        return json || stats == null
                ? new String(answer, StandardCharsets.UTF_8) + "\n"
                : StatsTable.stats(stats, channel);
    }

    private String slowest(AdminClient client) {
        byte[] answer = client.get("/api/v1/stats?slow=true");
        return json ? new String(answer, StandardCharsets.UTF_8) + "\n" : StatsTable.slow(JsonTree.parse(answer));
    }

    private void refuseWhatDoesNotGo() {
        if (!WINDOWS.contains(window)) {
            throw new CliException(ExitCode.USAGE, "--window must be one of " + String.join(", ", WINDOWS) + ".");
        }
        if (!window.equals("all")) {
            throw new CliException(
                    ExitCode.USAGE,
                    "--window " + window
                            + ": this version does not keep windows yet, only figures since the start (--window all).");
        }
        if (slow && !(channel.isEmpty() && topic.isEmpty())) {
            throw new CliException(ExitCode.USAGE, "--slow is about connections; leave out --channel and --topic.");
        }
    }

    private static String escaped(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8);
    }
}
