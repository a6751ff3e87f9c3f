package hermod.bench.scenario;

import hermod.bench.check.Checker;
import hermod.bench.check.Verdict;
import hermod.bench.fuzz.BrokerCounters;
import hermod.bench.fuzz.FrameFuzzer;
import hermod.bench.fuzz.FuzzSwarm;
import hermod.bench.fuzz.VectorSeeds;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.load.Fleet;
import hermod.bench.load.OpenLoop;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.RunResult;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/**
 * Hostile bytes from raw sockets while ordinary clients chat at a fixed rate: the clients must lose nothing, and their p99 is told before and during.
 *
 * <pre>
 *   clients chat   |── warm-up ──|── before ──|── during: until all frames are sent or time is up ──|
 *   hostile frames                            |──────────────────────────────────────────────────────|
 * </pre>
 */
public final class Fuzz implements Scenario {
    private static final int DEFAULT_FRAMES = 1_000_000;
    private static final int DEFAULT_SECONDS = 120;
    private static final int DEFAULT_SOCKETS = 16;
    private static final int DEFAULT_FRAMES_PER_SECOND = 20_000;
    private static final int DEFAULT_CLIENTS = 20;
    private static final int DEFAULT_RATE = 500;
    private static final int TOPICS = 4;
    private static final int WARM_UP_SECONDS = 3;
    private static final int BEFORE_SECONDS = 5;
    private static final int QUIET_SECONDS = 10;
    private static final int CHAT_BYTES = 64;

    @Override
    public String name() {
        return "fuzz";
    }

    @Override
    public String description() {
        return "1,000,000 hostile frames (--events) from raw sockets while 20 clients chat; this machine's broker only";
    }

