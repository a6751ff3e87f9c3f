package hermod.bench.scenario;

import hermod.bench.check.Verdict;
import hermod.bench.load.Fleet;
import hermod.bench.load.Latency;
import hermod.bench.load.Progress;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.RunResult;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;

/** What one run of a scenario works with: the options, the way to the broker, and where latency and progress are kept. Any thread, but for close. */
public final class RunContext implements AutoCloseable {
    private static final long POLL_MS = 5;
    private static final long LATE_DUPLICATES_MS = 300;

    private final ScenarioOptions options;
    private final String server;
    private final @Nullable String admin;
    private final IntFunction<String> tokenOf;
    private final long brokerPid;
    private final @Nullable Path root;
    private final PrintStream err;
    private final Latency latency;
    private final Progress progress;
    private final int runId;
    private volatile long measuredFromNs = Long.MAX_VALUE;

    /**
     * @param server HOST:PORT over TCP.
     * @param admin HOST:PORT of the operators' HTTP, if known.
     * @param brokerPid process of the broker, 0 if it is not known.
     * @param tokenOf a token by client index; the empty string for none.
     * @param root of the source tree, if known; the fuzzer takes the protocol's test vectors from it.
     * @param err where progress is printed.
     */
    public RunContext(
            ScenarioOptions options,
            String server,
            @Nullable String admin,
            long brokerPid,
            IntFunction<String> tokenOf,
            @Nullable Path root,
            PrintStream err) {
        this.options = options;
        this.server = server;
        this.admin = admin;
        this.brokerPid = brokerPid;
        this.tokenOf = tokenOf;
        this.root = root;
        this.err = err;
        latency = new Latency(options.hlog());
        progress = new Progress(err, latency);
        runId = new SplittableRandom(System.nanoTime()).nextInt();
    }

    ScenarioOptions options() {
        return options;
    }

    String server() {
        return server;
    }

    @Nullable
    String admin() {
        return admin;
    }

    /** The broker's process, 0 if it is not ours. */
    long brokerPid() {
        return brokerPid;
    }

    String token(int client) {
        return tokenOf.apply(client);
    }

    @Nullable
    Path root() {
        return root;
    }

    Latency latency() {
        return latency;
    }

    Progress progress() {
        return progress;
    }

    /** Tells this run's events from those of other runs on the same topics. */
    int runId() {
        return runId;
    }

    /** Tells this run's topics from those of other runs. */
    String topic(String defaultChannel, String name) {
        return options.channelOr(defaultChannel) + ":bench_" + Integer.toHexString(runId) + "_" + name;
    }

    void say(String sentence) {
        err.println(sentence);
    }

    Fleet connect(int count) throws InterruptedException {
        return Fleet.connect(server, count, tokenOf, "bench-" + Integer.toHexString(runId) + "-");
    }

    /** Events meant for this moment (nanoTime) or later count for latency and rate; those before are warm-up. */
    void measureFrom(long intendedNs) {
        measuredFromNs = intendedNs;
    }

    /** Records a delivery's latency, unless it belongs to the warm-up. */
    void delivered(long intendedNs) {
        progress.delivered();
        if (intendedNs - measuredFromNs >= 0 && measuredFromNs != Long.MAX_VALUE) {
            latency.record(System.nanoTime() - intendedNs);
        }
    }

    /**
     * Waits for the outcomes and deliveries that are still out, and a moment longer for what should not come.
     *
     * @param quietSeconds gives up when nothing came for so long.
     */
    void drain(BooleanSupplier isComplete, long quietSeconds) throws InterruptedException {
        long seen = -1;
        long quietSinceNs = System.nanoTime();
        while (!isComplete.getAsBoolean()) {
            long now = progress.deliveredCount() + progress.answeredCount();
            if (now != seen) {
                seen = now;
                quietSinceNs = System.nanoTime();
            } else if (System.nanoTime() - quietSinceNs > TimeUnit.SECONDS.toNanos(quietSeconds)) {
                say("nothing came for " + quietSeconds + " s; what is missing counts as missing");
                return;
            }
            Thread.sleep(POLL_MS);
        }
        Thread.sleep(LATE_DUPLICATES_MS);
    }

    /**
     * The result of a load: its verdict, and the rate over the measured time.
     *
     * @param seconds measured time.
     */
    RunResult result(String workload, double seconds, Verdict verdict, Map<String, Object> extras, List<String> notes) {
        Histogram total = latency.total();
        List<String> faults = new ArrayList<>(RunResult.faultsOf(verdict));
        if (verdict.acknowledged() == 0) {
            faults.add("no event was acknowledged");
        }
        return new RunResult(
                workload,
                seconds,
                verdict,
                seconds > 0 ? total.getTotalCount() / seconds : 0,
                LatencyUs.of(total),
                extras,
                notes,
                faults);
    }

    @Override
    public void close() {
        progress.close();
        latency.close();
    }
}
