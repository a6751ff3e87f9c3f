package hermod.bench.scenario;

import hermod.bench.check.Verdict;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.load.Fleet;
import hermod.bench.load.LoadClient;
import hermod.bench.load.OpenLoop;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.RunResult;
import hermod.bench.scenario.ChurnRule.Attributes;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.Histogram;

/**
 * {@code topics --churn}: connections that replace their whole set of subscriptions and filters while events flow. Each of them must get, of every topic, the
 * events that the set in force at their offset asks for: each once, in order, over one connection.
 *
 * <pre>
 *   publishers (SDK) ──► broker ──► readers (raw protocol), REPLACE after REPLACE
 *        │ receipts: topic, offset, attributes        │ REPLACED: switch offsets; EVENT: offsets
 *        └───────────────────► check ◄────────────────┘
 * </pre>
 */
public final class Churn implements Scenario {
    /** Of the command {@code topics}, the option that stands for this scenario. */
    public static final String OPTION = "--churn";

    private static final int DEFAULT_REPLACEMENTS = 1_000;
    private static final int DEFAULT_READERS = 4;
    private static final int DEFAULT_SECONDS = 10;
    private static final int DEFAULT_RATE = 5_000;
    private static final int PUBLISHERS = 4;
    private static final int TOPICS = 40;
    private static final long WELCOME_SECONDS = 10;
    private static final long ANSWER_SECONDS = 10;
    private static final long QUIET_SECONDS = 5;
    private static final long LONGEST_NS = TimeUnit.SECONDS.toNanos(60);
    private static final long TURN_NS = 200_000;

    @Override
    public String name() {
        return "topics";
    }

    @Override
    public String description() {
        return "With --churn: connections replace their whole set of subscriptions and filters under load, 1,000 times in all; zero"
                + " reconnects, gaps and duplicates at the switch. Without it: 10,000 topics beside the C relay.";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(
                "topics " + OPTION,
                List.of(
                        "--subscribers",
                        "--file",
                        "--speed",
                        "--gap-cap",
                        "--inject",
                        "--sockets",
                        "--frames-per-second"));
        Run run = new Run(context);
        return run.go();
    }

    /** One run. The readers and the check belong to the thread that runs it, the events to one thread that publishes, receipts to any. */
    private static final class Run {
        private final RunContext context;
        private final int replacements;
        private final int readerCount;
        private final int seconds;
        private final int rate;
        private final List<String> topics = new ArrayList<>();
        private final List<NavigableMap<Long, Attributes>> histories = new ArrayList<>();
        private final List<ChurnReader> readers = new ArrayList<>();
        private final Histogram tookNs = new Histogram(LONGEST_NS, 3);
        private final List<String> faults = new ArrayList<>();
        private final LongAdder refused = new LongAdder();
        private final LongAdder acknowledged = new LongAdder();
        private volatile long published;
        private int allAnswered;

        Run(RunContext context) {
            this.context = context;
            ScenarioOptions options = context.options();
            replacements = ScenarioOptions.or(options.events(), DEFAULT_REPLACEMENTS);
            readerCount = ScenarioOptions.or(options.clients(), DEFAULT_READERS);
            seconds = ScenarioOptions.or(options.seconds(), DEFAULT_SECONDS);
            rate = ScenarioOptions.or(options.rate(), DEFAULT_RATE);
            for (int i = 0; i < TOPICS; i++) {
                topics.add(context.topic("tasks", "churn_" + i));
                histories.add(new ConcurrentSkipListMap<>());
            }
        }

        RunResult go() throws InterruptedException {
            try (Fleet publishers = context.connect(PUBLISHERS)) {
                connect();
                OpenLoop loop = new OpenLoop();
                Thread load = new Thread(() -> publish(publishers, loop), "bench-churn-load");
                load.start();
                try {
                    churn(load);
                } finally {
                    load.interrupt();
                    load.join();
                }
                double ran = loop.secondsSinceStart();
                finish(publishers);
                return result(ran);
            } finally {
                readers.forEach(ChurnReader::close);
            }
        }

        private void connect() throws InterruptedException {
            int colon = context.server().lastIndexOf(':');
            InetSocketAddress broker = new InetSocketAddress(
                    context.server().substring(0, colon).replace("[", "").replace("]", ""),
                    Integer.parseInt(context.server().substring(colon + 1)));
            long seed = context.options().seed();
            context.say("seed " + seed + ", " + readerCount + " readers, " + TOPICS + " topics");
            try {
                for (int i = 0; i < readerCount; i++) {
                    String device = "churn-" + Integer.toHexString(context.runId()) + "-" + i;
                    readers.add(new ChurnReader(
                            i, broker, context.token(PUBLISHERS + i), device, topics, seed, tookNs, faults));
                }
            } catch (IOException refusedToConnect) {
                throw new BenchFailure(
                        Kind.NO_BROKER, "cannot connect to " + context.server() + ": " + refusedToConnect.getMessage());
            }
            turnUntil(WELCOME_SECONDS, () -> readers.stream().allMatch(ChurnReader::isWelcome));
            if (!readers.stream().allMatch(ChurnReader::isWelcome)) {
                throw new BenchFailure(
                        Kind.FAILED, faults.isEmpty() ? "the readers got no WELCOME" : String.join("; ", faults));
            }
        }

        private void publish(Fleet publishers, OpenLoop loop) {
            SplittableRandom random = new SplittableRandom(context.options().seed());
            long count = (long) rate * seconds;
            for (long i = 0; i < count && !Thread.currentThread().isInterrupted(); i++) {
                loop.await(OpenLoop.atRate(i, rate));
                publish(publishers.client((int) (i % PUBLISHERS)), random.nextInt(TOPICS), i);
            }
        }

