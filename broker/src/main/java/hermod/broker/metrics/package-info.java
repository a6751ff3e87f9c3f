/**
 * Counters and latency histograms. May lose a sample, never delays an event.
 *
 * <p>{@link hermod.broker.metrics.ShardMetrics} is written by one shard; {@link hermod.broker.metrics.Metrics} adds the shards up for operators.
 */
package hermod.broker.metrics;
