package hermod.bench.scenario;

import hermod.bench.check.History;
import hermod.bench.load.Fleet;
import hermod.bench.load.LoadClient;
import hermod.bench.load.Stamp;
import hermod.client.Event;
import hermod.client.PublishReceipt;
import hermod.client.Subscription;
import hermod.protocol.EventType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Clients that both publish and subscribe, with a history each. Published by one thread; outcomes and events come on the clients' threads and go into
 * the histories.
 */
final class Chat {
    private static final long SUBSCRIBE_SECONDS = 60;

    private final RunContext context;
    private final Fleet fleet;
    private final List<String> topics;
    private final List<History> histories = new ArrayList<>();
    private final int[] publishedByClient;
    private final int[] subscribersOfTopic;
    private final LongAdder expected = new LongAdder();
    private final AtomicReference<@Nullable Throwable> firstFault = new AtomicReference<>();
    private int nextNumber;

    Chat(RunContext context, Fleet fleet, List<String> topics) {
        this.context = context;
        this.fleet = fleet;
        this.topics = List.copyOf(topics);
        publishedByClient = new int[fleet.size()];
        subscribersOfTopic = new int[topics.size()];
        for (int i = 0; i < fleet.size(); i++) {
            histories.add(new History());
        }
    }

    /** Subscribes each client to the topics of these indexes and waits until all are granted. */
    void subscribe(IntFunction<BitSet> topicsOfClient) throws InterruptedException {
        List<CompletableFuture<Subscription>> pending = new ArrayList<>();
        for (int i = 0; i < fleet.size(); i++) {
            int client = i;
            topicsOfClient.apply(i).stream().forEach(topic -> {
                histories.get(client).subscribed(topic);
                subscribersOfTopic[topic]++;
                pending.add(fleet.client(client).subscribe(topics.get(topic), event -> onEvent(client, topic, event)));
            });
        }
        Fleet.await("subscribing", pending, SUBSCRIBE_SECONDS);
    }

    void publish(int client, int topic, byte[] text, long intendedNs, long wallUs) {
        int number = nextNumber++;
        History history = histories.get(client);
        int index = history.published(topic, number);
        context.progress().published();
        byte[] payload = Stamp.payload(context.runId(), topic, number, publishedByClient[client]++, intendedNs, text);
        fleet.client(client)
                .publish(topics.get(topic), payload, wallUs, EventType.CHAT_MESSAGE)
                .whenComplete((receipt, fault) -> onOutcome(history, index, topic, receipt, fault));
    }

    private void onOutcome(
            History history, int index, int topic, @Nullable PublishReceipt receipt, @Nullable Throwable fault) {
        if (receipt != null) {
            history.acknowledged(index, receipt.offset());
            expected.add(subscribersOfTopic[topic]);
        } else if (fault != null) {
            firstFault.compareAndSet(null, fault);
            if (LoadClient.isRefusal(fault)) {
                history.refused(index);
            }
        }
        context.progress().answered();
    }

    private void onEvent(int client, int topic, Event event) {
        ByteBuffer payload = event.payloadBuffer();
        boolean isOurs = Stamp.isOf(context.runId(), payload) && Stamp.stream(payload) == topic;
        histories
                .get(client)
                .received(topic, isOurs ? Stamp.number(payload) : History.FOREIGN, event.epoch(), event.offset());
        if (isOurs) {
            context.delivered(Stamp.intendedNs(payload));
        }
    }

    /** Whether every publish has its outcome and every acknowledged event all its deliveries. */
    boolean isComplete() {
        return context.progress().answeredCount() >= context.progress().publishedCount()
                && context.progress().deliveredCount() >= expected.sum();
    }

    List<History> histories() {
        return histories;
    }

    List<String> topics() {
        return topics;
    }

    /** The first failed publish in words, for a sentence; empty where none failed. */
    String firstRefusal() {
        Throwable fault = firstFault.get();
        return fault == null ? "" : "; the first: " + fault.getMessage();
    }
}
