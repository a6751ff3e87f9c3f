package hermod.broker.engine.embedded;

import hermod.broker.config.Setting;

/**
 * The journal in front of the store: its files, and what may wait for it. Immutable.
 *
 * @param sourceCount how many may append at most: one for each shard, and the engine itself. They share the rings evenly; whoever builds the engine sets it.
 */
public record JournalConfig(
        @Setting(
                unit = "bytes",
                min = 1_048_576,
                max = 1_073_741_824,
                text =
                        "One file of the journal; made of zeros ahead of its use. Too small rolls often (each roll costs three syncs), too large keeps "
                                + "disk space that the store has done with.")
        int segmentBytes,

        @Setting(
                unit = "bytes",
                min = 4_194_304,
                max = 1_099_511_627_776L,
                text =
                        "All files of the journal together, without the urgent reserve. The store empties the journal; when it can't keep up, durable "
                                + "publishes are refused at this size. It is also what a restart reads at most.")
        long limitBytes,

        @Setting(
                unit = "bytes",
                min = 65_536,
                max = 1_073_741_824,
                text =
                        "A file made at the start that only urgent events may use, when the disk is full or the limit is reached. When it is used up they "
                                + "are refused too.")
        int urgentReserveBytes,

        @Setting(
                unit = "bytes",
                min = 1_048_576,
                max = 1_073_741_824,
                text =
                        "Ring of what waits to be written, of all shards. A power of two, and one eighth of it must hold the largest append. Too small "
                                + "refuses bursts while a sync lasts.")
        int ringBytes,

        @Setting(unit = "bytes", min = 1_048_576, max = 1_073_741_824, text = "The same for urgent events.")
        int urgentRingBytes,

        @Setting(
                unit = "bytes",
                min = 65_536,
                max = 268_435_456,
                text =
                        "What one sync takes together, apart from its last record. Too small syncs more often than need be, too large makes the first of a "
                                + "batch wait for the last.")
        int batchBytes,

        @Setting(
                unit = "ms",
                min = 10,
                max = 60_000,
                text = "After a failure, how long until the journal tries to write again.")
        int retryMs,

        @Setting(
                unit = "ms",
                min = 1,
                max = 60_000,
                text =
                        "After so long without an event an empty batch is written behind the last one, so that damage to the last one is told from a write "
                                + "that was interrupted. Costs one sync.")
        int sealAfterMs,

        int sourceCount) {

    public JournalConfig {
        checkPowerOfTwo("ring-bytes", ringBytes);
        checkPowerOfTwo("urgent-ring-bytes", urgentRingBytes);
        long batchMax = JournalFormat.batchFileBytes(batchBytesMax(batchBytes, ringBytes, urgentRingBytes));
        if (segmentBytes < 2L * JournalFormat.BLOCK_BYTES + batchMax) {
            throw new IllegalArgumentException("segment-bytes is " + segmentBytes
                    + "; it must hold a batch: batch-bytes, an eighth of the larger ring, and 12 KiB: "
                    + (2L * JournalFormat.BLOCK_BYTES + batchMax));
        }
        if (limitBytes < 2L * segmentBytes) {
            throw new IllegalArgumentException("limit-bytes is " + limitBytes
                    + "; it must hold two segments, each of segment-bytes: " + 2L * segmentBytes);
        }
        if (sourceCount < 1) {
            throw new IllegalArgumentException("source count is " + sourceCount);
        }
    }

    private static void checkPowerOfTwo(String name, int bytes) {
        if (Integer.bitCount(bytes) != 1) {
            throw new IllegalArgumentException(name + " is " + bytes + "; it must be a power of two, such as 4MiB");
        }
    }

    public static JournalConfig defaults() {
        return new JournalConfig(
                64 * 1024 * 1024,
                1024L * 1024 * 1024,
                16 * 1024 * 1024,
                16 * 1024 * 1024,
                4 * 1024 * 1024,
                4 * 1024 * 1024,
                500,
                100,
                4);
    }

    /** The same for so many that append. */
    public JournalConfig withSourceCount(int count) {
        return new JournalConfig(
                segmentBytes,
                limitBytes,
                urgentReserveBytes,
                ringBytes,
                urgentRingBytes,
                batchBytes,
                retryMs,
                sealAfterMs,
                count);
    }

    /** Largest batch in bytes of its records: the last one may go beyond what was meant for a batch. */
    int batchBytesMax() {
        return batchBytesMax(batchBytes, ringBytes, urgentRingBytes);
    }

    private static int batchBytesMax(int batchBytes, int ringBytes, int urgentRingBytes) {
        return batchBytes + Math.max(ringBytes, urgentRingBytes) / 8 + JournalRecords.HEAD_BYTES;
    }
}
