package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.bench.BrokerProcess;
import hermod.client.ChannelConsumer;
import hermod.client.ChannelEvent;
import hermod.client.ChannelHandler;
import hermod.client.ClientRuntime;
import hermod.client.ConsumeOptions;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Groups and observers of a channel through what goes wrong: a member that is gone in the middle, and a broker that is killed. */
@Tag("EV-12")
@Timeout(240)
class GroupAcceptanceTest {
    private static final List<String> RIGHTS = List.of("pub:*", "sub:*", "group:*", "rate:unlimited", "limits:service");
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final int PUBLISHERS = 3;
    private static final int TOPICS_EACH = 8;
    private static final ConsumeOptions OPTIONS = ConsumeOptions.defaults().parallelism(4);

    @TempDir
    private Path data;

    private final List<HermodClient> clients = new ArrayList<>();

    @AfterEach
    void closeClients() {
        clients.forEach(HermodClient::close);
    }

    /** One call of a handler. @param isAfterKill whether it came from the second broker. */
    private record Call(String topic, long position, int number, int attempt, boolean isAfterKill) {
        String event() {
            return topic + " " + number;
        }
    }

    private volatile boolean isKilled;

    /** Keeps calls in the order in which they began. */
    private final class Log implements ChannelHandler {
        final Queue<Call> calls = new ConcurrentLinkedQueue<>();
        final Set<String> events = ConcurrentHashMap.newKeySet();
        final Queue<String> words = new ConcurrentLinkedQueue<>();

        @Override
        public void onEvent(ChannelEvent event) throws Exception {
            begin(event);
        }

        void begin(ChannelEvent event) {
            Call call = new Call(
                    event.topic(),
                    event.position(),
                    Integer.parseInt(event.event().text()),
                    event.attempt(),
                    isKilled);
            calls.add(call);
            events.add(call.event());
        }

        @Override
        public void onLost(String channel, long fromPosition, long toPosition) {
            words.add("lost " + fromPosition + ".." + toPosition);
        }

        @Override
        public void onEnded(String channel, HermodException why) {
            words.add("ended " + why.getMessage());
        }

        void assertAll(Collection<String> wanted) {
            await().atMost(PATIENCE)
                    .untilAsserted(() -> assertThat(events).as("events handled").containsAll(wanted));
            assertThat(words).isEmpty();
        }

        /** What came for the first time came in its topic's order. */
        void assertOrdered() {
            Map<String, Call> first = new LinkedHashMap<>();
            calls.forEach(call -> first.putIfAbsent(call.event(), call));
            Map<String, Integer> last = new HashMap<>();
            Map<String, Long> lastPosition = new HashMap<>();
            for (Call call : first.values()) {
                assertThat(call.number())
                        .as("order of " + call.topic())
                        .isGreaterThan(last.getOrDefault(call.topic(), -1));
                assertThat(call.position()).isGreaterThan(lastPosition.getOrDefault(call.topic(), 0L));
                last.put(call.topic(), call.number());
                lastPosition.put(call.topic(), call.position());
            }
        }

        /** Only what was in hands at a cut came again: the broker says so, or does not know because it was the one that was killed. */
        int assertRepeatedOnlyAtCuts() {
            Map<String, Call> before = new HashMap<>();
            int repeated = 0;
            for (Call call : calls) {
                Call earlier = before.put(call.event(), call);
                if (earlier != null) {
                    repeated++;
                    assertThat(call.position()).isEqualTo(earlier.position());
                    assertThat(call.attempt() > earlier.attempt() || (call.isAfterKill() && !earlier.isAfterKill()))
                            .as("repeated without a cut: " + earlier + ", " + call)
                            .isTrue();
                }
            }
            return repeated;
        }
    }

    private HermodClient connected(AcceptanceBroker broker, String user, ClientRuntime runtime) {
        HermodClient.Builder builder =
                HermodClient.builder().server(broker.tcp()).token(broker.token(user, RIGHTS, Duration.ofHours(1)));
        if (runtime != null) {
            builder.runtime(runtime);
        }
        HermodClient client = builder.build();
        clients.add(client);
        client.connect().join();
        return client;
    }

