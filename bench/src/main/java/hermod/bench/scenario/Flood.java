package hermod.bench.scenario;

import hermod.bench.check.Verdict;
import hermod.bench.load.Fleet;
import hermod.bench.load.LoadClient;
import hermod.bench.load.Window;
import hermod.bench.report.RunResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * As fast as it goes from one publisher to one subscriber, or with the name {@code fanout} to many, with a bounded number of events not yet delivered
 * to all, so that a correct broker loses nothing. Latency here is time in the window's queue, not a statement about an unloaded broker.
 */
public final class Flood implements Scenario {
    /** Below the 1,024 sequence values that a producer may have unanswered on a topic. */
    private static final int WINDOW_ONE = 1_000;

    private static final int WINDOW_HUNDRED = 256;
    private static final int WINDOW_MANY = 64;
    private static final int DEFAULT_SECONDS = 10;
    private static final int DEFAULT_FANOUT = 100;
    private static final int WARM_UP_SECONDS = 3;
    private static final int QUIET_SECONDS = 5;

    private final boolean isFanout;

    private Flood(boolean isFanout) {
        this.isFanout = isFanout;
    }

    /** One subscriber. */
    public static Flood oneToOne() {
        return new Flood(false);
    }

    /** Many subscribers. */
    public static Flood fanout() {
        return new Flood(true);
    }

    @Override
    public String name() {
        return isFanout ? "fanout" : "flood";
    }

    @Override
    public String description() {
        return isFanout
                ? "as fast as it goes, one publisher to 100 subscribers"
                : "as fast as it goes, one publisher to one subscriber";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(
                name(),
                List.of(
                        "--rate",
                        "--clients",
                        "--file",
                        "--events",
                        "--speed",
                        "--gap-cap",
                        "--inject",
                        "--sockets",
                        "--frames-per-second"));
        if (!isFanout) {
            options.refuse(name(), List.of("--subscribers"));
        }
        int subscribers = isFanout ? ScenarioOptions.or(options.subscribers(), DEFAULT_FANOUT) : 1;
        int seconds = ScenarioOptions.or(options.seconds(), DEFAULT_SECONDS);
        int windowEvents = subscribers == 1 ? WINDOW_ONE : subscribers <= 100 ? WINDOW_HUNDRED : WINDOW_MANY;
        try (Fleet fleet = context.connect(1 + subscribers)) {
            List<LoadClient> receiving = new ArrayList<>();
            for (int i = 1; i <= subscribers; i++) {
                receiving.add(fleet.client(i));
            }
            Window window = new Window((long) windowEvents * subscribers);
            Stream stream = Stream.open(
                    context,
                    0,
                    context.topic("tasks", name()),
                    fleet.client(0),
                    receiving,
                    ScenarioOptions.or(options.size(), Rate.DEFAULT_SIZE),
                    intendedNs -> window.release(1));
            double measured = publish(context, stream, window, subscribers, seconds);
            Verdict verdict = Stream.finish(context, List.of(stream), QUIET_SECONDS);
            return context.result(
                    name(),
                    measured,
                    verdict,
                    Map.of("subscribers", subscribers, "window", windowEvents, "warmUpSeconds", WARM_UP_SECONDS),
                    List.of());
        }
    }

    private static double publish(RunContext context, Stream stream, Window window, int subscribers, int seconds) {
        long measuredNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(WARM_UP_SECONDS);
        long endNs = measuredNs + TimeUnit.SECONDS.toNanos(seconds);
        long stuckNs = TimeUnit.SECONDS.toNanos(QUIET_SECONDS);
        context.measureFrom(measuredNs);
        context.progress().start();
        long nowNs = System.nanoTime();
        while (nowNs - endNs < 0) {
            if (!window.take(subscribers, nowNs + stuckNs)) {
                context.say("the window stayed full for " + QUIET_SECONDS + " s: deliveries are missing");
                break;
            }
            nowNs = System.nanoTime();
            stream.publish(nowNs, Stream.wallUsNow(), () -> window.release(subscribers));
        }
        return (System.nanoTime() - measuredNs) / 1e9;
    }
}
