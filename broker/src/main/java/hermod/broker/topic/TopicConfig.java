package hermod.broker.topic;

import hermod.broker.config.Setting;

/** How many topics there may be and what each may keep. Immutable. */
public record TopicConfig(
        @Setting(min = 1, max = 100_000_000, text = "Topics alive at once; one more is refused with TOO_MANY_TOPICS.")
        int topicsLimitCount,

        @Setting(
                unit = "s",
                min = 1,
                max = 604_800,
                text =
                        "A topic nobody holds and nobody published to for this long is forgotten, and starts a new epoch when it comes back. Too "
                                + "short forgets duplicates of slow retries, too long keeps memory.")
        int idleSeconds,

        @Setting(
                unit = "bytes",
                min = 4_096,
                max = 1_048_576,
                text =
                        "Largest chunk of memory that a topic's events are written into; a quiet topic has a smaller one. Small chunks cost writes, large ones memory for each busy topic.")
        int chunkBytes,

        @Setting(
                min = 1,
                max = 10_000_000,
                text = "Producers whose sequences one topic remembers; the one silent longest is forgotten first.")
        int producersPerTopicLimitCount,

        @Setting(
                min = 16,
                max = 10_000_000,
                text =
                        "Event ids that one topic of a durable channel remembers, rounded up to a power of two; the oldest is forgotten first. Each takes 40 bytes when it is there.")
        int dedupIdsPerTopicLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Keys that one topic of a channel with last-per-key may have; one more is refused with TOO_MANY_KEYS until another is deleted or expires. Each takes some 200 bytes and its name.")
        int stateKeysPerTopicLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000_000,
                text =
                        "Keys in memory of all topics with last-per-key that are held, or were in the last idle-seconds; an equal part for each shard. When it is used up a new key is refused with TOO_MANY_KEYS, and a topic that brings too many is not opened: TOO_MANY_TOPICS. Values are on disk and are not touched.")
        int stateKeysLimitCount,

        @Setting(
                unit = "bytes",
                min = 1_048_576,
                max = 68_719_476_736L,
                text =
                        "Memory for the sequences of all producers on one shard. When it is used up, the ones silent longest are forgotten: their late retries "
                                + "would be taken as new.")
        long dedupLimitBytes,

        @Setting(
                unit = "s",
                min = 1,
                max = 86_400,
                text =
                        "How long the replay window of a channel that names no age keeps an event, for subscribers that fell behind or come back. Bounded by the bytes below.")
        int replaySeconds,

        @Setting(
                unit = "bytes",
                min = 0,
                max = 1_073_741_824,
                text =
                        "Full chunks kept for one topic's replay window. A subscriber that falls further behind, or stays away longer, is told of a GAP. 0: the chunk being written is all there is.")
        long replayTopicBytes,

        @Setting(
                unit = "bytes",
                min = 0,
                max = 68_719_476_736L,
                text =
                        "Full chunks kept for the replay windows of all topics. When it is used up the highest tiers lose their oldest first, down to their channels' window-min-events; then below it.")
        long replayLimitBytes) {

    public TopicConfig {
        if (Integer.bitCount(chunkBytes) != 1) {
            throw new IllegalArgumentException(
                    "chunk-bytes is " + chunkBytes + "; it must be a power of two, such as 64KiB");
        }
    }

    public static TopicConfig defaults() {
        return new TopicConfig(
                1_000_000,
                300,
                65_536,
                10_000,
                16_384,
                1_000,
                250_000,
                64L * 1024 * 1024,
                10,
                1024 * 1024,
                128L * 1024 * 1024);
    }
}
