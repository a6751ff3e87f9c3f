package hermod.broker.engine.embedded;

import hermod.broker.config.Setting;

/** Bounds of the store behind the journal. Immutable. */
public record StoreConfig(
        @Setting(
                unit = "bytes",
                min = 16_777_216,
                max = 1_099_511_627_776L,
                text =
                        "Memory outside the Java heap for blocks that were read and for what is not flushed yet, together; half of it at most is for the latter. Too small makes many small flushes, and history come from the disk.")
        long memoryBytes,

        @Setting(
                unit = "bytes",
                min = 1_048_576,
                max = 17_179_869_184L,
                text =
                        "The store is flushed, and the journal's files given back, when so much was put into it. It bounds what a restart reads again, so the time a restart takes; too small makes many small files.")
        long flushAfterBytes,

        @Setting(
                unit = "bytes",
                min = 1_048_576,
                max = 1_073_741_824,
                text =
                        "Synced bytes that may wait in memory to be put into the store; what goes beyond is read from the journal's files again.")
        long queueBytes,

        @Setting(min = 1, max = 64, text = "Threads that answer reads.")
        int readerCount,

        @Setting(
                min = 16,
                max = 1_000_000,
                text = "Reads, and changes of small values, that may wait; further ones are answered busy.")
        int questionLimitCount,

        @Setting(
                unit = "ms",
                min = 100,
                max = 600_000,
                text =
                        "How long a read waits for the store to have what was acknowledged before it; then it is answered busy, or what ails the store.")
        int answerTimeoutMs,

        @Setting(
                unit = "s",
                min = 1,
                max = 3_600,
                text =
                        "Time between two rounds of retention. Events stay up to this much longer than their channel says.")
        int retentionIntervalS,

        @Setting(min = 1, max = 64, text = "Threads that flush and compact the store's files in the background.")
        int backgroundJobCount,

        @Setting(
                unit = "bytes",
                min = 65_536,
                max = 1_099_511_627_776L,
                text =
                        "Bytes kept of one topic's events, whatever its channel keeps by age and count; the oldest go first.")
        long topicLimitBytes,

        @Setting(
                min = 1_000,
                max = 10_000_000_000L,
                text =
                        "How many stored events of a channel its consumer groups can be behind: of more than these, the oldest are lost to them. It takes about 20 bytes of disk for each.")
        long channelLimitCount) {

    public StoreConfig {
        if (flushAfterBytes > memoryBytes / 2) {
            throw new IllegalArgumentException("flush-after-bytes is " + flushAfterBytes
                    + "; it must be at most half of memory-bytes, which is " + memoryBytes);
        }
    }

    public static StoreConfig defaults() {
        return new StoreConfig(256L << 20, 32L << 20, 32L << 20, 2, 4_096, 5_000, 60, 2, 1L << 30, 10_000_000);
    }
}
