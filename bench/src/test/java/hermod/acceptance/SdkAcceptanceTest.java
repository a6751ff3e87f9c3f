package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.client.ClientRuntime;
import hermod.client.ConnectionQuality;
import hermod.client.ConnectionState;
import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.ReconnectPolicy;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class SdkAcceptanceTest {
    private static AcceptanceBroker broker;

    @BeforeAll
    static void startTheBroker() throws Exception {
        broker = AcceptanceBroker.start();
    }

    @AfterAll
    static void stopTheBrokerAndFindNothingLeaked() throws Exception {
        broker.close();
    }

    private static List<String> texts() {
        return Collections.synchronizedList(new ArrayList<>());
    }

    @Test
    @Tag("SD-1")
    @Tag("EV-1")
    void anEventGoesFromPublishToHandlerWithEverythingItCarries() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient bob = broker.connected("bob");
        CompletableFuture<Event> got = new CompletableFuture<>();
        bob.subscribe("chat:sd1", got::complete).join();
        PublishReceipt receipt = alice.publish(
                        "chat:sd1",
                        OutgoingEvent.builder()
                                .text("héllo")
                                .type("CHAT_MESSAGE")
                                .priority(Priority.HIGH)
                                .ttl(Duration.ofMinutes(1))
                                .target("carol")
                                .attribute("propertyId", "17")
                                .metadata(new byte[] {1, 2})
                                .build())
                .join();
        Event event = got.get(60, TimeUnit.SECONDS);
        assertThat(event.text()).isEqualTo("héllo");
        assertThat(event.type()).isEqualTo("CHAT_MESSAGE");
        assertThat(event.source()).isEqualTo("alice");
        assertThat(event.target()).isEqualTo("carol");
        assertThat(event.priority()).isEqualTo(Priority.HIGH);
        assertThat(event.ttlSeconds()).isEqualTo(60);
        assertThat(event.attributes()).containsEntry("propertyId", "17");
        assertThat(event.metadata()).containsExactly(1, 2);
        assertThat(event.eventId()).isEqualTo(receipt.eventId()).hasSize(26);
        assertThat(event.offset()).isEqualTo(receipt.offset());
        assertThat(event.epoch()).isEqualTo(receipt.epoch());
    }

    @Test
    @Tag("EV-4")
    void aPriorityAboveTheCeilingIsLoweredAndThePublisherIsTold() {
        HermodClient alice = broker.connected("alice");
        PublishReceipt receipt = alice.publish(
                        "chat:clamp",
                        OutgoingEvent.builder()
                                .text("x")
                                .priority(Priority.URGENT)
                                .build())
                .join();
        assertThat(receipt.clampedTo()).isEqualTo(Priority.HIGH);
    }

    @Test
    void anUnknownChannelIsNamedInTheErrorWithThoseThereAre() {
        HermodClient alice = broker.connected("alice");
        assertThatThrownBy(() -> alice.publish("nosuch:thing", "x").join())
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOf(HermodException.class)
                .hasMessageContaining("nosuch")
                .hasMessageContaining("chat")
                .extracting(failure -> ((HermodException) failure).code())
                .isEqualTo(ErrorCode.UNKNOWN_CHANNEL.code());
    }

    @Test
    @Tag("CN-8")
    void anyNumberOfCallersShareOneConnectionAttempt() throws Exception {
        long before = broker.counter("connections_accepted");
        HermodClient client =
                broker.client(HermodClient.builder().server(broker.tcp()).token(broker.token("alice")));
        List<CompletableFuture<?>> attempts = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            attempts.add(CompletableFuture.supplyAsync(client::connect).thenCompose(each -> each));
        }
        attempts.forEach(CompletableFuture::join);
        assertThat(broker.counter("connections_accepted") - before).isEqualTo(1);
    }

    @Test
    @Tag("CN-5")
    void qualityIsUnknownBeforeTheFirstMeasurementAndExcellentOnLoopback() {
        HermodClient client =
                broker.client(HermodClient.builder().server(broker.tcp()).token(broker.token("alice")));
        assertThat(client.connectionInfo().quality()).isEqualTo(ConnectionQuality.UNKNOWN);
        client.connect().join();
        await().untilAsserted(
                        () -> assertThat(client.connectionInfo().quality()).isEqualTo(ConnectionQuality.EXCELLENT));
    }

    @Test
    @Tag("CN-4")
    @Tag("HR-2")
    @Tag("HR-4")
    void afterALostConnectionEachTopicGoesOnWhereItWasWithoutAGapOrADuplicate() throws Exception {
        try (CuttingProxy proxy = new CuttingProxy(broker.tcp())) {
            HermodClient bob = broker.client(HermodClient.builder()
                    .server(proxy.address())
                    .token(broker.token("bob"))
                    .reconnect(quick()));
            bob.connect().join();
            List<List<String>> got = List.of(texts(), texts(), texts());
            for (int t = 0; t < got.size(); t++) {
                bob.subscribe("chat:hr2_" + t, telling(got.get(t))).join();
            }
            HermodClient alice = broker.connected("alice");
            int rounds = 10;
            int perRound = 20;
            for (int round = 0; round < rounds; round++) {
                for (int i = 0; i < perRound; i++) {
                    for (int t = 0; t < got.size(); t++) {
                        alice.publish("chat:hr2_" + t, "m" + (round * perRound + i))
                                .join();
                    }
                    if (i == perRound / 2) {
                        proxy.cut();
                    }
                }
                // Back by the cut: from the one before it is connected until it notices.
                int cuts = round + 1;
                await().until(() -> bob.stats().reconnects() == cuts && bob.state() == ConnectionState.CONNECTED);
            }
            List<String> all =
                    IntStream.range(0, rounds * perRound).mapToObj(i -> "m" + i).toList();
            for (List<String> each : got) {
                await().untilAsserted(() -> assertThat(each).isEqualTo(all));
            }
            assertThat(bob.stats().reconnects()).isEqualTo(rounds);
            assertThat(bob.channelStatus().get("chat").gaps()).isZero();
        }
    }

    private static EventListener telling(List<String> texts) {
        return new EventListener() {
            @Override
            public void onEvent(Event event) {
                texts.add(event.text());
            }

            @Override
            public void onGap(Gap gap) {
                texts.add(gap.toString());
            }
        };
    }

    @Test
    @Tag("FL-11")
    @Tag("FL-8")
    void aListenerThatIsStuckHasTheBrokerWaitAndUrgentEventsComeAllTheSame() throws Exception {
        HermodClient bob = broker.client(HermodClient.builder()
                .server(broker.tcp())
                .token(broker.token("bob"))
                .receiveCredit(16_384));
        bob.connect().join();
        CountDownLatch release = new CountDownLatch(1);
        List<String> got = texts();
        bob.subscribe("chat:fl11", new EventListener() {
                    @Override
                    public void onEvent(Event event) {
                        awaitQuietly(release);
                        got.add(event.text());
                    }

                    @Override
                    public void onGap(Gap gap) {
                        IntStream.rangeClosed((int) gap.fromOffset(), (int) gap.toOffset())
                                .forEach(offset -> got.add("missed " + offset));
                    }
                })
                .join();
        List<String> alarms = texts();
        bob.subscribe("safety:fl11", event -> alarms.add(event.text())).join();
        List<String> rights = List.of("pub:*", "sub:*", "urgent", "rate:unlimited");
        HermodClient alice = broker.client(
                HermodClient.builder().server(broker.tcp()).token(broker.token("alice", rights, Duration.ofHours(1))));
        alice.connect().join();
        int events = 1_000;
        for (int i = 1; i <= events; i++) {
            alice.publish("chat:fl11", "m" + i + " " + "x".repeat(200)).join();
        }
        await().until(() -> bob.stats().creditOutstanding() == 0);
        alice.publish("safety:fl11", "alarm").join();
        await().untilAsserted(() -> assertThat(alarms).containsExactly("alarm"));

        assertThat(bob.isHandlerBehind()).isTrue();
        assertThat(bob.stats().creditHeld()).isBetween(16_384L, 16_384L + 1_000);
        assertThat(bob.stats().readingPaused()).isFalse();
        release.countDown();
        await().until(() -> got.size() == events);
        for (int i = 1; i <= events; i++) {
            assertThat(got.get(i - 1))
                    .satisfiesAnyOf(
                            text -> assertThat(text).startsWith("m"),
                            text -> assertThat(text).startsWith("missed"));
        }
        assertThat(got.get(events - 1)).startsWith("m" + events + " ");
        await().until(() -> !bob.isHandlerBehind());
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    @Tag("CN-4")
    void withoutResumeAClientComesBackRenewsItsSubscriptionsAndSaysWhatItMissed() throws Exception {
        try (CuttingProxy proxy = new CuttingProxy(broker.tcp())) {
            List<ConnectionState> states = Collections.synchronizedList(new ArrayList<>());
            HermodClient bob = broker.client(HermodClient.builder()
                    .server(proxy.address())
                    .token(broker.token("bob"))
                    .features(Set.of(Feature.CREDIT, Feature.GAP))
                    .reconnect(quick()));
            bob.addStateListener((from, to, why) -> states.add(to));
            bob.connect().join();
            List<String> got = texts();
            bob.subscribe("chat:cn4", new EventListener() {
                        @Override
                        public void onEvent(Event event) {
                            got.add(event.text());
                        }

                        @Override
                        public void onMissed(String topic, long from, long to, boolean epochChanged) {
                            got.add("missed " + from + " to " + to);
                        }
                    })
                    .join();
            HermodClient alice = broker.connected("alice");
            alice.publish("chat:cn4", "one").join();
            await().untilAsserted(() -> assertThat(got).containsExactly("one"));
            proxy.refuse(true);
            proxy.cut();
            await().untilAsserted(() -> assertThat(bob.state()).isEqualTo(ConnectionState.RECONNECTING));
            alice.publish("chat:cn4", "two, which bob misses").join();
            proxy.refuse(false);
            await().untilAsserted(() -> assertThat(bob.state()).isEqualTo(ConnectionState.CONNECTED));
            await().pollDelay(Duration.ZERO).untilAsserted(() -> {
                alice.publish("chat:cn4", "three").join();
                assertThat(got).contains("three");
            });
            assertThat(got).startsWith("one", "missed 2 to 3", "three");
            assertThat(states)
                    .startsWith(ConnectionState.CONNECTING, ConnectionState.CONNECTED, ConnectionState.RECONNECTING);
            assertThat(states).endsWith(ConnectionState.CONNECTED);
        }
    }

    @Test
    @Tag("EV-6")
    @Tag("SD-4")
    void whatIsPublishedOverAConnectionThatBreaksAgainAndAgainArrivesOnceAndInOrder() throws Exception {
        int count = 2_000;
        HermodClient bob = broker.connected("bob");
        List<String> got = texts();
        bob.subscribe("tasks:ev6", event -> got.add(event.text())).join();
        try (CuttingProxy proxy = new CuttingProxy(broker.tcp())) {
            HermodClient alice = broker.client(HermodClient.builder()
                    .server(proxy.address())
                    .token(broker.token("alice", AcceptanceBroker.SERVICE, Duration.ofHours(1)))
                    .requestTimeout(Duration.ofSeconds(30))
                    .reconnect(quick()));
            alice.connect().join();
            List<CompletableFuture<PublishReceipt>> receipts = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                receipts.add(alice.publish("tasks:ev6", "n" + i));
                if (i % 200 == 150) {
                    // Only a cut with events under way proves anything.
                    await().pollInterval(Duration.ofMillis(5)).until(() -> alice.state() == ConnectionState.CONNECTED);
                    proxy.cut();
                }
            }
            CompletableFuture.allOf(receipts.toArray(CompletableFuture[]::new)).get(60, TimeUnit.SECONDS);
            await().untilAsserted(() -> assertThat(got).hasSizeGreaterThanOrEqualTo(count));
            assertThat(got)
                    .containsExactlyElementsOf(
                            IntStream.range(0, count).mapToObj(i -> "n" + i).toList());
            assertThat(alice.stats().reconnects()).isPositive();
        }
    }

    @Test
    @Tag("CN-7")
    void theTokenIsRefreshedInPlaceAheadOfItsExpiry() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        HermodClient client =
                broker.client(HermodClient.builder().server(broker.tcp()).tokenSource(() -> {
                    asked.incrementAndGet();
                    return CompletableFuture.completedFuture(
                            broker.token("alice", AcceptanceBroker.ORDINARY, Duration.ofSeconds(4)));
                }));
        Instant start = Instant.now();
        String connection = client.connect().join().connectionId();
        await().atMost(Duration.ofSeconds(20))
                .until(() -> Duration.between(start, Instant.now()).toSeconds() >= 9);
        assertThat(asked.get()).isGreaterThanOrEqualTo(3);
        assertThat(client.connectionInfo().connectionId()).isEqualTo(connection);
        assertThat(client.state()).isEqualTo(ConnectionState.CONNECTED);
    }

    @Test
    @Tag("CN-7")
    void aRefreshThatTakesARightAwayEndsTheSubscriptionAndItsListenerIsTold() {
        List<List<String>> rights = new ArrayList<>(List.of(List.of("sub:*", "pub:*"), List.of("sub:chat:kept")));
        HermodClient client =
                broker.client(HermodClient.builder().server(broker.tcp()).tokenSource(() -> {
                    List<String> now = rights.size() > 1 ? rights.remove(0) : rights.get(0);
                    return CompletableFuture.completedFuture(broker.token("alice", now, Duration.ofHours(1)));
                }));
        client.connect().join();
        CompletableFuture<HermodException> ended = new CompletableFuture<>();
        client.subscribe("chat:lost", new EventListener() {
                    @Override
                    public void onEvent(Event event) {}

                    @Override
                    public void onEnded(String topic, HermodException why) {
                        ended.complete(why);
                    }
                })
                .join();
        client.refreshToken().join();
        assertThat(ended.orTimeout(60, TimeUnit.SECONDS).join().code()).isEqualTo(ErrorCode.FORBIDDEN.code());
    }

    @Test
    @Tag("SD-5")
    void aSlowOrThrowingHandlerHarmsNoOtherTopicAndOrderHoldsInEach() throws Exception {
        HermodClient bob = broker.connected("bob");
        HermodClient alice = broker.connected("alice");
        CountDownLatch release = new CountDownLatch(1);
        List<String> slow = texts();
        List<String> quick = texts();
        bob.subscribe("chat:slow", event -> {
                    try {
                        release.await(60, TimeUnit.SECONDS);
                    } catch (InterruptedException closing) {
                        Thread.currentThread().interrupt();
                    }
                    slow.add(event.text());
                    throw new IllegalStateException("on purpose");
                })
                .join();
        bob.subscribe("chat:quick", event -> quick.add(event.text())).join();
        List<String> sent = IntStream.range(0, 50).mapToObj(i -> "n" + i).toList();
        for (String text : sent) {
            alice.publish("chat:slow", text);
            alice.publish("chat:quick", text);
        }
        await().untilAsserted(() -> assertThat(quick).containsExactlyElementsOf(sent));
        assertThat(slow).isEmpty();
        release.countDown();
        await().untilAsserted(() -> assertThat(slow).containsExactlyElementsOf(sent));
        // The last one is in the list before it has thrown.
        await().untilAsserted(() -> assertThat(bob.stats().listenerFailures()).isEqualTo(50));
    }

    @Test
    @Tag("EV-11")
    void aPublisherMayLeaveItsOwnDeviceOut() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient laptop = broker.connected("alice");
        List<String> phone = texts();
        List<String> other = texts();
        alice.subscribe("chat:ev11", event -> phone.add(event.text())).join();
        laptop.subscribe("chat:ev11", event -> other.add(event.text())).join();
        alice.publish(
                        "chat:ev11",
                        OutgoingEvent.builder().text("quiet").excludeOwnDevice().build())
                .join();
        alice.publish("chat:ev11", "loud").join();
        await().untilAsserted(() -> assertThat(other).containsExactly("quiet", "loud"));
        await().untilAsserted(() -> assertThat(phone).containsExactly("loud"));
    }

    @Test
    @Tag("OB-1")
    void latencyUpToTheHandlerIsReportedByClientsAndEveryDeliveryIsInIt() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient bob = broker.connected("bob");
        CountDownLatch got = new CountDownLatch(200);
        bob.subscribe("staff:ob1", event -> got.countDown()).join();
        for (int i = 0; i < 200; i++) {
            alice.publish("staff:ob1", "n" + i);
        }
        assertThat(got.await(60, TimeUnit.SECONDS)).isTrue();
        await().untilAsserted(() -> {
            var staff = broker.channel("staff");
            assertThat(staff.get("published").asLong()).isEqualTo(200);
            assertThat(staff.get("delivered").asLong()).isEqualTo(200);
            for (String stage : List.of("publishToBroker", "inBroker", "brokerToSocket", "publishToHandler")) {
                assertThat(staff.get("latencyUs").get(stage).get("count").asLong())
                        .as(stage)
                        .isEqualTo(200);
            }
            assertThat(staff.get("latencyUs").get("publishToHandler").get("p50").asLong())
                    .isPositive();
        });
    }

    @Test
    @Tag("OB-1")
    void aClockFiveSecondsOffMovesTheMeasuredLatencyByLessThanTheStatedError() throws Exception {
        long shiftUs = 5_000_000;
        HermodClient alice = broker.connected("alice");
        HermodClient shifted = broker.client(HermodClient.builder()
                .server(broker.tcp())
                .token(broker.token("shifted"))
                .wallClockUs(() -> wallUs() + shiftUs));
        shifted.connect().join();
        HermodClient straight = broker.client(HermodClient.builder()
                .server(broker.tcp())
                .token(broker.token("straight"))
                .wallClockUs(SdkAcceptanceTest::wallUs));
        straight.connect().join();
        // A tenth of the shift: what the error is on this machine, the client says.
        await().untilAsserted(() ->
                assertThat(shifted.connectionInfo().clockErrorUs()).isLessThan(shiftUs / 10));
        await().untilAsserted(() ->
                assertThat(straight.connectionInfo().clockErrorUs()).isLessThan(shiftUs / 10));
        List<Long> seenShifted = Collections.synchronizedList(new ArrayList<>());
        List<Long> seenStraight = Collections.synchronizedList(new ArrayList<>());
        shifted.subscribe("tasks:clock", event -> seenShifted.add(event.receivedAtUs() - event.timestampUs()))
                .join();
        straight.subscribe("tasks:clock", event -> seenStraight.add(event.receivedAtUs() - event.timestampUs()))
                .join();
        for (int i = 0; i < 300; i++) {
            alice.publish("tasks:clock", "n" + i).join();
        }
        await().untilAsserted(() -> assertThat(seenShifted).hasSize(300));
        await().untilAsserted(() -> assertThat(seenStraight).hasSize(300));
        long errorUs = shifted.connectionInfo().clockErrorUs()
                + straight.connectionInfo().clockErrorUs();
        assertThat(shifted.connectionInfo().clockOffsetUs())
                .isBetween(-shiftUs - errorUs - 10_000, -shiftUs + errorUs + 10_000);
        // What a handler sees is the broker's time by its client's estimate minus the event's timestamp, so it moves
        // with the estimate's error.
        long before = straight.brokerNowUs();
        long estimate = shifted.brokerNowUs();
        long after = straight.brokerNowUs();
        assertThat(estimate).isBetween(before - errorUs, after + errorUs);
        // Two clients also differ in when their threads run; that is milliseconds on a busy machine, and the shift is
        // 5,000 of them.
        assertThat(Math.abs(median(seenShifted) - median(seenStraight))).isLessThan(50_000 + errorUs);
    }

    private static long wallUs() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
    }

    private static long median(List<Long> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
    }

    @Test
    @Tag("EV-9")
    void aPayloadBeyondTheLimitFailsWithAClearErrorBeforeItIsSent() {
        HermodClient alice = broker.connected("alice");
        assertThatThrownBy(() ->
                        alice.publish("chat:big", new byte[256 * 1024 + 1]).join())
                .hasMessageContaining("262144");
        assertThat(alice.publish("chat:big", new byte[256 * 1024]).join().offset())
                .isPositive();
    }

    @Test
    void manyClientsShareTheThreadsOfOneRuntime() {
        try (ClientRuntime runtime = ClientRuntime.builder().build()) {
            List<HermodClient> clients = new ArrayList<>();
            List<String> got = texts();
            for (int i = 0; i < 20; i++) {
                HermodClient client = broker.client(HermodClient.builder()
                        .server(broker.tcp())
                        .token(broker.token("user" + i))
                        .runtime(runtime));
                client.connect().join();
                client.subscribe("chat:runtime", event -> got.add(event.text())).join();
                clients.add(client);
            }
            clients.get(0).publish("chat:runtime", "to all").join();
            await().untilAsserted(() -> assertThat(got).hasSize(20));
            clients.forEach(HermodClient::close);
        }
    }

    private static ReconnectPolicy quick() {
        return new ReconnectPolicy(Duration.ofMillis(20), Duration.ofMillis(100), 1_000, 0);
    }
}
