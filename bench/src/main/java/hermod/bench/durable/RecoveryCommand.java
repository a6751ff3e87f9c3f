package hermod.bench.durable;

import hermod.bench.BrokerProcess;
import hermod.bench.ScratchFolder;
import hermod.bench.check.Verdict;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.load.Stamp;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.Origin;
import hermod.bench.report.RunResult;
import hermod.bench.wire.Link;
import hermod.protocol.Priority;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code hermod-bench recovery}: how long a killed broker with many stored events takes to serve again, how fast pages come under load, and what it takes over time. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "Fills a broker, kills it, starts it with a cold cache; pages of 100 under load; memory and disk over time.",
        footerHeading = "%n",
        footer = {
            "Dropping the page cache needs root; without it the cache stays warm and the result says so.",
            "The goals are told, not enforced. Exit codes: 0 ok; 1 acknowledged events were lost; 2 usage; 3 no broker."
        })
public final class RecoveryCommand implements Callable<Integer> {
    private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");
    private static final double READY_GOAL_MS = 3_000;
    private static final double PAGE_GOAL_US = 5_000;
    private static final int PAGE_EVENTS = 100;
    private static final int DAY_SECONDS = 86_400;
    private static final int PAYLOAD_BYTES_MAX = 64 * 1024;
    private static final int SAMPLES = 240;
    private static final String RIGHTS =
            String.join(", ", BrokerOptions.RIGHTS) + " (lifts the service limits and the rate limits)";

    private final @Nullable Path root;
    private final List<String> arguments;
    private final PrintStream out;
    private final PrintStream err;
    private final List<String> topics = new ArrayList<>();
    private final StringBuilder tables = new StringBuilder();
    private final Map<String, Object> extras = new LinkedHashMap<>();
    private volatile @Nullable BrokerProcess broker;
    private String token = "";
    private long published;
    private long acknowledged;
    private long refused;
    private long lost;
    private long elsewhere;
    private double measuredSeconds;
    private LatencyUs pageLatency = LatencyUs.of(new Histogram(3));
    private double pagesPerSecond;

