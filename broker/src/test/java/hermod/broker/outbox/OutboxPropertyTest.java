package hermod.broker.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.outbox.Outbox.Offer;
import hermod.broker.outbox.RecordingSink.Frame;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.FrameHeader;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.extension.ExtendWith;

/** Whatever is offered, raised, discarded, granted, read again and flushed in whatever order: each feed's events come once, in order, none is lost, and all bytes and references are accounted for. */
@ExtendWith(LeakCheck.class)
class OutboxPropertyTest {
    private static final int LIMIT_BYTES = 20_000;
    private static final int RESERVE_BYTES = 4_000;
    private static final int CHUNK_BYTES = 4_096;
    private static final int FEED_COUNT = 6;
    private static final int STEP_COUNT = 4_000;

    private record Event(Frames chunk, long offset, int from, int to, long expiresAtUs, boolean isExcluded) {
        boolean isExpired(long nowUs) {
            return expiresAtUs <= nowUs;
        }
    }

    /** What the model knows of a feed: its topic's events, and up to where the socket has seen them. */
    private static final class Subscription {
        final int handle;
        final Feed feed;
        final List<Event> events = new ArrayList<>();
        Frames chunk;
        long seenOffset;

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
    private final CountingOwner owner = new CountingOwner();
    private final Outbox outbox = new Outbox(
            owner, sink, new RunPool(), metrics.shard(0), clock, new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0));
    private final List<Subscription> subscriptions = new ArrayList<>();
    private final List<Frames> chunks = new ArrayList<>();
    private final ArrayDeque<Feed> unanswered = new ArrayDeque<>();
    private long deliveredCount;
    private long grantedBytes;
    private long takenBytes;

    @RepeatedTest(100)
    void eachFeedSeesItsEventsOnceAndInOrder() {
        long seed = Long.getLong("hermod.seed", ThreadLocalRandom.current().nextLong());
        try {
            run(new Random(seed));
        } catch (RuntimeException | AssertionError failed) {
            throw new AssertionError("seed=" + seed, failed);
        }
    }

    private void run(Random random) {
        boolean usesCredit = random.nextBoolean();
        if (usesCredit) {
            outbox.useCredit();
        }
        for (int i = 0; i < FEED_COUNT; i++) {
            Priority lane = Priority.ofCode(random.nextInt(Priority.COUNT));
            subscriptions.add(new Subscription(i + 1, new Feed(outbox, i + 1, 0, lane, 1, 1)));
        }
        subscriptions.forEach(each -> chunks.add(each.chunk));
        for (int step = 0; step < STEP_COUNT; step++) {
            Subscription one = subscriptions.get(random.nextInt(FEED_COUNT));
            switch (random.nextInt(12)) {
                case 0 -> {
                    if (random.nextInt(20) == 0) {
                        outbox.discard(one.feed);
                        one.seenOffset = one.events.size();
                        one.feed.advanceTo(one.seenOffset + 1);
                    }
                }
                case 1, 2, 3 -> {
                    sink.burstBytes = 1 + random.nextInt(3_000);
                    sink.kernelBytes = random.nextInt(6_000);
                    outbox.flush();
                    checkWritten();
                }
                case 4 -> outbox.holdBack(random.nextBoolean());
                case 5 -> answerReads(random.nextInt(4), random);
                case 6 -> grant(usesCredit ? random.nextInt(6_000) : 0);
                default -> publish(one, random);
            }
            assertThat(outbox.queuedBytes()).isBetween(0L, (long) LIMIT_BYTES);
        }
        if (random.nextBoolean()) {
            outbox.holdBack(false);
            sink.openWide();
            for (int round = 0; round < 10_000 && !(isAllSeen() && outbox.queuedBytes() == 0); round++) {
                grant(usesCredit ? 10_000 : 0);
                outbox.flush();
                checkWritten();
                answerReads(Integer.MAX_VALUE, random);
            }
            assertThat(subscriptions.stream().filter(each -> !isAllSeen(each)))
                    .extracting(each -> each.feed.state
                            + " next=" + each.feed.nextOffset
                            + " seen=" + each.seenOffset
                            + " of " + each.events.size()
                            + " asked=" + each.feed.readBytes
                            + " wants=" + each.feed.wantsRead)
                    .isEmpty();
            assertThat(outbox.queuedBytes()).isZero();
            assertThat(outbox.behindCount()).isZero();
            assertThat(outbox.deliveredCount()).isEqualTo(deliveredCount);
            assertThat(metrics.channels().get(0).delivered()).isEqualTo(deliveredCount);
        }
        outbox.close();
        assertThat(outbox.queuedBytes()).isZero();
        for (Frames chunk : chunks) {
            assertThat(chunk.memory.refCnt()).isEqualTo(1);
            chunk.memory.release();
        }
    }

    private void grant(int bytes) {
        if (bytes > 0) {
            outbox.grant(bytes);
            grantedBytes += bytes;
        }
    }

    private boolean isAllSeen() {
        return subscriptions.stream().allMatch(this::isAllSeen);
    }