    private HermodClient connected(AcceptanceBroker broker, String user) {
        return connected(broker, user, null);
    }

    private static AcceptanceBroker start(Path data, int port) throws Exception {
        BrokerProcess.Builder builder = AcceptanceBroker.builder().data(data);
        return AcceptanceBroker.of((port == 0 ? builder : builder.port(port)).start());
    }

    /** Publishes to topics of its own, in order, until it is told to stop. */
    private static final class Publisher {
        private final HermodClient client;
        private final int number;
        private final Set<String> acknowledged;
        private final Thread thread = new Thread(this::run, "publisher");
        private volatile boolean isStopped;

        Publisher(HermodClient client, int number, Set<String> acknowledged) {
            this.client = client;
            this.number = number;
            this.acknowledged = acknowledged;
            thread.setDaemon(true);
            thread.start();
        }

        private void run() {
            for (int round = 0; !isStopped; round++) {
                List<CompletableFuture<?>> sent = new ArrayList<>();
                for (int i = 0; i < TOPICS_EACH; i++) {
                    String topic = "chat:" + number + "_" + i;
                    String event = topic + " " + round;
                    sent.add(client.publish(topic, Integer.toString(round)).handle((receipt, failure) -> {
                        if (failure == null) {
                            acknowledged.add(event);
                        }
                        return event;
                    }));
                }
                sent.forEach(CompletableFuture::join);
            }
        }

        void stop() throws InterruptedException {
            isStopped = true;
            thread.join(TimeUnit.SECONDS.toMillis(60));
            assertThat(thread.isAlive()).isFalse();
        }
    }

    @Test
    void nothingIsLostWhenAMemberIsCutOffAndTheBrokerIsKilled() throws Exception {
        AcceptanceBroker first = start(data, 0);
        HermodClient absent = connected(first, "absent");
        absent.consume("chat", "late", OPTIONS, new Log()).join().close();
        Log group = new Log();
        Log observer = new Log();
        HermodClient one = connected(first, "one");
        HermodClient two = connected(first, "two");
        one.consume("chat", "mail", OPTIONS, group).join();
        two.consume("chat", "mail", OPTIONS, group).join();
        connected(first, "eye").observe("chat", "audit", OPTIONS, observer).join();
        // The third stops in the middle of an event, and is gone without a word.
        CountDownLatch isStuck = new CountDownLatch(1);
        CountDownLatch isCut = new CountDownLatch(1);
        AtomicInteger handled = new AtomicInteger();
        ClientRuntime runtime = ClientRuntime.builder().build();
        HermodClient three = connected(first, "three", runtime);
        Queue<String> stuck = new ConcurrentLinkedQueue<>();
        three.consume("chat", "mail", OPTIONS, event -> {
                    group.begin(event);
                    if (handled.incrementAndGet() > 20) {
                        stuck.add(event.topic() + " " + event.event().text());
                        isStuck.countDown();
                        isCut.await();
                    }
                })
                .join();

        Set<String> acknowledged = ConcurrentHashMap.newKeySet();
        List<Publisher> publishers = new ArrayList<>();
        for (int i = 0; i < PUBLISHERS; i++) {
            publishers.add(new Publisher(connected(first, "publisher" + i), i, acknowledged));
        }
        assertThat(isStuck.await(60, TimeUnit.SECONDS)).isTrue();
        runtime.close();
        clients.remove(three);
        int atCut = acknowledged.size();
        await().atMost(PATIENCE).until(() -> acknowledged.size() >= atCut + 200 && group.events.size() >= 300);
        isCut.countDown();

        first.process().kill();
        isKilled = true;
        String tcp = first.tcp();
        try (AcceptanceBroker second = start(data, Integer.parseInt(tcp.substring(tcp.lastIndexOf(':') + 1)))) {
            int atKill = acknowledged.size();
            await().atMost(PATIENCE).until(() -> acknowledged.size() >= atKill + 300);
            for (Publisher publisher : publishers) {
                publisher.stop();
            }
            group.assertAll(acknowledged);
            observer.assertAll(acknowledged);
            group.assertOrdered();
            observer.assertOrdered();
            int repeated = group.assertRepeatedOnlyAtCuts();
            observer.assertRepeatedOnlyAtCuts();
            assertThat(repeated).as("the stuck ones at least").isGreaterThanOrEqualTo(stuck.size());
            for (String event : stuck) {
                assertThat(group.calls.stream()
                                .filter(call -> call.event().equals(event))
                                .count())
                        .as(event)
                        .isGreaterThan(1);
            }
            assertThat(group.calls).hasSizeLessThan(group.events.size() * 2);

            Log late = new Log();
            ChannelConsumer consumer =
                    absent.consume("chat", "late", OPTIONS, late).join();
            late.assertAll(acknowledged);
            late.assertOrdered();
            assertThat(late.assertRepeatedOnlyAtCuts()).isZero();
            assertThat(late.events).isEqualTo(group.events);
            consumer.close();
            closeClients();
            clients.clear();
        }
    }

