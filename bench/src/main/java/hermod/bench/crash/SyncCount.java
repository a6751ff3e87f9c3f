package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import hermod.bench.crash.ClientLog.Kind;
import hermod.bench.load.BenchFailure;
import hermod.bench.report.Origin;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.json.JsonMapper;

/**
 * How often the broker synced for events that were published strictly one behind the other: each is a batch of its own, so there is at least one sync for each, or it was acknowledged unsynced.
 *
 * @param acknowledged of the events.
 * @param files syncs of each file in the data folder, by {@code fdatasync} and {@code fsync}, while they were published.
 */
record SyncCount(int published, int acknowledged, Map<String, Integer> files) {
    private static final Pattern CALL = Pattern.compile("(?:fdatasync|fsync|msync)\\([0-9]+<([^>]*)>");
    private static final int ATTACH_SECONDS = 10;
    private static final int OUTCOME_SECONDS = 10;
    private static final int PAYLOAD_BYTES = 200;
    private static final int POLL_MS = 1;

    SyncCount {
        files = new TreeMap<>(files);
    }

    /** @throws BenchFailure without strace. */
    static SyncCount of(Supplier<BrokerProcess.Builder> brokers, int events, PrintStream err)
            throws InterruptedException {
        Path strace = List.of("/usr/bin/strace", "/usr/local/bin/strace", "/bin/strace").stream()
                .map(Path::of)
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow(() -> new BenchFailure(
                        BenchFailure.Kind.FAILED, "--syncs counts system calls with strace, which is not installed"));
        try (BrokerProcess broker = brokers.get().start()) {
            Thread stopper = new Thread(broker::close, "bench-stop-broker");
            Runtime.getRuntime().addShutdownHook(stopper);
            try {
                return trace(strace, broker, events, err);
            } catch (IOException failed) {
                throw new BenchFailure(BenchFailure.Kind.FAILED, "strace can't be run: " + failed.getMessage());
            } finally {
                try {
                    Runtime.getRuntime().removeShutdownHook(stopper);
                } catch (IllegalStateException shuttingDown) {
                    // The hook stops it as well.
                }
            }
        }
    }

    private static SyncCount trace(Path strace, BrokerProcess broker, int events, PrintStream err)
            throws IOException, InterruptedException {
        int port = Integer.parseInt(broker.tcp().substring(broker.tcp().lastIndexOf(':') + 1));
        RunPlan plan = new RunPlan(
                1,
                port,
                broker.mintToken("bench", "bench", BrokerProcess.LOAD_RIGHTS),
                List.of("chat:syncs"),
                System.nanoTime());
        Path calls = Files.createTempFile("hermod-syncs-", ".txt");
        LoadPublisher publisher = new RawPublisher(plan, 0);
        try {
            publishOne(publisher); // opens the topic
            Process tracer = new ProcessBuilder(
                            strace.toString(),
                            "-f",
                            "-y",
                            "-e",
                            "trace=fdatasync,fsync,msync",
                            "-o",
                            calls.toString(),
                            "-p",
                            Long.toString(broker.pid()))
                    .redirectErrorStream(true)
                    .start();
            try {
                tracer.getOutputStream().close();
                awaitAttached(broker.pid());
                err.println("publishing " + events + " events one behind the other, under strace");
                for (int i = 0; i < events; i++) {
                    publishOne(publisher);
                }
            } finally {
                tracer.destroy();
                if (!tracer.waitFor(ATTACH_SECONDS, TimeUnit.SECONDS)) {
                    tracer.destroyForcibly();
                }
            }
            return new SyncCount(
                    events, acknowledged(publisher.log()) - 1, parse(Files.readAllLines(calls), broker.data()));
        } finally {
            publisher.close();
            Files.deleteIfExists(calls);
        }
    }

    /** Every thread of the broker must have a tracer before the first event counts. */
    private static void awaitAttached(long pid) throws IOException, InterruptedException {
        long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(ATTACH_SECONDS);
        while (System.nanoTime() - untilNs < 0) {
            try (var threads = Files.list(Path.of("/proc", Long.toString(pid), "task"))) {
                if (threads.allMatch(SyncCount::isTraced)) {
                    return;
                }
            }
            Thread.sleep(POLL_MS);
        }
        throw new BenchFailure(BenchFailure.Kind.FAILED, "strace could not attach to the broker");
    }

    private static boolean isTraced(Path thread) {
        try {
            return Files.readAllLines(thread.resolve("status")).stream()
                    .noneMatch(line -> line.matches("TracerPid:\\s+0"));
        } catch (IOException ended) {
            return true;
        }
    }

    private static void publishOne(LoadPublisher publisher) throws InterruptedException {
        publisher.publish(0, 1, PAYLOAD_BYTES);
        long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(OUTCOME_SECONDS);
        while (publisher.unanswered() > 0) {
            if (System.nanoTime() - untilNs > 0) {
                throw new BenchFailure(
                        BenchFailure.Kind.FAILED, "an event had no outcome in " + OUTCOME_SECONDS + " s");
            }
            Thread.sleep(POLL_MS);
        }
    }

    private static int acknowledged(ClientLog log) {
        int count = 0;
        for (int i = 0; i < log.count(); i++) {
            count += log.kind(i) == Kind.ACCEPTED ? 1 : 0;
        }
        return count;
    }

    /** @return syncs by file, of those in the folder. */
    static Map<String, Integer> parse(List<String> calls, Path folder) {
        Map<String, Integer> files = new TreeMap<>();
        for (String call : calls) {
            Matcher matcher = CALL.matcher(call);
            if (matcher.find() && matcher.group(1).startsWith(folder.toString())) {
                files.merge(folder.relativize(Path.of(matcher.group(1))).toString(), 1, Integer::sum);
            }
        }
        return files;
    }

    int syncs() {
        return files.values().stream().mapToInt(Integer::intValue).sum();
    }

    boolean isGood() {
        return acknowledged > 0 && syncs() >= acknowledged;
    }

    String text(Origin origin) {
        return String.format(
                "%-16s %s%n%-16s %d published one behind the other, %d acknowledged%n%-16s %d %s%n%-16s %s%n",
                "crash-syncs",
                isGood() ? "ok" : "FAILED: fewer syncs than acknowledged batches",
                "events",
                published,
                acknowledged,
                "syncs",
                syncs(),
                files,
                "commit",
                origin.commit());
    }

    String json(Origin origin) {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("workload", "crash-syncs");
        keys.put("ok", isGood());
        keys.put("published", published);
        keys.put("acknowledged", acknowledged);
        keys.put("syncs", syncs());
        keys.put("files", files);
        keys.put("jdk", origin.jdk());
        keys.put("os", origin.os());
        keys.put("commit", origin.commit());
        keys.put("command", origin.command());
        return JsonMapper.builder().build().writerWithDefaultPrettyPrinter().writeValueAsString(keys);
    }
}
