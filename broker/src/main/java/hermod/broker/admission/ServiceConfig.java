package hermod.broker.admission;

import hermod.broker.config.Setting;
import java.util.List;
import java.util.Set;

/** What is switched off when the broker starts, and how it stops. Operators change the first part at run time, until the next start. Immutable. */
public record ServiceConfig(
        @Setting(
                text =
                        "Whether clients are served; false is what `hermod kill all` does. Channels of tier 0 go on all the same.")
        boolean enabled,

        @Setting(min = 0, max = 200, text = "Told to clients where enabled is false.")
        String reason,

        @Setting(min = 0, max = 1_000, text = "Channels that are switched off, one of tier 0 too if it is named.")
        List<String> channelsOff,

        @Setting(
                min = 0,
                max = 3,
                text =
                        "Features that are switched off: presence, typing, receipts. Clients are told; this version has none of them itself.")
        List<String> featuresOff,

        @Setting(
                min = 0,
                max = 100,
                text =
                        "Share of users that are served, in percent. It is always the same users, by a hash of the user id, and raising it only adds some. Channels of tier 0 serve all, and the right limits:service is served always.")
        int rolloutPercent,

        @Setting(
                min = 0,
                max = 16,
                text = "HOST:PORT of brokers where TCP clients are sent when this one stops, in the order to be tried.")
        List<String> endpoints,

        @Setting(min = 0, max = 16, text = "The same for WebSocket clients.")
        List<String> wsEndpoints,

        @Setting(
                unit = "ms",
                min = 1,
                max = 3_600_000,
                text =
                        "A client is told to come back after a time drawn from up to this long when the broker stops, so that not all come at once.")
        int drainDelayMs,

        @Setting(
                unit = "ms",
                min = 0,
                max = 600_000,
                text =
                        "How long a stop waits for what is under way and for outboxes to empty; what is left then is not sent. A supervisor's own patience must be longer by some 20 s.")
        int drainFlushMs) {

    private static final Set<String> FEATURES = Set.of("presence", "typing", "receipts");

    public ServiceConfig {
        channelsOff = List.copyOf(channelsOff);
        featuresOff = List.copyOf(featuresOff);
        endpoints = List.copyOf(endpoints);
        wsEndpoints = List.copyOf(wsEndpoints);
        for (String feature : featuresOff) {
            if (!FEATURES.contains(feature)) {
                throw new IllegalArgumentException(
                        "features-off has '" + feature + "'; features are presence, typing and receipts");
            }
        }
    }

    public static ServiceConfig defaults() {
        return new ServiceConfig(true, "", List.of(), List.of(), 100, List.of(), List.of(), 5_000, 5_000);
    }
}
