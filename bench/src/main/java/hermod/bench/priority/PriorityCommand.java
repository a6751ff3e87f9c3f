package hermod.bench.priority;

import hermod.bench.BrokerProcess;
import hermod.bench.check.Verdict;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.load.Stamp;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.Machine;
import hermod.bench.report.Origin;
import hermod.bench.report.ResultJson;
import hermod.bench.report.ResultText;
import hermod.bench.report.RunResult;
import hermod.broker.outbox.OutboxConfig;
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
import java.util.concurrent.Callable;
import java.util.function.ToLongFunction;
import java.util.function.UnaryOperator;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code hermod-bench priority}: URGENT beside a flood to one slow reader, on Hermod with lanes and without, NATS and Redis. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "URGENT beside a flood of LOW and NORMAL to one subscriber that reads at a fixed rate; lanes on and off, NATS, Redis.",
        footerHeading = "%n",
        footer = {
            "Brokers take turns round by round; latencies are medians over the rounds. The brokers are started by the bench with their own defaults.",
            "With --load instead: all four lanes to one reader at 50, 90, 110 and 200 %% of the capacity that is measured first.",
            "Exit codes: 0 ok; 1 Hermod lost or shed URGENT, lost another event without a word, closed the reader's connection, or gave LOW less than",
            "5 %% in a second (the latency goal is told, not enforced); 2 usage; 3 no broker."
        })
public final class PriorityCommand implements Callable<Integer> {
    private static final String STDOUT = "-";
    private static final String LANES_ON = "hermod";
    private static final String LANES_OFF = "hermod-lanes-off";
    private static final double LEAST_SHARE = 0.05;
    private static final int[] PERCENTS = {50, 90, 110, 200};
    private static final int KIB = 1024;
    private static final int URGENT = Priority.URGENT.code();

    private final @Nullable Path root;
    private final UnaryOperator<String> rightsOfToken;
    private final List<String> arguments;
    private final PrintStream out;
    private final PrintStream err;

    @Option(names = "--server", paramLabel = "HOST:PORT", description = "A running broker; without it one is started.")
    private @Nullable String server;

    @Option(
            names = "--admin",
            paramLabel = "HOST:PORT",
            description = "The running broker's admin port, to see the outbox.")
    private @Nullable String admin;

    @Option(
            names = "--token",
            paramLabel = "T",
            description = "Token for --server, with the right 'urgent' too; a broker in development mode needs none.")
    private @Nullable String token;

    @Option(names = "--load", description = "The table at shares of the capacity instead; Hermod only.")
    private boolean isLoad;

    @Option(names = "--seconds", paramLabel = "S", description = "How long each phase measures (default 10).")
    private int seconds = 10;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds (default 3); one more, shorter, comes first.")
    private int rounds = 3;

    @Option(
            names = "--rate",
            paramLabel = "N",
            description = "Events a second of LOW and NORMAL together (default: twice what the reader takes).")
    private @Nullable Integer rate;

    @Option(names = "--size", paramLabel = "B", description = "Payload bytes, from 24 (default 1024).")
    private int size = 1024;

    @Option(
            names = "--reader-rate",
            paramLabel = "MB",
            description = "MB (10^6) a second the reader takes (default 50).")
    private double readerRate = 50;

    @Option(
            names = "--window",
            paramLabel = "KIB",
            description = "Credit the reader grants: what may be on its way (default 64).")
    private int windowKib = 64;

    @Option(
            names = "--receive-buffer",
            paramLabel = "KIB",
            description = "The reader's kernel buffer; 0 leaves it alone (default 64).")
    private int receiveBufferKib = 64;

    @Option(
            names = "--lanes",
            paramLabel = "on|off",
            split = ",",
            description = "Hermod with lanes, without, or both (default on,off; with --server only on).")
    private @Nullable List<String> lanes;

    @Option(
            names = "--peers",
            paramLabel = "LIST",
            split = ",",
            description = "Brokers beside it: nats, redis, none (default nats,redis; with --server none).")
    private @Nullable List<String> peers;

