package hermod.bench.compare;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What to compare: valid, with every default filled in. Immutable.
 *
 * @param quick whether warm-up is short.
 * @param workloads in the order they run.
 * @param lanes in the order they take turns.
 * @param hermod the lanes of Hermod among them that are not the plain one, by name.
 * @param named whether the lanes were asked for by name, so that a missing one is a mistake.
 * @param scale factor on the measured time of each run.
 * @param limitSeconds after which no further run starts.
 */
record CompareOptions(
        boolean quick,
        List<Workload> workloads,
        List<String> lanes,
        Map<String, LaneSpec> hermod,
        boolean named,
        int rounds,
        double scale,
        int limitSeconds) {
    static final int ROUNDS_MAX = 100;
    static final int DEFAULT_ROUNDS = 3;
    static final double QUICK_SCALE = 0.5;
    static final double SCALE_MIN = 0.2;
    static final double SCALE_MAX = 20;

    /** What a run takes beside its measured time: connecting, draining, waiting for a quiet moment. */
    private static final double RUN_EXTRA_SECONDS = 0.9;

    /** Starting and warming up one lane of a JVM. */
    private static final double JVM_LANE_SECONDS = 12;

    private static final double QUICK_JVM_LANE_SECONDS = 5;

    private static final List<String> DEFAULT_LANES =
            List.of(Lane.C_RELAY, Lane.NETTY_RELAY, "hermod", Lane.NATS, Lane.REDIS, "mosquitto:0");

    private static final Pattern PEER =
            Pattern.compile("relay|relay-spin|netty|netty-naive|netty-spin|nats|redis|mosquitto:[01]");

    CompareOptions {
        workloads = List.copyOf(workloads);
        lanes = List.copyOf(lanes);
        hermod = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(hermod));
    }

    /**
     * @param peers comma-separated lanes, empty for all.
     * @param specs of {@code --jdk} and {@code --lane}; they take the place of the plain lane {@code hermod} unless that is named in {@code peers}.
     * @throws BenchFailure USAGE, with a sentence.
     */
    static CompareOptions of(
            boolean quick,
            List<String> workloads,
            String peers,
            List<LaneSpec> specs,
            @Nullable Integer roundsGiven,
            @Nullable Double scaleGiven,
            int minutes) {
        int rounds = roundsGiven != null ? roundsGiven : quick ? 1 : DEFAULT_ROUNDS;
        double scale = scaleGiven != null ? scaleGiven : quick ? QUICK_SCALE : 1;
        if (rounds < 1 || rounds > ROUNDS_MAX) {
            throw usage("--rounds must be from 1 to " + ROUNDS_MAX + ", got " + rounds);
        }
        if (!(scale >= SCALE_MIN && scale <= SCALE_MAX)) {
            throw usage("--scale must be from " + SCALE_MIN + " to " + SCALE_MAX + ", got " + scale);
        }
        if (minutes < 1) {
            throw usage("--minutes must be at least 1, got " + minutes);
        }
        List<Workload> chosen = workloadsOf(workloads, quick);
        List<LaneSpec> all = new ArrayList<>(specs);
        if (chosen.contains(Workload.CROSSING) && specs.stream().noneMatch(LaneSpec::hasShards)) {
            all.add(LaneSpec.withShards("hermod" + Goal.ONE_SHARD, 1));
            all.add(LaneSpec.withShards("hermod" + Goal.TWO_SHARDS, 2));
        }
        Map<String, LaneSpec> hermod = new LinkedHashMap<>();
        for (LaneSpec spec : all) {
            if (hermod.put(spec.name(), spec) != null || spec.name().equals("hermod")) {
                throw usage("two lanes are called " + spec.name() + "; name one with --lane");
            }
        }
        return new CompareOptions(
                quick, chosen, lanesOf(peers, hermod, chosen), hermod, !peers.isEmpty(), rounds, scale, minutes * 60);
    }

    private static List<Workload> workloadsOf(List<String> labels, boolean quick) {
        List<Workload> workloads = new ArrayList<>();
        for (String label : labels) {
            Workload workload = Workload.named(label);
            if (workload == null) {
                throw usage("there is no workload " + label + "; there are " + String.join(", ", Workload.labels()));
            }
            workloads.add(workload);
        }
        return workloads.isEmpty() ? quick ? Workload.QUICK : Workload.usual() : workloads;
    }

    private static List<String> lanesOf(String peers, Map<String, LaneSpec> hermod, List<Workload> workloads) {
        if (peers.isEmpty() && workloads.equals(List.of(Workload.CROSSING))) {
            return List.copyOf(hermod.keySet()); // no other broker tells its shards
        }
        List<String> lanes = new ArrayList<>();
        List<String> asked = peers.isEmpty() ? DEFAULT_LANES : List.of(peers.split(",", -1));
        for (String one : asked) {
            String lane = one.strip().equals("mosquitto") ? "mosquitto:0" : one.strip();
            if (lane.equals("hermod")) {
                // Where other lanes of Hermod are given, the plain one runs beside them only if somebody named it.
                if (!peers.isEmpty() || hermod.isEmpty()) {
                    lanes.add(lane);
                }
                lanes.addAll(hermod.keySet());
            } else if (PEER.matcher(lane).matches()) {
                lanes.add(lane);
            } else {
                throw usage("there is no peer " + lane
                        + "; there are relay, netty, hermod, nats, redis, mosquitto (mosquitto:1 for QoS 1), and netty-naive,"
                        + " netty-spin, relay-spin");
            }
        }
        hermod.keySet().stream().filter(lane -> !lanes.contains(lane)).forEach(lanes::add);
        if (lanes.stream().distinct().count() != lanes.size()) {
            throw usage("--peers names a lane twice: " + peers);
        }
        return lanes;
    }

    /** The same without the lanes that are not here. */
    CompareOptions without(List<String> missing) {
        List<String> rest =
                lanes.stream().filter(lane -> !missing.contains(lane)).toList();
        return new CompareOptions(quick, workloads, rest, hermod, named, rounds, scale, limitSeconds);
    }

    /** About how long it will take. */
    int estimateSeconds() {
        double perRound = 0;
        for (Workload workload : workloads) {
            perRound += (workload.seconds() * scale + RUN_EXTRA_SECONDS) * lanes.size();
        }
        long jvms = lanes.stream()
                .filter(lane -> Lane.isHermod(lane) || lane.startsWith("netty"))
                .count();
        return (int) Math.min(limitSeconds, Math.ceil(perRound * rounds))
                + (int) (jvms * (quick ? QUICK_JVM_LANE_SECONDS : JVM_LANE_SECONDS));
    }

    /** The command line of {@code compare.sh}. */
    List<String> script(String raw) {
        List<String> command = new ArrayList<>(List.of(
                "bash",
                "compare.sh",
                quick ? "quick" : "full",
                "-p",
                String.join(" ", lanes),
                "-r",
                Integer.toString(rounds),
                "-t",
                Integer.toString(limitSeconds),
                "-x",
                Double.toString(scale),
                "-o",
                raw));
        workloads.forEach(workload -> command.add(workload.label()));
        return command;
    }

    /** What {@code peers.sh} reads about the lanes of Hermod. */
    Map<String, String> environment() {
        List<String> lines = hermod.values().stream().map(LaneSpec::line).toList();
        return Map.of("HERMOD_LANES", String.join("\n", lines));
    }

    private static BenchFailure usage(String sentence) {
        return new BenchFailure(Kind.USAGE, sentence);
    }
}
