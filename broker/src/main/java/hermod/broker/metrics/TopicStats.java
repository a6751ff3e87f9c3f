package hermod.broker.metrics;

/** One topic that is alive. Immutable. */
public record TopicStats(String org, String topic, long nextOffset, int subscribers) {}
