package hermod.broker.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.Metrics;
import hermod.broker.outbox.Outbox.Offer;
import hermod.broker.outbox.RecordingSink.Frame;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class OutboxTest {
    private static final int LIMIT_BYTES = 100_000;
    private static final int RESERVE_BYTES = 20_000;
    private static final int FRAME_BYTES = 1_000;

    private final Metrics metrics = new Metrics(
            List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1)),
            1,
            hermod.broker.metrics.MetricsConfig.defaults());
    private final ShardClock clock = new ShardClock();
    private final RecordingSink sink = new RecordingSink();
    private final List<Frames> topics = new ArrayList<>();
    private final Outbox outbox = outbox(LIMIT_BYTES, RESERVE_BYTES);

    private Outbox outbox(int limitBytes, int reserveBytes) {
        return outbox(limitBytes, reserveBytes, 0);
    }

    private Outbox outbox(int limitBytes, int reserveBytes, int freeBurstBytes) {
        return new Outbox(
                new CountingOwner(),
                sink,
                new RunPool(),
                metrics.shard(0),
                clock,
                new OutboxConfig(limitBytes, reserveBytes, freeBurstBytes));
    }

    @AfterEach
    void everyReferenceWasGivenBack() {
        outbox.close();
        for (Frames topic : topics) {
            assertThat(topic.memory.refCnt()).isEqualTo(1);
            topic.memory.release();
        }
    }

    private Frames topic(int handle) {
        Frames topic = new Frames(handle, 1024 * 1024);
        topics.add(topic);
        return topic;
    }

    private Feed feed(Priority lane) {
        return new Feed(outbox, 1, 0, lane, 1, 1);
    }

    /** Offers one frame as one run. */
    private Offer offer(Feed feed, Frames topic, long offset, int frameBytes) {
        int from = topic.end();
        int to = topic.append(offset, frameBytes);
        return feed.outbox().offer(feed, feed.lane(), topic.memory, from, to, 1, Long.MAX_VALUE);
    }

    private Offer offerExpiring(Feed feed, Frames topic, long offset, long timestampUs, long ttlSeconds) {
        int from = topic.end();
        int to = topic.append(offset, FRAME_BYTES, timestampUs, ttlSeconds);
        return outbox.offer(feed, feed.lane(), topic.memory, from, to, 1, timestampUs + ttlSeconds * 1_000_000L);
    }

    private static ByteBuf answer(int requestId, int frameBytes) {
        ByteBuf frame = UnpooledByteBufAllocator.DEFAULT.buffer(frameBytes);
        FrameHeader.write(frame, FrameType.ERROR, 0, 0, requestId, frameBytes - FrameHeader.LENGTH);
        return frame.writeZero(frameBytes - FrameHeader.LENGTH);
    }

    private ChannelStats chat() {
        return metrics.channels().get(0);
    }

    @Test
    void contiguousRunsOfAFeedAreOneWriteAndOneFlush() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        for (int offset = 1; offset <= 10; offset++) {
            assertThat(offer(feed, topic, offset, FRAME_BYTES)).isEqualTo(Offer.QUEUED);
        }
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L);
        assertThat(sink.writeCount).isEqualTo(1);
        assertThat(sink.flushCount).isEqualTo(1);
        assertThat(chat().delivered()).isEqualTo(10);
        assertThat(outbox.deliveredCount()).isEqualTo(10);
    }

    @Test
    void aRunThatLeavesAHoleOrIsInOtherMemoryIsNotMerged() {
        Frames topic = topic(1);
        Frames next = topic(1);
        Feed feed = feed(Priority.NORMAL);
        offer(feed, topic, 1, FRAME_BYTES);
        topic.append(2, FRAME_BYTES);
        offer(feed, topic, 3, FRAME_BYTES);
        offer(feed, next, 4, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(1L, 3L, 4L);
        assertThat(sink.writeCount).isEqualTo(3);
    }

    @Test
    void aFeedGoesOnInOrderAfterItsRunWasWrittenWithoutExtendingIt() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        offer(feed, topic, 1, FRAME_BYTES);
        outbox.flush();
        offer(feed, topic, 2, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L);
        assertThat(outbox.queuedBytes()).isZero();
    }

    @Test
    void eventsAreTakenUpToTheLimitAndRefusedOneByteBeyondIt() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        assertThat(offer(feed, topic, 1, LIMIT_BYTES - RESERVE_BYTES - FRAME_BYTES))
                .isEqualTo(Offer.QUEUED);
        assertThat(offer(feed, topic, 2, FRAME_BYTES + 1)).isEqualTo(Offer.FULL);
        assertThat(topic.memory.refCnt()).isEqualTo(2);
        assertThat(offer(feed(Priority.HIGH), topic, 3, FRAME_BYTES)).isEqualTo(Offer.QUEUED);
        assertThat(outbox.queuedBytes()).isEqualTo(LIMIT_BYTES - RESERVE_BYTES);
    }

    @Test
    void onlyUrgentEventsMayUseTheReserve() {
        Frames topic = topic(1);
        Feed urgent = feed(Priority.URGENT);
        offer(feed(Priority.HIGH), topic, 1, LIMIT_BYTES - RESERVE_BYTES);
        assertThat(offer(feed(Priority.HIGH), topic, 2, 100)).isEqualTo(Offer.FULL);
        assertThat(offer(urgent, topic, 3, RESERVE_BYTES)).isEqualTo(Offer.QUEUED);
        assertThat(outbox.queuedBytes()).isEqualTo(LIMIT_BYTES);
    }

    @Test
    void theLowestLaneMakesRoomFirstAndItsFeedFallsBehind() {
        Feed low = feed(Priority.LOW);
        Feed normal = feed(Priority.NORMAL);
        Feed high = feed(Priority.HIGH);
        Frames toLow = topic(1);
        Frames toNormal = topic(2);
        int half = (LIMIT_BYTES - RESERVE_BYTES) / 2;
        offer(low, toLow, 1, half);
        low.advanceTo(2);
        offer(normal, toNormal, 1, half);
        normal.advanceTo(2);
        assertThat(offer(high, topic(3), 1, FRAME_BYTES)).isEqualTo(Offer.QUEUED);
        assertThat(low.isLive()).isFalse();
        assertThat(low.nextOffset()).isEqualTo(1);
        assertThat(normal.isLive()).isTrue();
        assertThat(outbox.queuedBytes(Priority.LOW)).isZero();
        assertThat(metrics.get(Counter.EVICTED_LOW)).isEqualTo(1);
        assertThat(metrics.get(Counter.EVICTED_NORMAL)).isZero();
    }

    @Test
    void anEventRaisedAboveItsTopicTakesWhatWaitsOfTheTopicAlong() {
        Frames raised = topic(1);
        Frames other = topic(2);
        Feed feed = feed(Priority.LOW);
        Feed another = new Feed(outbox, 2, 0, Priority.HIGH, 1, 1);
        offer(feed, raised, 1, FRAME_BYTES);
        offer(another, other, 1, FRAME_BYTES);
        int from = raised.end();
        int to = raised.append(2, FRAME_BYTES);
        outbox.offer(feed, Priority.URGENT, raised.memory, from, to, 1, Long.MAX_VALUE);
        outbox.flush();
        assertThat(sink.frames).extracting(RecordingSink.Frame::handle).containsExactly(1, 1, 2);
        assertThat(sink.offsets(1)).containsExactly(1L, 2L);
    }

    @Test
    void aGapClosedThatIsTakenBackDoesNotBringTheEventsAgainAndIsSaidLater() {
        CountingOwner owner = new CountingOwner();
        Outbox one = new Outbox(
                owner, sink, new RunPool(), metrics.shard(0), clock, new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0));
        Feed feed = new Feed(one, 1, 0, Priority.NORMAL, 1, 1);
        Frames topic = topic(1);
        one.useCredit();
        one.grant(1);
        one.fallBehind(feed, 1);
        one.onPassedBy(feed, 5, Priority.NORMAL);
        one.announceFill(feed);
        one.flush();
        assertThat(owner.asked).hasSize(1);
        one.grant(5 * FRAME_BYTES - 1);
        for (int offset = 1; offset <= 5; offset++) {
            int from = topic.end();
            int to = topic.append(offset, FRAME_BYTES, 0, 0, Priority.NORMAL);
            one.offerRead(feed, Priority.NORMAL, topic.memory, from, to, 1, Long.MAX_VALUE);
        }
        one.onReadEnd(feed, 6, true);
        one.flush();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L, 4L, 5L);
        assertThat(one.queuedBytes()).isEqualTo(FrameHeader.LENGTH + FlowFrames.GAP_CLOSED_BODY_BYTES);
        one.park();
        assertThat(feed.isLive()).isFalse();
        assertThat(feed.nextOffset()).isEqualTo(6);
        one.grant(FRAME_BYTES);
        one.flush();
        one.onReadEnd(feed, 6, true);
        one.flush();
        assertThat(sink.frames).hasSize(7);
        assertThat(one.queuedBytes()).isZero();
        one.close();
    }

    @Test
    void aParkedConnectionStillReadsUrgentTopicsThatFellBehind() {
        CountingOwner owner = new CountingOwner();
        Outbox one = new Outbox(
                owner, sink, new RunPool(), metrics.shard(0), clock, new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0));
        one.useCredit();
        Feed normal = new Feed(one, 1, 0, Priority.NORMAL, 1, 1);
        Feed urgent = new Feed(one, 2, 0, Priority.URGENT, 1, 1);
        one.fallBehind(normal, 1);
        one.fallBehind(urgent, 1);
        one.park();
        one.flush();
        assertThat(owner.asked).containsExactly(urgent);
        one.grant(1);
        one.flush();
        assertThat(owner.asked).containsExactly(urgent, normal);
        one.close();
    }

    @Test
    void withoutLanesUrgentEventsAreOutsideCreditAllTheSame() {
        Outbox one = new Outbox(
                new CountingOwner(),
                sink,
                new RunPool(),
                metrics.shard(0),
                clock,
                new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0, false, 1_000, 3, 1_000, 1_000, 0, 4, 1_000, 1_000));
        one.useCredit();
        one.grant(FRAME_BYTES);
        Frames topic = topic(1);
        Feed feed = new Feed(one, 1, 0, Priority.URGENT, 1, 1);
        for (int offset = 1; offset <= 3; offset++) {
            int from = topic.end();
            int to = topic.append(offset, FRAME_BYTES, 0, 0, Priority.URGENT);
            one.offer(feed, Priority.URGENT, topic.memory, from, to, 1, Long.MAX_VALUE);
        }
        one.flush();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L);
        assertThat(one.creditBytes()).isEqualTo(FRAME_BYTES);
        one.close();
    }

    @Test
    void urgentEventsOvertakeEveryOtherLane() {
        Frames low = topic(1);
        Frames high = topic(2);
        Frames urgent = topic(3);
        offer(feed(Priority.LOW), low, 1, FRAME_BYTES);
        offer(feed(Priority.HIGH), high, 1, FRAME_BYTES);
        offer(feed(Priority.URGENT), urgent, 1, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.frames.get(0).handle()).isEqualTo(3);
    }

    @Test
    void behindUrgentTheLanesShareByWeightAndLowKeepsMoreThanFivePerCent() {
        Outbox wide = outbox(4 * 1024 * 1024, 0);
        int perLaneCount = 400;
        for (Priority lane : Priority.values()) {
            Frames topic = topic(lane.code());
            Feed feed = new Feed(wide, 1, 0, lane, 1, 1);
            for (int i = 1; i <= (lane == Priority.URGENT ? 20 : perLaneCount); i++) {
                offer(feed, topic, i, FRAME_BYTES);
                // A hole, so that runs stay single.
                topic.append(0, 50);
            }
        }
        sink.burstBytes = 2 * FRAME_BYTES;
        sink.kernelBytes = 400 * FRAME_BYTES;
        wide.flush();
        long high = sink.bytesOf(Priority.HIGH.code());
        long normal = sink.bytesOf(Priority.NORMAL.code());
        long low = sink.bytesOf(Priority.LOW.code());
        assertThat(sink.frames.subList(0, 20)).allMatch(frame -> frame.handle() == Priority.URGENT.code());
        assertThat((double) low / (high + normal + low)).isBetween(0.05, 0.12);
        assertThat((double) normal / (high + normal + low)).isBetween(0.25, 0.36);
        wide.close();
    }

    @Test
    void aLaneAloneGetsEverything() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.LOW);
        for (int i = 1; i <= 50; i++) {
            offer(feed, topic, i, FRAME_BYTES);
        }
        assertThat(outbox.flush()).isTrue();
        assertThat(sink.offsets(1)).hasSize(50);
    }

    @Test
    void expiredEventsAreLeftOutAndCountedAndTheOthersKept() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        long nowUs = clock.nowUs();
        offerExpiring(feed, topic, 1, nowUs - 2_000_000, 1);
        offerExpiring(feed, topic, 2, nowUs, 3_600);
        offerExpiring(feed, topic, 3, nowUs - 2_000_000, 2);
        offerExpiring(feed, topic, 4, nowUs, 3_600);
        offerExpiring(feed, topic, 5, nowUs - 2_000_001, 2);
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(2L, 4L);
        assertThat(chat().expired()).isEqualTo(3);
        assertThat(chat().delivered()).isEqualTo(2);
        assertThat(outbox.deliveredCount()).isEqualTo(2);
        assertThat(outbox.queuedBytes()).isZero();
    }

    @Test
    void aRunOfWhichNothingIsLeftWritesNothing() {
        Frames topic = topic(1);
        offerExpiring(feed(Priority.NORMAL), topic, 1, clock.nowUs() - 2_000_000, 1);
        outbox.flush();
        assertThat(sink.writeCount).isZero();
        assertThat(chat().expired()).isEqualTo(1);
        assertThat(chat().delivered()).isZero();
    }

    @Test
    void discardForgetsOneFeedAndLeavesTheOthersInOrder() {
        Frames one = topic(1);
        Frames two = topic(2);
        Feed first = feed(Priority.NORMAL);
        Feed second = feed(Priority.NORMAL);
        for (int i = 1; i <= 3; i++) {
            offer(first, one, i, FRAME_BYTES);
            one.append(0, 50);
            offer(second, two, i, FRAME_BYTES);
            two.append(0, 50);
        }
        outbox.discard(second);
        assertThat(outbox.queuedBytes()).isEqualTo(3 * FRAME_BYTES);
        assertThat(two.memory.refCnt()).isEqualTo(1);
        offer(first, one, 4, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L, 4L);
        assertThat(sink.offsets(2)).isEmpty();
    }

    @Test
    void aFeedThatWasDiscardedCanBeFedAgain() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        offer(feed, topic, 1, FRAME_BYTES);
        outbox.discard(feed);
        offer(feed, topic, 2, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(2L);
    }

    @Test
    void aClosedOutboxTakesNothingAndHoldsNothing() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        offer(feed, topic, 1, FRAME_BYTES);
        ByteBuf waiting = answer(1, 100);
        outbox.offerAnswer(waiting);
        outbox.close();
        assertThat(waiting.refCnt()).isZero();
        assertThat(topic.memory.refCnt()).isEqualTo(1);
        assertThat(outbox.queuedBytes()).isZero();
        ByteBuf late = answer(2, 100);
        assertThat(outbox.offerAnswer(late)).isEqualTo(Offer.FULL);
        assertThat(late.refCnt()).isZero();
        assertThat(offer(feed, topic, 2, FRAME_BYTES)).isEqualTo(Offer.FULL);
        assertThat(outbox.markDirty()).isFalse();
        outbox.discard(feed);
        outbox.flush();
        assertThat(sink.frames).isEmpty();
    }

    @Test
    void aSocketThatTakesNoMoreStopsTheFlushAndTheNextOneGoesOn() {
        Frames topic = topic(1);
        Feed feed = feed(Priority.NORMAL);
        for (int i = 1; i <= 10; i++) {
            offer(feed, topic, i, FRAME_BYTES);
            topic.append(0, 50);
        }
        sink.burstBytes = 3 * FRAME_BYTES;
        sink.kernelBytes = 0;
        assertThat(outbox.flush()).isFalse();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L);
        assertThat(outbox.queuedBytes()).isEqualTo(7 * FRAME_BYTES);
        sink.openWide();
        assertThat(outbox.flush()).isTrue();
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L);
    }

    @Test
    void aSocketThatTakesEverythingIsGivenTheLargerBurstUntilItDoesNot() {
        Outbox free = outbox(LIMIT_BYTES, RESERVE_BYTES, 4 * FRAME_BYTES);
        sink.burstBytes = FRAME_BYTES;
        Frames topic = topic(1);
        Feed feed = new Feed(free, 1, 0, Priority.NORMAL, 1, 1);
        Feed other = new Feed(free, 1, 0, Priority.NORMAL, 1, 1);
        for (int offset = 1; offset <= 8; offset++) {
            // Two feeds in turn, so that each event is a write of its own.
            offer(offset % 2 == 0 ? feed : other, topic, offset, FRAME_BYTES);
        }
        free.flush();
        assertThat(sink.writeCount).isEqualTo(8);
        assertThat(sink.flushCount).isEqualTo(2);
        sink.kernelBytes = 0;
        offer(feed, topic, 9, FRAME_BYTES);
        free.flush();
        offer(other, topic, 10, FRAME_BYTES);
        offer(feed, topic, 11, FRAME_BYTES);
        assertThat(free.flush()).isFalse();
        assertThat(sink.writeCount).as("one burst is with the socket, no more").isEqualTo(9);
        sink.kernelBytes = Long.MAX_VALUE;
        sink.flush();
        free.flush();
        assertThat(sink.writeCount).isEqualTo(11);
        free.close();
    }

    @Test
    void smallRunsThatFollowOnEachOtherAreCopiedAndALoneOrLargeOneIsNot() {
        Frames topic = topic(1);
        Frames large = topic(2);
        Feed one = feed(Priority.NORMAL);
        Feed two = feed(Priority.NORMAL);
        offer(one, topic, 1, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.copyCount).isZero();
        offer(one, topic, 2, FRAME_BYTES);
        offer(two, topic, 3, FRAME_BYTES);
        offer(two, large, 1, 2_000);
        offer(one, topic, 4, FRAME_BYTES);
        outbox.flush();
        assertThat(sink.copyCount).isEqualTo(2);
        assertThat(sink.offsets(1)).containsExactly(1L, 2L, 3L, 4L);
        assertThat(sink.frames.stream().map(frame -> frame.handle() + ":" + frame.number()))
                .containsExactly("1:1", "1:2", "1:3", "2:1", "1:4");
    }

    @Test
    void answersGoBeforeEvents() {
        Frames topic = topic(1);
        offer(feed(Priority.URGENT), topic, 1, FRAME_BYTES);
        outbox.offerAnswer(answer(8, 100));
        outbox.offerAnswer(answer(9, 100));
        outbox.flush();
        assertThat(sink.frames.stream().map(Frame::number)).containsExactly(8L, 9L, 1L);
    }

    @Test
    void answersGoWhileEventsAreHeldBack() {
        Frames topic = topic(1);
        outbox.holdBack(true);
        offer(feed(Priority.URGENT), topic, 1, FRAME_BYTES);
        outbox.offerAnswer(answer(9, 100));
        outbox.flush();
        assertThat(sink.frames.stream().map(Frame::isEvent)).containsExactly(false);
        outbox.holdBack(false);
        outbox.flush();
        assertThat(sink.offsets(1)).containsExactly(1L);
    }

    @Test
    void answersAreTakenUpToTheLimitAndRefusedBeyondIt() {
        assertThat(outbox.offerAnswer(answer(1, LIMIT_BYTES - 100))).isEqualTo(Offer.QUEUED);
        assertThat(outbox.offerAnswer(answer(2, 101))).isEqualTo(Offer.FULL);
        assertThat(outbox.offerAnswer(answer(3, 100))).isEqualTo(Offer.QUEUED);
        assertThat(outbox.queuedBytes()).isEqualTo(LIMIT_BYTES);
    }

    @Test
    void answersOfAClientThatNeverReadsStayWithinTheLimitHoweverOftenTheyAreFlushed() {
        sink.burstBytes = 1_000;
        sink.kernelBytes = 0;
        int taken = 0;
        while (taken < 10_000 && outbox.offerAnswer(answer(taken, 100)) == Offer.QUEUED) {
            taken++;
            outbox.flush();
        }
        assertThat(taken * 100).isLessThanOrEqualTo(LIMIT_BYTES + sink.burstBytes);
        sink.openWide();
        outbox.flush();
        assertThat(sink.frames).hasSize(taken);
        assertThat(outbox.queuedBytes()).isZero();
    }

    @Test
    void everyFlushToTheSocketIsCounted() {
        Frames topic = topic(1);
        offer(feed(Priority.NORMAL), topic, 1, FRAME_BYTES);
        outbox.flush();
        outbox.flush();
        assertThat(metrics.get(Counter.SOCKET_FLUSHES)).isEqualTo(1);
    }

    @Test
    void anOutboxIsFlushedOnceHoweverOftenItWasMarked() {
        Frames topic = topic(1);
        FlushList flushes = new FlushList();
        offer(feed(Priority.NORMAL), topic, 1, FRAME_BYTES);
        flushes.add(outbox);
        flushes.add(outbox);
        flushes.flushAll();
        assertThat(sink.flushCount).isEqualTo(1);
        assertThat(flushes.isEmpty()).isTrue();
    }

    @Test
    void oneOutboxWhoseSocketFailsDoesNotKeepTheOthersFromTheirFlush() {
        Frames topic = topic(1);
        RecordingSink broken = new RecordingSink() {
            @Override
            public boolean isWritable() {
                throw new IllegalStateException("broken");
            }
        };
        Outbox failing = new Outbox(
                new CountingOwner(),
                broken,
                new RunPool(),
                metrics.shard(0),
                clock,
                new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0));
        FlushList flushes = new FlushList();
        offer(feed(Priority.NORMAL), topic, 1, FRAME_BYTES);
        flushes.add(failing);
        flushes.add(outbox);
        org.assertj.core.api.Assertions.assertThatThrownBy(flushes::flushAll).hasMessage("broken");
        flushes.flushAll();
        assertThat(sink.offsets(1)).containsExactly(1L);
    }

    @Test
    void whatIsNoLongerKeptOfARewoundFeedWasHadAndIsNoGap() {
        CountingOwner owner = new CountingOwner();
        owner.knowsGaps = false;
        Outbox rewound = new Outbox(
                owner, sink, new RunPool(), metrics.shard(0), clock, new OutboxConfig(LIMIT_BYTES, RESERVE_BYTES, 0));
        Frames topic = topic(1);
        Feed feed = new Feed(rewound, 1, 0, Priority.NORMAL, 1, 1);
        for (int offset = 1; offset <= 3; offset++) {
            offer(feed, topic, offset, FRAME_BYTES);
            feed.advanceTo(offset + 1);
        }
        rewound.flush();
        assertThat(rewound.rewind(feed, 1)).isTrue();
        rewound.flush();
        assertThat(owner.asked).containsExactly(feed);
        assertThat(rewound.onReadBegin(feed, 3, GapReason.OVERRUN)).isTrue();
        assertThat(feed.nextOffset()).isEqualTo(3);
        assertThat(rewound.gapCount()).isZero();
        assertThat(rewound.onReadBegin(feed, 5, GapReason.OVERRUN))
                .as("the event 4 was never sent")
                .isFalse();
        rewound.close();
    }
}
