package hermod.bench.scenario;

import hermod.bench.BrokerProcess;
import hermod.bench.check.Verdict;
import hermod.bench.compare.Tools;
import hermod.bench.load.BenchFailure;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.PairedRatio;
import hermod.bench.report.RunResult;
import hermod.bench.scenario.SlowRound.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One run of the scenario {@code slow}: its parts, one after the other, and what they say together. One thread. */
final class SlowTrial {
    private static final int DEFAULT_SUBSCRIBERS = 100;
    private static final int DEFAULT_RATE = 2_000;
    private static final List<Integer> DEFAULT_STALLED = List.of(1, 10);
    private static final String MEMORY_CHANNEL = "tasks";
    private static final String DURABLE_CHANNEL = "chat";
    private static final int ACCOUNT_PAIRS = 2;
    private static final double ACCOUNT_SECONDS = 0.5;

    /** Seconds of a round besides the two measured parts. */
    private static final double ROUND_OVERHEAD_SECONDS = 1.1;

    /** What is published at most into the window below, but for the part at a fixed rate. */
    private static final long WIDE_EVENTS_BYTES = 64L * 1024 * 1024;

    private static final int EVENT_HEAD_BYTES = 64;

    /** Holds all that a part publishes, so that a durable channel owes every event of it. */
    private static final String WIDE_WINDOW = "topic:\n  replay-topic-bytes: 128MiB\n  replay-limit-bytes: 4GiB\n";

    /** @param pid of the broker's process, 0 if it is not known. */
    private record Target(String server, @Nullable String admin, String token, long pid) {}

    private final List<SlowPart> parts = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();
    private Verdict verdict = Verdict.NONE;

    private final RunContext context;

    SlowTrial(RunContext context) {
        this.context = context;
    }

