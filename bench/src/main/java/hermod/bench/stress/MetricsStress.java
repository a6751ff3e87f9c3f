package hermod.bench.stress;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.ChannelStats;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import java.util.List;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Description;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.IIII_Result;

/** {@code ShardMetrics}: the shard counts and records while an operator's thread reads, the histogram being made under its eyes. */
@JCStressTest
@Description("A shard counts two deliveries while a reader adds the numbers up.")
@Outcome(
        id = "[012], [012], 2, 2",
        expect = ACCEPTABLE,
        desc = "The reader saw some of them, and in the end there are two.")
@Outcome(expect = FORBIDDEN, desc = "A delivery was lost or counted twice.")
@State
public class MetricsStress {
    private final Meeting meeting = new Meeting();
    private static final List<ChannelInfo> CHANNEL = List.of(new ChannelInfo("chat", "NORMAL", "MEMORY", false, 1, 1));

    private final Metrics metrics = new Metrics(CHANNEL, 1, new MetricsConfig(8, 1));

    @Actor
    public void shard() {
        meeting.arrive();
        metrics.shard(0).delivered(0, 1, 5_000);
        metrics.shard(0).delivered(0, 1, 7_000);
    }

    @Actor
    public void reader(IIII_Result result) {
        meeting.arrive();
        ChannelStats stats = metrics.channels().get(0);
        result.r1 = (int) stats.delivered();
        result.r2 = (int) stats.brokerToSocket().count();
    }

    @Arbiter
    public void after(IIII_Result result) {
        ChannelStats stats = metrics.channels().get(0);
        result.r3 = (int) stats.delivered();
        result.r4 = (int) stats.brokerToSocket().count();
    }
}
