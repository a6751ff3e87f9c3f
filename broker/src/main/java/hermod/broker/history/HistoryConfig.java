package hermod.broker.history;

import hermod.broker.config.Setting;

/** What pages of history may cost. Immutable. */
public record HistoryConfig(
        @Setting(
                min = 1,
                max = 1_000,
                text =
                        "Pages of history that one connection may have under way (ERROR BACK_PRESSURED beyond). More keep a connection over a long way busier, and let one client hold more of the readers.")
        int pagesUnderWayLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Pages of history a connection may ask for in a second (ERROR RATE_LIMITED beyond); a burst may use one second's worth. The right limits:service lifts it.")
        int pagesPerSecond,

        @Setting(
                unit = "bytes",
                min = 1_024,
                max = 1_048_576,
                text =
                        "Bytes of events in one page; one event is sent whatever its size. Pages go before events that wait for the same client, so larger ones delay those on a slow connection; smaller ones cost it more requests.")
        int pageLimitBytes,

        @Setting(
                min = 300,
                max = 1_000_000,
                text =
                        "Stored events looked at for one page; a filter that matches less often, or events that have expired, give a shorter page and the client asks on. Bounds what one request can cost.")
        int lookedAtLimitCount) {

    public static HistoryConfig defaults() {
        return new HistoryConfig(4, 50, 64 * 1024, 2_000);
    }
}
