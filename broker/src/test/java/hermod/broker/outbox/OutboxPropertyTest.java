package hermod.broker.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.outbox.Outbox.Offer;
import hermod.broker.outbox.RecordingSink.Frame;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.extension.ExtendWith;

/** Whatever is offered, discarded and flushed in whatever order: each feed's events come once, in order, and all bytes and references are accounted for. */
@ExtendWith(LeakCheck.class)
class OutboxPropertyTest {
    private static final int LIMIT_BYTES = 20_000;
    private static final int RESERVE_BYTES = 4_000;
    private static final int CHUNK_BYTES = 4_096;
    private static final int FEED_COUNT = 6;
    private static final int STEP_COUNT = 4_000;

    private record Event(long offset, int bytes, boolean isExpired) {}

    /** What the model knows of a feed: the events it was given and has not seen on the socket. */
    private static final class Subscription {
        final int handle;
        final Feed feed;
        final ArrayDeque<Event> owed = new ArrayDeque<>();
        Frames chunk;
        long nextOffset = 1;

        Subscription(int handle, Feed feed) {
            this.handle = handle;
            this.feed = feed;
            chunk = new Frames(handle, CHUNK_BYTES);
        }
    }

    private final Metrics metrics = new Metrics(
            List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1)),
            1,
            hermod.broker.metrics.MetricsConfig.defaults());
    private final ShardClock clock = new ShardClock();
    private final RecordingSink sink = new RecordingSink();
    private final Outbox outbox = new Outbox(
            new CountingOwner(),
            sink,
            new RunPool(),
            metrics.shard(0),
            clock,
            new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0));
    private final List<Subscription> subscriptions = new ArrayList<>();
    private final List<Frames> retired = new ArrayList<>();
    private long deliveredCount;

    @RepeatedTest(20)
    void eachFeedSeesItsEventsOnceAndInOrder() {
        long seed = ThreadLocalRandom.current().nextLong();
        try {
            run(new Random(seed));
        } catch (RuntimeException | AssertionError failed) {
            throw new AssertionError("seed=" + seed, failed);
        }
    }

    private void run(Random random) {
        for (int i = 0; i < FEED_COUNT; i++) {
            Priority lane = Priority.ofCode(random.nextInt(Priority.COUNT));
            subscriptions.add(new Subscription(i + 1, new Feed(outbox, i + 1, 0, lane, 1, 1)));
        }
        for (int step = 0; step < STEP_COUNT; step++) {
            Subscription one = subscriptions.get(random.nextInt(FEED_COUNT));
            switch (random.nextInt(10)) {
                case 0 -> {
                    outbox.discard(one.feed);
                    one.owed.clear();
                }
                case 1, 2 -> {
                    sink.burstBytes = 1 + random.nextInt(3_000);
                    sink.kernelBytes = random.nextInt(6_000);
                    outbox.flush();
                    checkWritten();
                }
                case 3 -> outbox.holdBack(random.nextBoolean());
                default -> offer(one, random);
            }
            // Expired events leave without a trace, with the run they are in.
            assertThat(outbox.queuedBytes())
                    .isBetween(owedBytes(false), owedBytes(false) + owedBytes(true))
                    .isBetween(0L, (long) LIMIT_BYTES);
        }
        if (random.nextBoolean()) {
            outbox.holdBack(false);
            sink.openWide();
            assertThat(outbox.flush()).isTrue();
            checkWritten();
            assertThat(subscriptions).allMatch(each -> each.owed.stream().allMatch(Event::isExpired));
            assertThat(outbox.queuedBytes()).isZero();
            assertThat(outbox.deliveredCount()).isEqualTo(deliveredCount);
            assertThat(metrics.channels().get(0).delivered()).isEqualTo(deliveredCount);
        }
        outbox.close();
        assertThat(outbox.queuedBytes()).isZero();
        subscriptions.forEach(each -> retired.add(each.chunk));
        for (Frames chunk : retired) {
            assertThat(chunk.memory.refCnt()).isEqualTo(1);
            chunk.memory.release();
        }
    }

    private void offer(Subscription to, Random random) {
        int count = 1 + random.nextInt(4);
        List<Event> events = new ArrayList<>();
        if (!to.chunk.hasRoomFor(4 * 300)) {
            retired.add(to.chunk);
            to.chunk = new Frames(to.handle, CHUNK_BYTES);
        }
        if (random.nextInt(4) == 0) {
            // One that leaves this device out: the feed's next run is not contiguous.
            to.chunk.append(to.nextOffset++, 40);
            count--;
        }
        if (count == 0) {
            return;
        }
        int from = to.chunk.end();
        long expiresAtUs = Long.MAX_VALUE;
        for (int i = 0; i < count; i++) {
            boolean isExpired = random.nextInt(8) == 0;
            int bytes = 40 + random.nextInt(200);
            long atUs = isExpired ? clock.nowUs() - 10_000_000 : clock.nowUs();
            long ttlSeconds = isExpired ? 1 : random.nextBoolean() ? 0 : 3_600;
            if (ttlSeconds != 0) {
                expiresAtUs = Math.min(expiresAtUs, atUs + ttlSeconds * 1_000_000);
            }
            to.chunk.append(to.nextOffset, bytes, atUs, ttlSeconds);
            events.add(new Event(to.nextOffset++, bytes, isExpired));
        }
        int bytes = to.chunk.end() - from;
        int limitBytes = to.feed.lane() == Priority.URGENT ? LIMIT_BYTES : LIMIT_BYTES - RESERVE_BYTES;
        boolean fits = outbox.queuedBytes() + bytes <= limitBytes;
        Offer offer = outbox.offer(to.feed, to.chunk.memory, from, to.chunk.end(), count, expiresAtUs);
        assertThat(offer).isEqualTo(fits ? Offer.QUEUED : Offer.FULL);
        if (fits) {
            to.owed.addAll(events);
        }
    }

    private void checkWritten() {
        for (Frame frame : sink.frames) {
            Subscription of = subscriptions.get(frame.handle() - 1);
            Event next = of.owed.pollFirst();
            while (next != null && next.isExpired()) {
                next = of.owed.pollFirst();
            }
            assertThat(next).isNotNull();
            assertThat(frame.number()).isEqualTo(next.offset());
            assertThat(frame.bytes()).isEqualTo(next.bytes());
            deliveredCount++;
        }
        sink.frames.clear();
    }

    private long owedBytes(boolean expired) {
        return subscriptions.stream()
                .flatMap(each -> each.owed.stream())
                .filter(event -> event.isExpired() == expired)
                .mapToLong(Event::bytes)
                .sum();
    }
}
