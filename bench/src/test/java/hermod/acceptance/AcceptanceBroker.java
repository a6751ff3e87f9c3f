package hermod.acceptance;

import static org.awaitility.Awaitility.await;

import hermod.bench.BrokerProcess;
import hermod.broker.admission.SecretFile;
import hermod.broker.admission.TokenMint;
import hermod.client.HermodClient;
import java.net.HttpURLConnection;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.core.ConditionTimeoutException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * A broker in a process of its own, on the JVM under test, with Netty's leak presence detector in it: {@link #close} stops it in order and fails if a buffer was not given back or a defect was counted.
 */
final class AcceptanceBroker implements AutoCloseable {
    /** A person, but for how fast one may publish: a test is no person. */
    static final List<String> ORDINARY = List.of("pub:*", "sub:*", "rate:unlimited");

    static final List<String> PERSON = List.of("pub:*", "sub:*");
    static final List<String> SERVICE = BrokerProcess.LOAD_RIGHTS;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final BrokerProcess process;
    private final TokenMint mint;
    private final List<HermodClient> clients = new ArrayList<>();

    private AcceptanceBroker(BrokerProcess process) throws Exception {
        this.process = process;
        this.mint = new TokenMint(SecretFile.readOrCreate(process.data()), Clock.systemUTC());
    }

    static AcceptanceBroker start(String... arguments) throws Exception {
        return new AcceptanceBroker(builder(arguments).start());
    }

    static BrokerProcess.Builder builder(String... arguments) {
        return BrokerProcess.builder()
                .classPath(System.getProperty("java.class.path"))
                .jvmFlags(
                        "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
                        "-XX:TieredStopAtLevel=1",
                        "-Xmx512m",
                        "-Dio.netty.customResourceLeakDetector=io.netty.util.LeakPresenceDetector")
                .arguments(arguments);
    }

    static AcceptanceBroker of(BrokerProcess process) throws Exception {
        return new AcceptanceBroker(process);
    }

    BrokerProcess process() {
        return process;
    }

    String tcp() {
        return process.tcp();
    }

    String token(String user) {
        return token(user, ORDINARY, Duration.ofHours(1));
    }

    String token(String user, List<String> rights, Duration ttl) {
        return mint.mint(user, "acme", rights, ttl);
    }

    /** A client that will be closed with the broker; not connected yet. */
    HermodClient client(HermodClient.Builder builder) {
        HermodClient client = builder.build();
        clients.add(client);
        return client;
    }

    HermodClient connected(String user) {
        HermodClient client = client(HermodClient.builder().server(tcp()).token(token(user)));
        client.connect().join();
        return client;
    }

    /** What {@code stats --json} prints. */
    JsonNode stats() throws Exception {
        HttpURLConnection connection = (HttpURLConnection) URI.create("http://" + process.admin() + "/api/v1/stats")
                .toURL()
                .openConnection();
        try (var in = connection.getInputStream()) {
            return JSON.readTree(in.readAllBytes());
        }
    }

    JsonNode channel(String name) throws Exception {
        for (JsonNode channel : stats().get("channels")) {
            if (channel.get("channel").asString().equals(name)) {
                return channel;
            }
        }
        throw new AssertionError("no such channel in stats: " + name);
    }

    long counter(String label) throws Exception {
        return stats().get("counters").get(label).asLong();
    }

    /** Its last lines may still be on their way when the process has ended. */
    private boolean saysInItsLog(String words) {
        try {
            await().atMost(Duration.ofSeconds(5))
                    .until(() -> process.stderrTail().stream().anyMatch(line -> line.contains(words)));
            return true;
        } catch (ConditionTimeoutException silent) {
            return false;
        }
    }

    @Override
    public void close() throws Exception {
        for (HermodClient client : clients) {
            client.close();
        }
        long defects = process.isAlive() ? counter("defects") : 0;
        process.stop();
        int exitCode = process.exitCode();
        boolean isClean = exitCode == 0 && saysInItsLog("no buffer leaked");
        List<String> log = process.stderrTail();
        process.close();
        if (defects != 0 || !isClean) {
            throw new AssertionError("the broker ended with exit code " + exitCode + " and " + defects
                    + " defects; its log: " + String.join("\n", log));
        }
    }
}
