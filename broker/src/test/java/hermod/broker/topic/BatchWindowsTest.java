package hermod.broker.topic;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import hermod.protocol.Priority;
import hermod.protocol.TopicName;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Times are milliseconds of a clock that the test moves. */
@Tag("FL-2")
class BatchWindowsTest {
    private static final long MS = 1_000_000;
    private static final BatchingConfig CONFIG = new BatchingConfig(8, 1_000_000, 1_024, 65_536, 15, 10);

    private final ChunkPool chunks = new ChunkPool(UnpooledByteBufAllocator.DEFAULT, new ChunkTable(), 4_096);
    private final Metrics metrics = new Metrics(
            List.of(
                    new ChannelInfo("quotes", "LOW", "MEMORY", false, 6, 1),
                    new ChannelInfo("other", "LOW", "MEMORY", false, 6, 1)),
            1,
            MetricsConfig.defaults());
    private final List<Long> alarms = new ArrayList<>();
    private final BatchWindows windows = new BatchWindows(CONFIG, 2, metrics.shard(0), alarms::add);
    private final Channel quotes = channel(0, 30, 150);
    private final List<TopicLog> ended = new ArrayList<>();
    private int handle;

    @AfterEach
    void close() {
        chunks.close();
    }

    private static Channel channel(int index, int minMs, int maxMs) {
        ChannelPolicy any = ChannelPolicies.defaults().of("dashboard");
        return new Channel(
                index,
                index == 0 ? "quotes" : "other",
                new ChannelPolicy(
                        any.lane(),
                        Priority.HIGH,
                        any.durability(),
                        any.keeps(),
                        Batching.ADAPTIVE,
                        minMs,
                        maxMs,
                        any.conflateBy(),
                        any.tier(),
                        any.goalP95Ms(),
                        any.windowMinEvents(),
                        any.ratePerMinute(),
                        any.rateBurst(),
                        0,
                        false));
    }

    private TopicLog topic(String org, Channel channel) {
        handle++;
        return new TopicLog(
                new Topic(handle, org, TopicName.of(channel.name() + ":" + handle), channel, 1, 0),
                chunks,
                TopicFixture.replay(),
                1,
                0);
    }

    private boolean waits(TopicLog log, long atMs) {
        return windows.waits(log, Priority.LOW, 100, atMs * MS);
    }

    private List<TopicLog> expire(long atMs) {
        ended.clear();
        windows.expire(atMs * MS, ended::add);
        return ended;
    }

    private long widthMs(TopicLog log) {
        return BatchWindows.of(log).widthNs() / MS;
    }

    @Test
    void theFirstEventAfterQuietGoesAtOnceAndTheNextOnesWaitForTheWindowsEndTogether() {
        TopicLog one = topic("acme", quotes);
        TopicLog two = topic("acme", quotes);
        assertThat(waits(one, 0)).isFalse();
        assertThat(waits(two, 5)).isTrue();
        assertThat(waits(one, 10)).isTrue();
        assertThat(waits(two, 20)).isTrue();
        assertThat(expire(20)).isEmpty();
        assertThat(expire(30)).containsExactly(two, one);
        // The next one is open already: something waited in the last.
        assertThat(waits(one, 31)).isTrue();
    }

    @Test
    void aWindowInWhichNothingWaitedIsFollowedByQuiet() {
        TopicLog one = topic("acme", quotes);
        assertThat(waits(one, 0)).isFalse();
        assertThat(expire(30)).isEmpty();
        assertThat(waits(one, 40)).isFalse();
    }

    @Test
    void organizationsAndChannelsDoNotWaitForEachOther() {
        Channel other = channel(1, 30, 150);
        TopicLog one = topic("acme", quotes);
        assertThat(waits(one, 0)).isFalse();
        assertThat(waits(topic("umbrella", quotes), 1)).isFalse();
        assertThat(waits(topic("acme", other), 2)).isFalse();
        assertThat(waits(topic("acme", quotes), 3)).isTrue();
    }

    @Test
    void anEventAboveLowNeverWaitsAndOpensNoWindow() {
        TopicLog one = topic("acme", quotes);
        for (Priority above : List.of(Priority.NORMAL, Priority.HIGH, Priority.URGENT)) {
            assertThat(windows.waits(one, above, 100, 0)).isFalse();
        }
        assertThat(waits(one, 1)).isFalse();
        assertThat(waits(one, 2)).isTrue();
        assertThat(windows.waits(one, Priority.NORMAL, 100, 3 * MS)).isFalse();
    }

    @Test
    void aTopicOfAChannelThatDoesNotBatchNeverWaits() {
        TopicLog chat = new TopicLog(TopicFixture.topic(1), chunks, TopicFixture.replay(), 1, 0);
        for (int i = 0; i < 10; i++) {
            assertThat(waits(chat, i)).isFalse();
        }
        assertThat(alarms).isEmpty();
    }

