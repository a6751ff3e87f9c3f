package hermod.broker.metrics;

/**
 * What operators are told of a channel beside its numbers.
 *
 * @param lane name of the lane.
 * @param durability as the policy asks for it.
 * @param runsInMemory whether it asks for disk but has none in this version.
 * @param dedupWindowUs for how long event ids are to be recognised, in µs; 0 where they are not compared.
 * @param dedupIdsLimit ids that a topic remembers at most; 0 where they are not compared.
 * @param goalP95Us goal for the 95th percentile from publish to handler, in µs.
 */
public record ChannelInfo(
        String name,
        String lane,
        String durability,
        boolean runsInMemory,
        int tier,
        long dedupWindowUs,
        int dedupIdsLimit,
        long goalP95Us) {

    /** One of a channel that compares no ids. */
    public ChannelInfo(String name, String lane, String durability, boolean runsInMemory, int tier, long goalP95Us) {
        this(name, lane, durability, runsInMemory, tier, 0, 0, goalP95Us);
    }
}
