package hermod.broker.dispatch;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.LeakCheck;
import hermod.broker.engine.memory.MemoryEngine;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Counter;
import hermod.broker.metrics.LatencySummary;
import hermod.broker.metrics.Metrics;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FrameSink;
import hermod.broker.outbox.Outbox;
import hermod.broker.outbox.OutboxConfig;
import hermod.broker.outbox.RunPool;
import hermod.broker.shard.Shard;
import hermod.broker.shard.ShardConfig;
import hermod.broker.topic.BatchingConfig;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Channels;
import hermod.broker.topic.HomeTopics;
import hermod.broker.topic.Topic;
import hermod.broker.topic.TopicConfig;
import hermod.broker.topic.TopicLog;
import hermod.protocol.ErrorCode;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishFrame;
import hermod.protocol.frame.PublishedFrame;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.AbstractByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Two shards on the test's thread, which runs each one's tasks when it likes. */
@ExtendWith(LeakCheck.class)
class DispatchTest {
    private static final int HOME = 0;
    private static final int AWAY = 1;

    /** A connection that remembers what it was told. */
    private static final class Client implements Party, FrameSink, Outbox.Owner {
        final Dispatch on;
        final long key;
        final Outbox outbox;
        final PublishedWriter outcomes = new PublishedWriter();
        final List<Integer> accepted = new ArrayList<>();
        final List<Integer> refused = new ArrayList<>();
        final List<Long> offsets = new ArrayList<>();

        @Nullable
        Topic topic;

        @Nullable
        ErrorCode refusal;

        long nextOffset;
        boolean isMarked;
        int underWayEvents;
        int underWayBytes;
        boolean isWritable = true;

        @Nullable
        Feed feed;

        final List<String> gaps = new ArrayList<>();

        Client(Dispatch on, long key) {
            this.on = on;
            this.key = key;
            outbox = new Outbox(
                    this, this, new RunPool(), on.metrics(), on.shard().clock(), new OutboxConfig(65_536, 0, 0));
            on.add(this);
        }

        Feed subscribe() {
            feed = new Feed(outbox, topic.handle(), 0, topic.channel().policy().lane(), device(), nextOffset);
            on.subscriptions().add(topic.handle(), feed);
            return feed;
        }

        @Override
        public long key() {
            return key;
        }

        @Override
        public byte[] source() {
            return new byte[] {'u', (byte) ('0' + key)};
        }

        @Override
        public long producer() {
            return key;
        }

        @Override
        public long author() {
            return 1;
        }

        @Override
        public long device() {
            return key;
        }

        @Override
        public boolean mayPublishUrgent() {
            return false;
        }

        @Override
        public PublishedWriter outcomes() {
            return outcomes;
        }

        @Override
        public void onUnderWay(int entryBytes) {
            underWayEvents++;
            underWayBytes += entryBytes;
        }

        @Override
        public void onAnswered(int events, int entryBytes) {
            underWayEvents -= events;
            underWayBytes -= entryBytes;
        }

        @Override
        public boolean markOutcomes() {
            boolean isNew = !isMarked;
            isMarked = true;
            return isNew;
        }

        @Override
        public void writeOutcomes() {
            isMarked = false;
            if (outcomes.isEmpty()) {
                return;
            }
            ByteBuf frame = Unpooled.buffer();
            outcomes.writeTo(frame);
            try {
                PublishedFrame published = new PublishedFrame().wrap(frame, 0);
                for (int i = 0; i < published.rangeCount(); i++) {
                    for (int k = 0; k < published.rangeLength(i); k++) {
                        accepted.add(published.rangeFirstRequestId(i) + k);
                    }
                }
                for (int i = 0; i < published.exceptionCount(); i++) {
                    refused.add(published.exceptionRequestId(i));
                }
            } catch (Exception broken) {
                throw new IllegalStateException(broken);
            }
        }

        @Override
        public void onHeld(
                int correlation, @Nullable Topic held, long next, long firstAvailable, @Nullable ErrorCode why) {
            topic = held;
            nextOffset = next;
            refusal = why;
        }

        @Override
        public @Nullable Feed feed(int handle) {
            return feed;
        }

        @Override
        public void onRoom(Feed behind, int bytes) {
            on.read(this, topic, behind, bytes);
        }

        @Override
        public boolean knowsGaps() {
            return true;
        }

        @Override
        public void onLoss() {
            throw new AssertionError("it knows gaps");
        }

        @Override
        public boolean isWritable() {
            return isWritable;
        }

