package hermod.broker.shard;

import hermod.broker.config.Setting;

/** How many threads serve events, and how much may lie between them. Immutable. */
public record ShardConfig(
        @Setting(
                min = 0,
                max = 256,
                text =
                        "Shards, each one thread. 0 takes half of the cores, at least one. More than there are cores makes every latency worse.")
        int shardCount,

        @Setting(
                unit = "bytes",
                min = 65_536,
                max = 1_073_741_824,
                text =
                        "One ring: a shard has one for each of the four lanes. A power of two, and one eighth of it must hold the largest frame. Too "
                                + "small answers bursts with BACK_PRESSURED, too large lets events wait unseen.")
        int ringCapacityBytes,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Records a shard takes from its rings before it looks at its sockets again. Too few costs throughput, too many delays reads.")
        int turnRecordLimitCount,

        @Setting(
                unit = "us",
                min = 0,
                max = 100_000,
                text =
                        "How long a shard that had work looks for more before it sleeps. It saves the wake-up of some µs and burns up to a core for each "
                                + "shard; only where every shard, and every other busy program, has a core to itself. 0 sleeps at once.")
        int spinUs) {

    public ShardConfig {
        if (Integer.bitCount(ringCapacityBytes) != 1) {
            throw new IllegalArgumentException(
                    "ring-capacity-bytes is " + ringCapacityBytes + "; it must be a power of two, such as 4MiB");
        }
    }

    public static ShardConfig defaults() {
        return new ShardConfig(0, 4 * 1024 * 1024, 1_024, 0);
    }

    /**
     * Shards to start.
     *
     * @param coreCount as the JVM sees them.
     */
    public int effectiveShardCount(int coreCount) {
        return shardCount > 0 ? shardCount : Math.max(1, coreCount / 2);
    }

    /** Largest message one ring takes: Agrona's rule. */
    public int ringMessageLimitBytes() {
        return ringCapacityBytes / 8;
    }
}
