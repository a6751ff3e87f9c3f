package hermod.broker.topic;

import hermod.broker.config.Setting;

/** When batches count as full, and when they are compressed. Immutable; the windows' bounds are each channel's own. */
public record BatchingConfig(
        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Events of one organization and channel in one window from which on it counts as full and the next one is wider; with fewer than a "
                                + "quarter of both thresholds the next one is narrower.")
        int fullCount,

        @Setting(unit = "bytes", min = 1_024, max = 67_108_864, text = "The same in bytes of events as published.")
        int fullBytes,

        @Setting(
                unit = "bytes",
                min = 256,
                max = 1_048_576,
                text =
                        "Smallest run of a batched channel's topic that is compressed for subscribers that agreed to LZ4. Too small costs processor time for little, too "
                                + "large leaves most runs plain.")
        int compressFromBytes,

        @Setting(
                unit = "bytes",
                min = 256,
                max = 1_048_576,
                text =
                        "Largest run that is compressed; a larger one goes plain, because the shard stands still meanwhile: about 0.1 ms for 64 KiB.")
        int compressLimitBytes,

        @Setting(
                unit = "%",
                min = 1,
                max = 99,
                text =
                        "Bytes a compressed run must save. One that saves less is sent plain, and the next ones of its organization and channel are not tried: 1, "
                                + "then 2, up to 64.")
        int compressSavePercent,

        @Setting(
                unit = "%",
                min = 0,
                max = 50,
                text =
                        "Share of a shard's time that compression may take, measured over about 100 ms; beyond it runs go plain. 0 switches compression off, and LZ4 is not agreed to.")
        int compressTimePercent) {

    public BatchingConfig {
        if (compressFromBytes > compressLimitBytes) {
            throw new IllegalArgumentException("compress-from-bytes is " + compressFromBytes
                    + "; it must not be above compress-limit-bytes, which is " + compressLimitBytes);
        }
    }

    public static BatchingConfig defaults() {
        return new BatchingConfig(64, 16 * 1024, 1_024, 65_536, 15, 10);
    }

    /** Whether anything may be compressed at all. */
    public boolean compresses() {
        return compressTimePercent > 0;
    }
}
