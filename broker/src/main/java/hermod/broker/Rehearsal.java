package hermod.broker;

import hermod.broker.admin.AdminCli;
import hermod.broker.config.ConfigException;
import hermod.broker.config.ConfigReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/**
 * Does once what a broker does when it starts and is asked for its figures, and ends: what the launcher runs to have the JVM write down the classes that this needs (class-data sharing). Everything it makes is in a temporary directory.
 */
@Command(name = "rehearse", hidden = true, description = "Used by the launcher to prepare fast starts.")
final class Rehearsal implements Callable<Integer> {
    private static final int WARM_UP_MS = 1_500;

    @Override
    public Integer call() throws IOException, ConfigException {
        Path dir = Files.createTempDirectory("hermod-rehearsal");
        try {
            return rehearse(dir);
        } finally {
            remove(dir);
        }
    }

    private static int rehearse(Path dir) throws IOException, ConfigException {
        ConfigReader<BrokerConfig> reader = new ConfigReader<>(BrokerConfig.defaults());
        reader.flag("--data", "data-dir", dir.toString());
        for (String port : List.of("transport.port", "transport.ws-port", "admin.port")) {
            reader.flag(port, port, "0");
        }
        BrokerConfig config = reader.build();
        WarmUp.run(config, WARM_UP_MS);
        try (Broker broker = Broker.start(config)) {
            String admin = broker.addresses().admin();
            return command("stats", "--admin", admin);
        }
    }

    private static int command(String... arguments) {
        CommandLine line = AdminCli.commandLine(BrokerMain::openStore);
        line.setOut(new PrintWriter(Writer.nullWriter()));
        line.setErr(new PrintWriter(Writer.nullWriter()));
        return line.execute(arguments);
    }

    private static void remove(Path dir) throws IOException {
        try (Stream<Path> all = Files.walk(dir)) {
            for (Path one : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(one);
            }
        }
    }
}
