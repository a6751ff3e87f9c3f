package hermod.broker;

import hermod.broker.admin.AdminCli;
import hermod.broker.admin.CliException;
import hermod.broker.admin.ExitCode;
import hermod.broker.config.ConfigException;
import hermod.broker.config.ConfigReader;
import hermod.broker.engine.Engine;
import hermod.broker.engine.Retention;
import hermod.broker.engine.embedded.EmbeddedConfig;
import hermod.broker.engine.embedded.EmbeddedEngine;
import hermod.broker.engine.embedded.JournalConfig;
import hermod.broker.engine.embedded.StoreConfig;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.transport.SocketIo;
import io.netty.util.LeakPresenceDetector;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The process {@code hermod}: {@code serve} runs a broker, every other command is {@code admin}'s. */
public final class BrokerMain {
    private BrokerMain() {}

    public static void main(String[] args) {
        // Named, because a program that embeds the broker brings a logback.xml of its own.
        if (System.getProperty("logback.configurationFile") == null) {
            System.setProperty("logback.configurationFile", "hermod/broker/logback.xml");
        }
        System.exit(run(args));
    }

    /** @return the exit code. */
    static int run(String... args) {
        return AdminCli.commandLine(BrokerMain::openStore)
                .addSubcommand("serve", new Serve())
                .addSubcommand("rehearse", new Rehearsal())
                .execute(args);
    }

    /** Opens the store of a broker that is not running. */
    static Engine openStore(Path dataDir) throws IOException {
        Path events = dataDir.resolve(Broker.EVENTS_DIR);
        if (!Files.isDirectory(events)) {
            throw new IOException("nothing was ever stored in " + dataDir);
        }
        return EmbeddedEngine.open(
                events,
                // Changes are the engine's own appends; nobody else makes any.
                new EmbeddedConfig(JournalConfig.defaults().withSourceCount(1), StoreConfig.defaults()),
                (org, topic) -> Retention.ALL);
    }

    @Command(
            name = "serve",
            mixinStandardHelpOptions = true,
            description = "Run a broker. Prints one line when it is ready; SIGTERM and Ctrl-C stop it in order.")
    private static final class Serve implements Callable<Integer> {
        private static final int DRAINED_SHOWN_MS = 300;

        @Option(names = "--config", paramLabel = "FILE", description = "YAML file; see broker/docs/CONFIG.md.")
        private @Nullable Path file;

        @Option(names = "--port", paramLabel = "P", description = "TCP port, 0 for a free one (default: 7400).")
        private @Nullable String port;

        @Option(
                names = "--ws-port",
                paramLabel = "P",
                description = "WebSocket port, 0 for a free one (default: 7401).")
        private @Nullable String wsPort;

        @Option(names = "--admin-port", paramLabel = "P", description = "Admin port, 0 for a free one (default: 7402).")
        private @Nullable String adminPort;

        @Option(names = "--data", paramLabel = "DIR", description = "Data directory (default: ~/.hermod).")
        private @Nullable String dataDir;

        @Option(
                names = "--dev",
                description = "Development mode: local clients need no token. Listens on loopback only.")
        private boolean dev;

        @Spec
        @SuppressWarnings("NullAway.Init") // picocli sets it before anything is run
        private CommandSpec spec;

        @Override
        public Integer call() throws InterruptedException {
            BrokerConfig config = config();
            // Before any thread is started that may log: SLF4J warns of what two threads log while it begins.
            Log.OUT.debug("logging has begun");
            Broker broker = start(config);
            stopWithTheProcess(broker);
            Broker.ReadyAddresses at = broker.addresses();
            announce(config, broker);
            PrintWriter out = spec.commandLine().getOut();
            out.println("ready tcp=" + at.tcp() + " ws=" + at.ws() + " admin=" + at.admin() + " data="
                    + config.dataDir().toAbsolutePath());
            out.flush();
            broker.awaitDrained();
            // Whoever asked for it sees the end before the port is gone.
            Thread.sleep(DRAINED_SHOWN_MS);
            return ExitCode.OK;
        }

