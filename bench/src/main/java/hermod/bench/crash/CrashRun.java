package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import hermod.bench.crash.ClientLog.Kind;
import hermod.bench.load.BenchFailure;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One run: a broker that ends again and again without warning, clients that publish and follow all the while, and the check of what they logged.
 *
 * <pre>
 *  start ─► clients ─► (outage ─► restart) × n ─► publishing ends, outcomes and followers are waited for
 *        ─► kill -9 ─► restart ─► the final reader reads every topic from its first offset ─► check
 * </pre>
 *
 * <p>One thread; everything it makes is gone when it ends, when it is interrupted, and when the process is asked to end.
 */
final class CrashRun {
    private static final List<String> CHANNELS = List.of("chat", "wallet", "support");
    private static final int TOPICS_OF_A_CHANNEL = 4;
    private static final List<String> RIGHTS = BrokerProcess.LOAD_RIGHTS;
    private static final int PAYLOAD_BYTES_MIN = 40;
    private static final int PAYLOAD_BYTES_MAX = 480;
    private static final int BURST_MAX = 4;
    private static final int POLL_MS = 5;
    private static final int NOTE_CHARS_MAX = 400;
    private static final int FOLLOW_SECONDS = 20;
    private static final int OUTCOME_SECONDS = 30;
    private static final int CATCH_UP_SECONDS = 60;
    private static final long QUIET_NS = TimeUnit.SECONDS.toNanos(4);
    private static final int LATE_DUPLICATES_MS = 500;
    private static final long PROGRESS_EVERY_NS = TimeUnit.SECONDS.toNanos(5);

    /** Everything is kept: what is not there at the end was lost, and not trimmed. No warm-up: a broker that lives for half a second has no use for it. */
    private static final String CONFIG = """
            warm-up-ms: 0
            channels:
              chat:
                keeps: 24h
              wallet:
                keeps: 24h
              support:
                keeps: 24h
            """;

    private final CrashOptions options;
    private final Supplier<BrokerProcess.Builder> brokers;
    private final PrintStream err;
    private final SplittableRandom random;
    private final List<LoadPublisher> publishers = new ArrayList<>();
    private final List<Follower> followers = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();
    private final long originNs = System.nanoTime();
    private volatile boolean isPublishing = true;
    private int outages;
    private int keysPutBack;

    CrashRun(CrashOptions options, Supplier<BrokerProcess.Builder> brokers, PrintStream err) {
        this.options = options;
        this.brokers = brokers;
        this.err = err;
        random = new SplittableRandom(options.seed());
    }

