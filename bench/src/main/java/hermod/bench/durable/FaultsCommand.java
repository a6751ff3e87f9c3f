package hermod.bench.durable;

import hermod.bench.BrokerProcess;
import hermod.bench.PeerProcess;
import hermod.bench.ScratchFolder;
import hermod.bench.check.Verdict;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.Origin;
import hermod.bench.report.RunResult;
import hermod.bench.wire.Link;
import hermod.protocol.Priority;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code hermod-bench faults}: a full disk, syncs that fail, slow syncs; what they do to those who need no disk, and to what was acknowledged. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "A full disk, failing and slow syncs: memory channels and safety beside them, and nothing acknowledged lost.",
        footerHeading = "%n",
        footer = {
            "full needs root (a small tmpfs is mounted); eio and slow need a C compiler. What can't run is left out with a sentence.",
            "Exit codes: 0 ok; 1 something acknowledged was lost, durable publishes did not resume, or a memory channel was refused; 2 usage; 3 no broker."
        })
public final class FaultsCommand implements Callable<Integer> {
    private static final String FULL = "full";
    private static final String EIO = "eio";
    private static final String SLOW = "slow";
    private static final long RESUME_LIMIT_NS = TimeUnit.SECONDS.toNanos(30);
    private static final long POLL_MS = 1;
    private static final long SETTLE_MS = 300;
    private static final long DELIVERY_LIMIT_NS = TimeUnit.SECONDS.toNanos(10);
    private static final int PAYLOAD_BYTES = 256;

    /** The journal makes its files ahead of their use: with the default of 64 MiB each, the disk could be full for minutes before anybody is refused. */
    private static final String SMALL_JOURNAL = """
            journal:
              segment-bytes: 1MiB
              ring-bytes: 4MiB
              urgent-ring-bytes: 4MiB
              batch-bytes: 64KiB
            """;

    private static final int FILL_PIECE_BYTES = 64 * 1024;
    private static final int COMMAND_SECONDS = 60;
    private static final String RIGHTS =
            String.join(", ", BrokerOptions.RIGHTS) + " (lifts the service limits and the rate limits)";

    private final @Nullable Path root;
    private final List<String> arguments;
    private final PrintStream out;
    private final PrintStream err;
    private final Map<String, Object> byFault = new LinkedHashMap<>();
    private final StringBuilder tables = new StringBuilder();
    private final Histogram safetyNs = new Histogram(3);
    private volatile @Nullable BrokerProcess broker;
    private volatile @Nullable Path mounted;
    private long published;
    private long acknowledged;
    private long refused;
    private long expected;
    private long delivered;
    private long lost;
    private double measuredSeconds;

    @Mixin
    private final Report report = new Report();

    @Option(
            names = "--dir",
            paramLabel = "DIR",
            description = "Where the broker keeps its data (default: the temporary folder); full has a tmpfs in it.")
    private @Nullable Path dir;

    @Option(names = "--faults", paramLabel = "LIST", split = ",", description = "full, eio, slow (default all).")
    private List<String> faults = List.of(FULL, EIO, SLOW);

    @Option(
            names = "--rounds",
            paramLabel = "N",
            description = "Pairs of a time without the fault and one with it (default 5).")
    private int rounds = 5;

    @Option(names = "--seconds", paramLabel = "S", description = "How long each of the two is (default 4).")
    private int seconds = 4;

    @Option(
            names = "--rate",
            paramLabel = "N",
            description =
                    "Events a second on each of the memory channel, safety and the durable channel (default 500).")
    private int rate = 500;

    @Option(names = "--channel", paramLabel = "C", description = "The durable channel (default support).")
    private String channel = "support";

    @Option(names = "--full-mib", paramLabel = "MIB", description = "Size of the tmpfs of full (default 512).")
    private int fullMib = 512;

    @Option(
            names = "--slow-ms",
            paramLabel = "MS",
            description = "How much longer each sync takes with slow (default 200).")
    private int slowMs = 200;

