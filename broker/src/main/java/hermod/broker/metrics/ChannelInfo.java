package hermod.broker.metrics;

/**
 * What operators are told of a channel beside its numbers.
 *
 * @param lane name of the lane.
 * @param durability as the policy asks for it.
 * @param runsInMemory whether it asks for disk but has none in this version.
 * @param goalP95Us goal for the 95th percentile from publish to handler, in µs.
 */
public record ChannelInfo(
        String name, String lane, String durability, boolean runsInMemory, int tier, long goalP95Us) {}