        @Override
        public void write(ByteBuf frames) {
            for (int at = frames.readerIndex(); at < frames.writerIndex(); at += FrameHeader.frameBytes(frames, at)) {
                if (FrameHeader.type(frames, at) == FrameType.GAP.code()) {
                    gaps.add(FlowFrames.first(frames, at) + "-" + FlowFrames.last(frames, at));
                } else {
                    offsets.add(EventFrame.offset(frames, at));
                }
            }
            frames.release();
        }

        @Override
        public void flush() {}

        @Override
        public void close(ByteBuf last) {
            last.release();
        }

        @Override
        public void readEnabled(boolean enabled) {}
    }

    /** Fails when it is told to. */
    private static final class FailingAllocator extends AbstractByteBufAllocator {
        boolean fails;

        @Override
        protected ByteBuf newHeapBuffer(int bytes, int maxBytes) {
            return UnpooledByteBufAllocator.DEFAULT.heapBuffer(bytes, maxBytes);
        }

        @Override
        protected ByteBuf newDirectBuffer(int bytes, int maxBytes) {
            if (fails) {
                throw new IllegalStateException("no memory");
            }
            return UnpooledByteBufAllocator.DEFAULT.directBuffer(bytes, maxBytes);
        }

        @Override
        public boolean isDirectBufferPooled() {
            return false;
        }
    }