        private void publish(LoadClient client, int topic, long number) {
            Attributes attributes = Attributes.of(number);
            published = number + 1;
            client.publish(
                            topics.get(topic),
                            new byte[ScenarioOptions.or(context.options().size(), 128)],
                            attributes.toMap())
                    .whenComplete((receipt, fault) -> {
                        if (fault == null) {
                            if (histories.get(topic).put(receipt.offset(), attributes) == null) {
                                acknowledged.increment();
                            }
                        } else if (LoadClient.isRefusal(fault)) {
                            refused.increment();
                        }
                    });
        }

        /** The readers ask in turn, evenly over the time that the load takes, and go on while it lasts. */
        private void churn(Thread load) throws InterruptedException {
            long startNs = System.nanoTime();
            long everyNs = TimeUnit.SECONDS.toNanos(seconds) / replacements;
            int asked = 0;
            long toldNs = startNs;
            while (asked < replacements && readers.stream().noneMatch(ChurnReader::isEnded)) {
                long nowNs = System.nanoTime();
                ChurnReader next = readers.get(asked % readerCount);
                if (nowNs - startNs >= asked * everyNs && !next.isWaiting()) {
                    next.replace();
                    asked++;
                }
                turn();
                if (nowNs - toldNs > TimeUnit.SECONDS.toNanos(1)) {
                    toldNs = nowNs;
                    context.say(String.format(
                            java.util.Locale.ROOT,
                            "%4d s  published %,d  replaced %,d of %,d",
                            TimeUnit.NANOSECONDS.toSeconds(nowNs - startNs),
                            published,
                            answered(),
                            replacements));
                }
                if (nowNs - startNs > TimeUnit.SECONDS.toNanos(seconds + ANSWER_SECONDS)) {
                    faults.add("only " + asked + " of " + replacements + " replacements were answered in time");
                    break;
                }
            }
            while (load.isAlive() && readers.stream().noneMatch(ChurnReader::isEnded)) {
                turn();
            }
        }

        /** All topics without a filter, then one last event each: when that is there, so is all that was owed before it. */
        private void finish(Fleet publishers) throws InterruptedException {
            turnUntil(ANSWER_SECONDS, () -> readers.stream().noneMatch(ChurnReader::isWaiting));
            turnUntil(QUIET_SECONDS, () -> acknowledged.sum() + refused.sum() >= published);
            readers.stream().filter(reader -> !reader.isEnded()).forEach(ChurnReader::replaceByAll);
            int before = answered();
            turnUntil(ANSWER_SECONDS, () -> readers.stream().noneMatch(ChurnReader::isWaiting));
            allAnswered = answered() - before; // under no load, so not among those that count
            for (int topic = 0; topic < TOPICS; topic++) {
                publish(publishers.client(0), topic, published);
            }
            turnUntil(QUIET_SECONDS, () -> acknowledged.sum() + refused.sum() >= published);
            turnUntil(QUIET_SECONDS, this::haveAllTheLast);
            turnUntil(1, () -> false); // what should not come any more
        }

        private int answered() {
            return readers.stream().mapToInt(ChurnReader::answered).sum();
        }

        private boolean haveAllTheLast() {
            for (ChurnReader reader : readers) {
                for (int topic = 0; topic < TOPICS; topic++) {
                    NavigableMap<Long, Attributes> history = histories.get(topic);
                    if (!history.isEmpty() && reader.logs().get(topic).lastOffset() < history.lastKey()) {
                        return false;
                    }
                }
            }
            return true;
        }

        private void turnUntil(long limitSeconds, java.util.function.BooleanSupplier done) throws InterruptedException {
            long endNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
            while (!done.getAsBoolean() && System.nanoTime() - endNs < 0) {
                turn();
            }
        }

        private void turn() throws InterruptedException {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            readers.forEach(ChurnReader::turn);
            java.util.concurrent.locks.LockSupport.parkNanos(TURN_NS);
        }

        private RunResult result(double ran) {
            Verdict verdict = new Verdict(
                    published,
                    acknowledged.sum(),
                    refused.sum(),
                    0,
                    0,
                    0,
                    0,
                    0,
                    published - acknowledged.sum() - refused.sum(),
                    0,
                    List.of());
            long gaps = 0;
            long announced = 0;
            long progress = 0;
            int answered = -allAnswered;
            int ended = 0;
            for (ChurnReader reader : readers) {
                for (int topic = 0; topic < TOPICS; topic++) {
                    verdict = verdict.plus(reader.logs().get(topic).check(histories.get(topic)));
                    announced += reader.logs().get(topic).announced();
                }
                gaps += reader.gaps();
                progress += reader.progressCount();
                answered += reader.answered();
                ended += reader.isEnded() ? 1 : 0;
            }
            List<String> all = new ArrayList<>(RunResult.faultsOf(verdict));
            all.addAll(faults.subList(0, Math.min(faults.size(), Verdict.EXAMPLES_MAX)));
            if (gaps > 0) {
                all.add(gaps + " GAPs of " + announced + " events; none may be needed");
            }
            if (answered < replacements) {
                all.add(answered + " of " + replacements + " replacements were answered");
            }
            Map<String, Object> extras = new LinkedHashMap<>();
            extras.put("churn", true);
            extras.put("replacements", answered);
            extras.put("reconnects", ended);
            extras.put("gaps", gaps);
            extras.put("progress", progress);
            extras.put("readers", readerCount);
            extras.put("topics", TOPICS);
            extras.put("targetRate", rate);
            return new RunResult(
                    "topics",
                    ran,
                    verdict,
                    ran > 0 ? verdict.delivered() / ran : 0,
                    LatencyUs.of(tookNs),
                    extras,
                    List.of("latency is from REPLACE to REPLACED; the seed was "
                            + context.options().seed()),
                    all);
        }
    }
}
