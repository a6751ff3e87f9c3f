package hermod.bench.compare;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * One goal of Hermod's speed, as a ratio to another lane of the same run or as a figure. Immutable.
 *
 * @param workload which one it is about.
 * @param what the figure in words, with what it is compared to.
 * @param bound the figure must be at most this, or at least, or below.
 * @param unit after the number, {@code ×} for a ratio.
 */
record Goal(String workload, String what, Sense sense, double bound, String unit, Figure figure) {
    /** On which side of the bound it is good. */
    enum Sense {
        AT_MOST("≤"),
        AT_LEAST("≥"),
        BELOW("<");

        private final String sign;

        Sense(String sign) {
            this.sign = sign;
        }
    }

    /** How one lane of Hermod did. */
    interface Figure {
        /** NaN where what it needs was not measured. */
        double of(Comparison comparison, String lane);
    }

    /** How the names of the two lanes that {@code crossing} compares end. */
    static final String ONE_SHARD = "-1shard";

    static final String TWO_SHARDS = "-2shards";

    /** The goals, in the order of the table. */
    static final List<Goal> ALL = all();

    private static List<Goal> all() {
        List<Goal> goals = new ArrayList<>();
        latency(goals, "pingpong");
        latency(goals, "rate5k");
        latency(goals, "rate40k");
        throughput(goals, "flood-128", 4, 0.45);
        throughput(goals, "flood-1k", 3, 0.55);
        throughput(goals, "fan100-128", 4, 0.8);
        throughput(goals, "fan100-1k", 4, 0.8);
        throughput(goals, "fan1000-128", 2.5, 0.8);
        throughput(goals, "fan1000-1k", 2.5, 0.8);
        cpu(goals, "flood-128", 0.22);
        cpu(goals, "fan100-128", 0.06);
        topics(goals, "topics-uniform");
        topics(goals, "topics-zipf");
        goals.add(new Goal("crossing", "p50 above one shard's", Sense.AT_MOST, 10, "µs", Goal::aboveOneShard));
        return List.copyOf(goals);
    }

    private static void latency(List<Goal> goals, String workload) {
        for (String key : List.of("p50", "p99")) {
            if (workload.equals("pingpong")) {
                goals.add(ratio(workload, key, Lane.C_RELAY, "the C relay", Sense.AT_MOST, 1.15));
            }
            goals.add(ratio(workload, key, Lane.NETTY_RELAY, "the Netty relay", Sense.AT_MOST, 1.1));
            goals.add(ratio(workload, key, Lane.NATS, "NATS", Sense.BELOW, 1));
            goals.add(ratio(workload, key, Lane.REDIS, "Redis", Sense.BELOW, 1));
        }
    }

    private static void throughput(List<Goal> goals, String workload, double bestPeer, double relay) {
        goals.add(new Goal(
                workload,
                "deliveries/s to the best peer",
                Sense.AT_LEAST,
                bestPeer,
                "×",
                (comparison, lane) -> comparison.oldNats() != null
                        ? Double.NaN
                        : comparison.median(workload, lane, "deliv_s")
                                / comparison.bestPeer(workload, "deliv_s", false)));
        goals.add(ratio(workload, "deliv_s", Lane.C_RELAY, "the C relay", Sense.AT_LEAST, relay));
    }

    private static void cpu(List<Goal> goals, String workload, double seconds) {
        goals.add(new Goal(
                workload,
                "broker CPU per million deliveries",
                Sense.AT_MOST,
                seconds,
                "s",
                // µs a delivery are s a million of them
                (comparison, lane) -> comparison.median(workload, lane, "cpu_us_per_deliv")));
    }

    /**
     * Against one topic, and against one topic for each of the same 100 subscribers: what lies between the two is the price of 100 sockets instead of
     * one, which the C relay pays as well.
     */
    private static void topics(List<Goal> goals, String workload) {
        for (String other : List.of("topics-one", "topics-spread")) {
            goals.add(new Goal(
                    workload,
                    "messages/s to " + other,
                    Sense.AT_LEAST,
                    0.75,
                    "×",
                    (comparison, lane) ->
                            comparison.median(workload, lane, "msgs_s") / comparison.median(other, lane, "msgs_s")));
        }
    }

    /** Of a lane with two shards, against the lane of the same name with one. */
    private static double aboveOneShard(Comparison comparison, String lane) {
        return lane.endsWith(TWO_SHARDS)
                ? comparison.median("crossing", lane, "p50")
                        - comparison.median("crossing", lane.replace(TWO_SHARDS, ONE_SHARD), "p50")
                : Double.NaN;
    }

    private static Goal ratio(String workload, String key, String other, String name, Sense sense, double bound) {
        String figure = key.equals("deliv_s") ? "deliveries/s" : key;
        return new Goal(
                workload,
                figure + " to " + name,
                sense,
                bound,
                "×",
                (comparison, lane) -> other.equals(Lane.NATS) && comparison.oldNats() != null
                        ? Double.NaN
                        : comparison.median(workload, lane, key) / comparison.median(workload, other, key));
    }

    String limit() {
        return String.format(Locale.ROOT, "%s %s %s", sense.sign, trimmed(bound), unit);
    }

    double reached(Comparison comparison, String lane) {
        return figure.of(comparison, lane);
    }

    boolean isMet(double reached) {
        return switch (sense) {
            case AT_MOST -> reached <= bound;
            case AT_LEAST -> reached >= bound;
            case BELOW -> reached < bound;
        };
    }

    private static String trimmed(double number) {
        return number == Math.rint(number)
                ? String.format(Locale.ROOT, "%.0f", number)
                : String.format(Locale.ROOT, "%s", number);
    }
}