    private boolean isAllSeen(Subscription of) {
        return of.feed.isLive()
                && of.events.stream()
                        .skip(of.seenOffset)
                        .allMatch(event -> event.isExcluded || event.isExpired(clock.nowUs()));
    }

    private void publish(Subscription to, Random random) {
        int count = 1 + random.nextInt(4);
        if (!to.chunk.hasRoomFor(4 * 300)) {
            to.chunk = new Frames(to.handle, CHUNK_BYTES);
            chunks.add(to.chunk);
        }
        if (random.nextInt(4) == 0) {
            // One that leaves this device out: the feed's next run is not contiguous.
            append(to, random, Priority.LOW, true);
            if (to.feed.isLive()) {
                to.feed.advanceTo(to.events.size() + 1);
            }
            count--;
        }
        if (count == 0) {
            return;
        }
        Priority priority = Priority.ofCode(
                random.nextInt(10) == 0 ? random.nextInt(4) : to.feed.lane().code());
        int from = to.chunk.end();
        long firstOffset = to.events.size() + 1;
        long expiresAtUs = Long.MAX_VALUE;
        for (int i = 0; i < count; i++) {
            expiresAtUs = Math.min(expiresAtUs, append(to, random, priority, false).expiresAtUs);
        }
        if (!to.feed.isLive()) {
            outbox.onPassedBy(to.feed, to.events.size(), priority);
        } else {
            assertThat(to.feed.nextOffset()).isEqualTo(firstOffset);
            Offer offer = outbox.offer(to.feed, priority, to.chunk.memory, from, to.chunk.end(), count, expiresAtUs);
            if (offer == Offer.QUEUED) {
                to.feed.advanceTo(firstOffset + count);
            } else {
                assertThat(to.feed.isLive()).isFalse();
                outbox.onPassedBy(to.feed, to.events.size(), priority);
            }
        }
    }

    private Event append(Subscription to, Random random, Priority priority, boolean isExcluded) {
        boolean isExpired = random.nextInt(8) == 0;
        long atUs = isExpired ? clock.nowUs() - 10_000_000 : clock.nowUs();
        long ttlSeconds = isExpired ? 1 : random.nextBoolean() ? 0 : 3_600;
        int from = to.chunk.end();
        int end = to.chunk.append(to.events.size() + 1, 40 + random.nextInt(200), atUs, ttlSeconds, priority);
        Event event = new Event(
                to.chunk,
                to.events.size() + 1,
                from,
                end,
                ttlSeconds == 0 ? Long.MAX_VALUE : atUs + ttlSeconds * 1_000_000,
                isExcluded);
        to.events.add(event);
        return event;
    }

    /** What the home does with questions, in the order they came. */
    private void answerReads(int countMax, Random random) {
        for (Feed feed : owner.asked) {
            unanswered.add(feed);
        }
        owner.asked.clear();
        for (int i = 0; i < countMax && !unanswered.isEmpty(); i++) {
            Feed feed = unanswered.removeFirst();
            if (feed.isLive() || feed.readBytes == 0) {
                continue;
            }
            Subscription of = subscriptions.get(feed.handle() - 1);
            int number = feed.readNumber();
            assertThat(outbox.onReadBegin(feed, 1, GapReason.OVERRUN)).isTrue();
            long next = feed.nextOffset();
            int left = random.nextInt(6);
            while (left-- > 0 && next <= of.events.size() && feed.readNumber() == number) {
                Event event = of.events.get((int) next - 1);
                if (!event.isExcluded) {
                    Priority priority = FrameHeader.priority(event.chunk.memory, event.from);
                    outbox.offerRead(feed, priority, event.chunk.memory, event.from, event.to, 1, event.expiresAtUs);
                }
                if (feed.readNumber() == number) {
                    feed.advanceTo(++next);
                }
            }
            if (feed.readNumber() == number) {
                outbox.onReadEnd(feed, next, next == of.events.size() + 1);
            }
        }
    }

    private void checkWritten() {
        for (Frame frame : sink.frames) {
            Subscription of = subscriptions.get(frame.handle() - 1);
            Event event = of.events.get((int) frame.number() - 1);
            assertThat(event.isExcluded).isFalse();
            assertThat(frame.bytes()).isEqualTo(event.to - event.from);
            assertThat(frame.number()).as("offsets of topic %s", of.handle).isGreaterThan(of.seenOffset);
            for (long skipped = of.seenOffset + 1; skipped < frame.number(); skipped++) {
                Event missing = of.events.get((int) skipped - 1);
                assertThat(missing.isExcluded || missing.isExpired(clock.nowUs()))
                        .as("offset %s of topic %s was passed over", skipped, of.handle)
                        .isTrue();
            }
            of.seenOffset = frame.number();
            deliveredCount++;
            if (FrameHeader.priority(event.chunk.memory, event.from) != Priority.URGENT) {
                takenBytes += frame.bytes();
            }
        }
        if (outbox.creditBytes() != Long.MAX_VALUE) {
            assertThat(outbox.creditBytes()).isEqualTo(grantedBytes - takenBytes);
        }
        sink.frames.clear();
    }
}
