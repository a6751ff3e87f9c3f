package hermod.bench.scenario;

import hermod.bench.check.Verdict;
import hermod.bench.load.Fleet;
import hermod.bench.report.RunResult;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * One event in flight from one client to another over one topic: the next is published by the handler that got the one before. The loop is closed by
 * nature, so the intended time of an event is the moment it is published.
 */
public final class PingPong implements Scenario {
    private static final int DEFAULT_SECONDS = 10;
    private static final int WARM_UP_SECONDS = 3;
    private static final int QUIET_SECONDS = 5;

    @Override
    public String name() {
        return "pingpong";
    }

    @Override
    public String description() {
        return "one event in flight from one client to another";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(
                name(),
                List.of(
                        "--rate",
                        "--clients",
                        "--subscribers",
                        "--file",
                        "--events",
                        "--speed",
                        "--gap-cap",
                        "--inject",
                        "--sockets",
                        "--frames-per-second"));
        int seconds = ScenarioOptions.or(options.seconds(), DEFAULT_SECONDS);
        try (Fleet fleet = context.connect(2)) {
            AtomicReference<@Nullable Stream> ball = new AtomicReference<>();
            long startNs = System.nanoTime();
            long measuredNs = startNs + TimeUnit.SECONDS.toNanos(WARM_UP_SECONDS);
            long endNs = measuredNs + TimeUnit.SECONDS.toNanos(seconds);
            Stream stream = Stream.open(
                    context,
                    0,
                    context.topic("tasks", "pingpong"),
                    fleet.client(0),
                    List.of(fleet.client(1)),
                    ScenarioOptions.or(options.size(), Rate.DEFAULT_SIZE),
                    intendedNs -> returnBall(ball.get(), endNs));
            ball.set(stream);
            context.measureFrom(measuredNs);
            context.progress().start();
            returnBall(stream, endNs);
            long seen = 0;
            while (System.nanoTime() - endNs < 0) {
                long now = context.progress().deliveredCount();
                if (now == seen && System.nanoTime() - startNs > TimeUnit.SECONDS.toNanos(QUIET_SECONDS)) {
                    context.say("the event in flight did not come back in time");
                    break;
                }
                seen = now;
                Thread.sleep(Math.max(1, Math.min(1_000, TimeUnit.NANOSECONDS.toMillis(endNs - System.nanoTime()))));
            }
            double measured = (System.nanoTime() - measuredNs) / 1e9;
            Verdict verdict = Stream.finish(context, List.of(stream), QUIET_SECONDS);
            return context.result(name(), measured, verdict, Map.of("warmUpSeconds", WARM_UP_SECONDS), List.of());
        }
    }

    private static void returnBall(@Nullable Stream stream, long endNs) {
        long nowNs = System.nanoTime();
        if (stream != null && nowNs - endNs < 0) {
            stream.publish(nowNs, Stream.wallUsNow(), () -> {});
        }
    }
}
