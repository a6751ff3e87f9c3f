package hermod.bench.durable;

import hermod.bench.BrokerProcess;
import hermod.bench.PeerProcess;
import hermod.bench.ScratchFolder;
import hermod.bench.check.Verdict;
import hermod.bench.compare.Tools;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.bench.load.Stamp;
import hermod.bench.report.LatencyUs;
import hermod.bench.report.Origin;
import hermod.bench.report.RunResult;
import hermod.bench.wire.Link;
import hermod.bench.wire.RelayLink;
import hermod.protocol.Priority;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import org.HdrHistogram.Histogram;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import tools.jackson.databind.JsonNode;

/** {@code hermod-bench durable}: what a durable publish costs, beside the disk, the wire, Redis Streams and JetStream. One thread. */
@Command(
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description =
                "Durable publish: 1 and 100 in flight, beside this disk's sync, the wire, Redis Streams and JetStream.",
        footerHeading = "%n",
        footer = {
            "Measurements take turns round by round; the table has medians, and ratios are of figures of one round.",
            "The goals are told, not enforced. Exit codes: 0 ok; 1 Hermod refused, lost or did not answer something; 2 usage; 3 no broker."
        })
public final class DurableCommand implements Callable<Integer> {
    private static final int HUNDRED = 100;
    private static final int PAYLOAD_BYTES_MAX = 256 * 1024;
    private static final double WARM_UP_SHARE = 0.25;
    private static final String NONE = "none";
    private static final String RELAY = "relay";

    private final @Nullable Path root;
    private final UnaryOperator<String> rightsOfToken;
    private final List<String> arguments;
    private final PrintStream out;
    private final PrintStream err;
    private final int runId = new SplittableRandom(System.nanoTime()).nextInt();
    private final Sheet sheet = new Sheet();
    private final Map<String, Long> refusals = new TreeMap<>();
    private final Histogram oneInFlight = new Histogram(3);
    private final Deque<AutoCloseable> running = new ArrayDeque<>(); // guarded by itself
    private long published;
    private long acknowledged;
    private long refused;
    private long expected;
    private long delivered;
    private double measuredSeconds;

    @Mixin
    private final BrokerOptions broker = new BrokerOptions();

    @Mixin
    private final Report report = new Report();

    @Option(
            names = "--seconds",
            paramLabel = "S",
            description = "How long each measurement of a round takes (default 1).")
    private double seconds = 1;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds (default 5); one more, shorter, comes first.")
    private int rounds = 5;

    @Option(
            names = "--size",
            paramLabel = "B",
            split = ",",
            description =
                    "Payload bytes, from 24 (default 256,128); the first is everybody's, the others Hermod's only.")
    private List<Integer> sizes = List.of(256, 128);

    @Option(names = "--channel", paramLabel = "C", description = "The durable channel (default chat).")
    private String channel = "chat";

    @Option(
            names = "--peers",
            paramLabel = "LIST",
            split = ",",
            description =
                    "Beside it: relay, redis, jetstream-always, jetstream, none (default all; with --server none).")
    private @Nullable List<String> peers;

    private DurableCommand(
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
        return new CommandLine(new DurableCommand(root, rightsOfToken, arguments, out, err));
    }

    /** One measurement, whose figures go into the sheet. */
    private interface Measurement {
        /** @param isCounted false for the round that warms up. */
        void run(double seconds, boolean isCounted) throws IOException, InterruptedException;
    }

