package hermod.broker.schedule;

import hermod.broker.config.Setting;

/** How many events for later there may be, and how they are sent. Immutable. */
public record ScheduleConfig(
        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Scheduled events of one user. Beyond it SCHEDULE is refused with TOO_MANY_SCHEDULES, as with the two limits below.")
        int perUserLimitCount,

        @Setting(
                min = 1,
                max = 100_000_000,
                text =
                        "Scheduled events of the broker. A start reads the times of all of them, some microseconds each.")
        int limitCount,

        @Setting(unit = "bytes", min = 1_024, text = "Bytes of all scheduled events as they are stored.")
        long limitBytes,

        @Setting(
                unit = "bytes",
                min = 64,
                max = 1_000_000,
                text =
                        "Bytes of one scheduled event: fields, payload and 16. Beyond it SCHEDULE is refused with PAYLOAD_TOO_LARGE.")
        int entryLimitBytes,

        @Setting(
                unit = "ms",
                min = 60_000,
                max = 86_400_000,
                text =
                        "Least time between two occurrences of a rule. A rule that is due more often is refused with BAD_REQUEST.")
        int intervalMinMs,

        @Setting(
                unit = "s",
                min = 1,
                max = 2_592_000,
                text =
                        "How long after its time an event may be sent, where the channel was switched off, the store was full or the broker was down. Then it is dropped, counted and logged. Too short loses reminders over "
                                + "a restart, too long sends them when nobody wants them any more; an event's own time to live holds besides.")
        int lateLimitS,

        @Setting(
                min = 100,
                max = 1_000_000,
                text =
                        "Times of scheduled events that are kept in memory, about 200 bytes each; the others are read when it is their turn. As many that were refused wait to be tried again.")
        int aheadLimitCount,

        @Setting(
                min = 1,
                max = 10_000,
                text =
                        "Scheduled events that are being published at a time. More sends a crowd that is due at once sooner, and lets it press harder on what is published meanwhile.")
        int underWayLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Requests (SCHEDULE, CANCEL, SCHEDULES) of all connections that may wait for the store. Beyond it they are refused with BACK_PRESSURED.")
        int waitingLimitCount) {

    public static ScheduleConfig defaults() {
        return new ScheduleConfig(1_000, 1_000_000, 1L << 30, 65_536, 60_000, 3_600, 10_000, 64, 10_000);
    }
}
