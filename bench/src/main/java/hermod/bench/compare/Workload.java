package hermod.bench.compare;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A workload of {@code compare.sh}, by its name there. */
enum Workload {
    PINGPONG("pingpong", true, 1.2, "one message in flight, 1 to 1"),
    RATE5K("rate5k", true, 1.8, "open loop, 5,000 messages/s, 4 topics, 8 subscribers"),
    RATE40K("rate40k", true, 1.5, "open loop, 40,000 messages/s, 4 topics, 4 subscribers"),
    FLOOD_128("flood-128", false, 1.0, "as fast as it goes, 1 to 1, 128 bytes"),
    FLOOD_1K("flood-1k", false, 1.0, "as fast as it goes, 1 to 1, 1,024 bytes"),
    FAN100_128("fan100-128", false, 1.2, "as fast as it goes, 1 to 100, 128 bytes"),
    FAN100_1K("fan100-1k", false, 1.2, "as fast as it goes, 1 to 100, 1,024 bytes"),
    FAN1000_128("fan1000-128", false, 1.5, "as fast as it goes, 1 to 1,000, 128 bytes"),
    FAN1000_1K("fan1000-1k", false, 1.5, "as fast as it goes, 1 to 1,000, 1,024 bytes"),
    TOPICS_ONE("topics-one", false, 1.6, "10,000 topics held by 100 subscribers; all messages to one topic"),
    TOPICS_SPREAD("topics-spread", false, 1.6, "the same, each message to one of 100 topics, one of each subscriber"),
    TOPICS_UNIFORM("topics-uniform", false, 1.6, "the same, each message to one of the 10,000, picked evenly"),
    TOPICS_ZIPF("topics-zipf", false, 1.6, "the same, picked by Zipf's law with exponent 1"),
    CROSSING("crossing", true, 1.8, "one message in flight between two shards; lanes hermod-1shard, hermod-2shards");

    private final String label;
    private final boolean isLatency;
    private final double seconds;
    private final String description;

    Workload(String label, boolean isLatency, double seconds, String description) {
        this.label = label;
        this.isLatency = isLatency;
        this.seconds = seconds;
        this.description = description;
    }

    /** The name in {@code compare.sh}. */
    String label() {
        return label;
    }

    /** Whether its figure is a latency, where less is better, and not a throughput. */
    boolean isLatency() {
        return isLatency;
    }

    /** Measured time and warm-up of one run. */
    double seconds() {
        return seconds;
    }

    String description() {
        return description;
    }

    /** What the rounds of a run are compared by. */
    String figure() {
        return isLatency ? "p50" : "deliv_s";
    }

    /** For a first look. */
    static final List<Workload> QUICK = List.of(PINGPONG, RATE5K, FLOOD_128, FAN100_128);

    /** Of many topics. */
    static final List<Workload> TOPICS = List.of(TOPICS_ONE, TOPICS_SPREAD, TOPICS_UNIFORM, TOPICS_ZIPF);

    /** What runs when nobody names a workload: those the first goals are about. */
    static List<Workload> usual() {
        return List.of(values()).subList(0, TOPICS_ONE.ordinal());
    }

    static @Nullable Workload named(String label) {
        for (Workload workload : values()) {
            if (workload.label.equals(label)) {
                return workload;
            }
        }
        return null;
    }

    static List<String> labels() {
        List<String> labels = new ArrayList<>();
        for (Workload workload : values()) {
            labels.add(workload.label);
        }
        return labels;
    }
}