    RunResult run() throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(
                Slow.NAME,
                List.of(
                        "--clients",
                        "--file",
                        "--events",
                        "--speed",
                        "--gap-cap",
                        "--inject",
                        "--sockets",
                        "--frames-per-second"));
        int subscribers = ScenarioOptions.or(options.subscribers(), DEFAULT_SUBSCRIBERS);
        int pairs = ScenarioOptions.or(options.pairs(), SlowPart.PAIRS_MIN);
        List<Integer> stalled = options.stalled() == null ? DEFAULT_STALLED : List.of(options.stalled());
        for (int one : stalled) {
            if (one >= subscribers) {
                throw new BenchFailure(
                        BenchFailure.Kind.USAGE,
                        "--stalled must be below --subscribers (" + subscribers + "), got " + one);
            }
        }
        Tools tools = Tools.find(context.root());
        String missing = tools.missingForBuild();
        if (missing != null) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, missing);
        }
        tools.build(false, context::say);
        SlowGenerator generator = new SlowGenerator(tools.folder(), context::say);

        double seconds = ScenarioOptions.or(options.seconds(), 1);
        List<Kind> kinds = List.of(Kind.values());
        context.say(String.format(
                Locale.ROOT,
                "%d blocks of %d rounds for each of %s stalled: about %.0f minutes",
                pairs + 1,
                kinds.size(),
                stalled,
                Math.ceil(stalled.size() * (pairs + 1) * kinds.size() * (2 * seconds + ROUND_OVERHEAD_SECONDS) / 60)));
        Target given = new Target(context.server(), context.admin(), context.token(0), context.brokerPid());
        String channel = options.channelOr(MEMORY_CHANNEL);
        boolean isGood = true;
        for (int one : stalled) {
            isGood = isGood && run(generator, given, channel, subscribers, one, pairs, seconds, kinds, false);
        }
        if (isGood && options.channel() == null) {
            runDurable(generator, given, subscribers, stalled.get(stalled.size() - 1));
        }
        return result(seconds);
    }

    /** What a durable channel owes, on a broker of ours whose window holds all of it; on a given broker on what it has. */
    private void runDurable(SlowGenerator generator, Target given, int subscribers, int stalled)
            throws InterruptedException {
        List<Kind> stops = List.of(Kind.SOCKET, Kind.HANDLER);
        if (given.pid == 0) {
            run(generator, given, DURABLE_CHANNEL, subscribers, stalled, ACCOUNT_PAIRS, ACCOUNT_SECONDS, stops, false);
            return;
        }
        Path config = null;
        try {
            config = Files.writeString(Files.createTempFile("hermod-bench-slow", ".yaml"), WIDE_WINDOW);
            context.say("starting a broker with a wide replay window");
            try (BrokerProcess broker = BrokerProcess.builder()
                    .arguments("--config", config.toString())
                    .start()) {
                Thread stopper = new Thread(broker::close, "bench-stop-wide-broker");
                Runtime.getRuntime().addShutdownHook(stopper);
                try {
                    Target wide = new Target(
                            broker.tcp(),
                            broker.admin(),
                            broker.mintToken("bench", "bench", BrokerProcess.LOAD_RIGHTS),
                            broker.pid());
                    run(
                            generator,
                            wide,
                            DURABLE_CHANNEL,
                            subscribers,
                            stalled,
                            ACCOUNT_PAIRS,
                            ACCOUNT_SECONDS,
                            stops,
                            true);
                } finally {
                    removeHook(stopper);
                }
            }
        } catch (IOException unwritable) {
            throw new BenchFailure(
                    BenchFailure.Kind.FAILED, "the configuration cannot be written: " + unwritable.getMessage());
        } finally {
            if (config != null) {
                delete(config);
            }
        }
    }

    private static void delete(Path file) {
        try {
            Files.delete(file);
        } catch (IOException left) {
            // A small file in the temporary folder.
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running; it stops the broker as well as we would.
        }
    }

    /** One run of the generator; false where it ended early, with a fault told. */
    private boolean run(
            SlowGenerator generator,
            Target target,
            String channel,
            int subscribers,
            int stalled,
            int pairs,
            double seconds,
            List<Kind> kinds,
            boolean mustFill)
            throws InterruptedException {
        ScenarioOptions options = context.options();
        context.say(String.format(Locale.ROOT, "%d of %d subscribers, channel %s", stalled, subscribers, channel));
        int size = Math.max(SlowGenerator.SIZE_MIN, ScenarioOptions.or(options.size(), Rate.DEFAULT_SIZE));
        SlowPart part = new SlowPart(channel, stalled, mustFill);
        SlowGenerator.Load load = new SlowGenerator.Load(
                target.server,
                target.token,
                channel,
                subscribers,
                stalled,
                pairs,
                seconds,
                ScenarioOptions.or(options.rate(), DEFAULT_RATE),
                size,
                kinds,
                mustFill ? WIDE_EVENTS_BYTES / (size + EVENT_HEAD_BYTES) : 0,
                options.seed(),
                target.pid);
        SlowRound sums = generator.run(
                load,
                held -> part.add(
                        held.block(),
                        held.kind(),
                        SlowLook.take(target.admin, target.pid, held.text("runid"), subscribers - stalled)),
                round -> {
                    part.add(round);
                    context.say(line(round, pairs));
                });
        parts.add(part);
        if (!sums.text("error").isEmpty()) {
            faults.add("the generator gave up: " + sums.text("error"));
        }
        verdict = verdict.plus(verdict(part, sums));
        for (Kind kind : kinds) {
            if (part.has(kind) && kind.isStalled()) {
                part.judge(kind, notes, faults);
                part.account(kind, notes, faults);
            }
        }
        return sums.text("error").isEmpty();
    }

    private static String line(SlowRound round, int pairs) {
        return String.format(
                Locale.ROOT,
                "%3d of %d  %-8s %,11.0f deliveries/s  p99 %,8.0f us  CPU %.4f us a delivery  announced %,d  filled %,d  unaccounted %,d",
                round.block(),
                pairs,
                round.kind().label(),
                round.number("deliv_s"),
                round.number("p99"),
                round.number("cpu_us"),
                round.count("missed"),
                round.count("filled"),
                round.count("unaccounted"));
    }

    private static Verdict verdict(SlowPart part, SlowRound sums) {
        long unaccounted = sums.count("unacked");
        long duplicated = 0;
        long disordered = sums.count("disorder") + sums.count("odd");
        for (Kind kind : Kind.values()) {
            unaccounted += part.sum(kind, "unaccounted");
            duplicated += part.sum(kind, "dup");
            disordered += part.sum(kind, "gap_odd");
        }
        return new Verdict(
                sums.count("published"),
                sums.count("acked"),
                sums.count("refused"),
                sums.count("delivered") + sums.count("lost"),
                sums.count("delivered"),
                sums.count("lost"),
                duplicated,
                disordered,
                unaccounted,
                0,
                List.of());
    }

    private RunResult result(double seconds) {
        List<Map<String, Object>> comparisons = new ArrayList<>();
        List<Map<String, Object>> stopped = new ArrayList<>();
        List<Map<String, Object>> memory = new ArrayList<>();
        for (SlowPart part : parts) {
            for (Kind kind : List.of(Kind.SOCKET, Kind.HANDLER)) {
                if (!part.has(kind)) {
                    continue;
                }
                for (Kind base : List.of(Kind.ABSENT, Kind.READING)) {
                    if (part.has(base)) {
                        comparisons.add(part.comparison(kind, base));
                    }
                }
                stopped.add(part.stopped(kind));
                Map<String, Object> grown = part.memory(kind, faults);
                if (!grown.isEmpty()) {
                    memory.add(grown);
                }
            }
        }
        SlowPart first = parts.get(0);
        Map<String, Object> extras = new LinkedHashMap<>();
        extras.put("others", others(first));
        extras.put("comparisons", comparisons);
        extras.put("stopped", stopped);
        extras.put("memory", memory);
        extras.put("foreignCores", Math.round(first.foreignCores() * 100) / 100.0);
        List<String> all = new ArrayList<>(RunResult.faultsOf(verdict));
        all.addAll(faults);
        LatencyUs latency = new LatencyUs(
                first.median(Kind.SOCKET, round -> round.number("p50")),
                first.median(Kind.SOCKET, round -> round.number("p90")),
                first.median(Kind.SOCKET, round -> round.number("p99")),
                first.median(Kind.SOCKET, round -> round.number("p999")),
                first.median(Kind.SOCKET, round -> round.number("max")));
        double measured = parts.stream()
                .mapToDouble(part -> List.of(Kind.values()).stream()
                        .mapToDouble(kind -> 2 * seconds * part.rounds(kind).size())
                        .sum())
                .sum();
        return new RunResult(
                Slow.NAME,
                measured,
                verdict,
                first.median(Kind.SOCKET, round -> round.number("deliv_s")),
                latency,
                extras,
                notes,
                all);
    }

    private static Map<String, Object> others(SlowPart part) {
        PairedRatio throughput = part.ratio(Kind.SOCKET, Kind.ABSENT, "deliv_s");
        PairedRatio p99 = part.ratio(Kind.SOCKET, Kind.ABSENT, "p99");
        PairedRatio cpu = part.ratio(Kind.SOCKET, Kind.ABSENT, "cpu_us");
        Map<String, Object> others = new LinkedHashMap<>();
        others.put("stalled", part.stalled());
        others.put("pairs", throughput.pairs());
        others.put("throughputRatio", rounded(throughput.ratio()));
        others.put("p99Ratio", rounded(p99.ratio()));
        if (cpu.pairs() > 0) {
            others.put("cpuRatio", rounded(cpu.ratio()));
        }
        others.put("withinNoise", throughput.pairs() >= SlowPart.PAIRS_MIN && part.isWithinNoise(Kind.SOCKET));
        return others;
    }

    private static double rounded(double ratio) {
        return Double.isNaN(ratio) ? ratio : Math.round(ratio * 10_000) / 10_000.0;
    }
}
