package hermod.broker.outbox;

import hermod.broker.config.Setting;

/** How much one connection may be owed. Immutable. */
public record OutboxConfig(
        @Setting(
                unit = "bytes",
                min = 65_536,
                max = 268_435_456,
                text =
                        "Bytes queued for one connection over all lanes. What does not fit is read from the topics' replay windows when there is room again, the lowest lane giving way first. Too small makes every burst a detour; times the "
                                + "connections it bounds what slow subscribers can hold in memory.")
        int limitBytes,

        @Setting(
                unit = "bytes",
                min = 0,
                max = 134_217_728,
                text = "Part of limit-bytes that only URGENT may use. Must be less than limit-bytes.")
        int urgentReserveBytes,

        @Setting(
                unit = "bytes",
                min = 0,
                max = 16_777_216,
                text =
                        "Bytes given to a socket between two system calls as long as it takes all it is given. One that once did not is given transport.socket-burst-bytes at a time, until it has taken everything again: what waits behind a full "
                                + "socket can't be overtaken by an URGENT event. 0: always the smaller burst.")
        int freeBurstBytes,

        @Setting(
                text =
                        "Whether events queue by their priority, URGENT first. Off: in one lane, as they come; for comparisons only.")
        boolean lanes,

        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "A connection with a subscription that is behind for this long is quarantined: channels from shed-from-tier on are sent nothing, and told by GAP.")
        int quarantineAfterMs,

        @Setting(min = 1, max = 1_000_000, text = "So is one that falls behind this often within overrun-window-ms.")
        int quarantineAfterOverruns,

        @Setting(unit = "ms", min = 100, max = 3_600_000, text = "Time in which falling behind is counted.")
        int overrunWindowMs,

        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "How long a quarantine lasts, unless the connection is still behind then, or takes all it is owed earlier.")
        int quarantineMs,

        @Setting(
                unit = "ms",
                min = 0,
                max = 3_600_000,
                text = "A quarantine ends early when the connection was owed nothing for this long.")
        int recoverMs,

        @Setting(
                min = 1,
                max = 9,
                text =
                        "Tier of a channel from which on a quarantine sheds it. What is shed never comes; what is of a lower tier is read from the replay window.")
        int shedFromTier,

        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "A quarantined connection that took nothing for this long is parked: its outbox is emptied but for URGENT, and filled again from the replay windows when it takes something.")
        int parkAfterMs,

        @Setting(
                unit = "ms",
                min = 100,
                max = 86_400_000,
                text = "A parked connection whose socket took nothing for this long is closed with SLOW_CONSUMER.")
        int closeAfterMs) {

    public OutboxConfig {
        if (urgentReserveBytes >= limitBytes) {
            throw new IllegalArgumentException("urgent-reserve-bytes is " + urgentReserveBytes
                    + "; it must be less than limit-bytes, which is " + limitBytes);
        }
    }

    public OutboxConfig(int limitBytes, int urgentReserveBytes, int freeBurstBytes) {
        this(limitBytes, urgentReserveBytes, freeBurstBytes, true, 5_000, 3, 10_000, 30_000, 1_000, 4, 10_000, 60_000);
    }

    public static OutboxConfig defaults() {
        return new OutboxConfig(1024 * 1024, 256 * 1024, 256 * 1024);
    }
}
