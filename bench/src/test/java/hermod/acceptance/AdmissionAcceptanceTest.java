package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.bench.BrokerProcess;
import hermod.broker.admission.SecretFile;
import hermod.client.ConnectionState;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.PublishReceipt;
import hermod.protocol.ErrorCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a broker lets in, and how an operator stops it: with real processes, the SDK and the command line. */
class AdmissionAcceptanceTest {
    private static final String MAIN = "hermod.broker.BrokerMain";

    @TempDir
    private Path folder;

    private static HermodException refusal(CompletableFuture<?> published) {
        try {
            published.join();
        } catch (CompletionException failed) {
            return (HermodException) failed.getCause();
        }
        throw new AssertionError("it was accepted");
    }

    private static List<CompletableFuture<PublishReceipt>> publish(HermodClient client, String topic, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> client.publish(topic, "n" + i))
                .toList();
    }

    @Test
    @Tag("DL-10")
    @Tag("DL-11")
    void sixtyMessagesAMinuteAndNoMoreUnlessTheRightLiftsIt() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            HermodClient phone = broker.client(HermodClient.builder()
                    .server(broker.tcp())
                    .token(broker.token("alice", AcceptanceBroker.PERSON, Duration.ofHours(1))));
            HermodClient tablet = broker.client(HermodClient.builder()
                    .server(broker.tcp())
                    .token(broker.token("alice", AcceptanceBroker.PERSON, Duration.ofHours(1))));
            List<CompletableFuture<PublishReceipt>> sent = new ArrayList<>(publish(phone, "chat:1", 40));
            sent.addAll(publish(tablet, "chat:2", 40));
            long sinceNs = System.nanoTime();
            phone.connect();
            tablet.connect();
            int accepted = 0;
            HermodException refused = null;
            for (CompletableFuture<PublishReceipt> one : sent) {
                try {
                    one.join();
                    accepted++;
                } catch (CompletionException failed) {
                    refused = (HermodException) failed.getCause();
                }
            }
            // One more for each second it took.
            int seconds = (int) Duration.ofNanos(System.nanoTime() - sinceNs).toSeconds();
            assertThat(accepted).as("of 80").isBetween(60, 60 + seconds + 2);
            assertThat(refused.is(ErrorCode.RATE_LIMITED)).isTrue();
            assertThat(refused.isRetryable()).isTrue();
            assertThat(refused.retryAfter()).isBetween(Duration.ofMillis(1), Duration.ofSeconds(1));
            await().pollDelay(refused.retryAfter())
                    .until(() -> phone.publish("chat:1", "later")
                            .handle((receipt, failure) -> failure == null)
                            .join());

            HermodClient backEnd = broker.connected("back-end");
            List<String> got = Collections.synchronizedList(new ArrayList<>());
            broker.connected("reader")
                    .subscribe("chat:3", event -> got.add(event.text()))
                    .join();
            publish(backEnd, "chat:3", 1_000).forEach(CompletableFuture::join);
            await().until(() -> got.size() >= 1_000);
            assertThat(got)
                    .containsExactlyElementsOf(
                            IntStream.range(0, 1_000).mapToObj(i -> "n" + i).toList());
        }
    }

    @Test
    @Tag("OB-10")
    void anOperatorSwitchesAChannelOffAndOnAgainWhileClientsStayConnected() throws Exception {
        try (AcceptanceBroker broker = AcceptanceBroker.start()) {
            HermodClient alice = broker.connected("alice");
            HermodClient bob = broker.connected("bob");
            Queue<String> got = new ConcurrentLinkedQueue<>();
            bob.subscribe("chat:1", event -> got.add(event.text())).join();
            bob.subscribe("safety:1", event -> got.add(event.text())).join();
            alice.publish("chat:1", "before").join();
            await().until(() -> got.contains("before"));
            String admin = broker.process().admin();

            CommandLines.Outcome kill =
                    CommandLines.java(MAIN, "kill", "chat", "--reason", "chat is broken", "--admin", admin);
            assertThat(kill.exitCode()).as(kill.err()).isZero();
            assertThat(kill.out()).contains("off: chat (chat is broken)");
            await().atMost(Duration.ofSeconds(1))
                    .until(() -> alice.serviceStatus().offReason("chat") != null
                            && bob.serviceStatus().offReason("chat") != null);
            assertThat(refusal(alice.publish("chat:1", "while off")))
                    .hasMessageContaining("chat is broken")
                    .satisfies(why -> assertThat(why.is(ErrorCode.NOT_ENABLED)).isTrue())
                    .satisfies(why -> assertThat(why.isRetryable()).isFalse());
            alice.publish("feed:1", "others go on").join();

            CommandLines.Outcome all = CommandLines.java(MAIN, "kill", "all", "--admin", admin);
            assertThat(all.exitCode()).isZero();
            await().until(() -> !alice.serviceStatus().enabled());
            alice.publish("safety:1", "fire").join();
            await().until(() -> got.contains("fire"));
            CommandLines.Outcome safety = CommandLines.java(MAIN, "kill", "safety", "--admin", admin);
            assertThat(safety.exitCode()).isEqualTo(1);
            assertThat(safety.err()).contains("--confirm-safety");

            assertThat(CommandLines.java(MAIN, "kill", "all", "--lift", "--admin", admin)
                            .out())
                    .contains("service is on", "off: chat");
            assertThat(CommandLines.java(MAIN, "kill", "chat", "--lift", "--admin", admin)
                            .exitCode())
                    .isZero();
            await().until(() -> alice.serviceStatus().offReason("chat") == null);
            alice.publish("chat:1", "after").join();
            await().until(() -> got.contains("after"));
            assertThat(got).containsExactly("before", "fire", "after");
            assertThat(alice.stats().reconnects()).isZero();
            assertThat(bob.stats().reconnects()).isZero();
        }
    }

    /** A data directory for a second broker that takes the first one's tokens: two can't share one. */
    private static Path withTheSecretOf(Path first, Path second) throws Exception {
        SecretFile.readOrCreate(first);
        Path secret = SecretFile.in(second);
        Files.createDirectories(secret.getParent());
        return Files.copy(SecretFile.in(first), secret, StandardCopyOption.COPY_ATTRIBUTES)
                .getParent()
                .getParent();
    }

    /** Which event of which life of which topic. */
    private record Place(String topic, int epoch, long offset) {
        static Place of(PublishReceipt receipt) {
            return new Place(receipt.topic(), receipt.epoch(), receipt.offset());
        }
    }

    @Test
    @Tag("CN-9")
    void aDrainedBrokerLosesNothingItAcknowledgedAndItsClientsMoveToTheNext() throws Exception {
        Path config = Files.writeString(folder.resolve("two.yaml"), "shard:\n  shard-count: 2\n");
        BrokerProcess.Builder oldOne =
                AcceptanceBroker.builder("--config", config.toString()).data(folder.resolve("one"));
        BrokerProcess.Builder newOne =
                AcceptanceBroker.builder().data(withTheSecretOf(folder.resolve("one"), folder.resolve("two")));
        try (AcceptanceBroker before = AcceptanceBroker.of(oldOne.start());
                AcceptanceBroker after = AcceptanceBroker.of(newOne.start())) {
            Set<Place> delivered = ConcurrentHashMap.newKeySet();
            Queue<CompletableFuture<PublishReceipt>> published = new ConcurrentLinkedQueue<>();
            AtomicBoolean isOver = new AtomicBoolean();
            List<HermodClient> clients = new ArrayList<>();
            List<Thread> publishers = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                String topic = "chat:" + i;
                HermodClient subscriber = before.connected("subscriber" + i);
                subscriber
                        .subscribe(topic, event -> delivered.add(new Place(topic, event.epoch(), event.offset())))
                        .join();
                HermodClient publisher = before.connected("publisher" + i);
                clients.add(subscriber);
                clients.add(publisher);
                Thread thread = new Thread(() -> {
                    for (int n = 0; !isOver.get(); n++) {
                        CompletableFuture<PublishReceipt> one = publisher.publish(topic, "x");
                        published.add(one);
                        if (n % 50 == 0) {
                            one.handle((receipt, failure) -> null).join();
                        }
                    }
                });
                publishers.add(thread);
                thread.start();
            }
            await().until(() -> delivered.size() > 5_000);

            CommandLines.Outcome drain = CommandLines.java(
                    MAIN,
                    "drain",
                    "--delay-ms",
                    "500",
                    "--endpoint",
                    after.tcp(),
                    "--admin",
                    before.process().admin());
            assertThat(drain.exitCode()).as(drain.err()).isZero();
            assertThat(drain.out()).startsWith("s").containsAnyOf("drained", "the broker is gone");
            await().atMost(Duration.ofSeconds(20)).until(() -> !before.process().isAlive());
            await().atMost(Duration.ofSeconds(20))
                    .until(() -> clients.stream().allMatch(one -> one.state() == ConnectionState.CONNECTED));
            assertThat(after.counter("connections_welcomed")).isGreaterThanOrEqualTo(6);
            isOver.set(true);
            for (Thread publisher : publishers) {
                publisher.join();
            }
            Set<Place> acknowledged = ConcurrentHashMap.newKeySet();
            published.forEach(one -> acknowledged.add(Place.of(one.join())));
            Set<Integer> oldEpochs = ConcurrentHashMap.newKeySet();
            published.stream()
                    .limit(100)
                    .forEach(one -> oldEpochs.add(one.join().epoch()));
            acknowledged.removeIf(place -> !oldEpochs.contains(place.epoch()));
            acknowledged.removeAll(delivered);
            assertThat(acknowledged)
                    .as("acknowledged by the old broker and not delivered")
                    .isEmpty();
        }
    }
}
