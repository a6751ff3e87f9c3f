package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.client.ConflictException;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.ReconnectPolicy;
import hermod.client.State;
import hermod.protocol.ErrorCode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** State topics through the SDK and the command line, with a real broker process. */
@Tag("acceptance")
@Tag("HR-5")
class StateAcceptanceTest {
    private static final String TOPIC = "wallet:user_1";

    private static HermodClient client(AcceptanceBroker broker, String server, String device) {
        return HermodClient.builder()
                .server(server)
                .token(broker.token("alice", AcceptanceBroker.SERVICE, Duration.ofHours(1)))
                .deviceId(device)
                .reconnect(new ReconnectPolicy(Duration.ofMillis(50), Duration.ofMillis(200), 100, 0))
                .build();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static <T> T get(CompletableFuture<T> future) throws Exception {
        return future.get(60, TimeUnit.SECONDS);
    }

    private static Map<String, String> texts(State state) {
        Map<String, String> texts = new TreeMap<>();
        state.snapshot().forEach((key, value) -> texts.put(key, value.text()));
        return texts;
    }

    @Test
    @Tag("WA-1")
    void allDevicesHaveTheSameStateAlsoTheOneThatWasAway() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start();
                CuttingProxy proxy = new CuttingProxy(broker.tcp());
                HermodClient phone = client(broker, broker.tcp(), "phone");
                HermodClient tablet = client(broker, proxy.address(), "tablet")) {
            get(phone.connect());
            get(tablet.connect());
            State onPhone = get(phone.state(TOPIC));
            assertThat(onPhone.snapshot()).isEmpty();
            long version =
                    get(onPhone.put("balance", bytes("10"), State.NO_VERSION)).offset();
            get(onPhone.put("card", bytes("visa")));
            State onTablet = get(tablet.state(TOPIC));
            assertThat(texts(onTablet)).containsOnly(Map.entry("balance", "10"), Map.entry("card", "visa"));
            assertThat(onTablet.snapshot().get("balance").version()).isEqualTo(version);
            // Another State of the same client has what is known already.
            assertThat(texts(get(tablet.state(TOPIC)))).hasSize(2);

            assertThatThrownBy(() -> get(onTablet.put("balance", bytes("?"), version + 77)))
                    .hasCauseInstanceOf(ConflictException.class)
                    .satisfies(failure -> assertThat(((ConflictException) failure.getCause()).currentVersion())
                            .isEqualTo(version));

            List<String> changes = new CopyOnWriteArrayList<>();
            onTablet.addListener((key, value) -> changes.add(key + "=" + (value == null ? "gone" : value.text())));
            proxy.refuse(true);
            proxy.cut();
            await().until(() -> !onTablet.isCurrent());
            get(onPhone.put("balance", bytes("20"), version));
            get(onPhone.delete("card"));
            get(onPhone.put("limit", bytes("100")));
            assertThat(texts(onTablet)).containsEntry("balance", "10");
            proxy.refuse(false);
            await().untilAsserted(() -> assertThat(texts(onTablet)).isEqualTo(texts(onPhone)));
            assertThat(texts(onTablet)).containsOnly(Map.entry("balance", "20"), Map.entry("limit", "100"));
            await().untilAsserted(() -> assertThat(changes).containsExactly("balance=20", "card=gone", "limit=100"));
            assertThat(onTablet.isCurrent()).isTrue();
        }
    }

    @Test
    void aTopicThatKeepsNoStateSaysSo() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start();
                HermodClient client = client(broker, broker.tcp(), "phone")) {
            get(client.connect());
            assertThatThrownBy(() -> get(client.state("chat:1")))
                    .hasCauseInstanceOf(HermodException.class)
                    .satisfies(failure -> assertThat(((HermodException) failure.getCause()).is(ErrorCode.UNSUPPORTED))
                            .isTrue());
        }
    }

    @Test
    void theCommandLineSetsKeysAndPrintsTheState() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            String token = broker.token("alice", AcceptanceBroker.SERVICE, Duration.ofHours(1));
            assertThat(hermod(broker, token, "pub", TOPIC, "10", "--key", "balance", "--expect", "0")
                            .exitCode())
                    .isZero();
            CommandLines.Outcome conflict =
                    hermod(broker, token, "pub", TOPIC, "20", "--key", "balance", "--expect", "0");
            assertThat(conflict.exitCode()).isEqualTo(1);
            assertThat(conflict.err()).contains("CONFLICT", "version is 1");
            hermod(broker, token, "pub", TOPIC, "visa", "--key", "card");
            hermod(broker, token, "pub", TOPIC, "20", "--key", "balance", "--expect", "1");
            hermod(broker, token, "pub", TOPIC, "--key", "card", "--delete");
            CommandLines.Outcome state = hermod(broker, token, "state", TOPIC);
            assertThat(state.out().strip()).isEqualTo("balance 3 20");
        }
    }

    private static CommandLines.Outcome hermod(AcceptanceBroker broker, String token, String... arguments)
            throws Exception {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--server", broker.tcp(), "--token", token));
        return CommandLines.java("hermod.broker.BrokerMain", all.toArray(new String[0]));
    }
}
