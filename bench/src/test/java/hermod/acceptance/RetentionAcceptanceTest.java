package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.GapReason;
import hermod.client.HermodClient;
import hermod.client.HistoryPage;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import hermod.client.ReconnectPolicy;
import hermod.protocol.EventType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a durable channel keeps is bounded by age, count and bytes; what goes is told to whoever had not read it, and delivery goes on meanwhile. */
@Tag("long")
@Tag("HR-1")
class RetentionAcceptanceTest {
    private static final int KEPT_COUNT = 100;
    private static final int KEPT_BYTES = 64 * 1024;
    private static final int PAYLOAD_BYTES = 1024;

    private static final String CONFIG = """
            store:
              retention-interval-s: 1s
              topic-limit-bytes: 64KiB
            topic:
              replay-topic-bytes: 0
              chunk-bytes: 4KiB
            channels:
              counted:
                durability: disk
                keeps: 1h, 100 events
              aged:
                durability: disk
                keeps: 2s
              typed:
                durability: disk
                keeps: 1h, by-type
                dedup-window-s: 1s
              sized:
                durability: disk
                keeps: 1h
            """;

    @TempDir
    private Path folder;

    private AcceptanceBroker broker;
    private CuttingProxy proxy;

    @BeforeEach
    void start() throws Exception {
        Path config = Files.writeString(folder.resolve("kept.yaml"), CONFIG);
        broker = AcceptanceBroker.start("--config", config.toString());
        proxy = new CuttingProxy(broker.tcp());
    }

    @AfterEach
    void stop() throws Exception {
        proxy.close();
        broker.close();
    }

    /** What a listener was told, in its order. */
    private static final class Told implements EventListener {
        final List<Long> offsets = new CopyOnWriteArrayList<>();
        final List<Gap> gaps = new CopyOnWriteArrayList<>();
        volatile long freshFrom;

        @Override
        public void onEvent(Event event) {
            offsets.add(event.offset());
        }

        @Override
        public void onGap(Gap gap) {
            gaps.add(gap);
        }

        @Override
        public void onFreshStart(String topic, int epoch, long firstOffset) {
            freshFrom = firstOffset;
        }
    }

    private HermodClient throughTheProxy(String user) {
        HermodClient client = broker.client(HermodClient.builder()
                .server(proxy.address())
                .token(broker.token(user, AcceptanceBroker.SERVICE, Duration.ofHours(1)))
                .reconnect(new ReconnectPolicy(Duration.ofMillis(20), Duration.ofMillis(100), 10_000, 0)));
        client.connect().join();
        return client;
    }

    private static void publish(HermodClient client, String topic, int count, int payloadBytes) {
        List<CompletableFuture<PublishReceipt>> sent = IntStream.range(0, count)
                .mapToObj(i -> client.publish(topic, new byte[payloadBytes]))
                .toList();
        sent.forEach(CompletableFuture::join);
    }

    private static HistoryPage first(HermodClient client, String topic) {
        return client.history(topic).fromOffset(1).limit(300).page().join();
    }

    private static List<Long> range(long from, long to) {
        return LongStream.rangeClosed(from, to).boxed().toList();
    }

    private static List<Long> offsets(HistoryPage page) {
        return page.events().stream().map(Event::offset).toList();
    }

