package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.client.Event;
import hermod.client.Filter;
import hermod.client.HermodClient;
import hermod.client.HistoryPage;
import hermod.client.HistoryQuery;
import hermod.client.OutgoingEvent;
import hermod.client.PublishReceipt;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What was published to a durable channel is read back, through the SDK and the command line. */
@Tag("HR-3")
class HistoryAcceptanceTest {
    private static final int COUNT = 250;
    private static AcceptanceBroker broker;
    private static HermodClient client;

    @BeforeAll
    static void start() throws Exception {
        broker = AcceptanceBroker.start();
        client = broker.client(HermodClient.builder()
                .server(broker.tcp())
                .token(broker.token("ada", AcceptanceBroker.SERVICE, Duration.ofHours(1))));
        client.connect().join();
    }

    @AfterAll
    static void stop() throws Exception {
        broker.close();
    }

    private static List<PublishReceipt> publish(String topic, int count) {
        List<PublishReceipt> receipts = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            receipts.add(client.publish(
                            topic,
                            OutgoingEvent.builder()
                                    .text("e" + i)
                                    .attribute("tens", Integer.toString(i / 10))
                                    .build())
                    .join());
        }
        return receipts;
    }

    private static List<HistoryPage> all(HistoryQuery query) {
        List<HistoryPage> pages = new ArrayList<>();
        HistoryPage page = query.page().join();
        pages.add(page);
        while (page.hasMore()) {
            page = page.next().join();
            pages.add(page);
        }
        return pages;
    }

    private static List<Long> offsets(List<HistoryPage> pages) {
        return pages.stream()
                .flatMap(page -> page.events().stream())
                .map(Event::offset)
                .toList();
    }

    @Test
    void whatWasAcknowledgedIsReadForwardsAndBackwardsByPageByTimeAndWithAFilter() {
        Instant before = Instant.now().minus(Duration.ofMinutes(1));
        List<PublishReceipt> receipts = publish("chat:history", COUNT);
        List<Long> published = receipts.stream().map(PublishReceipt::offset).toList();

        List<HistoryPage> forwards = all(client.history("chat:history").fromOffset(1));
        assertThat(offsets(forwards)).isEqualTo(published);
        assertThat(forwards).hasSize(3).allMatch(page -> page.lost() == null);
        assertThat(forwards.get(0).epoch()).isEqualTo(receipts.get(0).epoch());
        assertThat(forwards.get(0).events().get(0).eventId())
                .isEqualTo(receipts.get(0).eventId());

        List<Long> backwards =
                new ArrayList<>(offsets(all(client.history("chat:history").limit(77))));
        java.util.Collections.reverse(backwards);
        assertThat(backwards).isEqualTo(published);
        assertThat(offsets(all(client.history("chat:history").fromTime(before))))
                .isEqualTo(published);
        assertThat(client.history("chat:history")
                        .fromTime(Instant.now().plus(Duration.ofMinutes(1)))
                        .page()
                        .join()
                        .events())
                .isEmpty();
        assertThat(offsets(all(client.history("chat:history")
                        .fromOffset(1)
                        .filter(Filter.of("tens").is("7")))))
                .isEqualTo(published.subList(69, 79));
    }

    @Tag("EV-3")
    @Test
    void whatHasExpiredIsNotReadBack() {
        client.publish(
                        "chat:short",
                        OutgoingEvent.builder()
                                .text("gone")
                                .ttl(Duration.ofSeconds(1))
                                .build())
                .join();
        client.publish("chat:short", "kept").join();
        await().untilAsserted(() -> assertThat(
                        client.history("chat:short").fromOffset(1).page().join().events())
                .extracting(Event::text)
                .containsExactly("kept"));
    }

    @Test
    void theCommandLineReadsHistoryAndGoesOnLiveBehindIt() throws Exception {
        publish("chat:cli", 20);
        String token = broker.token("reader", AcceptanceBroker.SERVICE, Duration.ofHours(1));
        CommandLines.Outcome history = CommandLines.java(
                "hermod.broker.BrokerMain",
                "history",
                "chat:cli",
                "--limit",
                "3",
                "--server",
                broker.tcp(),
                "--token",
                token);
        assertThat(history.exitCode()).as(history.err()).isZero();
        assertThat(history.out().lines().map(line -> line.replaceAll(".* ", "")))
                .containsExactly("e18", "e19", "e20");
        CommandLines.Outcome sub = CommandLines.java(
                "hermod.broker.BrokerMain",
                "sub",
                "chat:cli",
                "--from",
                "5",
                "--count",
                "16",
                "--server",
                broker.tcp(),
                "--token",
                token);
        assertThat(sub.exitCode()).as(sub.err()).isZero();
        assertThat(sub.out().lines().map(line -> line.replaceAll(".* ", "")))
                .containsExactly(
                        "e5", "e6", "e7", "e8", "e9", "e10", "e11", "e12", "e13", "e14", "e15", "e16", "e17", "e18",
                        "e19", "e20");
    }
}
