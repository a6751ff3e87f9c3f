package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedWriter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A broker that keeps the rules of idempotence, behind a network that breaks again and again, before or after the answer. */
class LossyNetworkTest extends ClientFixture {
    private static final int EVENTS = 6_000;
    private static final int PUBLISHERS = 3;
    private static final int BREAKS = 25;

    /** So small that the breaks come long before the events end. */
    private static final int WINDOW = 20;

    private static final long SEED = 3;

    /** What the broker remembers of the one producer: per topic, offsets by sequence, and texts in the order accepted. */
    private final Map<String, Map<Long, Long>> offsets = new HashMap<>();

    private final Map<String, List<String>> accepted = new HashMap<>();

    @Test
    @Tag("EV-6")
    @Tag("EV-5")
    void everyEventIsAcceptedOnceAndInOrderAndEveryReceiptComes() throws Exception {
        HermodClient client = client(builder().publishWindow(WINDOW));
        client.connect();
        List<List<CompletableFuture<PublishReceipt>>> receipts = new ArrayList<>();
        List<Thread> publishers = new ArrayList<>();
        for (int p = 0; p < PUBLISHERS; p++) {
            List<CompletableFuture<PublishReceipt>> own = new ArrayList<>();
            receipts.add(own);
            String topic = "chat:room_" + p;
            publishers.add(new Thread(() -> {
                for (int i = 0; i < EVENTS / PUBLISHERS; i++) {
                    own.add(client.publish(topic, "m" + i));
                }
            }));
        }
        publishers.forEach(Thread::start);
        Random random = new Random(SEED);
        for (int i = 0; i < BREAKS; i++) {
            serve(broker.accept(), 1 + random.nextInt(6), random.nextBoolean());
        }
        FakeBroker.Peer last = broker.accept();
        Thread server = new Thread(() -> serve(last, Integer.MAX_VALUE, false));
        server.start();
        for (Thread publisher : publishers) {
            publisher.join();
        }

        for (int p = 0; p < PUBLISHERS; p++) {
            String topic = "chat:room_" + p;
            assertThat(receipts.get(p)).hasSize(EVENTS / PUBLISHERS);
            for (int i = 0; i < EVENTS / PUBLISHERS; i++) {
                assertThat(done(receipts.get(p).get(i)).offset())
                        .as("seed=%d", SEED)
                        .isEqualTo(i + 1);
            }
            for (int i = 0; i < EVENTS / PUBLISHERS; i++) {
                assertThat(accepted.get(topic).get(i)).isEqualTo("m" + i);
            }
        }
        client.close();
        server.join();
    }

    /** Takes so many frames and breaks, with the last answer given or not. */
    private void serve(FakeBroker.Peer peer, int frames, boolean isLastAnswered) {
        Map<Integer, String> topics = new HashMap<>();
        try {
            peer.welcome();
            for (int i = 0; i < frames; i++) {
                FakeBroker.Frame frame = peer.next();
                if (frame.type() == FrameType.OPEN) {
                    List<TopicResult> results = frame.body(Open.parser()).getTopicsList().stream()
                            .map(topic -> peer.granted(topic, EPOCH, 1))
                            .toList();
                    results.forEach(result -> topics.put(result.getHandle(), result.getTopic()));
                    peer.opened(frame, results.toArray(new TopicResult[0]));
                } else if (frame.type() == FrameType.PUBLISH) {
                    PublishedWriter outcomes = accept(peer.entriesOf(frame), topics);
                    if (i < frames - 1 || isLastAnswered) {
                        peer.send(outcomes);
                    }
                } else {
                    return;
                }
            }
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        } finally {
            peer.cut();
        }
    }

    private PublishedWriter accept(List<FakeBroker.Sent> sent, Map<Integer, String> topics) {
        PublishedWriter outcomes = new PublishedWriter();
        for (FakeBroker.Sent one : sent) {
            String topic = topics.get(one.handle());
            assertThat(topic).as("a handle of this connection").isNotNull();
            Map<Long, Long> known = offsets.computeIfAbsent(topic, name -> new HashMap<>());
            Long before = known.get(one.sequence());
            if (before != null) {
                outcomes.duplicate(one.requestId(), one.handle(), before);
                continue;
            }
            long offset = known.size() + 1L;
            known.put(one.sequence(), offset);
            accepted.computeIfAbsent(topic, name -> new ArrayList<>()).add(one.text());
            outcomes.accepted(one.requestId(), one.handle(), offset);
        }
        return outcomes;
    }
}
