package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.HermodClient;
import hermod.client.HistoryPage;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.State;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What clients of durable channels see of a broker that is killed and started again: through the SDK, which stays. */
@Tag("long")
class RestartAcceptanceTest {
    @TempDir
    private Path data;

    /** Events and gaps, in the order they came. */
    private static final class Followed implements EventListener {
        final List<Event> events = new CopyOnWriteArrayList<>();
        final List<Gap> gaps = new CopyOnWriteArrayList<>();

        @Override
        public void onEvent(Event event) {
            events.add(event);
        }

        @Override
        public void onGap(Gap gap) {
            gaps.add(gap);
        }

        List<String> texts() {
            return events.stream().map(Event::text).toList();
        }
    }

    @Test
    @Tag("HR-2")
    @Tag("DL-4")
    void subscribersGoOnWhereTheyWereWithEachAcknowledgedEventOnceAndNoGap() throws Exception {
        try (RestartedBroker broker = RestartedBroker.start(data)) {
            HermodClient publisher = broker.client("ada");
            Followed reader = new Followed();
            broker.client("bob").subscribe("chat:1", reader).join();
            Queue<CompletableFuture<PublishReceipt>> sent = new ConcurrentLinkedQueue<>();
            AtomicBoolean isOver = new AtomicBoolean();
            Thread publishing = new Thread(() -> {
                for (int i = 0; !isOver.get(); i++) {
                    CompletableFuture<PublishReceipt> one = publisher.publish("chat:1", "n" + i);
                    sent.add(one);
                    if (i % 20 == 0) {
                        one.handle((receipt, failure) -> null).join();
                    }
                }
            });
            publishing.start();
            for (int round = 1; round <= 2; round++) {
                int seen = reader.events.size();
                await().until(() -> reader.events.size() > seen + 500);
                broker.killAndStartAgain();
            }
            int seen = reader.events.size();
            await().until(() -> reader.events.size() > seen + 500);
            isOver.set(true);
            publishing.join();
            List<String> acknowledged = sent.stream()
                    .map(one -> one.join().offset())
                    .map(Object::toString)
                    .toList();
            await().until(() -> reader.events.size() >= acknowledged.size());

            assertThat(reader.gaps).isEmpty();
            assertThat(reader.events.stream().map(event -> Long.toString(event.offset())))
                    .containsExactlyElementsOf(acknowledged);
            assertThat(reader.texts())
                    .containsExactlyElementsOf(IntStream.range(0, acknowledged.size())
                            .mapToObj(i -> "n" + i)
                            .toList());
            assertThat(reader.events.stream().map(Event::epoch).distinct()).hasSize(1);
        }
    }

    @Test
    @Tag("CN-9")
    @Tag("DL-4")
    void aBrokerThatIsDrainedUnderDurablePublishesHasAllItAcknowledgedAndNothingTwice() throws Exception {
        try (RestartedBroker broker = RestartedBroker.start(data)) {
            AtomicBoolean isOver = new AtomicBoolean();
            List<Thread> publishers = new ArrayList<>();
            List<Queue<CompletableFuture<PublishReceipt>>> sent = new ArrayList<>();
            Followed reader = new Followed();
            HermodClient bob = broker.client("bob");
            for (int p = 0; p < 3; p++) {
                String topic = "chat:" + p;
                bob.subscribe(topic, reader).join();
                HermodClient publisher = broker.client("ada" + p);
                Queue<CompletableFuture<PublishReceipt>> receipts = new ConcurrentLinkedQueue<>();
                sent.add(receipts);
                Thread thread = new Thread(() -> {
                    for (int i = 0; !isOver.get(); i++) {
                        CompletableFuture<PublishReceipt> one = publisher.publish(topic, topic + " n" + i);
                        receipts.add(one);
                        if (i % 20 == 0) {
                            one.handle((receipt, failure) -> null).join();
                        }
                    }
                });
                publishers.add(thread);
                thread.start();
            }
            await().until(() -> reader.events.size() > 1_000);
            broker.drain();
            isOver.set(true);
            List<List<Long>> acknowledged = sent.stream()
                    .map(receipts -> receipts.stream()
                            .filter(one -> one.isDone() && !one.isCompletedExceptionally())
                            .map(one -> one.join().offset())
                            .toList())
                    .toList();
            broker.startAgain();
            for (Thread publisher : publishers) {
                publisher.join();
            }
            // What was under way was sent again to the next broker, and is there once.
            sent.forEach(receipts -> receipts.forEach(CompletableFuture::join));

            for (int p = 0; p < 3; p++) {
                List<String> texts = new ArrayList<>();
                List<Long> offsets = new ArrayList<>();
                HistoryPage page =
                        bob.history("chat:" + p).fromOffset(1).limit(300).page().join();
                do {
                    page.events().forEach(event -> {
                        texts.add(event.text());
                        offsets.add(event.offset());
                    });
                    page = page.next().join();
                } while (page.hasMore() || !page.events().isEmpty());
                assertThat(offsets).containsAll(acknowledged.get(p));
                int count = sent.get(p).size();
                String topic = "chat:" + p;
                assertThat(texts)
                        .containsExactlyElementsOf(IntStream.range(0, count)
                                .mapToObj(i -> topic + " n" + i)
                                .toList());
                await().until(() -> reader.texts().contains(topic + " n" + (count - 1)));
                assertThat(reader.texts().stream().filter(text -> text.startsWith(topic)))
                        .containsExactlyElementsOf(IntStream.range(0, count)
                                .mapToObj(i -> topic + " n" + i)
                                .toList());
            }
            assertThat(reader.gaps).isEmpty();
        }
    }

