package hermod.broker.metrics;

/**
 * One topic that is alive. Immutable.
 *
 * @param homeShard the shard that gives its offsets, from 0.
 */
public record TopicStats(String org, String topic, long nextOffset, int subscribers, int homeShard) {}
