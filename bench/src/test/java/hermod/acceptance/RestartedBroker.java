package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.bench.BrokerProcess;
import hermod.client.HermodClient;
import hermod.client.ReconnectPolicy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A broker that is killed and started again on the same data, while its clients stay: they find the next one at the same address. */
final class RestartedBroker implements AutoCloseable {
    private static final ReconnectPolicy AT_ONCE =
            new ReconnectPolicy(Duration.ofMillis(20), Duration.ofMillis(100), 10_000, 0);

    private final Path data;
    private final String[] arguments;
    private final Map<String, String> environment = new HashMap<>();
    private final List<HermodClient> clients = new ArrayList<>();
    private final CuttingProxy proxy;
    private AcceptanceBroker broker;

    private RestartedBroker(Path data, Map<String, String> environment, String... arguments) throws Exception {
        this.data = data;
        this.arguments = arguments;
        this.environment.putAll(environment);
        broker = startProcess();
        proxy = new CuttingProxy(broker.tcp());
    }

    static RestartedBroker start(Path data, String... arguments) throws Exception {
        return start(data, Map.of(), arguments);
    }

    static RestartedBroker start(Path data, Map<String, String> environment, String... arguments) throws Exception {
        return new RestartedBroker(data, environment, arguments);
    }

    private AcceptanceBroker startProcess() throws Exception {
        BrokerProcess.Builder builder = AcceptanceBroker.builder(arguments).data(data);
        environment.forEach(builder::environment);
        return AcceptanceBroker.of(builder.start());
    }

    /** The process that runs now. */
    AcceptanceBroker now() {
        return broker;
    }

    /** A variable of the next process. */
    void environment(String name, String value) {
        environment.put(name, value);
    }

    /** SIGKILL; clients find nobody until {@link #startAgain}. */
    void kill() throws Exception {
        proxy.refuse(true);
        broker.process().kill();
        proxy.cut();
    }

    /** Has the broker stop in order, as an operator does, and waits until it is gone. */
    void drain() throws Exception {
        CommandLines.Outcome drained = CommandLines.java(
                "hermod.broker.BrokerMain",
                "drain",
                "--delay-ms",
                "100",
                "--admin",
                broker.process().admin());
        assertThat(drained.exitCode()).as(drained.err()).isZero();
        proxy.refuse(true);
        await().atMost(Duration.ofSeconds(30)).until(() -> !broker.process().isAlive());
        proxy.cut();
        assertThat(broker.process().exitCode()).isZero();
    }

    void startAgain() throws Exception {
        broker = startProcess();
        proxy.target(broker.tcp());
        proxy.refuse(false);
    }

    void killAndStartAgain() throws Exception {
        kill();
        startAgain();
    }

    /** A connected client that comes back at once and stays over restarts; closed with the broker. */
    HermodClient client(String user) {
        HermodClient client = clientAt(proxy.address(), user);
        clients.add(client);
        return client;
    }

    /** The same by a way of the test's own, and closed by it. */
    HermodClient clientAt(String address, String user) {
        HermodClient client = HermodClient.builder()
                .server(address)
                .token(broker.token(user, AcceptanceBroker.SERVICE, Duration.ofHours(1)))
                .reconnect(AT_ONCE)
                .build();
        client.connect().join();
        return client;
    }

    @Override
    public void close() throws Exception {
        clients.forEach(HermodClient::close);
        proxy.close();
        broker.close();
    }
}