    @Option(names = "--json", paramLabel = "FILE", description = "Write the result as JSON; - for stdout.")
    private @Nullable String json;

    @Option(names = "--results", paramLabel = "FILE", description = "Write the tables as markdown.")
    private @Nullable Path results;

    private PriorityCommand(
            @Nullable Path root,
            UnaryOperator<String> rightsOfToken,
            List<String> arguments,
            PrintStream out,
            PrintStream err) {
        this.root = root;
        this.rightsOfToken = rightsOfToken;
        this.arguments = arguments;
        this.out = out;
        this.err = err;
    }

    /**
     * @param root of the source tree, if known.
     * @param rightsOfToken tells what a token may do.
     * @param arguments the whole command line, for the result.
     */
    public static CommandLine commandLine(
            @Nullable Path root,
            UnaryOperator<String> rightsOfToken,
            List<String> arguments,
            PrintStream out,
            PrintStream err) {
        return new CommandLine(new PriorityCommand(root, rightsOfToken, arguments, out, err));
    }

    @Override
    public Integer call() throws InterruptedException {
        check("--seconds", seconds, 1, 3_600);
        check("--rounds", rounds, 1, 1_000);
        check("--size", size, Stamp.BYTES, 256 * KIB);
        check("--window", windowKib, 4, 64 * KIB);
        check("--receive-buffer", receiveBufferKib, 0, 64 * KIB);
        if (!(readerRate >= 0.1 && readerRate <= 10_000)) {
            throw usage("--reader-rate must be from 0.1 to 10000 MB a second, got " + readerRate);
        }
        if (rate != null) {
            check("--rate", rate, 1, 10_000_000);
        }
        List<String> wantedLanes = wantedLanes();
        List<Peer> wantedPeers = wantedPeers();
        Load load = new Load(
                seconds,
                100,
                rate != null ? rate : (int) Math.max(1, 2 * readerRate * 1e6 / size),
                size,
                readerRate * 1e6,
                windowKib * KIB,
                receiveBufferKib * KIB);
        List<Contender> running = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        Thread stopper = new Thread(() -> stopAll(running), "bench-stop-brokers");
        Runtime.getRuntime().addShutdownHook(stopper);
        Path folder = null;
        try {
            folder = Files.createTempDirectory("hermod-priority-");
            startAll(wantedLanes, wantedPeers, folder, running, notes);
            return isLoad ? measureLoad(running.get(0), load, notes) : measureRounds(running, load, notes);
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "the scenario ended early: " + failed.getMessage());
        } finally {
            stopAll(running);
            removeHook(stopper);
            remove(folder);
        }
    }

    private List<String> wantedLanes() {
        List<String> wanted = lanes != null ? lanes : server != null || isLoad ? List.of("on") : List.of("on", "off");
        for (String one : wanted) {
            if (!one.equals("on") && !one.equals("off")) {
                throw usage("--lanes takes on, off or on,off, got '" + one + "'");
            }
        }
        if (server != null && wanted.contains("off")) {
            throw usage("--lanes off needs a broker that the bench starts; leave --server out");
        }
        if (server == null && (token != null || admin != null)) {
            throw usage("--token and --admin belong to --server; without it the bench makes its own");
        }
        return wanted;
    }

    private List<Peer> wantedPeers() {
        List<String> words =
                peers != null ? peers : server != null || isLoad ? List.of("none") : List.of("nats", "redis");
        List<Peer> wanted = new ArrayList<>();
        for (String word : words) {
            if (word.equals("none")) {
                continue;
            }
            Peer found = null;
            for (Peer peer : Peer.values()) {
                found = peer.word().equals(word) ? peer : found;
            }
            if (found == null) {
                throw usage("--peers takes nats, redis or none, got '" + word + "'");
            }
            wanted.add(found);
        }
        return wanted;
    }

    private void startAll(
            List<String> wantedLanes, List<Peer> wantedPeers, Path folder, List<Contender> running, List<String> notes)
            throws IOException, InterruptedException {
        if (server != null) {
            running.add(new HermodContender(
                    LANES_ON, "given by --server", server, admin, token == null ? "" : token, () -> {}));
        } else {
            for (String one : wantedLanes) {
                startHermod(one.equals("on"), folder, running, notes);
            }
        }
        for (Peer peer : wantedPeers) {
            String missing = peer.missing();
            if (missing != null) {
                note(notes, peer.word() + " is left out: " + missing);
                continue;
            }
            err.println("starting " + peer.word());
            running.add(peer.start(folder));
        }
    }

    private void startHermod(boolean hasLanes, Path folder, List<Contender> running, List<String> notes)
            throws IOException {
        String name = hasLanes ? LANES_ON : LANES_OFF;
        BrokerProcess.Builder builder = BrokerProcess.builder();
        if (!hasLanes) {
            Path config = folder.resolve("lanes-off.yaml");
            Files.writeString(config, "outbox:\n  lanes: false\n");
            builder.arguments("--config", config.toString());
        }
        err.println("starting " + name);
        BrokerProcess broker;
        try {
            broker = builder.start();
        } catch (BenchFailure notStarted) {
            if (hasLanes || running.isEmpty()) {
                throw notStarted;
            }
            note(notes, LANES_OFF + " is left out: " + firstLine(notStarted));
            return;
        }
        List<String> rights = new ArrayList<>(BrokerProcess.LOAD_RIGHTS);
        rights.add("urgent");
        String what = hasLanes ? "default configuration" : "outbox.lanes false: one queue a connection";
        running.add(new HermodContender(
                name, what, broker.tcp(), broker.admin(), broker.mintToken("bench", "bench", rights), broker::close));
    }

    /** Without the folders of paths: a note goes into files that others read. */
    private static String firstLine(BenchFailure failure) {
        String first = String.valueOf(failure.getMessage()).lines().findFirst().orElse("");
        return first.replaceAll("/(?:[^ /]+/)+", "…/");
    }

    private int measureRounds(List<Contender> running, Load load, List<String> notes)
            throws IOException, InterruptedException {
        List<List<Round>> done = new ArrayList<>();
        running.forEach(one -> done.add(new ArrayList<>()));
        Load first = new Load(
                Math.min(2, load.seconds()),
                load.urgentPerSecond(),
                load.bulkPerSecond(),
                load.payloadBytes(),
                load.readerBytesPerSecond(),
                load.creditWindowBytes(),
                load.receiveBufferBytes());
        for (int number = 0; number <= rounds; number++) {
            for (int i = 0; i < running.size(); i++) {
                Contender one = running.get(i);
                Round round = Round.run(one, number == 0 ? first : load);
                err.println(progress(number, one, round));
                if (number > 0) {
                    done.get(i).add(round);
                }
            }
        }
        List<Summary> summaries = new ArrayList<>();
        for (int i = 0; i < running.size(); i++) {
            Contender one = running.get(i);
            summaries.add(Summary.of(one.name(), one.what(), done.get(i)));
        }
        return reportRounds(summaries, load, notes);
    }

    private static String progress(int number, Contender one, Round round) {
        return String.format(
                Locale.ROOT,
                "%s %s: URGENT p99 %,.0f us alone, %,.0f us beside the flood, lost %,d; LOW %.1f %%; read %.1f MB/s; outbox at least %,d KiB%s",
                number == 0 ? "warm-up" : "round " + number,
                one.name(),
                round.unloaded().latency(URGENT).getValueAtPercentile(99) / 1e3,
                round.loaded().latency(URGENT).getValueAtPercentile(99) / 1e3,
                round.loaded().lost(URGENT),
                round.loaded().leastShare(Priority.LOW.code()) * 100,
                round.loaded().bytesPerSecond() / 1e6,
                round.outbox().leastBytes() / KIB,
                round.connectionsEnded() == 0 ? "" : "; connection ended " + round.connectionsEnded() + " times");
    }

    private int reportRounds(List<Summary> summaries, Load load, List<String> notes) {
        long limitBytes = OutboxConfig.defaults().limitBytes();
        String tables = PriorityTables.contenders(summaries, load, LEAST_SHARE)
                + System.lineSeparator()
                + PriorityTables.outboxes(summaries, limitBytes);
        for (Summary one : summaries) {
            one.troubles().forEach(trouble -> note(notes, one.name() + ": " + trouble));
        }
        Summary hermod = summaries.get(0);
        boolean isJudged = hermod.name().equals(LANES_ON);
        if (isJudged && !hermod.rounds().stream().allMatch(Round::isPacedByCredit)) {
            note(notes, "the broker did not agree to CREDIT: what its socket holds could not be overtaken");
        }
        List<String> faults = isJudged ? hermod.faults(LEAST_SHARE) : List.of();
        Map<String, Object> extras = new LinkedHashMap<>();
        extras.put("urgent", hermod.urgentJson(load));
        extras.put("low", hermod.json(load).get("low"));
        Map<String, Object> outbox = hermod.outboxJson();
        outbox.put("limitBytes", limitBytes);
        outbox.put("isHalfFullThroughout", hermod.outboxSamples() > 0 && hermod.outboxLeastBytes() * 2 >= limitBytes);
        extras.put("outbox", outbox);
        extras.put("rounds", rounds);
        extras.put("readerBytesPerSecond", load.readerBytesPerSecond());
        extras.put("bulkPerSecond", load.bulkPerSecond());
        extras.put("creditWindowBytes", load.creditWindowBytes());
        Map<String, Object> contenders = new LinkedHashMap<>();
        summaries.forEach(one -> contenders.put(one.name(), one.json(load)));
        List<Ledger> ledgers = new ArrayList<>();
        hermod.rounds().forEach(round -> {
            ledgers.add(round.unloaded());
            ledgers.add(round.loaded());
        });
        Map<String, Object> all = new LinkedHashMap<>(extras);
        all.put("contenders", contenders);
        double perSecond =
                Summary.median(hermod.rounds(), round -> round.loaded().eventsPerSecond());
        return report(tables, Map.of(), all, ledgers, perSecond, hermod.loaded(), notes, faults);
    }

    private int measureLoad(Contender broker, Load load, List<String> notes) throws IOException, InterruptedException {
        err.println("measuring the capacity");
        double capacity = LoadLevel.capacity(broker, load, err::println);
        if (capacity == 0) {
            throw new BenchFailure(
                    Kind.FAILED, "no capacity could be measured: the broker left out events of the smallest flood");
        }
        err.println(String.format(Locale.ROOT, "capacity %,.0f deliveries/s", capacity));
        List<LoadLevel> levels = new ArrayList<>();
        List<String> faults = new ArrayList<>();
        List<Ledger> ledgers = new ArrayList<>();
        Histogram urgent = new Histogram(3);
        for (int percent : PERCENTS) {
            LoadLevel level = LoadLevel.run(broker, load, percent, capacity);
            levels.add(level);
            ledgers.add(level.ledger());
            urgent.add(level.ledger().latency(URGENT));
            err.println(String.format(
                    Locale.ROOT,
                    "%d %%: URGENT p99 %,.0f us, %,.0f deliveries/s",
                    percent,
                    level.ledger().latency(URGENT).getValueAtPercentile(99) / 1e3,
                    level.ledger().eventsPerSecond()));
            level.faults().forEach(fault -> faults.add(percent + " %: " + fault));
            for (int lane = 0; lane < Priority.COUNT; lane++) {
                fault(faults, percent, lane, level.ledger().lost(lane), "lost without a word");
                fault(faults, percent, lane, level.ledger().disordered(lane), "out of order or twice");
            }
            fault(faults, percent, URGENT, level.ledger().shed(URGENT), "shed");
            fault(
                    faults,
                    percent,
                    URGENT,
                    level.ledger().clampedCount(),
                    "clamped: the token lacks the right 'urgent'");
        }
        return report(
                PriorityTables.levels(levels, capacity),
                Map.of(),
                Map.of("load", PriorityTables.json(levels, capacity)),
                ledgers,
                capacity,
                LatencyUs.of(urgent),
                notes,
                faults);
    }

    private static void fault(List<String> faults, int percent, int lane, long count, String what) {
        if (count > 0) {
            faults.add(percent + " %: " + count + " events of " + Priority.ofCode(lane) + " " + what);
        }
    }

    private int report(
            String tables,
            Map<String, Object> shown,
            Map<String, Object> all,
            List<Ledger> ledgers,
            double perSecond,
            LatencyUs urgent,
            List<String> notes,
            List<String> faults) {
        String rights = server == null
                ? String.join(", ", BrokerProcess.LOAD_RIGHTS)
                        + ", urgent (lifts the service limits and the rate limits)"
                : token == null ? "none given (development mode)" : rightsOfToken.apply(token);
        Origin origin = Origin.ofThisProcess(server == null ? "started by the bench" : server, rights, arguments, root);
        Verdict verdict = verdict(ledgers);
        double measured = ledgers.stream().mapToDouble(Ledger::seconds).sum();
        RunResult text = new RunResult("priority", measured, verdict, perSecond, urgent, shown, notes, faults);
        RunResult full = new RunResult("priority", measured, verdict, perSecond, urgent, all, notes, faults);
        PrintStream textTo = STDOUT.equals(json) ? err : out;
        textTo.println(tables);
        textTo.print(ResultText.of(text, origin));
        if (STDOUT.equals(json)) {
            out.println(ResultJson.of(full, origin));
        } else if (json != null) {
            write(Path.of(json), ResultJson.of(full, origin) + System.lineSeparator());
        }
        if (results != null) {
            write(results, Machine.heading("URGENT beside a flood", origin) + tables + sentences(notes, faults));
        }
        return full.isGood() ? 0 : Kind.FAILED.exitCode();
    }

    private static String sentences(List<String> notes, List<String> faults) {
        StringBuilder text = new StringBuilder(System.lineSeparator());
        notes.forEach(note -> text.append("Note: ").append(note).append(System.lineSeparator()));
        faults.forEach(fault -> text.append("Fault: ").append(fault).append(System.lineSeparator()));
        return text.toString();
    }

    private static Verdict verdict(List<Ledger> ledgers) {
        long expected = sum(ledgers, Ledger::accepted) - sum(ledgers, Ledger::shed);
        return new Verdict(
                sum(ledgers, Ledger::sent),
                sum(ledgers, Ledger::accepted),
                sum(ledgers, Ledger::refused),
                expected,
                sum(ledgers, Ledger::delivered),
                sum(ledgers, Ledger::lost),
                0,
                sum(ledgers, Ledger::disordered),
                sum(ledgers, Ledger::unaccounted),
                0,
                List.of());
    }

    private static long sum(List<Ledger> ledgers, java.util.function.ToLongBiFunction<Ledger, Integer> figure) {
        ToLongFunction<Ledger> ofAllLanes = ledger -> {
            long sum = 0;
            for (int lane = 0; lane < Priority.COUNT; lane++) {
                sum += figure.applyAsLong(ledger, lane);
            }
            return sum;
        };
        return ledgers.stream().mapToLong(ofAllLanes).sum();
    }

    private void note(List<String> notes, String sentence) {
        err.println(sentence);
        notes.add(sentence);
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException unwritable) {
            throw new BenchFailure(Kind.FAILED, "the result cannot be written: " + unwritable.getMessage());
        }
    }

    private static void stopAll(List<Contender> running) {
        for (Contender one : List.copyOf(running)) {
            one.close();
        }
    }

    private static void remove(@Nullable Path folder) {
        if (folder == null) {
            return;
        }
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
            Files.delete(folder);
        } catch (IOException left) {
            // What stays in the temporary folder costs nothing but its bytes.
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook is running and does what we would.
        }
    }

    private static void check(String option, int value, int least, int most) {
        if (value < least || value > most) {
            throw usage(option + " must be from " + least + " to " + most + ", got " + value);
        }
    }

    private static BenchFailure usage(String sentence) {
        return new BenchFailure(Kind.USAGE, sentence);
    }
}