    private FaultsCommand(@Nullable Path root, List<String> arguments, PrintStream out, PrintStream err) {
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
        return new CommandLine(new FaultsCommand(root, arguments, out, err));
    }

    /** Makes a fault, and ends it. */
    private interface Fault {
        void begin() throws IOException;

        void end() throws IOException;
    }

    @Override
    public Integer call() throws InterruptedException {
        BrokerOptions.check("--rounds", rounds, 1, 1_000);
        BrokerOptions.check("--seconds", seconds, 1, 3_600);
        BrokerOptions.check("--rate", rate, 1, 100_000);
        BrokerOptions.check("--full-mib", fullMib, 16, 65_536);
        BrokerOptions.check("--slow-ms", slowMs, 1, 60_000);
        for (String fault : faults) {
            if (!List.of(FULL, EIO, SLOW).contains(fault)) {
                throw BrokerOptions.usage("--faults takes full, eio, slow, got '" + fault + "'");
            }
        }
        if (dir != null && !Files.isDirectory(dir)) {
            throw BrokerOptions.usage("--dir must be a folder that is there, got " + dir);
        }
        line(
                "| fault | rounds | p99 of the memory channel to that without, within noise | p99 of safety, within noise"
                        + " | durable publishes refused | acknowledged meanwhile | resumed after ms, worst | acknowledged and lost |");
        line("|---|---|---|---|---|---|---|---|");
        Thread stopper = new Thread(this::stopAll, "bench-stop-broker");
        Runtime.getRuntime().addShutdownHook(stopper);
        try (ScratchFolder folder = ScratchFolder.in(dir, "hermod-faults-")) {
            for (String fault : faults) {
                try {
                    measure(fault, Files.createDirectory(folder.path().resolve(fault)));
                } finally {
                    stopAll();
                }
            }
            return tell();
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "the scenario ended early: " + failed.getMessage());
        } finally {
            removeHook(stopper);
        }
    }

    private void measure(String name, Path folder) throws IOException, InterruptedException {
        Path data = Files.createDirectory(folder.resolve("data"));
        BrokerProcess.Builder builder = BrokerProcess.builder().data(data);
        Fault fault;
        if (name.equals(FULL)) {
            String refusal = run("mount", "-t", "tmpfs", "-o", "size=" + fullMib + "m", "tmpfs", data.toString());
            if (refusal != null) {
                report.note(
                        err, FULL + " is left out, because no tmpfs could be mounted, which needs root: " + refusal);
                return;
            }
            mounted = data;
            fault = new FullDisk(data.resolve("bench-filler"));
            builder.arguments(
                    "--config",
                    Files.writeString(folder.resolve("full.yaml"), SMALL_JOURNAL)
                            .toString());
        } else {
            Path control = folder.resolve("order");
            Path library = preloaded(folder, name);
            if (library == null) {
                return;
            }
            builder.environment("LD_PRELOAD", library.toString())
                    .environment("HERMOD_IOFAULT_UNDER", data.toString())
                    .environment("HERMOD_IOFAULT_ORDER", control.toString());
            Files.writeString(control, "");
            fault = new SyncFault(control, name.equals(EIO) ? "eio" : "delay " + slowMs);
        }
        err.println("starting hermod for " + name);
        BrokerProcess process = builder.start();
        broker = process;
        measure(name, process, data, fault);
    }

    /** The compiled library that makes syncs fail; null, with a note, where it can't be made. */
    private @Nullable Path preloaded(Path folder, String name) throws IOException, InterruptedException {
        Path compiler = PeerProcess.find("cc");
        if (compiler == null || !System.getProperty("os.name", "").equals("Linux")) {
            report.note(
                    err,
                    name + " is left out: it needs Linux and a C compiler; on Debian: apt-get install gcc libc6-dev");
            return null;
        }
        Path source = folder.resolve("iofault.c");
        try (InputStream in = FaultsCommand.class.getResourceAsStream("/hermod/bench/iofault.c")) {
            if (in == null) {
                throw new IOException("iofault.c is missing from the bench");
            }
            Files.copy(in, source);
        }
        Path library = folder.resolve("libiofault.so");
        String refusal = run(
                compiler.toString(), "-O2", "-shared", "-fPIC", "-o", library.toString(), source.toString(), "-ldl");
        if (refusal != null) {
            report.note(err, name + " is left out, because iofault.c was not compiled: " + refusal);
            return null;
        }
        return library;
    }

    private void measure(String name, BrokerProcess process, Path data, Fault fault)
            throws IOException, InterruptedException {
        String token = process.mintToken("bench", "bench", BrokerOptions.RIGHTS);
        Target target = new Target(process.tcp(), token);
        List<String> program = process.program();
        String durability = BrokerStats.durabilityOf(BrokerStats.read(process.admin()), channel);
        boolean isInMemory = durability != null && durability.contains("MEMORY");
        if (isInMemory) {
            report.note(
                    err, name + ": the broker says of " + channel + ": " + durability + "; the fault can't reach it");
        }
        String topic = channel + ":bench";
        BitSet accepted = new BitSet();
        List<FaultRound> done = new ArrayList<>();
        ManyTopicsLink durableLink = opened(target, topic);
        int epoch = durableLink.epoch(0);
        durableLink.onAccepted((first, count) -> accepted.set(first, first + count)); // read when its thread has ended
        try (TopicsPublisher durable = new TopicsPublisher(durableLink, 1, PAYLOAD_BYTES);
                DeliveryLog memoryLog =
                        new DeliveryLog(target.subscriber(Priority.NORMAL, "tasks:bench", "bench-memory-reader"));
                DeliveryLog safetyLog =
                        new DeliveryLog(target.subscriber(Priority.URGENT, "safety:bench", "bench-safety-reader"));
                TopicsPublisher memory = new TopicsPublisher(opened(target, "tasks:bench"), 1, PAYLOAD_BYTES);
                TopicsPublisher safety = new TopicsPublisher(opened(target, "safety:bench"), 1, PAYLOAD_BYTES)) {
            long toNs = System.nanoTime() + TimeUnit.HOURS.toNanos(24);
            List<Thread> publishing = List.of(paced(durable, toNs), paced(memory, toNs), paced(safety, toNs));
            TimeUnit.SECONDS.sleep(Math.min(2, seconds)); // the JIT
            List<long[]> times = new ArrayList<>();
            List<FaultRound> untimed = new ArrayList<>();
            for (int round = 1; round <= rounds; round++) {
                long calmNs = System.nanoTime();
                TimeUnit.SECONDS.sleep(seconds);
                Map<String, Long> refusedBefore = durable.refusals();
                long acknowledgedBefore = durable.acknowledged();
                long calmEndNs = System.nanoTime();
                fault.begin();
                long faultNs = System.nanoTime();
                TimeUnit.SECONDS.sleep(seconds);
                long endNs = System.nanoTime();
                long meanwhile = durable.acknowledged() - acknowledgedBefore;
                Map<String, Long> refusedMeanwhile = difference(durable.refusals(), refusedBefore);
                fault.end();
                double resumedMs = awaitAcknowledgement(durable);
                times.add(new long[] {calmNs, calmEndNs, faultNs, endNs});
                untimed.add(new FaultRound(
                        new FaultRound.P99(0, 0), new FaultRound.P99(0, 0), refusedMeanwhile, meanwhile, resumedMs));
                err.println(String.format(
                        Locale.ROOT,
                        "%s round %d: refused %s, acknowledged meanwhile %,d, resumed after %,.0f ms",
                        name,
                        round,
                        refusedMeanwhile,
                        meanwhile,
                        resumedMs));
                TimeUnit.MILLISECONDS.sleep(SETTLE_MS);
            }
            List.of(durable, memory, safety).forEach(TopicsPublisher::stop);
            for (Thread thread : publishing) {
                thread.join();
            }
            check(name, durable, memory, safety, memoryLog, safetyLog);
            long escalated = BrokerStats.escalated(BrokerStats.read(process.admin()));
            if (escalated > 0) {
                report.note(
                        err,
                        name + ": " + escalated + " events escalated in the broker for want of an acknowledgement");
            }
            for (int i = 0; i < times.size(); i++) {
                long[] at = times.get(i);
                FaultRound round = untimed.get(i);
                done.add(new FaultRound(
                        p99(memoryLog, safetyLog, at[0], at[1]),
                        p99(memoryLog, safetyLog, at[2], at[3]),
                        round.refusals(),
                        round.acknowledgedMeanwhile(),
                        round.resumedMs()));
            }
        }
        measuredSeconds += 2.0 * rounds * seconds;
        process.kill();
        BrokerProcess again =
                BrokerProcess.builder().data(data).program(program).start();
        broker = again;
        long gone = lost(new Target(again.tcp(), token), topic, epoch, accepted);
        if (isInMemory) {
            report.note(
                    err, name + ": after a kill " + gone + " acknowledged events were gone, as in memory they must");
            gone = 0;
        } else if (gone > 0) {
            report.fault(name + ": " + gone + " acknowledged events were gone after the faults and a kill");
        }
        lost += gone;
        if (Double.isNaN(FaultRound.worstResumedMs(done))) {
            report.fault(name + ": durable publishes did not resume in 30 s after the fault");
        }
        line(FaultRound.row(name, done, gone));
        byFault.put(name, FaultRound.json(done, gone));
    }

    private ManyTopicsLink opened(Target target, String topic) throws IOException {
        ManyTopicsLink link = new ManyTopicsLink(target.address(), target.token(), "bench-" + topic, List.of(topic));
        return (ManyTopicsLink) Link.opened(link);
    }

    private Thread paced(TopicsPublisher publisher, long toNs) {
        Thread thread = new Thread(
                () -> {
                    try {
                        publisher.paced(rate, toNs);
                    } catch (IOException ended) {
                        err.println("a publisher's connection ended: " + ended.getMessage());
                    }
                },
                "bench-publisher");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static double awaitAcknowledgement(TopicsPublisher durable) throws InterruptedException {
        long fromNs = System.nanoTime();
        long before = durable.acknowledged();
        while (durable.acknowledged() == before) {
            if (System.nanoTime() - fromNs > RESUME_LIMIT_NS) {
                return Double.NaN;
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MS);
        }
        return (System.nanoTime() - fromNs) / 1e6;
    }

    private static Map<String, Long> difference(Map<String, Long> now, Map<String, Long> before) {
        Map<String, Long> more = new TreeMap<>();
        now.forEach((code, count) -> {
            long since = count - before.getOrDefault(code, 0L);
            if (since > 0) {
                more.put(code, since);
            }
        });
        return more;
    }

    private FaultRound.P99 p99(DeliveryLog memory, DeliveryLog safety, long fromNs, long toNs) {
        Histogram ofSafety = safety.between(fromNs, toNs);
        safetyNs.add(ofSafety);
        return new FaultRound.P99(
                memory.between(fromNs, toNs).getValueAtPercentile(99) / 1e3, ofSafety.getValueAtPercentile(99) / 1e3);
    }

    /** All is answered, and what needs no disk came through. */
    private void check(
            String name,
            TopicsPublisher durable,
            TopicsPublisher memory,
            TopicsPublisher safety,
            DeliveryLog memoryLog,
            DeliveryLog safetyLog)
            throws InterruptedException {
        for (TopicsPublisher one : List.of(durable, memory, safety)) {
            if (!one.settle()) {
                report.fault(name + ": events were never answered; " + one.end());
            }
            published += one.published();
            acknowledged += one.acknowledged();
            refused += one.refused();
        }
        if (memory.refused() > 0) {
            report.fault(name + ": the memory channel was refused: " + memory.refusals());
        }
        if (safety.refused() > 0) {
            report.note(err, name + ": safety was fanned out and refused: " + safety.refusals());
        }
        long deadlineNs = System.nanoTime() + DELIVERY_LIMIT_NS;
        while (memoryLog.count() < memory.acknowledged() || safetyLog.count() < safety.acknowledged()) {
            if (System.nanoTime() - deadlineNs > 0) {
                report.fault(String.format(
                        Locale.ROOT,
                        "%s: delivered %,d of %,d on the memory channel, %,d of %,d on safety",
                        name,
                        memoryLog.count(),
                        memory.acknowledged(),
                        safetyLog.count(),
                        safety.acknowledged()));
                break;
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MS);
        }
        expected += memory.acknowledged() + safety.acknowledged();
        delivered += memoryLog.count() + safetyLog.count();
    }

    /** How many acknowledged events a reader does not find in the topic. */
    private static long lost(Target target, String topic, int epoch, BitSet accepted) throws IOException {
        BitSet missing = (BitSet) accepted.clone();
        try (PageLink reader = new PageLink(target.address(), target.token(), "bench-check")) {
            reader.open();
            reader.onNumber(number -> {
                if (number > 0) {
                    missing.clear(number);
                }
            });
            reader.read(topic, epoch, 0);
        }
        return missing.cardinality();
    }

    private int tell() {
        Verdict verdict = new Verdict(
                published,
                acknowledged,
                refused,
                expected,
                delivered,
                lost + Math.max(0, expected - delivered),
                0,
                0,
                Math.max(0, published - acknowledged - refused),
                0,
                List.of());
        RunResult result = new RunResult(
                "faults",
                measuredSeconds,
                verdict,
                measuredSeconds == 0 ? 0 : delivered / measuredSeconds,
                LatencyUs.of(safetyNs),
                Map.of("byFault", byFault),
                List.of(),
                List.of());
        Origin origin = Origin.ofThisProcess("started by the bench", RIGHTS, arguments, root);
        return report.write(out, err, "A failing disk", tables.toString(), result, Map.of(), origin);
    }

    private void line(String line) {
        tables.append(line).append(System.lineSeparator());
    }

    /** Runs a command. @return null if it went well, otherwise what it said. */
    private static @Nullable String run(String... command) throws InterruptedException {
        try {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                return command[0] + " did not end";
            }
            return process.exitValue() == 0 ? null : said.isEmpty() ? command[0] + " failed" : said;
        } catch (IOException notThere) {
            return command[0] + " can't be run";
        }
    }

    private void stopAll() {
        BrokerProcess process = broker;
        broker = null;
        if (process != null) {
            process.close();
        }
        Path where = mounted;
        mounted = null;
        if (where != null) {
            try {
                String refusal = run("umount", where.toString());
                if (refusal != null) {
                    err.println("the tmpfs stays mounted: " + refusal);
                }
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running and does what we would.
        }
    }

    /** Another file takes all that is left. */
    private record FullDisk(Path filler) implements Fault {
        @Override
        public void begin() throws IOException {
            try (FileChannel file = FileChannel.open(filler, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                int piece = FILL_PIECE_BYTES;
                ByteBuffer zeros = ByteBuffer.allocateDirect(piece);
                while (piece > 0) {
                    zeros.clear().limit(piece);
                    try {
                        while (zeros.hasRemaining()) {
                            file.write(zeros);
                        }
                    } catch (IOException full) {
                        piece /= 16;
                    }
                }
            }
        }

        @Override
        public void end() throws IOException {
            Files.deleteIfExists(filler);
        }
    }

    /** Says it in the control file, whole at once. */
    private record SyncFault(Path control, String order) implements Fault {
        @Override
        public void begin() throws IOException {
            Files.writeString(control, order);
        }

        @Override
        public void end() throws IOException {
            Files.writeString(control, "");
        }
    }
}