    @Mixin
    private final Report report = new Report();

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description =
                    "Where the broker keeps its data: a folder on the disk in question (default: the temporary folder).")
    private @Nullable Path dir;

    @Option(names = "--events", paramLabel = "N", description = "Events to store (default 1000000).")
    private int events = 1_000_000;

    @Option(names = "--topics", paramLabel = "N", description = "In so many topics (default 10000).")
    private int topicCount = 10_000;

    @Option(names = "--size", paramLabel = "B", description = "Payload bytes, from 24 (default 256).")
    private int size = 256;

    @Option(names = "--channel", paramLabel = "C", description = "The durable channel (default chat).")
    private String channel = "chat";

    @Option(names = "--connections", paramLabel = "N", description = "Publishers that fill (default 4).")
    private int connections = 4;

    @Option(names = "--window", paramLabel = "N", description = "Unanswered events of each (default 2000).")
    private int window = 2_000;

    @Option(names = "--rounds", paramLabel = "N", description = "Kills and starts (default 3).")
    private int rounds = 3;

    @Option(
            names = "--more",
            paramLabel = "N",
            description =
                    "Events published right before each kill, so that there is something to recover (default 50000).")
    private int more = 50_000;

    @Option(names = "--seconds", paramLabel = "S", description = "How long pages are read; 0 for none (default 10).")
    private int seconds = 10;

    @Option(
            names = "--rate",
            paramLabel = "N",
            description = "Events a second published meanwhile, and in the soak (default 10000).")
    private int rate = 10_000;

    @Option(
            names = "--soak",
            paramLabel = "MIN",
            description = "Minutes of load with memory and disk sampled (default none).")
    private int soakMinutes;

    private RecoveryCommand(@Nullable Path root, List<String> arguments, PrintStream out, PrintStream err) {
        this.root = root;
        this.arguments = arguments;
        this.out = out;
        this.err = err;
    }

    /**
     * @param root of the source tree, if known.
     * @param arguments the whole command line, for the result.
     */
    public static CommandLine commandLine(
            @Nullable Path root, List<String> arguments, PrintStream out, PrintStream err) {
        return new CommandLine(new RecoveryCommand(root, arguments, out, err));
    }

    @Override
    public Integer call() throws InterruptedException {
        BrokerOptions.check("--events", events, 1, 1_000_000_000);
        BrokerOptions.check("--topics", topicCount, 1, 100_000);
        BrokerOptions.check("--size", size, Stamp.BYTES, PAYLOAD_BYTES_MAX);
        BrokerOptions.check("--connections", connections, 1, Math.min(64, topicCount));
        BrokerOptions.check("--window", window, 1, 65_536);
        BrokerOptions.check("--rounds", rounds, 1, 1_000);
        BrokerOptions.check("--more", more, 0, 10_000_000);
        BrokerOptions.check("--seconds", seconds, 0, DAY_SECONDS);
        BrokerOptions.check("--rate", rate, 1, 1_000_000);
        BrokerOptions.check("--soak", soakMinutes, 0, DAY_SECONDS / 60);
        if (dir != null && !Files.isDirectory(dir)) {
            throw BrokerOptions.usage("--dir must be a folder that is there, got " + dir);
        }
        String word =
                channel + ":bench_" + Integer.toHexString(new SplittableRandom(System.nanoTime()).nextInt()) + "_";
        for (int i = 0; i < topicCount; i++) {
            topics.add(word + i);
        }
        Thread stopper = new Thread(this::stopBroker, "bench-stop-broker");
        Runtime.getRuntime().addShutdownHook(stopper);
        try (ScratchFolder folder = ScratchFolder.in(dir, "hermod-recovery-")) {
            try {
                return measure(folder.path());
            } finally {
                stopBroker();
            }
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "the scenario ended early: " + failed.getMessage());
        } finally {
            removeHook(stopper);
        }
    }

    private int measure(Path data) throws IOException, InterruptedException {
        err.println("starting hermod on " + BrokerOptions.fileSystem(data));
        BrokerProcess first = started(BrokerProcess.builder().data(data).start());
        token = first.mintToken("bench", "bench", BrokerOptions.RIGHTS);
        List<String> program = first.program();
        String durability = BrokerStats.durabilityOf(BrokerStats.read(first.admin()), channel);
        boolean isInMemory = durability != null && durability.contains("MEMORY");
        extras.put("durability", durability == null ? "unknown" : durability);
        if (isInMemory) {
            report.note(
                    err,
                    "the broker says of " + channel + ": " + durability
                            + "; what was acknowledged is gone after a kill, which is told and no fault");
        }
        fill(first, events);
        recover(program, data, isInMemory);
        if (seconds > 0) {
            pages();
        }
        if (soakMinutes > 0) {
            soak(data);
        }
        return tell();
    }

    // ---- filling

    private void fill(BrokerProcess into, long count) throws IOException, InterruptedException {
        List<TopicsPublisher> publishers = new ArrayList<>();
        try {
            for (int i = 0; i < connections; i++) {
                publishers.add(publisher(into, share(i)));
            }
            long fromNs = System.nanoTime();
            List<Thread> threads = new ArrayList<>();
            List<String> failures = new java.util.concurrent.CopyOnWriteArrayList<>();
            for (int i = 0; i < connections; i++) {
                TopicsPublisher one = publishers.get(i);
                long mine = count / connections + (i < count % connections ? 1 : 0);
                Thread thread = new Thread(
                        () -> {
                            try {
                                one.fill(mine, window);
                            } catch (IOException | BenchFailure failed) {
                                failures.add(String.valueOf(failed.getMessage()));
                            }
                        },
                        "bench-fill");
                thread.setDaemon(true);
                thread.start();
                threads.add(thread);
            }
            for (Thread thread : threads) {
                thread.join();
            }
            double took = (System.nanoTime() - fromNs) / 1e9;
            publishers.forEach(this::count);
            if (!failures.isEmpty()) {
                throw new BenchFailure(Kind.FAILED, failures.get(0));
            }
            measuredSeconds += took;
            err.println(String.format(Locale.ROOT, "stored %,d events in %.1f s, %,.0f/s", count, took, count / took));
            extras.putIfAbsent("fillPerSecond", DurableSummary.rounded(count / took));
        } finally {
            publishers.forEach(TopicsPublisher::close);
        }
    }

    private void count(TopicsPublisher one) {
        published += one.published();
        acknowledged += one.acknowledged();
        refused += one.refused();
    }

    /** Every connection has topics of its own. */
    private List<String> share(int index) {
        int from = (int) ((long) topicCount * index / connections);
        int to = (int) ((long) topicCount * (index + 1) / connections);
        return topics.subList(from, to);
    }

    private TopicsPublisher publisher(BrokerProcess of, List<String> some) throws IOException {
        ManyTopicsLink link = new ManyTopicsLink(target(of).address(), token, "bench-fill", some);
        return new TopicsPublisher((ManyTopicsLink) Link.opened(link), some.size(), size);
    }

    private Target target(BrokerProcess of) {
        return new Target(of.tcp(), token);
    }

    // ---- killing and starting

    private void recover(List<String> program, Path data, boolean isInMemory) throws IOException, InterruptedException {
        List<Double> readyMs = new ArrayList<>();
        List<Double> answeredMs = new ArrayList<>();
        boolean isCold = true;
        for (int round = 1; round <= rounds; round++) {
            BrokerProcess alive = running();
            if (more > 0) {
                fill(alive, more);
            }
            alive.kill();
            isCold &= dropCaches();
            long fromNs = System.nanoTime();
            BrokerProcess next =
                    started(BrokerProcess.builder().data(data).program(program).start());
            readyMs.add((System.nanoTime() - fromNs) / 1e6);
            try (Link link = target(next).publisher(Priority.NORMAL, topics.get(0) + "_first", "bench-first")) {
                AckLoad.Outcome one = AckLoad.run(List.of(link), Priority.NORMAL.code(), 0, 1, size, 0, 0);
                published += one.published();
                acknowledged += one.acknowledged();
                refused += one.refused();
                elsewhere += one.acknowledged();
            }
            answeredMs.add((System.nanoTime() - fromNs) / 1e6);
            err.println(String.format(
                    Locale.ROOT,
                    "round %d: ready after %,.0f ms, first event stored after %,.0f ms",
                    round,
                    readyMs.get(round - 1),
                    answeredMs.get(round - 1)));
        }
        if (!isCold) {
            report.note(err, "the page cache was not dropped (that needs root): the starts found it warm");
        }
        lost = acknowledged - elsewhere - stored();
        if (isInMemory) {
            report.note(err, lost + " acknowledged events were gone after the kills");
            lost = 0;
        } else if (lost > 0) {
            report.fault(lost + " acknowledged events were gone after the kills");
        }
        tellRecovery(readyMs, answeredMs, isCold);
    }

    /** How many events the broker has given offsets in all the topics: the durable ones are dense. */
    private long stored() throws IOException {
        long sum = 0;
        for (int i = 0; i < connections; i++) {
            List<String> some = share(i);
            try (ManyTopicsLink link = new ManyTopicsLink(target(running()).address(), token, "bench-count", some)) {
                link.open();
                for (int topic = 0; topic < some.size(); topic++) {
                    sum += link.nextOffset(topic) - 1;
                }
            }
        }
        return sum;
    }

    /** @return false where it may not. */
    private static boolean dropCaches() throws InterruptedException {
        try {
            new ProcessBuilder("sync").start().waitFor(); // only clean pages are dropped
            Files.writeString(DROP_CACHES, "3");
            return true;
        } catch (IOException notRoot) {
            return false;
        }
    }

    private void tellRecovery(List<Double> readyMs, List<Double> answeredMs, boolean isCold) {
        double median = median(readyMs);
        double worst = readyMs.stream().mapToDouble(Double::doubleValue).max().orElse(0);
        line(
                "| stored events | topics | rounds | cache | ready after ms, median / worst | first event stored after ms, median | goal < 3,000 ms |");
        line("|---|---|---|---|---|---|---|");
        line(String.format(
                Locale.ROOT,
                "| %,d | %,d | %d | %s | %,.0f / %,.0f | %,.0f | %s |",
                events + (long) more * rounds,
                topicCount,
                rounds,
                isCold ? "cold" : "warm",
                median,
                worst,
                median(answeredMs),
                worst < READY_GOAL_MS ? "yes" : "**no**"));
        line("");
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("readyMs", DurableSummary.rounded(median));
        keys.put("worstMs", DurableSummary.rounded(worst));
        keys.put("firstStoredMs", DurableSummary.rounded(median(answeredMs)));
        keys.put("rounds", readyMs.stream().map(DurableSummary::rounded).toList());
        keys.put("isCold", isCold);
        keys.put("isWithinGoal", worst < READY_GOAL_MS);
        extras.put("recovery", keys);
    }

    private static double median(List<Double> values) {
        return Sheet.median(values.stream().mapToDouble(Double::doubleValue).toArray());
    }

    // ---- pages

    private void pages() throws IOException, InterruptedException {
        Histogram ns = new Histogram(3);
        long eventsRead = 0;
        long fewest = Long.MAX_VALUE;
        Map<String, Long> outcomes = new java.util.TreeMap<>();
        BrokerProcess of = running();
        try (ManyTopicsLink link = new ManyTopicsLink(target(of).address(), token, "bench-rate", topics)) {
            link.open();
            try (TopicsPublisher publisher = new TopicsPublisher(link, topicCount, size);
                    PageLink reader = new PageLink(target(of).address(), token, "bench-pages")) {
                reader.open();
                long toNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
                Thread publishing = paced(publisher, toNs);
                SplittableRandom random = new SplittableRandom(1);
                long warmUntilNs = toNs - TimeUnit.SECONDS.toNanos(seconds) * 9 / 10;
                while (System.nanoTime() - toNs < 0) {
                    int topic = random.nextInt(topicCount);
                    long last = link.nextOffset(topic) - 1 + publisher.publishedTo(topic);
                    PageLink.Page page =
                            reader.read(topics.get(topic), link.epoch(topic), Math.max(0, last - PAGE_EVENTS));
                    if (System.nanoTime() - warmUntilNs >= 0) {
                        ns.recordValue(page.ns());
                        eventsRead += page.events();
                        fewest = Math.min(fewest, page.events());
                        outcomes.merge(page.outcome().name().replace("OUTCOME_", ""), 1L, Long::sum);
                    }
                }
                publishing.join();
                settle(publisher);
            }
        }
        measuredSeconds += seconds;
        LatencyUs us = LatencyUs.of(ns);
        long count = ns.getTotalCount();
        boolean isWithin = us.p99() < PAGE_GOAL_US;
        if (fewest < PAGE_EVENTS && count > 0) {
            report.note(err, "some pages had fewer than " + PAGE_EVENTS + " events, the shortest " + fewest);
        }
        line(
                "| pages under load | events/s meanwhile | events a page, mean | p50 us | p99 us | max us | goal p99 < 5,000 us |");
        line("|---|---|---|---|---|---|---|");
        line(String.format(
                Locale.ROOT,
                "| %,d | %,d | %.1f | %,.0f | %,.0f | %,.0f | %s |",
                count,
                rate,
                count == 0 ? 0 : eventsRead / (double) count,
                us.p50(),
                us.p99(),
                us.max(),
                isWithin ? "yes" : "**no**"));
        line("");
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("count", count);
        keys.put("meanEvents", DurableSummary.rounded(count == 0 ? 0 : eventsRead / (double) count));
        keys.put("latencyUs", us);
        keys.put("outcomes", outcomes);
        keys.put("isWithinGoal", isWithin);
        extras.put("pages", keys);
        pageLatency = us;
        pagesPerSecond = count / (seconds * 0.9);
    }

    private Thread paced(TopicsPublisher publisher, long toNs) {
        Thread thread = new Thread(
                () -> {
                    try {
                        publisher.paced(rate, toNs);
                    } catch (IOException ended) {
                        err.println("the publisher's connection ended: " + ended.getMessage());
                    }
                },
                "bench-publisher");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private void settle(TopicsPublisher publisher) {
        if (!publisher.settle()) {
            report.fault("events were never answered: " + publisher.end());
        }
        count(publisher);
        if (publisher.refused() > 0) {
            report.fault(publisher.refused() + " events were refused: " + publisher.refusals());
        }
    }

    // ---- over time

    private void soak(Path data) throws IOException, InterruptedException {
        BrokerProcess of = running();
        Map<String, List<Trend.Sample>> samples = new LinkedHashMap<>();
        long fromNs = System.nanoTime();
        long toNs = fromNs + TimeUnit.MINUTES.toNanos(soakMinutes);
        long everyNs = TimeUnit.MINUTES.toNanos(soakMinutes) / SAMPLES;
        try (ManyTopicsLink link = new ManyTopicsLink(target(of).address(), token, "bench-soak", topics)) {
            link.open();
            try (TopicsPublisher publisher = new TopicsPublisher(link, topicCount, size)) {
                Thread publishing = paced(publisher, toNs);
                while (System.nanoTime() - toNs < 0) {
                    double at = (System.nanoTime() - fromNs) / 1e9;
                    Footprint now = Footprint.of(of.pid(), data, BrokerStats.read(of.admin()));
                    sample(samples, "rssMib", at, now.rss());
                    sample(samples, "heapMib", at, now.heap());
                    sample(samples, "engineMib", at, now.engine());
                    sample(samples, "diskMib", at, now.disk());
                    TimeUnit.NANOSECONDS.sleep(everyNs);
                }
                publishing.join();
                settle(publisher);
            }
        }
        measuredSeconds += soakMinutes * 60.0;
        line("| over " + soakMinutes + " minutes at " + rate
                + " events/s, MiB | first | last | most | last half, an hour |");
        line("|---|---|---|---|---|");
        Map<String, Object> keys = new LinkedHashMap<>();
        samples.forEach((what, all) -> {
            Trend trend = Trend.of(all);
            line(String.format(
                    Locale.ROOT,
                    "| %s | %,.1f | %,.1f | %,.1f | %+,.1f |",
                    what,
                    trend.first(),
                    trend.last(),
                    trend.most(),
                    trend.perHour()));
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("first", DurableSummary.rounded(trend.first()));
            one.put("last", DurableSummary.rounded(trend.last()));
            one.put("most", DurableSummary.rounded(trend.most()));
            one.put("perHour", DurableSummary.rounded(trend.perHour()));
            keys.put(what, one);
        });
        line("");
        extras.put("soak", keys);
    }

    private static void sample(Map<String, List<Trend.Sample>> samples, String what, double at, double value) {
        if (!Double.isNaN(value)) {
            samples.computeIfAbsent(what, name -> new ArrayList<>()).add(new Trend.Sample(at, value));
        }
    }

    // ---- telling

    private int tell() {
        long unaccounted = Math.max(0, published - acknowledged - refused);
        if (unaccounted > 0) {
            report.note(err, unaccounted + " events had no answer when the broker was killed");
        }
        extras.put("events", events);
        extras.put("topics", topicCount);
        Verdict verdict = new Verdict(published, acknowledged, refused, 0, 0, Math.max(0, lost), 0, 0, 0, 0, List.of());
        RunResult result = new RunResult(
                "recovery", measuredSeconds, verdict, pagesPerSecond, pageLatency, extras, List.of(), List.of());
        Origin origin = Origin.ofThisProcess("started by the bench", RIGHTS, arguments, root);
        return report.write(out, err, "Recovery and pages", tables.toString(), result, Map.of(), origin);
    }

    private void line(String line) {
        tables.append(line).append(System.lineSeparator());
    }

    // ---- the broker

    private BrokerProcess started(BrokerProcess process) {
        broker = process;
        return process;
    }

    private BrokerProcess running() {
        BrokerProcess process = broker;
        if (process == null) {
            throw new BenchFailure(Kind.FAILED, "no broker runs");
        }
        return process;
    }

    private void stopBroker() {
        BrokerProcess process = broker;
        if (process != null) {
            process.close();
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running and does what we would.
        }
    }
}