    @Override
    public RunResult run(RunContext context) throws InterruptedException {
        ScenarioOptions options = context.options();
        options.refuse(name(), List.of("--size", "--subscribers", "--file", "--speed", "--gap-cap"));
        InetSocketAddress broker = loopback(context.server());
        List<String> topics = new ArrayList<>();
        for (int i = 0; i < TOPICS; i++) {
            topics.add(context.topic("tasks", "chat_" + i));
        }
        FrameFuzzer fuzzer =
                new FrameFuzzer(options.seed(), VectorSeeds.read(context.root()), context.topic("tasks", "fuzzed"));
        try (Fleet fleet = context.connect(ScenarioOptions.or(options.clients(), DEFAULT_CLIENTS));
                FuzzSwarm swarm = new FuzzSwarm(
                        broker,
                        context.token(0),
                        ScenarioOptions.or(options.sockets(), DEFAULT_SOCKETS),
                        fuzzer,
                        options.seed())) {
            Chat chat = new Chat(context, fleet, topics);
            chat.subscribe(Fuzz::topicOf);
            return run(context, chat, fleet.size(), swarm);
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "raw sockets failed: " + failed.getMessage());
        }
    }

    private RunResult run(RunContext context, Chat chat, int clients, FuzzSwarm swarm) throws InterruptedException {
        ScenarioOptions options = context.options();
        int rate = ScenarioOptions.or(options.rate(), DEFAULT_RATE);
        Talk talk = new Talk(context, chat, clients, rate);
        context.measureFrom(talk.startNs() + TimeUnit.SECONDS.toNanos(WARM_UP_SECONDS));
        context.progress().start();
        talk.until(WARM_UP_SECONDS + BEFORE_SECONDS);
        LatencyUs before = LatencyUs.of(context.latency().total());
        context.latency().reset();

        long fuzzStartNs = System.nanoTime();
        long frameCount = ScenarioOptions.or(options.events(), DEFAULT_FRAMES);
        long framesPerSecond = ScenarioOptions.or(options.framesPerSecond(), DEFAULT_FRAMES_PER_SECOND);
        int seconds = ScenarioOptions.or(options.seconds(), DEFAULT_SECONDS);
        CompletableFuture<Boolean> attack = CompletableFuture.supplyAsync(
                () -> attack(swarm, frameCount, framesPerSecond, fuzzStartNs + TimeUnit.SECONDS.toNanos(seconds)),
                body -> daemon(body));
        talk.untilDone(attack);
        double fuzzSeconds = (System.nanoTime() - fuzzStartNs) / 1e9;
        context.drain(chat::isComplete, QUIET_SECONDS);
        return result(context, chat, swarm, before, attack, fuzzSeconds);
    }

    private RunResult result(
            RunContext context,
            Chat chat,
            FuzzSwarm swarm,
            LatencyUs before,
            CompletableFuture<Boolean> attack,
            double fuzzSeconds) {
        ScenarioOptions options = context.options();
        List<String> notes = new ArrayList<>();
        notes.add("seed " + options.seed());
        if (options.inject() != null) {
            notes.add(options.inject().applyTo(chat.histories(), options.seed()));
        }
        Verdict verdict = Checker.check(chat.histories(), chat.topics());
        LatencyUs during = LatencyUs.of(context.latency().total());
        Map<String, Object> extras = new LinkedHashMap<>();
        extras.put("frames", swarm.framesSent());
        extras.put("framesPerSecond", Math.round(swarm.framesSent() / fuzzSeconds));
        extras.put("frameBytes", swarm.bytesSent());
        extras.put("connections", swarm.connections());
        extras.put("closes", swarm.closes());
        extras.put("errors", swarm.errors());
        extras.put("publishes", swarm.publishes());
        extras.put("before", Map.of("p99Us", before.p99()));
        extras.put("during", Map.of("p99Us", during.p99()));
        extras.putAll(BrokerCounters.read(context.admin(), notes));
        RunResult result = context.result(name(), fuzzSeconds, verdict, extras, notes);
        List<String> faults = new ArrayList<>(result.faults());
        if (!attack.join()) {
            faults.add("the broker took no connection any more after " + swarm.framesSent() + " frames");
        }
        if (verdict.refused() > 0) {
            faults.add("the broker refused " + verdict.refused() + " publishes of the others" + chat.firstRefusal());
        }
        return new RunResult(name(), fuzzSeconds, verdict, result.perSecond(), during, extras, notes, faults);
    }

    private static boolean attack(FuzzSwarm swarm, long frameCount, long framesPerSecond, long deadlineNs) {
        try {
            return swarm.run(frameCount, framesPerSecond, deadlineNs);
        } catch (IOException failed) {
            throw new CompletionException(failed);
        }
    }

    private static void daemon(Runnable body) {
        Thread thread = new Thread(body, "bench-fuzz");
        thread.setDaemon(true);
        thread.start();
    }

    private static BitSet topicOf(int client) {
        BitSet topics = new BitSet();
        topics.set(client % TOPICS);
        return topics;
    }

    private static InetSocketAddress loopback(String server) {
        int colon = server.lastIndexOf(':');
        InetSocketAddress address = new InetSocketAddress(
                server.substring(0, colon).replaceAll("[\\[\\]]", ""), Integer.parseInt(server.substring(colon + 1)));
        if (address.isUnresolved() || !address.getAddress().isLoopbackAddress()) {
            throw new BenchFailure(
                    Kind.USAGE, "fuzz sends hostile bytes to a broker on this machine only, not to " + server);
        }
        return address;
    }

    /** The ordinary clients' side: an event at a time in an open loop, the clients in turn. */
    private static final class Talk {
        private final Chat chat;
        private final int clients;
        private final int rate;
        private final byte[] text = new byte[CHAT_BYTES];
        private final OpenLoop loop = new OpenLoop();
        private long next;

        Talk(RunContext context, Chat chat, int clients, int rate) {
            this.chat = chat;
            this.clients = clients;
            this.rate = rate;
            context.say(clients + " clients chat at " + rate + " events/s");
        }

        long startNs() {
            return loop.await(0);
        }

        void until(int seconds) {
            while (loop.secondsSinceStart() < seconds) {
                publishNext();
            }
        }

        void untilDone(CompletableFuture<?> other) {
            while (!other.isDone()) {
                publishNext();
            }
        }

        private void publishNext() {
            long intendedNs = loop.await(OpenLoop.atRate(next, rate));
            int client = (int) (next++ % clients);
            chat.publish(client, client % TOPICS, text, intendedNs, loop.wallUs(intendedNs));
        }
    }
}