    /** @throws BenchFailure where the broker can't be started at all, or power cuts are not possible here. */
    CrashResult run() throws InterruptedException {
        Path folder = temporaryFolder();
        PowerCut cut = null;
        try {
            cut = options.isPowerCut() ? PowerCut.prepare(folder, random.split()) : null;
            Path data = cut == null ? folder.resolve("data") : cut.data();
            Path config = Files.writeString(folder.resolve("crash.yaml"), CONFIG);
            List<String> flags = options.isWithoutSync() ? List.of("-Dhermod.journal.no-sync=true") : List.<String>of();
            BrokerLives lives = new BrokerLives(brokers, data, config, flags);
            PowerCut mounted = cut;
            Thread cleaner = new Thread(() -> clean(lives, mounted, folder), "bench-crash-clean");
            Runtime.getRuntime().addShutdownHook(cleaner);
            try {
                return run(lives, cut, data);
            } finally {
                clean(lives, cut, folder);
                removeHook(cleaner);
            }
        } catch (IOException failed) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, "the run can't be prepared: " + failed.getMessage());
        } finally {
            if (cut != null) {
                cut.close();
            }
            remove(folder);
        }
    }

    private CrashResult run(BrokerLives lives, @Nullable PowerCut cut, Path data) throws InterruptedException {
        CrashPoint points = options.points().isEmpty() ? null : new CrashPoint(options.points(), random.split());
        Outage outage = cut != null ? cut : points != null ? points : new Kill(random.split());
        say("starting a broker");
        BrokerProcess first = lives.start(List.of());
        RunPlan plan = new RunPlan(
                new SplittableRandom(System.nanoTime()).nextInt(),
                lives.port(),
                first.mintToken("bench", "bench", RIGHTS),
                topics(),
                originNs);
        Path keyFile = data.resolve("auth").resolve("hs256.key");
        byte[] key = read(keyFile);
        ClientLog stored = plan.log("final reader", false);
        try {
            RawFollower late = startClients(plan);
            long beganNs = System.nanoTime();
            if (points != null) {
                first.kill();
                startWith(lives, points);
            }
            boolean isUp = suffer(lives, outage, keyFile, key);
            double seconds = (System.nanoTime() - beganNs) / 1e9;
            isPublishing = false;
            if (isUp) {
                settle(late);
                stored = readAll(lives, plan);
            }
            return result(lives, plan, points, stored, seconds);
        } finally {
            isPublishing = false;
            publishers.forEach(LoadPublisher::close);
            followers.forEach(Follower::close);
        }
    }

    // ---- the load

    private static List<String> topics() {
        List<String> topics = new ArrayList<>();
        for (String channel : CHANNELS) {
            for (int i = 0; i < TOPICS_OF_A_CHANNEL; i++) {
                topics.add(channel + ":crash_" + i);
            }
        }
        return topics;
    }

    /** @return the follower that is in the middle of a replay most of the time. */
    private RawFollower startClients(RunPlan plan) throws InterruptedException {
        followers.add(new SdkFollower(plan, "sdk-follower-1"));
        followers.add(new SdkFollower(plan, "sdk-follower-2"));
        followers.add(new RawFollower(plan, "raw-follower", RawFollower.Manner.LIVE, random.nextLong()));
        RawFollower late = new RawFollower(plan, "late-follower", RawFollower.Manner.LATE, random.nextLong());
        followers.add(late);
        if (!await(FOLLOW_SECONDS, () -> followers.stream().allMatch(Follower::isFollowing))) {
            throw new BenchFailure(
                    BenchFailure.Kind.FAILED,
                    "the followers could not subscribe in " + FOLLOW_SECONDS + " s; " + late.trouble());
        }
        for (int i = 0; i < options.clients(); i++) {
            LoadPublisher publisher = i % 2 == 0 ? new SdkPublisher(plan, i) : new RawPublisher(plan, i);
            publishers.add(publisher);
            SplittableRandom choices = random.split();
            Thread thread = new Thread(() -> publish(publisher, choices), "bench-crash-publish-" + i);
            thread.setDaemon(true);
            thread.start();
        }
        return late;
    }

    private void publish(LoadPublisher publisher, SplittableRandom choices) {
        long nextNs = System.nanoTime();
        long everyNs = TimeUnit.SECONDS.toNanos(1) / options.ratePerClient();
        while (isPublishing) {
            int count = choices.nextInt(1, BURST_MAX + 1);
            int topic = choices.nextInt(CHANNELS.size() * TOPICS_OF_A_CHANNEL);
            publisher.publish(topic, count, choices.nextInt(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX + 1));
            // What could not be published because the broker is away is not made up for.
            nextNs = Math.max(nextNs + count * everyNs, System.nanoTime() - everyNs);
            LockSupport.parkNanos(nextNs - System.nanoTime());
        }
    }

    // ---- outages

    /** @return whether the broker is up at the end. */
    private boolean suffer(BrokerLives lives, Outage outage, Path keyFile, byte[] key) throws InterruptedException {
        long deadlineNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(options.seconds());
        int wanted = options.outages() * Math.max(1, options.points().size());
        long saidNs = System.nanoTime();
        while (outages < wanted && (options.seconds() == 0 || System.nanoTime() - deadlineNs < 0)) {
            outage.strike(lives.current());
            outages++;
            if (options.isPowerCut() && BrokerLives.keep(keyFile, key)) {
                keysPutBack++;
            }
            try {
                startWith(
                        lives,
                        outages < wanted
                                ? outage
                                : new Outage() {
                                    @Override
                                    public void strike(BrokerProcess none) {}
                                });
            } catch (BenchFailure down) {
                faults.add("the broker does not start after outage " + outages + ": " + down.getMessage());
                return false;
            }
            if (System.nanoTime() - saidNs > PROGRESS_EVERY_NS) {
                saidNs = System.nanoTime();
                say(String.format(
                        Locale.ROOT,
                        "%d of %d outages, last start %d ms, %,d events at followers, %d publishes wait for their outcome",
                        outages,
                        wanted,
                        lives.recoveryMs().get(lives.recoveryMs().size() - 1),
                        logged(followers),
                        publishers.stream().mapToInt(LoadPublisher::unanswered).sum()));
            }
        }
        return true;
    }

    /** A crash point may be reached while the broker starts; the next start has none. */
    private void startWith(BrokerLives lives, Outage outage) {
        List<String> flags = outage.jvmFlags();
        try {
            lives.start(flags);
        } catch (BenchFailure down) {
            if (flags.isEmpty()) {
                throw down;
            }
            String why = String.valueOf(down.getMessage());
            notes.add("with " + flags + " " + why.substring(0, Math.min(NOTE_CHARS_MAX, why.length())));
            lives.start(List.of());
        }
    }

    // ---- the end

    private void settle(RawFollower late) throws InterruptedException {
        say("publishing has ended; waiting for outcomes and followers");
        if (!await(OUTCOME_SECONDS, () -> publishers.stream().allMatch(one -> one.unanswered() == 0))) {
            faults.add("some publishes had no outcome " + OUTCOME_SECONDS + " s after the last outage");
        }
        late.catchUp();
        long[] ends = new long[topics().size()];
        for (LoadPublisher publisher : publishers) {
            ClientLog log = publisher.log();
            for (int i = 0; i < log.count(); i++) {
                if (log.kind(i) == Kind.ACCEPTED) {
                    ends[log.topic(i)] = Math.max(ends[log.topic(i)], log.offset(i));
                }
            }
        }
        long[] seen = {-1, System.nanoTime()};
        await(CATCH_UP_SECONDS, () -> isQuiet(seen) || followers.stream().allMatch(one -> has(one, ends)));
    }

    private static boolean has(Follower follower, long[] ends) {
        for (int topic = 0; topic < ends.length; topic++) {
            if (follower.cursor(topic) < ends[topic]) {
                return false;
            }
        }
        return true;
    }

    /** Whether nothing came to any follower for a while. */
    private boolean isQuiet(long[] seen) {
        long now = logged(followers);
        if (now != seen[0]) {
            seen[0] = now;
            seen[1] = System.nanoTime();
        }
        return System.nanoTime() - seen[1] > QUIET_NS;
    }

    private ClientLog readAll(BrokerLives lives, RunPlan plan) throws InterruptedException {
        lives.current().kill();
        lives.start(List.of());
        // What is stored while the reader reads would look lost.
        await(OUTCOME_SECONDS, () -> publishers.stream().allMatch(one -> one.unanswered() == 0));
        publishers.forEach(LoadPublisher::close);
        say("reading everything that is stored");
        RawFollower reader =
                new RawFollower(plan, "final reader", RawFollower.Manner.FROM_THE_START, random.nextLong());
        try {
            boolean isRead = await(
                    CATCH_UP_SECONDS,
                    () -> reader.isAtTarget() || (reader.isFollowing() && reader.quietNs() > QUIET_NS));
            if (!isRead) {
                faults.add("the final reader was not done in " + CATCH_UP_SECONDS + " s: " + reader.trouble());
            }
            Thread.sleep(LATE_DUPLICATES_MS);
        } finally {
            reader.close();
        }
        return reader.log();
    }

    private CrashResult result(
            BrokerLives lives, RunPlan plan, @Nullable CrashPoint points, ClientLog stored, double seconds) {
        List<ClientLog> logs = new ArrayList<>();
        publishers.forEach(publisher -> logs.add(publisher.log()));
        followers.forEach(follower -> logs.add(follower.log()));
        CrashVerdict verdict = CrashChecker.check(logs, stored, plan.topics());
        if (!verdict.isClean()) {
            faults.add(verdict.faults());
            faults.addAll(verdict.examples());
        }
        if (verdict.acknowledged() == 0) {
            faults.add("no event was acknowledged");
        }
        followers.forEach(follower -> faults.addAll(follower.troubles()));
        publishers.forEach(publisher -> faults.addAll(publisher.troubles()));
        if (points != null) {
            points.reached().forEach((point, times) -> {
                if (times == 0) {
                    faults.add("the crash point " + point + " was never reached");
                }
            });
        }
        if (keysPutBack > 0) {
            notes.add("the broker's key was gone after " + keysPutBack + " power cuts, and was put back");
        }
        return new CrashResult(
                options.isPowerCut() ? "power-cut" : points != null ? "crash-points" : "crash",
                seconds,
                outages,
                verdict,
                points == null ? Map.of() : points.reached(),
                refusals(logs),
                lives.recoveryMs(),
                options.seed(),
                notes,
                faults);
    }

    private static Map<String, Long> refusals(List<ClientLog> logs) {
        Map<String, Long> refusals = new TreeMap<>();
        for (ClientLog log : logs) {
            for (int i = 0; i < log.count(); i++) {
                if (log.kind(i) == Kind.REFUSED || log.kind(i) == Kind.UNKNOWN) {
                    refusals.merge(Long.toString(log.offset(i)), 1L, Long::sum);
                }
            }
        }
        return refusals;
    }

    // ---- tools

    private static long logged(List<Follower> followers) {
        return followers.stream().mapToLong(one -> one.log().count()).sum();
    }

    private static boolean await(int seconds, BooleanSupplier condition) throws InterruptedException {
        long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - untilNs > 0) {
                return false;
            }
            Thread.sleep(POLL_MS);
        }
        return true;
    }

    private void say(String sentence) {
        err.println(sentence);
    }

    private static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException failed) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, "the broker's key can't be read: " + failed.getMessage());
        }
    }

    private static Path temporaryFolder() {
        try {
            return Files.createTempDirectory("hermod-crash-");
        } catch (IOException failed) {
            throw new BenchFailure(BenchFailure.Kind.FAILED, "no temporary folder: " + failed.getMessage());
        }
    }

    private static void clean(BrokerLives lives, @Nullable PowerCut cut, Path folder) {
        lives.end();
        if (cut != null) {
            cut.close();
        }
        remove(folder);
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running; it cleans as well as we did.
        }
    }

    /** What can't be removed stays in the temporary folder. */
    private static void remove(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        try {
            Files.walkFileTree(folder, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.deleteIfExists(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path emptied, @Nullable IOException failure)
                        throws IOException {
                    Files.deleteIfExists(emptied);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException left) {
            // Costs nothing but its bytes.
        }
    }
}
