package hermod.broker.admin;

import java.io.PrintWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "kill",
        mixinStandardHelpOptions = true,
        description = {
            "Switch everything, or one channel, off at once: clients are told, and what they ask is refused for good.",
            "Channels of tier 0 (safety) go on unless --confirm-safety is given. A restart begins with the configuration again."
        })
final class KillCommand implements Callable<Integer> {
    @Mixin
    private final AdminOption admin = new AdminOption();

    @Parameters(paramLabel = "all|CHANNEL", description = "What to switch off.")
    private String what = "";

    @Option(names = "--reason", paramLabel = "TEXT", defaultValue = "", description = "Told to clients.")
    private String reason = "";

    @Option(names = "--lift", description = "Switch it on again.")
    private boolean isLifted;

    @Option(names = "--confirm-safety", description = "Channels of tier 0 are meant too.")
    private boolean isConfirmed;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
    private CommandSpec spec;

    @Override
    public Integer call() {
        String query = (isLifted ? "lift=" : "kill=") + escaped(what) + "&reason=" + escaped(reason)
                + (isConfirmed ? "&confirm-safety=true" : "");
        print(spec.commandLine().getOut(), admin.client().post("/api/v1/service?" + query));
        return ExitCode.OK;
    }

    private static String escaped(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** The state in a few lines. */
    static void print(PrintWriter out, byte[] answer) {
        JsonTree state = JsonTree.parse(answer);
        boolean isOn = state.isTrue("enabled");
        out.println(
                isOn
                        ? "service is on"
                        : "service is off" + (state.isTrue("tierZeroToo") ? ", tier 0 too: " : " but for tier 0: ")
                                + StatsTable.shown(state.text("reason")));
        for (JsonTree channel : state.children("channelsOff")) {
            out.println("off: " + StatsTable.shown(channel.text("channel")) + " ("
                    + StatsTable.shown(channel.text("reason")) + ")");
        }
        long percent = state.number("rolloutPercent");
        if (percent < 100) {
            out.println("rollout: " + percent + " % of users");
        }
        out.flush();
    }
}