    @Override
    public Integer call() throws InterruptedException {
        broker.check();
        BrokerOptions.check("--rounds", rounds, 1, 1_000);
        if (!(seconds >= 0.05 && seconds <= 3_600)) {
            throw BrokerOptions.usage("--seconds must be from 0.05 to 3600, got " + seconds);
        }
        for (int size : sizes) {
            BrokerOptions.check("--size", size, Stamp.BYTES, PAYLOAD_BYTES_MAX);
        }
        boolean wantsRelay = false;
        List<Store> stores = new ArrayList<>();
        for (String word : wantedPeers()) {
            Store store = Store.of(word);
            if (store != null) {
                stores.add(store);
            } else if (word.equals(RELAY)) {
                wantsRelay = true;
            } else if (!word.equals(NONE)) {
                throw BrokerOptions.usage(
                        "--peers takes relay, redis, jetstream-always, jetstream or none, got '" + word + "'");
            }
        }
        Thread stopper = new Thread(this::stopAll, "bench-stop-brokers");
        Runtime.getRuntime().addShutdownHook(stopper);
        try (ScratchFolder folder = ScratchFolder.in(broker.dir, "hermod-durable-")) {
            try {
                return measure(folder.path(), wantsRelay, stores);
            } finally {
                stopAll();
            }
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, "the scenario ended early: " + failed.getMessage());
        } finally {
            removeHook(stopper);
        }
    }

    private List<String> wantedPeers() {
        if (peers != null) {
            return peers;
        }
        return broker.server != null ? List.of(NONE) : List.of(RELAY, "redis", "jetstream-always", "jetstream");
    }

    private int measure(Path folder, boolean wantsRelay, List<Store> wantedStores)
            throws IOException, InterruptedException {
        String admin = broker.admin;
        Target target;
        if (broker.server != null) {
            target = new Target(broker.server, broker.token == null ? "" : broker.token);
            if (broker.dir == null) {
                report.note(
                        err,
                        "without --dir the disk probe measures the temporary folder, which may not be the broker's disk");
            }
        } else {
            err.println("starting hermod");
            BrokerProcess process = started(BrokerProcess.builder()
                    .data(Files.createDirectory(folder.resolve("hermod")))
                    .start());
            admin = process.admin();
            target = new Target(process.tcp(), process.mintToken("bench", "bench", BrokerOptions.RIGHTS));
        }
        report.note(
                err,
                "files are on " + BrokerOptions.fileSystem(folder)
                        + ": a sync on tmpfs costs nothing and proves nothing");
        List<Store> stores = new ArrayList<>();
        List<String> versions = new ArrayList<>();
        Map<Store, PeerProcess> servers = new LinkedHashMap<>();
        for (Store store : wantedStores) {
            String missing = store.missing();
            if (missing != null) {
                report.note(err, store.word() + " is left out: " + missing);
                continue;
            }
            err.println("starting " + store.word());
            servers.put(store, started(store.start(Files.createDirectory(folder.resolve(store.word())))));
            stores.add(store);
            versions.add(store.version());
        }
        PeerProcess relay = wantsRelay ? relay(folder) : null;
        try (DiskProbe disk = new DiskProbe(folder)) {
            List<Measurement> measurements = measurements(target, disk, relay, servers);
            for (int number = 0; number <= rounds; number++) {
                for (Measurement one : measurements) {
                    one.run(number == 0 ? Math.min(seconds, 1) : seconds, number > 0);
                }
                if (number > 0) {
                    // What comes first finds the machine as the last one left it.
                    Collections.reverse(measurements);
                }
                err.println(progress(number));
            }
        }
        JsonNode stats = admin == null ? null : BrokerStats.read(admin);
        long escalated = BrokerStats.escalated(stats);
        if (escalated > 0) {
            report.note(err, escalated + " events escalated in the broker for want of an acknowledgement");
        }
        String durability = BrokerStats.durabilityOf(stats, channel);
        return tell(stores, versions, durability);
    }

    private @Nullable PeerProcess relay(Path folder) throws InterruptedException {
        try {
            Tools tools = Tools.find(root);
            String missing = tools.missingForBuild();
            if (missing != null) {
                report.note(err, "the C relay is left out, so the wire is Hermod's memory channel: " + missing);
                return null;
            }
            tools.build(false, err::println);
            return started(PeerProcess.start(
                    tools.folder().resolve("relay"), port -> List.of(Integer.toString(port)), folder));
        } catch (BenchFailure notHere) {
            report.note(
                    err, "the C relay is left out, so the wire is Hermod's memory channel: " + notHere.getMessage());
            return null;
        }
    }

    private List<Measurement> measurements(
            Target target, DiskProbe disk, @Nullable PeerProcess relay, Map<Store, PeerProcess> servers) {
        String word = ":bench_" + Integer.toHexString(runId);
        String topic = channel + word;
        int size = sizes.get(0);
        List<Measurement> all = new ArrayList<>();
        all.add((lasting, isCounted) -> add(DurableSummary.DISK, disk.append(lasting), isCounted));
        all.add((lasting, isCounted) -> add(DurableSummary.DISK_PREPARED, disk.overwrite(lasting), isCounted));
        if (relay != null) {
            all.add(peer(DurableSummary.RELAY, 1, 1, size, id -> Link.opened(new RelayLink(relay.address(), 1))));
        }
        all.add(hermod(
                DurableSummary.MEMORY,
                1,
                1,
                size,
                id -> target.publisher(Priority.NORMAL, "tasks" + word, "bench-memory")));
        for (int one : sizes) {
            String of = one == size ? "" : ", " + one + " B";
            Connect connect = id -> target.publisher(Priority.NORMAL, topic, "bench-durable-" + id);
            all.add(hermod(DurableSummary.ONE + of, 1, 1, one, connect));
            all.add(hermod(DurableSummary.HUNDRED + of, 1, HUNDRED, one, connect));
            all.add(hermod(DurableSummary.CONNECTIONS + of, HUNDRED, 1, one, connect));
        }
        all.add(delivery(
                target, Priority.NORMAL, topic, DurableSummary.DELIVERY, DurableSummary.DELIVERY_ANSWER, size));
        all.add(delivery(
                target, Priority.URGENT, "safety" + word, DurableSummary.EARLY, DurableSummary.EARLY_ANSWER, size));
        servers.forEach((store, server) -> {
            Connect connect = id -> store.link(server.address(), id);
            all.add(peer(DurableSummary.one(store), 1, 1, size, connect));
            all.add(peer(DurableSummary.hundred(store), 1, HUNDRED, size, connect));
            all.add(peer(DurableSummary.connections(store), HUNDRED, 1, size, connect));
        });
        return all;
    }

    /** Makes open connections. */
    private interface Connect {
        Link connect(int id) throws IOException;
    }

    private Measurement peer(String row, int connections, int window, int size, Connect connect) {
        return (lasting, isCounted) -> {
            AckLoad.Outcome outcome = load(connections, window, size, Priority.LOW, connect, lasting);
            if (outcome.end() != null || outcome.refused() > 0) {
                report.note(
                        err,
                        row + ": refused " + outcome.refused()
                                + (outcome.end() == null ? "" : ", ended early: " + outcome.end()));
            }
            add(row, outcome.figures(), isCounted);
        };
    }

    private Measurement hermod(String row, int connections, int window, int size, Connect connect) {
        return (lasting, isCounted) -> {
            AckLoad.Outcome outcome = load(connections, window, size, Priority.NORMAL, connect, lasting);
            published += outcome.published();
            acknowledged += outcome.acknowledged();
            refused += outcome.refused();
            outcome.refusals().forEach((code, count) -> refusals.merge(code, count, Long::sum));
            if (outcome.end() != null) {
                report.fault(row + ": " + outcome.end());
            }
            if (isCounted && row.equals(DurableSummary.ONE)) {
                oneInFlight.add(outcome.ns());
            }
            add(row, outcome.figures(), isCounted);
        };
    }

    private AckLoad.Outcome load(int connections, int window, int size, Priority lane, Connect connect, double lasting)
            throws IOException {
        List<Link> links = new ArrayList<>();
        try {
            for (int id = 0; id < connections; id++) {
                links.add(connect.connect(id));
            }
            measuredSeconds += lasting;
            return AckLoad.run(links, lane.code(), runId, window, size, lasting * WARM_UP_SHARE, lasting);
        } finally {
            links.forEach(Link::close);
        }
    }

    private Measurement delivery(Target target, Priority lane, String topic, String row, String answerRow, int size) {
        return (lasting, isCounted) -> {
            DeliveryLoad.Outcome outcome;
            try (Link subscriber = target.subscriber(lane, topic, "bench-subscriber");
                    Link publisher = target.publisher(lane, topic, "bench-publisher")) {
                outcome = DeliveryLoad.run(
                        publisher, subscriber, lane.code(), runId, size, lasting * WARM_UP_SHARE, lasting);
            }
            measuredSeconds += lasting;
            published += outcome.published();
            acknowledged += outcome.acknowledged();
            refused += outcome.refused();
            expected += outcome.acknowledged();
            delivered += outcome.delivered();
            if (outcome.end() != null) {
                report.fault(row + ": " + outcome.end());
            }
            add(row, Figures.of(outcome.delivery(), outcome.seconds()), isCounted);
            add(answerRow, Figures.of(outcome.answer(), outcome.seconds()), isCounted);
        };
    }

    private void add(String row, Figures figures, boolean isCounted) {
        if (isCounted) {
            sheet.add(row, figures);
        }
    }

    private String progress(int number) {
        if (number == 0) {
            return "warm-up done";
        }
        return String.format(
                Locale.ROOT,
                "round %d of %d: medians so far: disk %,.0f us, 1 in flight %,.0f us, 100 in flight %,.0f/s",
                number,
                rounds,
                sheet.medians(DurableSummary.DISK).p50Us(),
                sheet.medians(DurableSummary.ONE).p50Us(),
                sheet.medians(DurableSummary.HUNDRED).perSecond());
    }

    private int tell(List<Store> stores, List<String> versions, @Nullable String durability) {
        DurableSummary summary = new DurableSummary(sheet);
        if (durability != null) {
            report.note(err, "the broker says of " + channel + ": " + durability);
        }
        if (summary.isFasterThanTheDisk()) {
            report.note(
                    err,
                    "Hermod answered faster than this disk syncs: nothing was on the disk before the answer, so its figures are memory's, and the goals mean nothing");
        }
        if (refused > 0) {
            report.fault(refused + " events were refused: " + refusals);
        }
        long unaccounted = published - acknowledged - refused;
        if (unaccounted > 0) {
            report.fault(unaccounted + " events were never answered");
        }
        if (delivered < expected) {
            report.fault(expected - delivered + " acknowledged events never reached the subscriber");
        }
        Map<String, Object> extras = new LinkedHashMap<>(summary.json(stores));
        extras.put("durability", durability == null ? "unknown" : durability);
        extras.put("refusals", refusals);
        extras.put("rounds", rounds);
        extras.put("sizes", sizes);
        Verdict verdict = new Verdict(
                published,
                acknowledged,
                refused,
                expected,
                delivered,
                Math.max(0, expected - delivered),
                Math.max(0, delivered - expected),
                0,
                unaccounted,
                0,
                List.of());
        RunResult result = new RunResult(
                "durable",
                measuredSeconds,
                verdict,
                sheet.medians(DurableSummary.HUNDRED).perSecond(),
                LatencyUs.of(oneInFlight),
                extras,
                List.of(),
                List.of());
        String rights = broker.server == null
                ? String.join(", ", BrokerOptions.RIGHTS) + " (lifts the service limits and the rate limits)"
                : broker.token == null ? "none given (development mode)" : rightsOfToken.apply(broker.token);
        Origin origin = Origin.ofThisProcess(
                broker.server == null ? "started by the bench" : broker.server, rights, arguments, root);
        String tables = summary.tables() + System.lineSeparator() + DurableSummary.peers(stores, versions);
        return report.write(out, err, "What durability costs", tables, result, Map.of(), origin);
    }

    private <T extends AutoCloseable> T started(T server) {
        synchronized (running) {
            running.push(server);
        }
        return server;
    }

    private void stopAll() {
        while (true) {
            AutoCloseable one;
            synchronized (running) {
                one = running.poll();
            }
            if (one == null) {
                return;
            }
            try {
                one.close();
            } catch (Exception notStopped) {
                err.println("could not be stopped: " + notStopped.getMessage());
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
}
