package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import hermod.bench.BrokerProcess;
import hermod.client.Event;
import hermod.client.HermodClient;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Safety events of a real broker: acknowledged, sent again, and where nobody acknowledges them escalated, to a topic and to a webhook. */
@Tag("SA-3")
class SafetyAcceptanceTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final byte[] SECRET = "a secret of at least thirty-two bytes".getBytes(StandardCharsets.UTF_8);
    private static final List<String> RIGHTS = List.of("pub:*", "sub:*", "urgent");
    private static final int NEVER_MS = 600_000;

    /** What the webhook was sent. */
    private record Posted(String timestamp, String signature, byte[] body) {}

    @TempDir
    private Path dir;

    private final BlockingQueue<Posted> posted = new LinkedBlockingQueue<>();
    private final AtomicInteger failuresLeft = new AtomicInteger();
    private HttpServer hook;

    @BeforeEach
    void begin() throws IOException {
        hook = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        hook.createContext("/alarm", this::onPost);
        hook.start();
    }

    @AfterEach
    void end() {
        hook.stop(0);
    }

    private void onPost(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readAllBytes();
        posted.add(new Posted(
                exchange.getRequestHeaders().getFirst("Hermod-Timestamp"),
                exchange.getRequestHeaders().getFirst("Hermod-Signature"),
                body));
        boolean isWell = failuresLeft.getAndUpdate(left -> Math.max(0, left - 1)) == 0;
        exchange.sendResponseHeaders(isWell ? 204 : 503, -1);
        exchange.close();
    }

    private String[] config(int timeoutMs) throws IOException {
        return config(timeoutMs, 200);
    }

    private String[] config(int timeoutMs, int redeliverAfterMs) throws IOException {
        Path secret = dir.resolve("hook.key");
        if (!Files.exists(secret)) {
            Files.createFile(
                    secret, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.write(secret, SECRET);
        }
        Path file = dir.resolve("hermod.yaml");
        Files.writeString(file, """
                redelivery:
                  after-ms: %d
                safety:
                  acknowledge-timeout-ms: %d
                  webhook-url: http://127.0.0.1:%d/alarm
                  webhook-secret-file: %s
                  webhook-retry-after-ms: 50
                """.formatted(
                        redeliverAfterMs, timeoutMs, hook.getAddress().getPort(), secret));
        return new String[] {"--config", file.toString()};
    }

    private AcceptanceBroker broker(int timeoutMs) throws Exception {
        return AcceptanceBroker.start(config(timeoutMs));
    }

    private static HermodClient client(AcceptanceBroker broker, String user) {
        HermodClient client = broker.client(HermodClient.builder()
                .server(broker.tcp())
                .token(broker.token(user, RIGHTS, Duration.ofHours(1)))
                .deviceId(user + "-phone"));
        client.connect().join();
        return client;
    }

    private static BlockingQueue<Event> heard(HermodClient client, String topic) {
        BlockingQueue<Event> heard = new LinkedBlockingQueue<>();
        client.subscribe(topic, heard::add).join();
        return heard;
    }

    private static Event next(BlockingQueue<Event> from) throws InterruptedException {
        Event event = from.poll(20, TimeUnit.SECONDS);
        assertThat(event).as("an event in 20 s").isNotNull();
        return event;
    }

    private JsonNode nextPosted() throws Exception {
        Posted next = posted.poll(20, TimeUnit.SECONDS);
        assertThat(next).as("a post in 20 s").isNotNull();
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(SECRET, "HmacSHA256"));
        mac.update((next.timestamp + ".").getBytes(StandardCharsets.UTF_8));
        assertThat(next.signature).isEqualTo("sha256=" + HexFormat.of().formatHex(mac.doFinal(next.body)));
        return JSON.readTree(next.body);
    }

    private static void isCounted(AcceptanceBroker broker, String label, long count) {
        await().atMost(Duration.ofSeconds(20))
                .untilAsserted(() -> assertThat(broker.counter(label)).as(label).isEqualTo(count));
    }

    @Test
    void whatAHandlerHasHandledIsAcknowledgedAndDoesNotEscalate() throws Exception {
        try (AcceptanceBroker broker = broker(1_000)) {
            BlockingQueue<Event> escalations = heard(client(broker, "ops"), "safety:escalations");
            BlockingQueue<Event> heard = heard(client(broker, "bob"), "safety:42");
            HermodClient alice = client(broker, "alice");
            for (int i = 1; i <= 5; i++) {
                alice.publish("safety:42", "help " + i).join();
                assertThat(next(heard).text()).isEqualTo("help " + i);
            }
            isCounted(broker, "safety_acknowledged", 5);
            // Nobody is there for this one, and it is the first that is told of.
            alice.publish("safety:43", "anybody?").join();
            assertThat(next(escalations).attributes()).containsEntry("topic", "safety:43");
            assertThat(nextPosted().get("topic").asString()).isEqualTo("safety:43");
            assertThat(broker.counter("safety_escalated_unacknowledged")).isZero();
            assertThat(broker.counter("events_redelivered")).isZero();
        }
    }

    @Test
    void whatAHandlerFailedAtIsSentAgainToItAloneAndThenAcknowledged() throws Exception {
        try (AcceptanceBroker broker = broker(NEVER_MS)) {
            HermodClient bob = client(broker, "bob");
            BlockingQueue<Event> failing = new LinkedBlockingQueue<>();
            AtomicBoolean hasFailed = new AtomicBoolean();
            BlockingQueue<Event> well = heard(bob, "safety:42");
            bob.subscribe("safety:42", event -> {
                        failing.add(event);
                        if (event.text().equals("two") && !hasFailed.getAndSet(true)) {
                            throw new IllegalStateException("not now");
                        }
                    })
                    .join();
            HermodClient alice = client(broker, "alice");
            for (String text : List.of("one", "two", "three")) {
                alice.publish("safety:42", text).join();
            }
            isCounted(broker, "safety_acknowledged", 3);
            assertThat(failing.stream().map(Event::text)).containsExactly("one", "two", "three", "two");
            assertThat(failing.stream()
                            .filter(event -> event.text().equals("two"))
                            .map(Event::offset)
                            .distinct())
                    .hasSize(1);
            assertThat(well.stream().map(Event::text)).containsExactly("one", "two", "three");
            assertThat(broker.counter("events_redelivered")).isPositive();
        }
    }

    @Test
    void aDeviceThatComesBackHandlesWhatItHasNotAcknowledged() throws Exception {
        Path data = dir.resolve("data");
        AcceptanceBroker broker = AcceptanceBroker.of(
                AcceptanceBroker.builder(config(NEVER_MS, NEVER_MS)).data(data).start());
        int port = Integer.parseInt(broker.tcp().substring(broker.tcp().lastIndexOf(':') + 1));
        HermodClient bob = client(broker, "bob");
        BlockingQueue<Event> heard = new LinkedBlockingQueue<>();
        AtomicBoolean isWell = new AtomicBoolean();
        bob.subscribe("safety:42", event -> {
                    heard.add(event);
                    if (!isWell.get()) {
                        throw new IllegalStateException("not now");
                    }
                })
                .join();
        client(broker, "alice").publish("safety:42", "help").join();
        long offset = next(heard).offset();
        broker.process().kill();
        isWell.set(true);
        heard.clear();
        AcceptanceBroker again = AcceptanceBroker.of(AcceptanceBroker.builder(config(NEVER_MS, NEVER_MS))
                .data(data)
                .port(port)
                .start());
        try {
            isCounted(again, "events_acknowledged", 1);
            assertThat(heard.stream().map(Event::offset)).containsExactly(offset);
        } finally {
            bob.close();
            again.close();
            broker.process().close();
        }
    }

    @Test
    @Tag("SA-7")
    void whatNobodyAcknowledgesIsPublishedPostedLoggedAndRecorded() throws Exception {
        failuresLeft.set(2);
        try (AcceptanceBroker broker = broker(1_000)) {
            BlockingQueue<Event> escalations = heard(client(broker, "ops"), "safety:escalations");
            HermodClient bob = client(broker, "bob");
            bob.subscribe("safety:42", event -> {
                        throw new IllegalStateException("broken");
                    })
                    .join();
            long beforeNs = System.nanoTime();
            var receipt = client(broker, "alice").publish("safety:42", "help").join();
            Event escalation = next(escalations);
            long afterMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beforeNs);
            assertThat(afterMs).isBetween(1_000L, 10_000L);
            assertThat(escalation.type()).isEqualTo("safety.escalated");
            assertThat(escalation.attributes())
                    .containsEntry("topic", "safety:42")
                    .containsEntry("offset", Long.toString(receipt.offset()))
                    .containsEntry("reason", "unacknowledged")
                    .containsKey("eventId");
            // Twice refused, then taken: the same each time.
            JsonNode first = nextPosted();
            assertThat(nextPosted()).isEqualTo(first);
            assertThat(nextPosted()).isEqualTo(first);
            assertThat(first.get("id").asString()).isEqualTo(escalation.eventId());
            assertThat(first.get("eventId").asString())
                    .isEqualTo(escalation.attributes().get("eventId"));
            assertThat(first.get("reason").asString()).isEqualTo("unacknowledged");
            assertThat(first.get("offset").asLong()).isEqualTo(receipt.offset());
            isCounted(broker, "safety_webhooks_sent", 1);
            String admin = broker.process().admin();
            assertThat(CommandLines.java("hermod.broker.BrokerMain", "stats", "--admin", admin)
                            .out())
                    .contains("SAFETY 1 event has escalated");
            assertThat(CommandLines.java("hermod.broker.BrokerMain", "audit", "list", "--json", "--admin", admin)
                            .out())
                    .contains("safety.escalated");
            await().untilAsserted(() -> assertThat(broker.process().stderrTail())
                    .anySatisfy(line -> assertThat(line).contains("an event escalates", "topic=safety:42")));
        }
    }

    @Test
    @Tag("SA-7")
    void whatHasNoSubscriberEscalatesAtOnce() throws Exception {
        try (AcceptanceBroker broker = broker(NEVER_MS)) {
            client(broker, "alice").publish("safety:42", "help").join();
            JsonNode told = nextPosted();
            assertThat(told.get("reason").asString()).isEqualTo("no-subscriber");
            assertThat(told.get("org").asString()).isEqualTo("acme");
        }
    }

    @Test
    @Tag("SA-7")
    void whatWaitsWhenTheBrokerIsKilledEscalatesAfterIt() throws Exception {
        Path data = dir.resolve("data");
        String eventId;
        try (BrokerProcess process =
                AcceptanceBroker.builder(config(NEVER_MS)).data(data).start()) {
            AcceptanceBroker broker = AcceptanceBroker.of(process);
            try (HermodClient bob = client(broker, "bob");
                    HermodClient alice = client(broker, "alice")) {
                bob.subscribe("safety:42", event -> {
                            throw new IllegalStateException("broken");
                        })
                        .join();
                eventId = alice.publish("safety:42", "help").join().eventId();
                isCounted(broker, "safety_taken", 1);
                // Behind it on the same disk.
                for (int i = 0; i < 5; i++) {
                    alice.publish("chat:1", "later").join();
                }
                process.kill();
            }
        }
        assertThat(posted).isEmpty();
        try (AcceptanceBroker broker = AcceptanceBroker.of(
                AcceptanceBroker.builder(config(100)).data(data).start())) {
            JsonNode told = nextPosted();
            assertThat(told.get("topic").asString()).isEqualTo("safety:42");
            assertThat(told.get("reason").asString()).isEqualTo("unacknowledged");
            assertThat(told.get("eventId").asString()).isEqualTo(eventId);
            isCounted(broker, "safety_webhooks_sent", 1);
            await().atMost(Duration.ofSeconds(20))
                    .until(() -> client(broker, "ops")
                                    .history("safety:escalations")
                                    .page()
                                    .join()
                                    .events()
                                    .size()
                            == 1);
        }
    }
}
