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
        boolean lanes) {

    public OutboxConfig {
        if (urgentReserveBytes >= limitBytes) {
            throw new IllegalArgumentException("urgent-reserve-bytes is " + urgentReserveBytes
                    + "; it must be less than limit-bytes, which is " + limitBytes);
        }
    }

    public OutboxConfig(int limitBytes, int urgentReserveBytes, int freeBurstBytes) {
        this(limitBytes, urgentReserveBytes, freeBurstBytes, true);
    }

    public static OutboxConfig defaults() {
        return new OutboxConfig(1024 * 1024, 256 * 1024, 256 * 1024, true);
    }
}