    private final FailingAllocator allocator = new FailingAllocator();
    private final Metrics metrics = new Metrics(
            List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1)),
            2,
            hermod.broker.metrics.MetricsConfig.defaults());
    private final List<ArrayDeque<Runnable>> tasks = List.of(new ArrayDeque<>(), new ArrayDeque<>());
    private final Dispatch[] dispatches = new Dispatch[2];
    private final TopicName name = nameAtHome();

    private final MemoryEngine engine = MemoryEngine.inline();

    private static TopicName nameAtHome() {
        int i = 0;
        while (HomeTopics.homeOf("acme", "chat:" + i, 2) != HOME) {
            i++;
        }
        return TopicName.of("chat:" + i);
    }

    @BeforeEach
    void start() {
        Shard[] shards = {new Shard(0, config()), new Shard(1, config())};
        Dispatch.Ground ground = new Dispatch.Ground(
                shards,
                new Channels(Map.of("chat", ChannelPolicy.defaults())),
                allocator,
                TopicConfig.defaults(),
                BatchingConfig.defaults(),
                1_000_000,
                1_000,
                engine);
        for (int i = 0; i < 2; i++) {
            dispatches[i] = new Dispatch(ground, i, metrics.shard(i));
            shards[i].start(tasks.get(i)::addLast, dispatches[i]);
        }
        settle();
    }

    private static ShardConfig config() {
        return new ShardConfig(2, 64 * 1024, 1_024, 0);
    }

    @AfterEach
    void close() {
        allocator.fails = false;
        settle();
        for (Dispatch dispatch : dispatches) {
            dispatch.close();
        }
    }

    /** What the shard has to do now; a shard that waits for another one's ring asks for more at once. */
    private void run(int shard) {
        for (int left = tasks.get(shard).size(); left > 0; left--) {
            tasks.get(shard).remove().run();
        }
    }

    /** Until neither shard has anything to do. */
    private void settle() {
        while (!tasks.get(HOME).isEmpty() || !tasks.get(AWAY).isEmpty()) {
            run(HOME);
            run(AWAY);
        }
    }

    private Client client(int shard, long key) {
        return new Client(dispatches[shard], key);
    }

    private void hold(Client client, boolean asSubscriber) {
        client.on.hold(client, 1, "acme", name, asSubscriber, true);
    }

    private Client holding(int shard, long key, boolean asSubscriber) {
        Client client = client(shard, key);
        hold(client, asSubscriber);
        settle();
        assertThat(client.topic).isNotNull();
        return client;
    }

    private TopicLog log() {
        return dispatches[HOME].logs().iterator().next();
    }

    private void publish(Client client, int requestId, int payloadBytes) throws Exception {
        ByteBuf frame = Unpooled.buffer();
        PublishFrame.writeHead(frame, 0, client.topic.handle(), requestId, 0, 0, 0, 0, 0, payloadBytes);
        frame.writeZero(payloadBytes);
        Publisher publisher = client.on.publisher();
        publisher.view().wrap(frame, 0, frame.readableBytes());
        publisher.publish(client, publisher.publication(client.topic, Priority.LOW, null));
    }

    /** Time that an event spends between its arrival and its turn. */
    private static void passTwoMs() {
        long until = System.nanoTime() + 2_000_000;
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
    }

    @Test
    void theTimeInTheBrokerIsMeasuredInEachTurn() throws Exception {
        Client subscriber = holding(HOME, 1, true);
        Feed feed = subscriber.subscribe();
        Client publisher = holding(HOME, 2, false);
        for (int i = 0; i < 5; i++) {
            dispatches[HOME].shard().clock().update();
            publish(publisher, i, 10);
            passTwoMs();
            settle();
        }
        assertThat(subscriber.offsets).hasSize(5);
        LatencySummary inBroker = metrics.channels().get(0).inBroker();
        assertThat(inBroker.count()).isEqualTo(5);
        assertThat(inBroker.p50()).isGreaterThanOrEqualTo(1_900);
        dispatches[HOME].subscriptions().remove(subscriber.topic.handle(), feed);
    }

    @Test
    void anEventOfAnotherShardsPublisherReachesTheSubscriberAndIsAnswered() throws Exception {
        Client subscriber = holding(HOME, 1, true);
        Feed feed = subscriber.subscribe();
        Client publisher = holding(AWAY, 2, false);
        publish(publisher, 7, 10);
        publish(publisher, 8, 10);
        publisher.on.publisher().sendBatch();
        settle();
        assertThat(subscriber.offsets).containsExactly(1L, 2L);
        assertThat(publisher.accepted).containsExactly(7, 8);
        dispatches[HOME].subscriptions().remove(subscriber.topic.handle(), feed);
    }

    @Test
    void aHoldWhoseConnectionIsGoneWhenItIsAnsweredIsLetGoAgain() {
        Client client = client(AWAY, 1);
        hold(client, true);
        run(HOME);
        assertThat(log().subscriberCount(AWAY)).isEqualTo(1);
        client.on.remove(client);
        settle();
        assertThat(log().subscriberCount()).isZero();
        assertThat(log().isIdle()).isTrue();
    }

    @Test
    void aConnectionThatEndsWhileItsEventsAreOnTheirWayLeavesNothingBehind() throws Exception {
        Client client = holding(AWAY, 1, true);
        Feed feed = client.subscribe();
        publish(client, 1, 100);
        client.on.publisher().sendBatch();
        run(HOME);
        // The run and the outcome lie in its shard's rings now.
        client.on.subscriptions().remove(client.topic.handle(), feed);
        client.outbox.close();
        client.on.letGo(client.topic, true);
        client.on.remove(client);
        settle();
        assertThat(client.accepted).isEmpty();
        assertThat(log().isIdle()).isTrue();
        assertThat(metrics.get(Counter.DEFECTS)).isZero();
    }

    @Test
    void aSubscriberGetsEveryEventFromTheOffsetItWasToldAndNoneBefore() throws Exception {
        Client publisher = holding(HOME, 1, false);
        publish(publisher, 1, 10);
        Client subscriber = client(AWAY, 2);
        hold(subscriber, true);
        publish(publisher, 2, 10);
        run(HOME);
        publish(publisher, 3, 10);
        // HELD comes before the run behind it.
        while (subscriber.topic == null) {
            tasks.get(AWAY).remove().run();
        }
        subscriber.subscribe();
        settle();
        publish(publisher, 4, 10);
        dispatches[HOME].shard().requestTurn();
        settle();
        assertThat(subscriber.offsets).endsWith(4L);
        assertThat(subscriber.offsets.get(0)).isGreaterThanOrEqualTo(subscriber.nextOffset);
    }

    @Test
    void aRingThatIsFullRefusesTheBatchAndSaysSoOfEachEvent() throws Exception {
        Client publisher = holding(AWAY, 1, false);
        int id = 0;
        while (publisher.refused.isEmpty() && id < 1_000) {
            publish(publisher, id++, 1_000);
            publish(publisher, id++, 1_000);
            publisher.on.publisher().sendBatch();
            run(AWAY);
        }
        assertThat(publisher.refused).containsExactly(id - 2, id - 1);
        settle();
        assertThat(publisher.accepted).hasSize(id - 2);
    }

    @Test
    void outcomesOfABatchThatFailedGoToItsPublisherAndNotToTheNextOne() throws Exception {
        Client unlucky = holding(AWAY, 1, false);
        Client next = holding(AWAY, 2, false);
        publish(unlucky, 1_001, 10);
        publish(unlucky, 1_002, 5_000);
        unlucky.on.publisher().sendBatch();
        run(AWAY);
        publish(next, 7, 10);
        next.on.publisher().sendBatch();
        run(AWAY);
        TopicLog log = log();
        assertThat(log.nextOffset()).isEqualTo(1);
        // The first event is to find room, the second none.
        Client local = holdingWithoutSettling();
        allocator.fails = true;
        settle();
        assertThat(next.accepted).containsExactly(7);
        assertThat(unlucky.accepted).containsExactly(1_001);
        assertThat(metrics.get(Counter.DEFECTS)).isEqualTo(1);
        local.on.remove(local);
    }

    /** Makes the topic's first chunk, before the batches of the other shard are looked at. */
    private Client holdingWithoutSettling() throws Exception {
        Client local = client(HOME, 3);
        local.topic = log().topic();
        publish(local, 1, 10);
        return local;
    }

    @Test
    void aSubscriberWhoseShardMissedRunsReadsThemFromTheReplayWindow() throws Exception {
        Client subscriber = holding(AWAY, 1, true);
        Feed feed = subscriber.subscribe();
        Client publisher = holding(HOME, 2, false);
        int count = publishMoreThanTheRingTakes(publisher, 0);
        settle();
        assertThat(subscriber.offsets).hasSize(count).isSorted().doesNotHaveDuplicates();
        assertThat(subscriber.gaps).isEmpty();
        assertThat(feed.isLive()).isTrue();
        assertThat(metrics.get(Counter.RUNS_OVERRUN)).isPositive();
        // And once more: the mark of the first time must not stand in the way of the next.
        int more = publishMoreThanTheRingTakes(publisher, 0);
        settle();
        assertThat(subscriber.offsets).hasSize(count + more).isSorted().doesNotHaveDuplicates();
        dispatches[AWAY].subscriptions().remove(subscriber.topic.handle(), feed);
        subscriber.outbox.close();
        settle();
        assertThat(metrics.get(Counter.DEFECTS)).isZero();
    }

    /** More runs than the ring and the queue before it take, while the other shard does nothing. */
    private int publishMoreThanTheRingTakes(Client publisher, int payloadBytes) throws Exception {
        int count = Outgoing.WAITING_RUNS_MAX + 2_000;
        for (int id = 0; id < count; id++) {
            publish(publisher, id, payloadBytes);
            dispatches[HOME].shard().turnNow();
        }
        return count;
    }

    @Test
    void whatTheReplayWindowNoLongerHasIsAnnouncedAsAGapInItsPlace() throws Exception {
        Client subscriber = holding(AWAY, 1, true);
        Feed feed = subscriber.subscribe();
        Client publisher = holding(HOME, 2, false);
        int count = publishMoreThanTheRingTakes(publisher, 2_000);
        settle();
        assertThat(subscriber.offsets).isSorted().doesNotHaveDuplicates().endsWith((long) count);
        assertThat(subscriber.gaps).hasSize(1);
        String[] gap = subscriber.gaps.get(0).split("-");
        long from = Long.parseLong(gap[0]);
        long to = Long.parseLong(gap[1]);
        assertThat(subscriber.offsets).contains(from - 1, to + 1).hasSize(count - (int) (to - from + 1));
        assertThat(feed.isLive()).isTrue();
        dispatches[AWAY].subscriptions().remove(subscriber.topic.handle(), feed);
        subscriber.outbox.close();
        settle();
        assertThat(metrics.get(Counter.DEFECTS)).isZero();
    }

    @Test
    void aSubscriberThatTookNothingForAWhileReadsOnFromTheWindowAndIsLiveAgain() throws Exception {
        Client subscriber = holding(HOME, 1, true);
        Feed feed = subscriber.subscribe();
        Client publisher = holding(HOME, 2, false);
        subscriber.isWritable = false;
        for (int id = 1; id <= 300; id++) {
            publish(publisher, id, 1_000);
            settle();
            assertThat(subscriber.outbox.queuedBytes()).isLessThanOrEqualTo(65_536);
        }
        assertThat(feed.isLive()).isFalse();
        assertThat(subscriber.outbox.behindCount()).isEqualTo(1);
        subscriber.isWritable = true;
        subscriber.on.flushes().add(subscriber.outbox);
        subscriber.on.shard().requestTurn();
        settle();
        assertThat(feed.isLive()).isTrue();
        publish(publisher, 301, 10);
        settle();
        assertThat(subscriber.offsets).hasSize(301).isSorted().doesNotHaveDuplicates();
        assertThat(subscriber.gaps).isEmpty();
        dispatches[HOME].subscriptions().remove(subscriber.topic.handle(), feed);
        subscriber.outbox.close();
        settle();
        assertThat(metrics.get(Counter.DEFECTS)).isZero();
    }
}
