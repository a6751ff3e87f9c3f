package hermod.broker.session;

import hermod.broker.admission.EventRate;
import hermod.broker.config.Setting;

/** What a publisher may have under way, and how much of it may be URGENT. Immutable. */
public record PublishConfig(
        @Setting(
                min = 0,
                max = 16_777_216,
                text =
                        "Events a connection may have published without an outcome (told in WELCOME, BACK_PRESSURED beyond); 0 for no limit. Too small slows a publisher down to one window per round trip.")
        int windowEvents,

        @Setting(
                unit = "bytes",
                min = 0,
                max = 1_073_741_824,
                text =
                        "The same in bytes of their entries. What goes over it is still taken where less was under way; 0 for no limit.")
        int windowBytes,

        @Setting(
                min = 0,
                max = EventRate.PER_MINUTE_MAX,
                text =
                        "URGENT events a user may publish in a minute, over all connections and channels (RATE_LIMITED beyond); 0 for no limit. They don't count for the rate of their channel. The right rate:unlimited lifts it.")
        int urgentRatePerMinute,

        @Setting(min = 1, max = 1_000_000, text = "URGENT events a user may publish at once after a pause.")
        int urgentRateBurst,

        @Setting(
                min = 0,
                max = 10_000_000,
                text =
                        "Rates of users and channels that are remembered while the user has no connection, until they are as good as new. Beyond it the oldest is forgotten, and reconnecting gives that user a new burst. Each takes some 200 bytes.")
        int idleRatesLimitCount,

        @Setting(
                unit = "ms",
                min = 1_000,
                max = 3_600_000,
                text =
                        "A client that asks and does not read its answers is not read from either; after this long in which its socket took nothing it is closed with SLOW_CONSUMER.")
        int unreadAnswersTimeoutMs,

        @Setting(
                unit = "ms",
                min = 0,
                max = 60_000,
                text =
                        "How long a connection stays after its client's goodbye for the outcomes of what it has published, which on a channel on disk come with the disk. What has none then is closed without, and the client may send it again. 0: none is waited for.")
        int goodbyeOutcomesMs) {

    public static PublishConfig defaults() {
        return new PublishConfig(16_384, 4 * 1024 * 1024, 120, 60, 100_000, 60_000, 1_000);
    }
}