    @Test
    void whatAHandlerThrewOnComesAgainBeforeWhatFollowsOfItsTopicAndOtherTopicsGoOn() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            HermodClient client = connected(broker, "ada");
            Queue<String> handled = new ConcurrentLinkedQueue<>();
            ChannelConsumer consumer = client.consume("chat", "mail", OPTIONS, event -> {
                        if (event.event().text().equals("3") && event.attempt() == 1) {
                            throw new IllegalStateException("not yet");
                        }
                        handled.add(event.topic() + " " + event.event().text() + "/" + event.attempt());
                    })
                    .join();
            for (int i = 1; i <= 6; i++) {
                client.publish("chat:a", Integer.toString(i)).join();
                client.publish("chat:b", "b").join();
            }
            await().atMost(PATIENCE).until(() -> handled.size() == 12);
            assertThat(handled.stream()
                            .filter(each -> each.startsWith("chat:a"))
                            .map(each -> each.replaceAll("/.*", "")))
                    .containsExactly("chat:a 1", "chat:a 2", "chat:a 3", "chat:a 4", "chat:a 5", "chat:a 6");
            assertThat(handled).contains("chat:a 3/2");
            assertThat(client.stats().listenerFailures()).isOne();
            consumer.close();
            closeClients();
            clients.clear();
        }
    }

    @Test
    void theCommandLineIsAMemberThatGoesOnWhereItWas() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            HermodClient client = connected(broker, "ada");
            client.consume("chat", "cli", OPTIONS, new Log()).join().close();
            for (int i = 1; i <= 5; i++) {
                client.publish("chat:" + i % 2, "e" + i).join();
            }
            assertThat(sub(broker, "--group", "cli", "--count", "3"))
                    .containsExactly("chat:1 e1", "chat:0 e2", "chat:1 e3");
            assertThat(sub(broker, "--group", "cli", "--count", "2")).containsExactly("chat:0 e4", "chat:1 e5");
            assertThat(sub(broker, "--observe", "eye", "--first", "--count", "5"))
                    .hasSize(5);
            closeClients();
            clients.clear();
        }
    }

    private static List<String> sub(AcceptanceBroker broker, String... options) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("sub", "chat", "--server", broker.tcp(), "--token"));
        arguments.add(broker.token("cli", RIGHTS, Duration.ofHours(1)));
        arguments.addAll(List.of(options));
        CommandLines.Outcome sub = CommandLines.java("hermod.broker.BrokerMain", arguments.toArray(String[]::new));
        assertThat(sub.exitCode()).as(sub.err()).isZero();
        return sub.out().lines().map(line -> line.replaceAll(" .* ", " ")).toList();
    }
}
