package hermod.broker.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MetricsTest {
    private static final long GOAL_US = 1_000;

    private final Metrics metrics = new Metrics(List.of(info("chat"), info("feed")), 3, MetricsConfig.defaults());

    private static ChannelInfo info(String name) {
        return new ChannelInfo(name, "NORMAL", "MEMORY", false, 3, GOAL_US);
    }

    private ChannelStats chat() {
        return metrics.channels().get(0);
    }

    @Test
    void countersAreTheSumOverTheShards() {
        for (int shard = 0; shard < 3; shard++) {
            metrics.shard(shard).add(Counter.FRAMES_RECEIVED, 10 + shard);
            metrics.shard(shard).add(0, ChannelCounter.PUBLISHED, 1 + shard);
        }
        assertThat(metrics.get(Counter.FRAMES_RECEIVED)).isEqualTo(33);
        assertThat(metrics.counters()).containsEntry("frames_received", 33L).hasSize(Counter.values().length);
        assertThat(chat().published()).isEqualTo(6);
        assertThat(metrics.channels().get(1).published()).isZero();
    }

    @Test
    void latenciesOfAllShardsAreOneDistributionAndLoseNothingFromReadingToReading() {
        metrics.shard(0).record(0, Stage.IN_BROKER, 100, 5);
        assertThat(chat().inBroker().count()).isEqualTo(5);
        metrics.shard(1).record(0, Stage.IN_BROKER, 300, 5);
        assertThat(chat().inBroker().count()).isEqualTo(10);
        assertThat(chat().inBroker().max()).isBetween(300L, 303L);
        assertThat(chat().inBroker().p50()).isBetween(100L, 101L);
        assertThat(chat().publishToBroker()).isEqualTo(LatencySummary.EMPTY);
    }

    @Test
    void whatIsOutOfRangeIsCountedAtTheBound() {
        metrics.shard(0).record(0, Stage.PUBLISH_TO_BROKER, Long.MAX_VALUE, 1);
        metrics.shard(0).record(0, Stage.IN_BROKER, Long.MIN_VALUE, 1);
        assertThat(chat().publishToBroker().max()).isBetween(60_000_000L, 61_000_000L);
        assertThat(chat().inBroker().max()).isZero();
        assertThat(chat().inBroker().count()).isEqualTo(1);
    }

    @Test
    void deliveriesAreCountedWithTheirWait() {
        metrics.shard(2).delivered(0, 7, 50_000);
        assertThat(chat().delivered()).isEqualTo(7);
        assertThat(chat().brokerToSocket().count()).isEqualTo(7);
        assertThat(chat().brokerToSocket().p50()).isBetween(50L, 51L);
    }

    @ParameterizedTest
    @CsvSource({"19, 1, unknown", "20, 990, healthy", "20, 3900, degraded", "20, 5000, unhealthy"})
    void healthIsTheNinetyFifthPercentileAgainstTheGoal(long count, long us, String health) {
        metrics.shard(0).record(0, Stage.PUBLISH_TO_HANDLER, us, count);
        assertThat(chat().health()).isEqualTo(health);
    }
}
