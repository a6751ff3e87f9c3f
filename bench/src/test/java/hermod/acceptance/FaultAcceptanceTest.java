package hermod.acceptance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import hermod.bench.BrokerProcess;
import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.Gap;
import hermod.client.HermodClient;
import hermod.client.HermodException;
import hermod.client.HistoryPage;
import hermod.client.PublishReceipt;
import hermod.protocol.ErrorCode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nothing acknowledged is lost where the disk is full, or a consumer does not take what it is sent. */
@Tag("long")
@Tag("DL-4")
class FaultAcceptanceTest {
    private static final String SMALL_JOURNAL =
            "journal:\n  segment-bytes: 8MiB\n  limit-bytes: 32MiB\n  urgent-reserve-bytes: 64KiB\n";

    @TempDir
    private Path folder;

    private static List<CompletableFuture<PublishReceipt>> publish(HermodClient client, String topic, int count) {
        byte[] payload = new byte[1024];
        return IntStream.range(0, count)
                .mapToObj(i -> client.publish(topic, payload))
                .toList();
    }

    private static List<Long> stored(HermodClient client, String topic) {
        List<Long> offsets = new ArrayList<>();
        HistoryPage page = client.history(topic).fromOffset(1).limit(300).page().join();
        page.events().forEach(event -> offsets.add(event.offset()));
        while (page.hasMore()) {
            page = page.next().join();
            page.events().forEach(event -> offsets.add(event.offset()));
        }
        return offsets;
    }

    @Test
    void aFullDiskRefusesAndWhatWasAcknowledgedBeforeAndAfterIsThereOverAKill() throws Exception {
        Path small = Files.createDirectory(folder.resolve("small"));
        assumeTrue(
                CommandLines.run(
                                        folder,
                                        Map.of(),
                                        20,
                                        List.of(
                                                "mount",
                                                "-t",
                                                "tmpfs",
                                                "-o",
                                                "size=64m,mode=700",
                                                "tmpfs",
                                                small.toString()))
                                .exitCode()
                        == 0,
                "a small file system can't be mounted here");
        try {
            Path config = Files.writeString(folder.resolve("small.yaml"), SMALL_JOURNAL);
            Path data = small.resolve("data");
            Path filler = small.resolve("filler");
            Map<Long, Integer> acknowledged = new TreeMap<>();
            BrokerProcess.Builder builder =
                    AcceptanceBroker.builder("--config", config.toString()).data(data);
            try (BrokerProcess process = builder.start()) {
                AcceptanceBroker broker = AcceptanceBroker.of(process);
                try (HermodClient client = broker.connected("ada")) {
                    fill(filler);
                    HermodException refusal = null;
                    for (int i = 0; i < 20_000 && refusal == null; i++) {
                        try {
                            note(client.publish("chat:1", new byte[1024]).join(), acknowledged);
                        } catch (CompletionException refused) {
                            refusal = (HermodException) refused.getCause();
                        }
                    }
                    assertThat(refusal).isNotNull();
                    assertThat(refusal.is(ErrorCode.STORE_FULL))
                            .as(refusal.toString())
                            .isTrue();
                    assertThat(acknowledged).isNotEmpty();
                    client.publish("tasks:1", "memory goes on").join();

                    Files.delete(filler);
                    int before = acknowledged.size();
                    await().atMost(Duration.ofSeconds(30)).until(() -> {
                        try {
                            note(client.publish("chat:1", new byte[1024]).join(), acknowledged);
                            return true;
                        } catch (CompletionException stillFull) {
                            return false;
                        }
                    });
                    publish(client, "chat:1", 50).forEach(one -> note(one.join(), acknowledged));
                    assertThat(acknowledged).hasSize(before + 51);
                    process.kill();
                }
            }
            try (AcceptanceBroker broker = AcceptanceBroker.of(builder.start())) {
                assertThat(stored(broker.connected("ada"), "chat:1")).containsExactlyElementsOf(acknowledged.keySet());
            }
        } finally {
            CommandLines.run(folder, Map.of(), 20, List.of("umount", small.toString()));
        }
    }

    private static void note(PublishReceipt receipt, Map<Long, Integer> acknowledged) {
        assertThat(acknowledged.merge(receipt.offset(), 1, Integer::sum)).isOne();
    }

    private static void fill(Path filler) throws IOException {
        try (OutputStream out = Files.newOutputStream(filler)) {
            for (int piece = 1 << 20; piece > 0; piece >>= 4) {
                try {
                    while (true) {
                        out.write(new byte[piece]);
                    }
                } catch (IOException full) {
                    // On with smaller pieces.
                }
            }
        }
    }

    private static final class Follower implements EventListener {
        final List<Long> offsets = new CopyOnWriteArrayList<>();
        final List<Gap> lost = new CopyOnWriteArrayList<>();
        final CountDownLatch gate;

        Follower(CountDownLatch gate) {
            this.gate = gate;
        }

        @Override
        public void onEvent(Event event) {
            try {
                gate.await();
            } catch (InterruptedException over) {
                Thread.currentThread().interrupt();
            }
            offsets.add(event.offset());
        }

        @Override
        public void onGap(Gap gap) {
            if (!gap.isFillComing()) {
                lost.add(gap);
            }
        }
    }

    @Test
    @Tag("FL-3")
    void aConsumerThatStandsStillGetsEachEventFromTheDiskWhenItGoesOnAndNobodyWaitsForIt() throws Exception {
        Path config = Files.writeString(
                folder.resolve("narrow.yaml"),
                "topic:\n  replay-topic-bytes: 64KiB\noutbox:\n  limit-bytes: 512KiB\n  urgent-reserve-bytes: 64KiB\n");
        try (AcceptanceBroker broker = AcceptanceBroker.start("--config", config.toString())) {
            HermodClient publisher = broker.connected("ada");
            CountDownLatch gate = new CountDownLatch(1);
            Follower stopped = new Follower(gate);
            HermodClient slow = broker.client(HermodClient.builder()
                    .server(broker.tcp())
                    .token(broker.token("bob"))
                    .receiveCredit(64 * 1024));
            slow.connect().join();
            slow.subscribe("chat:1", stopped).join();
            Follower other = new Follower(new CountDownLatch(0));
            broker.connected("cem").subscribe("chat:1", other).join();
            // A dead one: its connection stays, and nobody reads from it.
            try (CuttingProxy way = new CuttingProxy(broker.tcp());
                    HermodClient unread = HermodClient.builder()
                            .server(way.address())
                            .token(broker.token("dan"))
                            .build()) {
                unread.connect().join();
                Follower dead = new Follower(new CountDownLatch(0));
                unread.subscribe("chat:1", dead).join();
                way.stall(true);
                int count = 3_000;
                for (int i = 0; i < count; i += 500) {
                    publish(publisher, "chat:1", 500).forEach(CompletableFuture::join);
                }
                List<Long> all = LongStream.rangeClosed(1, count).boxed().toList();
                await().until(() -> other.offsets.size() >= count);
                assertThat(other.offsets).isEqualTo(all);
                assertThat(stopped.offsets).isEmpty();
                assertThat(dead.offsets).hasSizeLessThan(count);
                assertThat(stored(publisher, "chat:1")).isEqualTo(all);

                gate.countDown();
                way.stall(false);
                for (Follower each : List.of(stopped, dead)) {
                    await().atMost(Duration.ofSeconds(30)).until(() -> each.offsets.size() >= count);
                    assertThat(each.offsets).isEqualTo(all);
                    assertThat(each.lost).isEmpty();
                }
                assertThat(broker.counter("store_reads")).isPositive();
            }
        }
    }
}
