package hermod.bench.scenario;

import hermod.bench.check.Verdict;
import hermod.bench.load.Fleet;
import hermod.bench.load.LoadClient;
import hermod.bench.load.OpenLoop;
import hermod.bench.report.RunResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A fixed rate in an open loop: publishers with a topic each, the subscribers spread evenly over the topics. */
public final class Rate implements Scenario {
    static final int DEFAULT_SIZE = 128;

    private static final int DEFAULT_SECONDS = 10;
    private static final int DEFAULT_RATE = 5_000;
    private static final int DEFAULT_PUBLISHERS = 4;
    private static final int DEFAULT_SUBSCRIBERS = 8;
    private static final int WARM_UP_SECONDS = 3;
    private static final int QUIET_SECONDS = 5;

    @Override
    public String name() {
        return "rate";
    }

    @Override
    public String description() {
        return "a fixed rate in an open loop, 4 topics with a publisher each and 8 subscribers";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(
                name(),
                List.of("--file", "--events", "--speed", "--gap-cap", "--inject", "--sockets", "--frames-per-second"));
        int publishers = ScenarioOptions.or(options.clients(), DEFAULT_PUBLISHERS);
        int subscribers = ScenarioOptions.or(options.subscribers(), DEFAULT_SUBSCRIBERS);
        int perSecond = ScenarioOptions.or(options.rate(), DEFAULT_RATE);
        int seconds = ScenarioOptions.or(options.seconds(), DEFAULT_SECONDS);
        try (Fleet fleet = context.connect(publishers + subscribers)) {
            List<Stream> streams = new ArrayList<>();
            for (int i = 0; i < publishers; i++) {
                streams.add(Stream.open(
                        context,
                        i,
                        context.topic("tasks", "rate_" + i),
                        fleet.client(i),
                        everyNth(fleet, publishers, i),
                        ScenarioOptions.or(options.size(), DEFAULT_SIZE),
                        intendedNs -> {}));
            }
            double measured = publish(context, streams, perSecond, seconds);
            Verdict verdict = Stream.finish(context, streams, QUIET_SECONDS);
            return context.result(
                    name(),
                    measured,
                    verdict,
                    Map.of("targetRate", perSecond, "warmUpSeconds", WARM_UP_SECONDS),
                    List.of());
        }
    }

    /** The clients behind the publishers, each one on the topic of its index; a topic without one is published to nobody. */
    private static List<LoadClient> everyNth(Fleet fleet, int publishers, int first) {
        List<LoadClient> subscribers = new ArrayList<>();
        for (int i = publishers + first; i < fleet.size(); i += publishers) {
            subscribers.add(fleet.client(i));
        }
        return subscribers;
    }

    private static double publish(RunContext context, List<Stream> streams, int perSecond, int seconds) {
        OpenLoop loop = new OpenLoop();
        context.measureFrom(loop.await(0) + TimeUnit.SECONDS.toNanos(WARM_UP_SECONDS));
        context.progress().start();
        long count = (long) perSecond * (WARM_UP_SECONDS + seconds);
        for (long i = 0; i < count && !Thread.currentThread().isInterrupted(); i++) {
            long intendedNs = loop.await(OpenLoop.atRate(i, perSecond));
            streams.get((int) (i % streams.size())).publish(intendedNs, loop.wallUs(intendedNs), () -> {});
        }
        return Math.max(seconds, loop.secondsSinceStart() - WARM_UP_SECONDS);
    }
}
