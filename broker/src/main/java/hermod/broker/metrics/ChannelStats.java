package hermod.broker.metrics;

/**
 * What one channel did since the start. Immutable.
 *
 * @param lane the channel's default priority.
 * @param runsInMemory whether the channel asks for a disk that this broker does not have yet.
 * @param tier place in the shedding order.
 * @param batchWindowUs how wide the channel's batching window is now, in µs; 0 while none is open.
 * @param groupLag events that the consumer group that is furthest behind has not settled.
 * @param dedupWindowUs for how long event ids are recognised, in µs, on the topic where it is shortest; 0 where they are not compared.
 * @param dedupShortUs by how much that is less than the policy says, because the topic had more than {@code dedupIdsLimit} ids in that time.
 * @param goalP95Us the channel's goal for publishToHandler.
 * @param health one word against the goal.
 */
public record ChannelStats(
        String channel,
        String lane,
        String durability,
        boolean runsInMemory,
        int tier,
        long published,
        long delivered,
        long duplicates,
        long refused,
        long expired,
        long clamped,
        long filtered,
        long conflated,
        long shed,
        long groupHandedOut,
        long groupRepeated,
        long groupSettled,
        long groupLost,
        long batchWindowUs,
        long groupLag,
        long dedupWindowUs,
        long dedupShortUs,
        int dedupIdsLimit,
        LatencySummary publishToBroker,
        LatencySummary inBroker,
        LatencySummary brokerToSocket,
        LatencySummary publishToHandler,
        long goalP95Us,
        String health) {}