    @Test
    @Tag("EV-6")
    void anEventIdIsRecognisedFromAnotherDeviceAfterARestartAndElsewhereItIsANewOne() throws Exception {
        try (RestartedBroker broker = RestartedBroker.start(data)) {
            HermodClient phone = broker.client("ada");
            Followed reader = new Followed();
            broker.client("bob").subscribe("chat:1", reader).join();
            OutgoingEvent event = OutgoingEvent.builder()
                    .eventId("01JZ0000000000000000000042")
                    .text("once")
                    .build();
            PublishReceipt first = phone.publish("chat:1", event).join();
            phone.publish("chat:1", "between").join();

            broker.killAndStartAgain();

            PublishReceipt second =
                    broker.client("ada").publish("chat:1", event).join();
            assertThat(second.duplicate()).isTrue();
            assertThat(second.offset()).isEqualTo(first.offset());
            assertThat(second.epoch()).isEqualTo(first.epoch());
            assertThat(phone.publish("chat:2", event).join().duplicate()).isFalse();
            phone.publish("chat:1", "last").join();
            await().until(() -> reader.texts().contains("last"));
            assertThat(reader.texts()).containsExactly("once", "between", "last");
        }
    }

    @Test
    @Tag("EV-3")
    void whatExpiredWhileTheBrokerWasDownIsNotReplayed() throws Exception {
        try (RestartedBroker broker = RestartedBroker.start(data);
                CuttingProxy way = new CuttingProxy(broker.now().tcp());
                HermodClient away = broker.clientAt(way.address(), "bob")) {
            HermodClient publisher = broker.client("ada");
            Followed reader = new Followed();
            away.subscribe("chat:1", reader).join();
            publisher.publish("chat:1", "first").join();
            await().until(() -> reader.texts().contains("first"));
            way.refuse(true);
            way.cut();
            Duration ttl = Duration.ofSeconds(2);
            publisher
                    .publish(
                            "chat:1",
                            OutgoingEvent.builder().text("short").ttl(ttl).build())
                    .join();
            long expiredUs = publisher.brokerNowUs() + TimeUnit.NANOSECONDS.toMicros(ttl.toNanos());
            publisher.publish("chat:1", "second").join();

            broker.killAndStartAgain();
            await().until(() -> publisher.brokerNowUs() > expiredUs);
            way.target(broker.now().tcp());
            way.refuse(false);

            await().until(() -> reader.texts().contains("second"));
            assertThat(reader.texts()).containsExactly("first", "second");
            assertThat(publisher.history("chat:1").fromOffset(1).page().join().events())
                    .extracting(Event::text)
                    .containsExactly("first", "second");
        }
    }

    @Test
    @Tag("HR-5")
    void stateHasItsValuesAndVersionsAfterARestart() throws Exception {
        try (RestartedBroker broker = RestartedBroker.start(data)) {
            HermodClient phone = broker.client("ada");
            State onPhone = phone.state("wallet:1").join();
            onPhone.put("balance", "10".getBytes(StandardCharsets.UTF_8)).join();
            onPhone.put("card", "visa".getBytes(StandardCharsets.UTF_8)).join();
            long version = onPhone.put("balance", "20".getBytes(StandardCharsets.UTF_8))
                    .join()
                    .offset();
            onPhone.delete("card").join();

            broker.killAndStartAgain();

            State onTablet = broker.client("ada").state("wallet:1").join();
            assertThat(onTablet.snapshot()).containsOnlyKeys("balance");
            assertThat(onTablet.snapshot().get("balance").text()).isEqualTo("20");
            assertThat(onTablet.snapshot().get("balance").version()).isEqualTo(version);
            assertThat(onTablet.put("balance", "30".getBytes(StandardCharsets.UTF_8), version)
                            .join()
                            .offset())
                    .isGreaterThan(version);
            await().untilAsserted(() ->
                    assertThat(onPhone.snapshot().get("balance").text()).isEqualTo("30"));
        }
    }
}
