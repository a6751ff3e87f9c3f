package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.client.EventListener;
import hermod.client.Filter;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.OutgoingEvent;
import hermod.client.Replacement;
import hermod.client.Subscription;
import hermod.client.SubscriptionSet;
import hermod.protocol.ErrorCode;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class FilterAcceptanceTest {
    private static AcceptanceBroker broker;

    @BeforeAll
    static void startTheBroker() throws Exception {
        broker = AcceptanceBroker.start();
    }

    @AfterAll
    static void stopTheBrokerAndFindNothingLeaked() throws Exception {
        broker.close();
    }

    private static OutgoingEvent event(String text, String key, String value) {
        return OutgoingEvent.builder().text(text).attribute(key, value).build();
    }

    private static List<String> texts() {
        return Collections.synchronizedList(new ArrayList<>());
    }

    @Test
    @Tag("EV-8")
    void aSubscriptionWithAFilterGetsWhatMatchesAndTheFilterIsReplacedInPlaceAndNullClearsIt() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient bob = broker.connected("bob");
        List<String> got = texts();
        Filter seventeen = Filter.of("propertyId").is("17");
        bob.subscribe("tasks:ev8", seventeen, event -> got.add(event.text())).join();
        alice.publish("tasks:ev8", event("a17", "propertyId", "17")).join();
        alice.publish("tasks:ev8", event("a18", "propertyId", "18")).join();

        Replacement switched = bob.setFilter(
                        "tasks:ev8", Filter.of("propertyId").between("18", "19.5"))
                .join();

        assertThat(switched.switchOffsets()).isEqualTo(Map.of("tasks:ev8", 3L));
        alice.publish("tasks:ev8", event("b17", "propertyId", "17")).join();
        alice.publish("tasks:ev8", event("b18", "propertyId", "18.0")).join();
        bob.setFilter("tasks:ev8", null).join();
        alice.publish("tasks:ev8", "end").join();
        await().untilAsserted(() -> assertThat(got).containsExactly("a17", "b18", "end"));
        assertThat(bob.stats().reconnects()).isZero();
        assertThat(broker.channel("tasks").get("filtered").asLong()).isGreaterThanOrEqualTo(2);
    }

    @Test
    @Tag("EV-8")
    @Tag("SE-4")
    void aFilterTheBrokerDoesNotTakeIsRefusedWithTheReasonAndTheOldOneStays() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient bob = broker.connected("bob");
        List<String> got = texts();
        Filter large = Filter.of("k").is("x".repeat(5_000));
        assertThatThrownBy(
                        () -> bob.subscribe("feed:refused", large, event -> {}).join())
                .isInstanceOf(CompletionException.class)
                .satisfies(why -> assertThat(((HermodException) why.getCause()).is(ErrorCode.BAD_FILTER))
                        .isTrue())
                .hasMessageContaining("at most 4096");
        bob.subscribe("feed:refused", Filter.of("k").is("1"), event -> got.add(event.text()))
                .join();
        Replacement refused = bob.setFilter("feed:refused", large).join();
        assertThat(refused.refused().get("feed:refused").is(ErrorCode.BAD_FILTER))
                .isTrue();
        alice.publish("feed:refused", event("no", "k", "2")).join();
        alice.publish("feed:refused", event("yes", "k", "1")).join();
        await().untilAsserted(() -> assertThat(got).containsExactly("yes"));
    }

    @Test
    @Tag("EV-8")
    void aFilterHoldsOverAReconnect() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient bob = broker.connected("bob");
        List<String> got = texts();
        bob.subscribe("feed:again", Filter.of("k").is("1"), event -> got.add(event.text()))
                .join();
        bob.setFilter("feed:again", Filter.of("k").is("2")).join();
        bob.networkLost();
        await().until(() -> bob.stats().reconnects() == 0 && !bob.state().name().equals("CONNECTED"));
        bob.networkBack();
        bob.connect().join();
        await().until(() ->
                broker.stats().get("counters").get("connections_welcomed").asLong() > 0
                        && bob.stats().reconnects() == 1);
        // Subscribed again, which a second subscription waits for.
        Subscription second = bob.subscribe("feed:again", event -> {}).join();
        assertThat(second.topic()).isEqualTo("feed:again");
        alice.publish("feed:again", event("one", "k", "1")).join();
        alice.publish("feed:again", event("two", "k", "2")).join();
        await().untilAsserted(() -> assertThat(got).containsExactly("two"));
    }

    @Test
    @Tag("CN-6")
    void theSetOfSubscriptionsIsReplacedInOneStep() throws Exception {
        HermodClient alice = broker.connected("alice");
        HermodClient bob = broker.connected("bob");
        List<String> got = texts();
        EventListener listener = event -> got.add(event.topic() + " " + event.text());
        bob.subscribe("feed:cn6-kept", listener).join();
        bob.subscribe("feed:cn6-gone", listener).join();
        alice.publish("feed:cn6-gone", "1").join();
        alice.publish("feed:cn6-new", "1").join();

        Replacement switched = bob.replaceSubscriptions(new SubscriptionSet()
                        .topic("feed:cn6-kept")
                        .topic("feed:cn6-new", Filter.of("k").exists(), listener))
                .join();

        assertThat(switched.switchOffsets()).isEqualTo(Map.of("feed:cn6-kept", 1L, "feed:cn6-new", 2L));
        assertThat(switched.removed()).isEqualTo(Map.of("feed:cn6-gone", 2L));
        assertThat(switched.isFromServer()).isFalse();
        alice.publish("feed:cn6-gone", "2").join();
        alice.publish("feed:cn6-new", "2").join();
        alice.publish("feed:cn6-new", event("3", "k", "")).join();
        alice.publish("feed:cn6-kept", "1").join();
        await().untilAsserted(() ->
                assertThat(got).containsExactlyInAnyOrder("feed:cn6-gone 1", "feed:cn6-new 3", "feed:cn6-kept 1"));
        // What ended can be subscribed to, and published to, as before.
        bob.subscribe("feed:cn6-gone", listener).join();
        bob.publish("feed:cn6-gone", "4").join();
        await().untilAsserted(() -> assertThat(got).contains("feed:cn6-gone 4"));
        assertThat(bob.stats().reconnects()).isZero();
    }

    private static String operatorReplaces(String json) throws Exception {
        HttpURLConnection post =
                (HttpURLConnection) URI.create("http://" + broker.process().admin() + "/api/v1/subscriptions")
                        .toURL()
                        .openConnection();
        post.setRequestMethod("POST");
        post.setDoOutput(true);
        post.setRequestProperty("Hermod-Operator", "test");
        try (OutputStream out = post.getOutputStream()) {
            out.write(json.getBytes(StandardCharsets.UTF_8));
        }
        assertThat(post.getResponseCode()).isEqualTo(200);
        return new String(post.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    @Test
    @Tag("CN-6")
    void anOperatorReplacesTheSubscriptionsOfAllConnectionsOfAUserWithoutAReconnect() throws Exception {
        HermodClient alice = broker.connected("alice");
        List<String> got = texts();
        List<String> ended = texts();
        List<HermodClient> devices = new ArrayList<>();
        List<AtomicReference<@Nullable Replacement>> told = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            int device = i;
            AtomicReference<@Nullable Replacement> word = new AtomicReference<>();
            told.add(word);
            HermodClient client = broker.client(HermodClient.builder()
                    .server(broker.tcp())
                    .token(broker.token("carol", List.of("sub:feed:*", "pub:*"), Duration.ofHours(1)))
                    .serverSubscriptions(event -> got.add(device + " " + event.text()), word::set));
            client.connect().join();
            client.subscribe("feed:op-gone", new EventListener() {
                        @Override
                        public void onEvent(hermod.client.Event event) {
                            got.add(device + " " + event.text());
                        }

                        @Override
                        public void onEnded(String topic, HermodException why) {
                            ended.add(device + " " + why.code());
                        }
                    })
                    .join();
            devices.add(client);
        }

        String answer = operatorReplaces(
                "{\"org\":\"acme\",\"user\":\"carol\",\"topics\":[{\"topic\":\"feed:op-new\",\"filter\":\"k = 1 or k = 2\"},{\"topic\":\"chat:op\"}]}");

        assertThat(answer).contains("\"replaced\":true").contains("chat:op").contains("1005");
        for (AtomicReference<@Nullable Replacement> word : told) {
            await().until(() -> word.get() != null);
            assertThat(word.get().switchOffsets()).containsOnlyKeys("feed:op-new");
            assertThat(word.get().removed()).containsOnlyKeys("feed:op-gone");
            assertThat(word.get().refused().get("chat:op").is(ErrorCode.FORBIDDEN))
                    .isTrue();
            assertThat(word.get().isFromServer()).isTrue();
        }
        alice.publish("feed:op-gone", "gone").join();
        alice.publish("feed:op-new", event("no", "k", "3")).join();
        alice.publish("feed:op-new", event("yes", "k", "2")).join();
        await().untilAsserted(() -> assertThat(got).containsExactlyInAnyOrder("0 yes", "1 yes"));
        await().untilAsserted(() -> assertThat(ended)
                .containsExactlyInAnyOrder("0 " + HermodException.REPLACED, "1 " + HermodException.REPLACED));
        for (HermodClient device : devices) {
            assertThat(device.stats().reconnects()).isZero();
        }
    }

    @Test
    @Tag("CN-6")
    @Tag("EV-8")
    void replacementsUnderLoadMissNothingAndRepeatNothingAndNeedNoReconnect() throws Exception {
        int rounds = 60;
        HermodClient alice = broker.client(HermodClient.builder()
                .server(broker.tcp())
                .token(broker.token("alice", AcceptanceBroker.SERVICE, Duration.ofHours(1))));
        alice.connect().join();
        HermodClient bob = broker.connected("bob");
        List<String> topics = List.of("feed:load0", "feed:load1", "chat:load2", "properties:load3");
        Map<String, List<Long>> seen = new TreeMap<>();
        topics.forEach(topic -> seen.put(topic, Collections.synchronizedList(new ArrayList<>())));
        AtomicBoolean isStopped = new AtomicBoolean();
        List<Long> published = Collections.synchronizedList(new ArrayList<>());
        Thread load = new Thread(() -> {
            for (long n = 0; !isStopped.get(); n++) {
                // Event o of each topic has k = o modulo 3; the last window of them is waited for.
                List<java.util.concurrent.CompletableFuture<?>> window = new ArrayList<>();
                for (int i = 0; i < 20; i++, n++) {
                    long offset = n / topics.size() + 1;
                    window.add(alice.publish(
                            topics.get((int) (n % topics.size())), event("x", "k", Long.toString(offset % 3))));
                }
                n--;
                window.forEach(java.util.concurrent.CompletableFuture::join);
                published.add(n + 1);
            }
        });
        load.start();
        Map<String, NavigableMap<Long, Integer>> filters = new TreeMap<>();
        topics.forEach(topic -> filters.put(topic, new TreeMap<>()));
        for (int round = 0; round <= rounds; round++) {
            // Under load: with events between two replacements however slow the disk is.
            int windows = round;
            await().pollDelay(Duration.ZERO)
                    .pollInterval(Duration.ofMillis(1))
                    .until(() -> published.size() >= windows);
            SubscriptionSet set = new SubscriptionSet();
            Map<String, Integer> wanted = new TreeMap<>();
            for (int i = 0; i < topics.size(); i++) {
                String topic = topics.get(i);
                EventListener listener = event -> seen.get(topic).add(event.offset());
                int choice = round == rounds ? 0 : (round * 7 + i * 5 + round / 3) % 5;
                if (choice == 4) {
                    continue;
                }
                wanted.put(topic, choice - 1);
                if (choice == 0) {
                    set.topic(topic, listener);
                } else {
                    set.topic(topic, Filter.of("k").is(Integer.toString(choice - 1)), listener);
                }
            }
            Replacement switched = bob.replaceSubscriptions(set).join();
            assertThat(switched.refused()).isEmpty();
            assertThat(switched.switchOffsets()).containsOnlyKeys(wanted.keySet());
            switched.switchOffsets()
                    .forEach((topic, offset) -> filters.get(topic).put(offset, wanted.get(topic)));
            switched.removed().forEach((topic, offset) -> {
                filters.get(topic).tailMap(offset, true).clear();
                filters.get(topic).put(offset, -2);
            });
        }
        isStopped.set(true);
        load.join();
        long last = published.get(published.size() - 1) / topics.size();
        int selected = 0;
        for (String topic : topics) {
            List<Long> expected = new ArrayList<>();
            for (long offset = 1; offset <= last; offset++) {
                Map.Entry<Long, Integer> filter = filters.get(topic).floorEntry(offset);
                int wanted = filter == null ? -2 : filter.getValue();
                if (wanted == -1 || wanted == offset % 3) {
                    expected.add(offset);
                }
            }
            await().untilAsserted(() -> assertThat(seen.get(topic)).isEqualTo(expected));
            selected += expected.size();
        }
        assertThat(selected).isGreaterThan(rounds);
        assertThat(bob.stats().reconnects()).isZero();
    }
}