        private BrokerConfig config() {
            ConfigReader<BrokerConfig> reader =
                    new ConfigReader<>(BrokerConfig.defaults().withDev(dev));
            if (file != null) {
                reader.file(file);
            }
            int flags = flag(reader, "--port", "transport.port", port)
                    + flag(reader, "--ws-port", "transport.ws-port", wsPort)
                    + flag(reader, "--admin-port", "admin.port", adminPort)
                    + flag(reader, "--data", "data-dir", dataDir);
            try {
                return reader.build();
            } catch (ConfigException refused) {
                List<String> problems = refused.problems();
                boolean wrongFlag = flags > 0 && problems.stream().allMatch(one -> one.startsWith("--"));
                throw new CliException(
                        wrongFlag ? ExitCode.USAGE : ExitCode.FAILED,
                        String.join(System.lineSeparator() + "hermod: ", problems),
                        refused);
            }
        }

        /** @return 1 if the flag was given. */
        private static int flag(ConfigReader<BrokerConfig> reader, String name, String path, @Nullable String text) {
            if (text == null) {
                return 0;
            }
            reader.flag(name, path, text);
            return 1;
        }

        private static Broker start(BrokerConfig config) {
            try {
                // First what can be refused at once; the rest is refused a second later.
                config.createDataDir();
                SocketIo.of(config.transport().io());
                try (EngineOpening opening = EngineOpening.begin(() -> Broker.openEngine(config))) {
                    warmUp(config);
                    return Broker.start(config, opening.take());
                }
            } catch (ConfigException | IOException refused) {
                throw new CliException(ExitCode.FAILED, "The broker can't start: " + refused.getMessage(), refused);
            }
        }

        private static void warmUp(BrokerConfig config) {
            if (config.warmUpMs() == 0) {
                return;
            }
            WarmUp.Outcome outcome = WarmUp.run(config, config.warmUpMs());
            Throwable failure = outcome.failure();
            if (failure == null) {
                Log.OUT.info("warmed up: ms={}, events={}", config.warmUpMs(), outcome.eventCount());
            } else {
                Log.OUT.warn("the warm-up failed; the first seconds will be slower: {}", failure.toString());
            }
        }

        /** The JVM would end with 143 after SIGTERM; a broker that was asked to stop and did has succeeded. */
        private static void stopWithTheProcess(Broker broker) {
            Runtime.getRuntime()
                    .addShutdownHook(new Thread(
                            () -> {
                                int exitCode = ExitCode.OK;
                                try {
                                    drain(broker);
                                    broker.close();
                                    checkForLeaks();
                                } catch (RuntimeException defect) {
                                    Log.OUT.error("stopping failed", defect);
                                    exitCode = ExitCode.FAILED;
                                }
                                Log.OUT.info("stopped");
                                Runtime.getRuntime().halt(exitCode);
                            },
                            "hermod-stop"));
        }

        private static void drain(Broker broker) {
            try {
                broker.drain();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }

        /** Where a test has put Netty's leak presence detector in: every buffer must be back by now. */
        private static void checkForLeaks() {
            if (LeakPresenceDetector.class
                    .getName()
                    .equals(System.getProperty("io.netty.customResourceLeakDetector"))) {
                LeakPresenceDetector.check();
                Log.OUT.warn("leak presence detector: no buffer leaked");
            }
        }

        private static void announce(BrokerConfig config, Broker broker) {
            if (config.dev()) {
                Log.OUT.warn(
                        "development mode: clients of this machine need no token; never use it where others can reach it");
            }
            Log.OUT.info("dataDir={}, homeRegion={}", config.dataDir(), config.homeRegion());
            Log.OUT.info("sockets: io={}, shards={}", broker.io().name().toLowerCase(Locale.ROOT), broker.shardCount());
            for (Record section : List.of(
                    config.transport(),
                    config.admission(),
                    config.session(),
                    config.publish(),
                    config.service(),
                    config.shard(),
                    config.outbox(),
                    config.topic(),
                    config.metrics(),
                    config.admin(),
                    config.audit())) {
                Log.OUT.info("{}", section);
            }
            Map<String, ?> builtIn = ChannelPolicies.defaults().byName();
            config.channels().byName().forEach((name, policy) -> {
                if (!policy.equals(builtIn.get(name))) {
                    Log.OUT.info("channel {}: {}", name, policy);
                }
            });
        }
    }

    /** Loaded by {@code serve} only: a command must not pay for the logging's start. */
    private static final class Log {
        static final Logger OUT = LoggerFactory.getLogger(BrokerMain.class);
    }
}