    @Test
    @Tag("HR-2")
    @Tag("DL-4")
    void onlySoManyEventsAreKeptAndWhoeverComesBackForAnEarlierOneIsToldWhatIsLost() throws Exception {
        String topic = "counted:1";
        HermodClient publisher = broker.connected("ada");
        Told away = new Told();
        throughTheProxy("bob").subscribe(topic, away).join();
        Told present = new Told();
        broker.connected("cem").subscribe(topic, present).join();
        publish(publisher, topic, 10, 10);
        await().until(() -> away.offsets.size() == 10);
        proxy.refuse(true);
        proxy.cut();

        // Published until events of this time are removed: removing does not stop what is published and delivered.
        int published = 10;
        while (first(publisher, topic).firstOffset() < 1_000) {
            assertThat(published).as("published, and nothing removed").isLessThan(200_000);
            publish(publisher, topic, 100, 10);
            published += 100;
        }
        int all = published;
        await().until(() -> present.offsets.size() >= all);
        assertThat(present.offsets).isEqualTo(range(1, all));
        assertThat(present.gaps).isEmpty();

        long firstKept = all - KEPT_COUNT + 1;
        await().until(() -> first(publisher, topic).firstOffset() == firstKept);
        HistoryPage page = first(publisher, topic);
        assertThat(page.lost()).isEqualTo(new HistoryPage.Range(1, firstKept - 1));
        assertThat(offsets(page)).isEqualTo(range(firstKept, all));

        proxy.refuse(false);
        await().until(() -> away.offsets.size() >= 10 + KEPT_COUNT);
        long lostFrom = 11;
        for (Gap gap : away.gaps) {
            assertThat(gap.reason()).isEqualTo(GapReason.EXPIRED);
            assertThat(gap.isFillComing()).isFalse();
            assertThat(gap.fromOffset()).isEqualTo(lostFrom);
            lostFrom = gap.toOffset() + 1;
        }
        assertThat(lostFrom).isEqualTo(firstKept);
        assertThat(away.freshFrom).as("it is not taken for a replay").isGreaterThan(11);
        publish(publisher, topic, 1, 10);
        await().until(() -> away.offsets.contains(all + 1L));
        List<Long> expected = new ArrayList<>(range(1, 10));
        expected.addAll(range(firstKept, all + 1));
        assertThat(away.offsets).isEqualTo(expected);
    }

    @Test
    void eventsAreKeptForSoLong() throws Exception {
        HermodClient client = broker.connected("ada");
        client.publish(
                        "aged:1",
                        OutgoingEvent.builder().text("old").neverExpires().build())
                .join();
        assertThat(first(client, "aged:1").events()).hasSize(1);
        await().until(() -> first(client, "aged:1").firstOffset() == 2);
        assertThat(first(client, "aged:1").lost()).isEqualTo(new HistoryPage.Range(1, 1));
        client.publish("aged:1", "young").join();
        assertThat(offsets(first(client, "aged:1"))).containsExactly(2L);
    }

    @Test
    @Tag("EV-2")
    void eventsOfAChannelThatKeepsByTypeAreKeptNoLongerThanTheirTypeSays() throws Exception {
        HermodClient client = broker.connected("ada");
        for (EventType type : List.of(EventType.TYPING_INDICATOR, EventType.CHAT_MESSAGE)) {
            client.publish("typed:1", OutgoingEvent.builder().type(type).build())
                    .join();
        }
        await().atMost(Duration.ofSeconds(20))
                .until(() -> first(client, "typed:1").firstOffset() == 2);
        assertThat(first(client, "typed:1").lost()).isEqualTo(new HistoryPage.Range(1, 1));
        assertThat(offsets(first(client, "typed:1"))).containsExactly(2L);
    }

    @Test
    void noTopicKeepsMoreThanSoManyBytes() throws Exception {
        HermodClient client = broker.connected("ada");
        int count = 3 * KEPT_BYTES / PAYLOAD_BYTES;
        publish(client, "sized:1", count, PAYLOAD_BYTES);
        await().until(() -> {
            long events = count - first(client, "sized:1").firstOffset() + 1;
            return events * PAYLOAD_BYTES < KEPT_BYTES;
        });
        HistoryPage page = first(client, "sized:1");
        assertThat(offsets(page)).isEqualTo(range(page.firstOffset(), count));
        assertThat(page.events()).as("and not much less").hasSizeGreaterThan(KEPT_BYTES / PAYLOAD_BYTES / 2);
    }
}
