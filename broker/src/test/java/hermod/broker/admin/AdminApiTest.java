package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import hermod.broker.audit.AuditLog;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Over plain sockets, because a client library would repair what a stranger sends. */
class AdminApiTest {
    private final MadeUpBroker broker = new MadeUpBroker();
    private AdminApi api;
    private int port;

    @BeforeEach
    void start() throws Exception {
        api = AdminApi.start(new AdminConfig("127.0.0.1", 0), broker, broker, AuditLog.NONE);
        port = Integer.parseInt(api.address().substring("127.0.0.1:".length()));
    }

    @AfterEach
    void stop() {
        api.close();
    }

    @Test
    void healthIsUpAndReadyFollowsTheBroker() throws Exception {
        assertThat(get("/health")).startsWith("HTTP/1.1 200 ").contains("{\"status\":\"up\"}");
        assertThat(get("/ready")).startsWith("HTTP/1.1 200 ").contains("\"ready\"");
        broker.ready = false;
        assertThat(get("/ready")).startsWith("HTTP/1.1 503 ").contains("\"not ready\"");
        assertThat(get("/health")).startsWith("HTTP/1.1 200 ");
    }

    @Test
    void statsHaveTheKeysThatScriptsRelyOn() throws Exception {
        JsonTree stats = JsonTree.parse(body(get("/api/v1/stats")));
        assertThat(stats.text("version")).isEqualTo("1.2.3");
        assertThat(stats.number("uptimeSeconds")).isEqualTo(3_725);
        assertThat(stats.child("counters").number("bytesIn")).isEqualTo(12_345);
        assertThat(stats.keys()).doesNotContain("topicStats");
        JsonTree chat = stats.children("channels").get(0);
        assertThat(chat.text("channel")).isEqualTo("chat");
        assertThat(chat.number("published")).isEqualTo(1_000);
        assertThat(chat.number("delivered")).isEqualTo(2_000);
        assertThat(chat.isTrue("runsInMemory")).isTrue();
        assertThat(chat.child("goal").number("p95Us")).isEqualTo(100_000);
        assertThat(chat.text("health")).isEqualTo("healthy");
        for (String stage : List.of("publishToBroker", "inBroker", "brokerToSocket", "publishToHandler")) {
            JsonTree latency = chat.child("latencyUs").child(stage);
            assertThat(latency.keys()).containsExactly("p50", "p90", "p95", "p99", "p999", "max", "mean", "count");
            assertThat(latency.number("p99")).isEqualTo(1_500);
        }
    }

    @Test
    void statsAreFilteredByChannelAndTellTopicsWhenAsked() throws Exception {
        assertThat(JsonTree.parse(body(get("/api/v1/stats?channel=dm"))).children("channels"))
                .singleElement()
                .satisfies(one -> assertThat(one.text("channel")).isEqualTo("dm"));
        assertThat(JsonTree.parse(body(get("/api/v1/stats?channel=none"))).children("channels"))
                .isEmpty();
        assertThat(JsonTree.parse(body(get("/api/v1/stats?topic=chat%3A1&org=o")))
                        .children("topicStats"))
                .singleElement()
                .satisfies(one -> {
                    assertThat(one.text("org")).isEqualTo("o");
                    assertThat(one.text("topic")).isEqualTo("chat:1");
                    assertThat(one.number("nextOffset")).isEqualTo(17);
                });
        assertThat(get("/api/v1/stats?topic=*")).contains("all:topics");
    }

    @Test
    void connectionsAreTold() throws Exception {
        JsonTree answer = JsonTree.parse(body(get("/api/v1/connections")));
        assertThat(answer.number("total")).isEqualTo(3);
        JsonTree one = answer.children("connections").get(0);
        assertThat(one.text("user")).isEqualTo("u\u001b[31m");
        assertThat(one.texts("subscriptions")).hasSize(4);
        assertThat(one.number("outboxBytes")).isEqualTo(4_096);
        assertThat(one.number("shard")).isEqualTo(3);
    }

    @Test
    @Tag("OB-7")
    void theSlowestConsumersAreToldWithTheKeysOfConnections() throws Exception {
        JsonTree all = JsonTree.parse(body(get("/api/v1/connections")));
        JsonTree answer = JsonTree.parse(body(get("/api/v1/stats?slow=true")));
        assertThat(answer.keys()).containsExactly("total", "slow");
        assertThat(answer.number("total")).isEqualTo(1);
        JsonTree one = answer.children("slow").get(0);
        assertThat(one.keys())
                .containsExactlyElementsOf(all.children("connections").get(0).keys());
        assertThat(one.text("rung")).isEqualTo("quarantined");
        assertThat(one.text("cause")).isEqualTo("socket");
        assertThat(one.number("rungSinceUs")).isEqualTo(2_000_000);
        assertThat(one.number("behind")).isEqualTo(1);
        assertThat(one.number("shed")).isEqualTo(2);
        assertThat(one.number("gaps")).isEqualTo(3);
        assertThat(one.child("laneBytes").number("urgent")).isEqualTo(4);
        assertThat(one.keys()).doesNotContain("creditBytes");
        assertThat(JsonTree.parse(body(get("/api/v1/stats?slow=false"))).keys()).contains("channels");
    }

