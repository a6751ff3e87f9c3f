package hermod.broker.admin;

import hermod.broker.metrics.BrokerStats;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.metrics.ConnectionStats;
import hermod.broker.metrics.LatencySummary;
import hermod.broker.metrics.TopicStats;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/**
 * Does what the commands do, against figures it makes up, and prints nothing: the launcher archives the classes that this loads, which makes the real
 * commands start in a fraction of the time.
 */
@Command(name = "warm-up", hidden = true, description = "Used by the launcher.")
final class WarmUpCommand implements Callable<Integer> {
    private static final LatencySummary LATENCY = new LatencySummary(80, 120, 1_500, 2_000_000, 9, 9, 9.5, 7);

    @Override
    public Integer call() throws IOException {
        try (AdminApi api = AdminApi.start(new AdminConfig("127.0.0.1", 0), new MadeUp())) {
            String address = api.address();
            int failed = run("stats", "--admin", address)
                    + run("stats", "--admin", address, "--channel", "chat", "--topic", "*")
                    + run("stats", "--admin", address, "--json")
                    + run("connections", "--admin", address)
                    + run("--help");
            run("stats", "--admin", "127.0.0.1:1");
            run("stats", "--window", "never");
            return failed == 0 ? ExitCode.OK : ExitCode.FAILED;
        }
    }

    private static int run(String... arguments) {
        CommandLine line = AdminCli.commandLine();
        line.setOut(new PrintWriter(Writer.nullWriter()));
        line.setErr(new PrintWriter(Writer.nullWriter()));
        return line.execute(arguments);
    }

    private static final class MadeUp implements OperatorView {
        @Override
        public BrokerStats stats() {
            ChannelStats chat = new ChannelStats(
                    "chat", "NORMAL", "DISK", true, 2, 1, 1, 0, 0, 0, 0, LATENCY, LATENCY, LATENCY, LATENCY, 100_000,
                    "ok");
            return new BrokerStats("0", 0, 4_000, 1, 1, 1, Map.of("made", 1L), List.of(chat));
        }

        @Override
        public List<ConnectionStats> connections() {
            return List.of(
                    new ConnectionStats("c", "u", "o", "d", "cli", "127.0.0.1", 0, 0, List.of("chat:1"), 1, 1, 0));
        }

        @Override
        public List<TopicStats> topics(String org, String topic) {
            return List.of(new TopicStats("o", "chat:1", 2, 1));
        }

        @Override
        public boolean isReady() {
            return true;
        }
    }
}