    @Test
    void theWindowGrowsToItsLongestWhileItIsFullAndShrinksToItsShortestWhenItIsNot() {
        TopicLog one = topic("acme", quotes);
        long now = 0;
        waits(one, now);
        List<Long> widths = new ArrayList<>();
        for (int window = 0; window < 8; window++) {
            for (int i = 0; i < CONFIG.fullCount(); i++) {
                waits(one, now + 1);
            }
            now += widthMs(one);
            expire(now);
            widths.add(widthMs(one));
        }
        assertThat(widths).isSorted().endsWith(150L).startsWith(45L);
        // A half-full one stays as it is.
        for (int i = 0; i < CONFIG.fullCount() / 2; i++) {
            waits(one, now + 1);
        }
        now += 150;
        expire(now);
        assertThat(widthMs(one)).isEqualTo(150);
        for (int window = 0; window < 10; window++) {
            waits(one, now + 1);
            now += widthMs(one) + 1;
            assertThat(expire(now)).containsExactly(one);
        }
        assertThat(widthMs(one)).isEqualTo(30);
    }

    @Test
    void theWidestWindowOfAChannelIsItsMetric() {
        TopicLog one = topic("acme", quotes);
        waits(one, 0);
        windows.onTick(1);
        assertThat(metrics.channels().get(0).batchWindowUs()).isEqualTo(30_000);
        assertThat(metrics.channels().get(1).batchWindowUs()).isZero();
        expire(31);
        windows.onTick(32 * MS);
        assertThat(metrics.channels().get(0).batchWindowUs()).isZero();
    }

    @Test
    void aShortestWindowOfZeroIsOneMillisecond() {
        TopicLog one = topic("acme", channel(0, 0, 30));
        waits(one, 0);
        assertThat(widthMs(one)).isEqualTo(1);
        assertThat(waits(one, 0)).isTrue();
        assertThat(expire(1)).containsExactly(one);
    }

    @Test
    void windowsThatAreQuietAreForgottenAndMadeAgain() {
        List<TopicLog> logs = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            logs.add(topic("org" + i, quotes));
            waits(logs.get(i), 0);
        }
        expire(100);
        windows.onTick(5_000 * MS);
        assertThat(windows.count()).isEqualTo(100);
        windows.onTick(10_200 * MS);
        assertThat(windows.count()).isZero();
        TopicLog sibling = topic("org7", quotes);
        assertThat(waits(logs.get(7), 20_000)).isFalse();
        assertThat(waits(sibling, 20_001)).isTrue();
        assertThat(windows.count()).isEqualTo(1);
    }

    @Test
    void whenTheBrokerStopsAllThatWaitsIsHandedOn() {
        TopicLog one = topic("acme", quotes);
        TopicLog two = topic("umbrella", quotes);
        for (TopicLog log : List.of(one, two)) {
            waits(log, 0);
            waits(log, 1);
        }
        windows.endAll(2 * MS, ended::add);
        assertThat(ended).containsExactlyInAnyOrder(one, two);
        assertThat(expire(1_000)).isEmpty();
    }

    /** Any load: nobody waits longer than the longest window and a millisecond, nobody is forgotten, and the alarm is always set for the next end. */
    @Test
    void whateverComesNobodyWaitsLongerThanTheLongestWindow() {
        long seed = Long.getLong("hermod.seed", System.nanoTime());
        SplittableRandom random = new SplittableRandom(seed);
        List<TopicLog> logs = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            logs.add(topic("org" + i % 3, i % 2 == 0 ? quotes : channel(1, 0, 40)));
        }
        Map<TopicLog, Long> since = new HashMap<>();
        long now = 0;
        int waited = 0;
        for (int step = 0; step < 50_000; step++) {
            now += random.nextInt(4) == 0 ? random.nextInt(20) * MS : random.nextInt(1_000_000);
            long at = now;
            while (!alarms.isEmpty()
                    && alarms.stream().mapToLong(Long::longValue).min().getAsLong() <= now) {
                // The timer fires for the earliest; the broker's shard sets it again for the next.
                alarms.clear();
                windows.expire(now, log -> {
                    Long from = since.remove(log);
                    assertThat(from).as("seed=%s", seed).isNotNull();
                    long longest = log.topic().channel().policy().batchMaxMs();
                    assertThat(at - from).as("seed=%s", seed).isLessThanOrEqualTo((longest + 20) * MS);
                });
            }
            TopicLog log = logs.get(random.nextInt(logs.size()));
            if (windows.waits(log, Priority.LOW, 1 + random.nextInt(500), now)) {
                since.putIfAbsent(log, now);
                waited++;
            }
        }
        assertThat(waited).isPositive();
        windows.endAll(now, since::remove);
        assertThat(since).as("seed=%s", seed).isEmpty();
    }
}