    @Test
    void metricsAreInPrometheusText() throws Exception {
        String answer = get("/metrics");
        assertThat(answer).contains("text/plain; version=0.0.4");
        assertThat(answer).contains("hermod_store_removed_events_total 60\n");
        String[] lines = new String(body(answer), StandardCharsets.UTF_8).split("\n");
        assertThat(lines)
                .contains(
                        "hermod_info{version=\"1.2.3\"} 1",
                        "hermod_connections 3",
                        "hermod_bytes_in_total 12345",
                        "hermod_channel_published_total{channel=\"chat\"} 1000",
                        "hermod_channel_latency_seconds{channel=\"chat\",stage=\"in_broker\",quantile=\"0.99\"} 0.0015",
                        "hermod_channel_latency_seconds_count{channel=\"chat\",stage=\"in_broker\"} 1000",
                        "hermod_channel_goal_p95_seconds{channel=\"dm\"} 0.1");
        List<String> names = new ArrayList<>();
        for (String line : lines) {
            assertThat(line)
                    .matches("# HELP hermod_[a-z0-9_]+ .+|# TYPE hermod_[a-z0-9_]+ (gauge|counter|summary)"
                            + "|hermod_[a-z0-9_]+(\\{[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*})? [0-9.E-]+");
            if (line.startsWith("# TYPE ")) {
                names.add(line.split(" ")[2]);
            }
        }
        assertThat(names).doesNotHaveDuplicates();
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "127.0.0.1:7402", "localhost", "LocalHost:80", "[::1]:7402"})
    void aLoopbackHostIsAnswered(String host) throws Exception {
        assertThat(send("GET /health HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 200 ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Host: evil.example\r\n",
                "Host: 127.0.0.1.evil.example\r\n",
                "Host: localhost.\r\n",
                "Host: 10.0.0.1\r\n",
                "Host: 127.0.0.1@evil.example\r\n",
                "Host: \r\n",
                "Host: 127.0.0.1\r\nHost: evil.example\r\n",
                "",
            })
    void anyOtherHostIsRefusedSoThatAWebPageCanNotRebindToIt(String header) throws Exception {
        assertThat(send("GET /api/v1/stats HTTP/1.1\r\n" + header + "Connection: close\r\n\r\n"))
                .matches("(?s)(HTTP/1.1 (403|400) .*)?")
                .doesNotContain("channels")
                .doesNotContain("Access-Control");
    }

    @ParameterizedTest
    @ValueSource(strings = {"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "FOO"})
    void onlyGetIsAnswered(String method) throws Exception {
        assertThat(send(method + " /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 405 ")
                .contains("Allow: GET");
    }

    private String post(String headers, String json) throws Exception {
        return send("POST /api/v1/subscriptions HTTP/1.1\r\nHost: localhost\r\n" + headers + "Content-Length: "
                + json.getBytes(StandardCharsets.UTF_8).length + "\r\nConnection: close\r\n\r\n" + json);
    }

    @Test
    void subscriptionsAreReplacedAsTheBodySays() throws Exception {
        String answer = post(
                "Hermod-Operator: test\r\n",
                "{\"org\":\"acme\",\"user\":\"ann\",\"keepOthers\":true,\"topics\":[{\"topic\":\"chat:a\"},{\"topic\":\"feed:ü\",\"filter\":\"propertyId = 17\"}]}");
        assertThat(answer).startsWith("HTTP/1.1 200 ");
        JsonTree first = JsonTree.parse(body(answer)).children("connections").get(0);
        assertThat(first.text("id")).isEqualTo("c1");
        assertThat(first.isTrue("replaced")).isTrue();
        assertThat(first.number("removed")).isEqualTo(4);
        assertThat(first.children("refused").get(0).text("topic")).isEqualTo("feed:secret");
        SubscriptionsOrder order = broker.lastOrder;
        assertThat(order).isNotNull();
        assertThat(order.org()).isEqualTo("acme");
        assertThat(order.user()).isEqualTo("ann");
        assertThat(order.keepsOthers()).isTrue();
        assertThat(order.topics().get(0).hasFilter()).isFalse();
        assertThat(order.topics().get(1).getFilter().getIn(0)).isEqualTo("17");
    }

    @Test
    void aChangeIsForOperatorsAndNotForWebPages() throws Exception {
        String good = "{\"org\":\"acme\",\"user\":\"ann\",\"topics\":[]}";
        assertThat(post("", good)).startsWith("HTTP/1.1 403 ");
        assertThat(post("Hermod-Operator: x\r\nOrigin: http://localhost\r\n", good))
                .startsWith("HTTP/1.1 403 ");
        assertThat(get("/api/v1/subscriptions")).startsWith("HTTP/1.1 405 ");
        assertThat(broker.lastOrder).isNull();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{\"org\":\"acme\",\"topics\":[]}",
                "{\"org\":\"acme\",\"user\":\"ann\",\"topics\":[{\"topic\":\"no channel\"}]}",
                "{\"org\":\"acme\",\"user\":\"ann\",\"topics\":[{\"topic\":\"chat:a\"},{\"topic\":\"chat:a\"}]}",
                "{\"org\":\"acme\",\"user\":\"ann\",\"topics\":[{\"topic\":\"chat:a\",\"filter\":\"a = = b\"}]}"
            })
    void aBodyThatIsNoOrderIsRefusedAndNothingChanges(String json) throws Exception {
        assertThat(post("Hermod-Operator: x\r\n", json))
                .startsWith("HTTP/1.1 400 ")
                .contains("error");
        assertThat(broker.lastOrder).isNull();
    }

    @Test
    void aChangeNeedsTheOperatorsHeaderAndNoPageMayAskForIt() throws Exception {
        String post =
                "POST /api/v1/service?kill=chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n";
        assertThat(send(post + "\r\n")).startsWith("HTTP/1.1 403 ");
        assertThat(send(post + "Hermod-Operator: cli\r\nOrigin: http://localhost\r\n\r\n"))
                .startsWith("HTTP/1.1 403 ");
        assertThat(send(post.replace("localhost", "evil.example") + "Hermod-Operator: cli\r\n\r\n"))
                .startsWith("HTTP/1.1 403 ");
        assertThat(send("OPTIONS" + post.substring(4) + "\r\n"))
                .startsWith("HTTP/1.1 405 ")
                .doesNotContain("Access-Control");
        assertThat(broker.asked).isEmpty();
        assertThat(send(post + "Hermod-Operator: cli\r\n\r\n"))
                .startsWith("HTTP/1.1 200 ")
                .contains("\"channelsOff\":[{\"channel\":\"chat\"");
        assertThat(broker.asked).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "service",
                "service?kill=nosuch",
                "service?rollout-percent=many",
                "drain?delay-ms=x",
                "groups",
                "groups?delete=fraud&org=acme",
                "groups?delete=nosuch&org=acme&channel=chat",
            })
    void aChangeThatMakesNoSenseIsRefusedInASentence(String path) throws Exception {
        assertThat(
                        send(
                                "POST /api/v1/" + path
                                        + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\nHermod-Operator: cli\r\n\r\n"))
                .startsWith("HTTP/1.1 400 ")
                .contains("{\"error\":\"");
    }

    @Test
    void whatIsNotThereIsNotFoundAndABrokenQueryIsRefused() throws Exception {
        assertThat(get("/nothing")).startsWith("HTTP/1.1 404 ");
        assertThat(get("/api/v1/stats/")).startsWith("HTTP/1.1 404 ");
        assertThat(get("/health/../metrics")).startsWith("HTTP/1.1 404 ");
        assertThat(get("/api/v1/stats?channel=%zz")).startsWith("HTTP/1.1 400 ");
        assertThat(get("/api/v1/stats?channel=" + "c".repeat(3_000))).startsWith("HTTP/1.1 400 ");
        assertThat(get("/")).startsWith("HTTP/1.1 200 ");
    }

    @Test
    void aDefectIsAnsweredWithoutWhatItWas() throws Exception {
        broker.defect = true;
        assertThat(get("/api/v1/stats")).startsWith("HTTP/1.1 500 ").doesNotContain("on purpose");
        assertThat(get("/health")).startsWith("HTTP/1.1 200 ");
    }

    @Test
    void manySilentConnectionsDoNotKeepAnOperatorOut() throws Exception {
        List<Socket> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 20; i++) {
                silent.add(new Socket("127.0.0.1", port));
            }
            assertThat(get("/health")).startsWith("HTTP/1.1 200 ");
        } finally {
            for (Socket socket : silent) {
                socket.close();
            }
        }
    }

    @Test
    void endlessHeadersEndInARefusal() throws Exception {
        StringBuilder request = new StringBuilder("GET /health HTTP/1.1\r\nHost: localhost\r\n");
        for (int i = 0; i < 70; i++) {
            request.append("X-").append(i).append(": y\r\n");
        }
        assertThat(send(request + "\r\n")).doesNotStartWith("HTTP/1.1 200");
    }

    @Test
    void aTakenPortIsOneSentence() {
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> AdminApi.start(new AdminConfig("127.0.0.1", port), broker, broker, AuditLog.NONE))
                .withMessageContaining("the admin port " + port + " on 127.0.0.1 can't be had");
    }

    private String get(String path) throws IOException {
        return send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }

    private String send(String request) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(60_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (SocketException reset) {
            return "";
        }
    }

    private static byte[] body(String answer) {
        return answer.substring(answer.indexOf("\r\n\r\n") + 4).getBytes(StandardCharsets.UTF_8);
    }
}
