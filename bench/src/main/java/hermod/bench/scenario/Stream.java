package hermod.bench.scenario;

import hermod.bench.check.History;
import hermod.bench.check.StreamTally;
import hermod.bench.check.Verdict;
import hermod.bench.load.Fleet;
import hermod.bench.load.LoadClient;
import hermod.bench.load.Stamp;
import hermod.client.Event;
import hermod.client.PublishReceipt;
import hermod.client.Subscription;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One topic with one publisher and its subscribers, tallied. Published by one thread at a time; outcomes and events come on the clients' threads.
 */
final class Stream {
    private static final long SUBSCRIBE_SECONDS = 30;

    private final RunContext context;
    private final int index;
    private final String topic;
    private final LoadClient publisher;
    private final byte[] filler;
    private final StreamTally tally;
    private final int subscriberCount;
    private final LongAdder refusedDeliveries = new LongAdder();

    private Stream(RunContext context, int index, String topic, LoadClient publisher, int subscriberCount, int size) {
        this.context = context;
        this.index = index;
        this.topic = topic;
        this.publisher = publisher;
        this.subscriberCount = subscriberCount;
        filler = new byte[Math.max(0, size - Stamp.BYTES)];
        tally = new StreamTally(topic, subscriberCount);
    }

    /**
     * Subscribes and is ready to publish.
     *
     * @param onDelivery called for each event with its intended time, on a handler's thread.
     */
    static Stream open(
            RunContext context,
            int index,
            String topic,
            LoadClient publisher,
            List<LoadClient> subscribers,
            int size,
            LongConsumer onDelivery)
            throws InterruptedException {
        Stream stream = new Stream(context, index, topic, publisher, subscribers.size(), size);
        List<CompletableFuture<Subscription>> pending = new ArrayList<>();
        for (int i = 0; i < subscribers.size(); i++) {
            int subscriber = i;
            pending.add(subscribers.get(i).subscribe(topic, event -> stream.onEvent(subscriber, event, onDelivery)));
        }
        Fleet.await("subscribing to " + topic, pending, SUBSCRIBE_SECONDS);
        return stream;
    }

    /**
     * Publishes the next event.
     *
     * @param onRefused called if it will be delivered to nobody.
     */
    void publish(long intendedNs, long wallUs, Runnable onRefused) {
        int number = tally.publish();
        context.progress().published();
        byte[] payload = Stamp.payload(context.runId(), index, number, number, intendedNs, filler);
        publisher
                .publish(topic, payload, wallUs, null)
                .whenComplete((receipt, fault) -> onOutcome(number, receipt, fault, onRefused));
    }

    private void onOutcome(
            int number, @Nullable PublishReceipt receipt, @Nullable Throwable fault, Runnable onRefused) {
        if (receipt != null) {
            tally.acknowledged(number);
        } else {
            if (fault != null && LoadClient.isRefusal(fault)) {
                tally.refused(number);
            }
            refusedDeliveries.add(subscriberCount);
            onRefused.run();
        }
        context.progress().answered();
    }

    private void onEvent(int subscriber, Event event, LongConsumer onDelivery) {
        ByteBuffer payload = event.payloadBuffer();
        boolean isOurs = Stamp.isOf(context.runId(), payload) && Stamp.stream(payload) == index;
        tally.received(subscriber, isOurs ? Stamp.number(payload) : History.FOREIGN, event.offset());
        if (isOurs) {
            long intendedNs = Stamp.intendedNs(payload);
            context.delivered(intendedNs);
            onDelivery.accept(intendedNs);
        }
    }

    /** Microseconds since 1970 on this machine's clock. */
    static long wallUsNow() {
        return TimeUnit.MILLISECONDS.toMicros(System.currentTimeMillis());
    }

    /** Waits for what the streams still owe and gives the verdict on all of them. */
    static Verdict finish(RunContext context, List<Stream> streams, long quietSeconds) throws InterruptedException {
        context.drain(() -> isComplete(context, streams), quietSeconds);
        Verdict sum = Verdict.NONE;
        for (Stream stream : streams) {
            sum = sum.plus(stream.tally.check());
        }
        return sum;
    }

    private static boolean isComplete(RunContext context, List<Stream> streams) {
        long published = context.progress().publishedCount();
        if (context.progress().answeredCount() < published) {
            return false;
        }
        long expected = 0;
        for (Stream stream : streams) {
            expected += (long) stream.tally.publishedCount() * stream.subscriberCount - stream.refusedDeliveries.sum();
        }
        return context.progress().deliveredCount() >= expected;
    }
}
